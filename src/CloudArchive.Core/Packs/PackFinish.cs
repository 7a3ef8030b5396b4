using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.Packs;

/// <summary>
/// From verified bytes to the receipt: lock and read back, sidecar, catalogue, audit entry, receipt. Each step can be repeated by
/// anyone, so a commit, the reconciler and the rebuild share it and may even run it at the same time.
/// </summary>
public sealed class PackFinish(StoredPacks stored, CatalogWriter catalog, IAuditLog log, ReceiptIssuer receipts, HoldEnforcement holds, TimeProvider clock)
{
    /// <summary>
    /// Finishes a pack of which <paramref name="versionId"/> was read back and is what <paramref name="sidecar"/> says. Returns what the
    /// catalogue then knows, the receipt included.
    /// </summary>
    public async Task<CatalogPack> RunAsync(Sidecar sidecar, string versionId, DateTimeOffset lockUntil, Requester by, CancellationToken cancellationToken)
    {
        DateTimeOffset immutableUntil = await stored.LockAsync(BlobName.Pack(sidecar.Clinic, sidecar.Pack), versionId, lockUntil, cancellationToken);

        BlobName sidecarName = BlobName.Sidecar(sidecar.Clinic, sidecar.Pack);
        string sidecarVersion = await stored.WriteSameAsync(sidecarName, Sidecars.Serialize(sidecar), "application/json", cancellationToken);
        await stored.LockAsync(sidecarName, sidecarVersion, immutableUntil, cancellationToken);

        CatalogPack pack = CatalogPack.For(sidecar, versionId, immutableUntil, clock.GetUtcNow());
        string? row = await catalog.AddAsync(pack, sidecar, cancellationToken);

        AuditPlace place = await log.AppendAsync(Entry(sidecar, pack, by), cancellationToken);
        Receipt receipt = new(
            Receipt.CurrentFormat,
            sidecar.Clinic,
            sidecar.Pack,
            sidecar.Study,
            sidecar.Sha256,
            sidecar.Length,
            versionId,
            immutableUntil,
            sidecar.InstancesRoot,
            sidecar.Instances.Count,
            place.Log,
            place.Index,
            clock.GetUtcNow());
        string jws = await receipts.IssueAsync(receipt, cancellationToken);
        await holds.OnCommitAsync(sidecar.Clinic, sidecar.Study, sidecar.PatientHmac, sidecar.Pack, cancellationToken);
        await catalog.SetReceiptAsync(pack, row, jws, place.Index, cancellationToken);
        return pack with { Receipt = jws, AuditIndex = place.Index };
    }

    private static AuditEvent Entry(Sidecar sidecar, CatalogPack pack, Requester by) => new(
        sidecar.Clinic.Value,
        AuditActions.PackCommitted,
        AuditOutcome.Success,
        by.Actor,
        new AuditSubject(sidecar.Clinic.Value, sidecar.Study.Value, sidecar.Pack.ToString()),
        by.Origin,
        Details: new Dictionary<string, string>
        {
            ["bytes"] = sidecar.Length.ToString(CultureInfo.InvariantCulture),
            ["immutableUntil"] = pack.ImmutableUntil.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            ["instances"] = sidecar.Instances.Count.ToString(CultureInfo.InvariantCulture),
            ["sha256"] = sidecar.Sha256.Hex,
            ["versionId"] = pack.VersionId,
        },
        Once: OnceOf(sidecar.Pack));

    /// <summary>By which a commit has one entry, and is known to have one.</summary>
    internal static string OnceOf(PackId pack) => $"commit:{pack}";
}
