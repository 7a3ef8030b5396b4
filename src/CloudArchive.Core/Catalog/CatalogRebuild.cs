using CloudArchive.Core.Audit;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Catalog;

/// <summary>
/// Recreates the catalogue from the sidecars alone (docs/design.md, invariant 7). Each call reads so many sidecars and says where the next
/// one goes on. A pack that has no receipt gets one the way a commit gives it: read back, hashed, locked. The losses that the audit log has are written
/// again with the first call; a pack whose blob is not there, or not as long as it was, is one; and a receipt that names an entry which the log lost is entered again.
/// </summary>
public sealed partial class CatalogRebuild(
    IBlobVault vault, CatalogWriter catalog, PackStatements statements, PackFinish finish, ClinicDirectory clinics, LossRebuild losses, RebuildLog log, ILogger<CatalogRebuild> logger)
{
    private const int MostSidecarBytes = 16 * 1024 * 1024;
    private const string Suffix = ".sidecar.json";
    private readonly StoredPacks _stored = new(vault);

    /// <summary>Reads at most <paramref name="most"/> sidecars, from the first after <paramref name="after"/> (a pack's id, as <see cref="RebuildResponse.Next"/> gave it).</summary>
    public async Task<RebuildResponse> RunAsync(ClinicId id, PackId? after, int most, Requester by, CancellationToken cancellationToken)
    {
        Clinic clinic = await clinics.GetAsync(id, cancellationToken);
        string prefix = $"{id}/";
        int packs = 0;
        int instances = 0;
        List<string> problems = [];
        PackId? last = null;
        string? next = null;
        if (after is null)
        {
            await losses.RestoreAsync(id, cancellationToken);
        }

        await foreach (ListedBlob blob in vault.ListAsync(VaultArea.Packs, prefix, after is { } a ? prefix + a + Suffix : null, cancellationToken))
        {
            if (!blob.Name.Path.EndsWith(Suffix, StringComparison.Ordinal) || !PackId.TryParse(blob.Name.Path[prefix.Length..^Suffix.Length], null, out PackId pack))
            {
                continue;
            }

            if (packs == most)
            {
                next = last.ToString();
                break;
            }

            packs++;
            last = pack;
            try
            {
                instances += await RestoreAsync(clinic, pack, by, cancellationToken);
            }
            catch (Exception e) when (e is PackException or IntegrityException or BlobMissingException or RebuildException)
            {
                // Each names the pack or blob and no path: what cannot be catalogued as it should be is told, and the rest goes on.
                problems.Add($"{pack}: {e.Message}");
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // What storage says of itself may hold a URL: the log has it, under the pack's id.
                LogFailed(logger, e, pack, id);
                problems.Add($"{pack}: storage failed; the service's log says how. Repeat the rebuild.");
            }
        }

        await log.AppendAsync(id, packs, instances, problems.Count, after, next, by, cancellationToken);
        return new RebuildResponse(packs, instances, problems, next);
    }

    /// <summary>Catalogues one pack again, whose row is gone. Null where that worked; else why not: the catalogue has what it could have all the same.</summary>
    public async Task<string?> RecoverAsync(ClinicId id, PackId pack, Requester by, CancellationToken cancellationToken)
    {
        Clinic clinic = await clinics.GetAsync(id, cancellationToken);
        int instances = 0;
        string? problem = null;
        try
        {
            instances = await RestoreAsync(clinic, pack, by, cancellationToken);
        }
        catch (Exception e) when (e is PackException or IntegrityException or BlobMissingException or RebuildException)
        {
            problem = e.Message;
        }

        await log.AppendAsync(id, 1, instances, problem is null ? 0 : 1, pack, null, by, cancellationToken);
        return problem;
    }

    private async Task<int> RestoreAsync(Clinic clinic, PackId pack, Requester by, CancellationToken cancellationToken)
    {
        (_, byte[] json) = await _stored.ReadAsync(BlobName.Sidecar(clinic.Id, pack), MostSidecarBytes, cancellationToken) ?? throw new BlobMissingException(BlobName.Sidecar(clinic.Id, pack));
        Sidecar sidecar = Sidecars.Parse(json);
        if (sidecar.Clinic != clinic.Id || sidecar.Pack != pack)
        {
            throw new RebuildException("the sidecar is of another pack");
        }

        if (await statements.FindReceiptAsync(clinic.Id, pack, cancellationToken) is not { } issued)
        {
            await ReissueAsync(clinic, sidecar, by, cancellationToken);
            return sidecar.Instances.Count;
        }

        Receipt receipt = issued.Receipt;
        if ((receipt.Clinic, receipt.Pack, receipt.Sha256, receipt.Length, receipt.InstancesRoot) != (sidecar.Clinic, sidecar.Pack, sidecar.Sha256, sidecar.Length, sidecar.InstancesRoot))
        {
            throw new RebuildException("the receipt is not for what the sidecar says");
        }

        // What is wrong with the blob is told and catalogued all the same: the catalogue must know what ought to be there.
        BlobState? state = await vault.FindAsync(BlobName.Pack(clinic.Id, pack), receipt.VersionId, cancellationToken);
        DateTimeOffset until = state is { Locked: true, ImmutableUntil: { } there } ? there : receipt.ImmutableUntil;
        CatalogPack entry = CatalogPack.For(sidecar, receipt.VersionId, until, receipt.IssuedAt, issued.Jws, receipt.AuditIndex);
        (WrappedContentKey wrapped, IntegrityException? damage) = await statements.FindWrapAsync(sidecar, cancellationToken);
        await catalog.RestoreAsync(entry with { ContentKey = wrapped }, sidecar, cancellationToken);
        await losses.EnterAgainAsync(receipt, by, cancellationToken);
        if (state is null || state.Length != receipt.Length)
        {
            await losses.RecordAsync(clinic.Id, pack, state is null, by, cancellationToken);
        }

        return state is null ? throw new RebuildException("the blob version of the receipt is missing")
            : state.Length != receipt.Length ? throw new RebuildException("the blob is not as long as its receipt says")
            : !state.Locked || state.ImmutableUntil < receipt.ImmutableUntil ? throw new RebuildException("the blob is not locked as its receipt says")
            : damage is not null ? throw damage
            : sidecar.Instances.Count;
    }

    /// <summary>A crash, or someone with the right to do so, took the receipt before it was written: verify as a commit does, then issue it.</summary>
    private async Task ReissueAsync(Clinic clinic, Sidecar sidecar, Requester by, CancellationToken cancellationToken)
    {
        BlobName name = BlobName.Pack(sidecar.Clinic, sidecar.Pack);
        BlobState current = await vault.FindAsync(name, cancellationToken) ?? throw new BlobMissingException(name);
        await _stored.VerifyAsync(sidecar, current, cancellationToken);
        DateTimeOffset until = PackRetention.Until(sidecar, clinic.Retention, current.CreatedAt);
        until = current.ImmutableUntil > until ? current.ImmutableUntil.Value : until;
        CatalogPack pack = await finish.RunAsync(sidecar, current.VersionId, until, by, cancellationToken);
        await catalog.RestoreAsync(pack, sidecar, cancellationToken);
    }

    [LoggerMessage(151, LogLevel.Error, "Pack {Pack} of clinic {Clinic} could not be catalogued: storage failed.")]
    private static partial void LogFailed(ILogger logger, Exception exception, PackId pack, ClinicId clinic);
}

/// <summary>The audit entry of a rebuild's step.</summary>
public sealed class RebuildLog(IAuditLog log)
{
    /// <summary>Appends it.</summary>
    public Task AppendAsync(ClinicId clinic, int packs, int instances, int problems, PackId? after, string? next, Requester by, CancellationToken cancellationToken) => log.AppendAsync(
        new AuditEvent(
            clinic.Value,
            AuditActions.CatalogRebuilt,
            problems == 0 ? AuditOutcome.Success : AuditOutcome.Failure,
            by.Actor,
            new AuditSubject(clinic.Value),
            by.Origin,
            Details: new Dictionary<string, string>
            {
                ["after"] = after?.ToString() ?? "",
                ["instances"] = instances.ToString(),
                ["next"] = next ?? "",
                ["packs"] = packs.ToString(),
                ["problems"] = problems.ToString(),
            }),
        cancellationToken);
}

/// <summary>A pack cannot be catalogued as it should be.</summary>
public sealed class RebuildException(string message) : Exception(message);
