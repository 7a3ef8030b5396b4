using System.Globalization;
using System.Text.Json;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Retention;

/// <summary>
/// Locks and holds packs longer than their commit did: every version of the pack, of its sidecar, of its receipt and of its rewraps, each read back.
/// Every step can be repeated, by anyone. For the host that may change packs.
/// </summary>
public sealed class PackProtection(IBlobVault vault, StoredPacks stored, CatalogWriter catalog, PackLosses losses, IAuditLog log)
{
    private static readonly Requester s_finder = Requester.System("retention", "pack-protection");

    /// <summary>Locks a study until its line's date, or leaves later dates: storage, then the audit entry, then the catalogue, which tells whether it is done.</summary>
    /// <exception cref="IntegrityException">Storage accepted a lock and does not state it.</exception>
    public async Task ExtendAsync(ClinicId clinic, RetentionLine line, int policy, Requester by, CancellationToken cancellationToken)
    {
        Dictionary<PackId, DateTimeOffset> stated = [];
        foreach (PackFacts pack in line.Facts.Packs)
        {
            // A pack that storage lost must not keep the study's others from being locked, nor be asked for at each run.
            IReadOnlyList<ListedBlob> versions = await VersionsAsync(clinic, pack.Pack, by, cancellationToken);
            if (versions.Count == 0)
            {
                stated[pack.Pack] = line.KeepUntil;
            }

            foreach (ListedBlob version in versions)
            {
                DateTimeOffset until = await stored.LockAsync(version.Name, version.VersionId, line.KeepUntil, cancellationToken);
                stated[pack.Pack] = stated.TryGetValue(pack.Pack, out DateTimeOffset earliest) && earliest < until ? earliest : until;
            }
        }

        await log.AppendAsync(Entry(clinic, line, policy, by), cancellationToken);
        foreach ((PackId pack, DateTimeOffset until) in stated)
        {
            await catalog.NoteLockAsync(clinic, line.Study, pack, until, cancellationToken);
        }
    }

    /// <summary>Holds a pack, or lets go of it. Returns whether storage had it otherwise.</summary>
    /// <exception cref="IntegrityException">Storage accepted it and does not state it.</exception>
    public async Task<bool> HoldAsync(ClinicId clinic, PackId pack, bool hold, CancellationToken cancellationToken)
    {
        bool changed = false;
        foreach (ListedBlob version in await VersionsAsync(clinic, pack, s_finder, cancellationToken))
        {
            if ((await vault.FindAsync(version.Name, version.VersionId, cancellationToken))?.LegalHold == hold)
            {
                continue;
            }

            changed = true;
            await vault.SetLegalHoldAsync(version.Name, version.VersionId, hold, cancellationToken);
            if ((await vault.FindAsync(version.Name, version.VersionId, cancellationToken))?.LegalHold != hold)
            {
                throw new IntegrityException($"Storage accepted the legal hold on {version.Name} and does not state it. See docs/operations.md.");
            }
        }

        return changed;
    }

    private static AuditEvent Entry(ClinicId clinic, RetentionLine line, int policy, Requester by)
    {
        string until = line.KeepUntil.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        Dictionary<string, string> details = new()
        {
            ["packs"] = line.Facts.Packs.Count.ToString(CultureInfo.InvariantCulture),
            ["policy"] = policy.ToString(CultureInfo.InvariantCulture),
            ["until"] = until,
        };

        // The packs are in what makes it one event: a pack that comes later and is extended to the same date is another.
        string packs = Sha256Digest.Of(JsonSerializer.SerializeToUtf8Bytes(line.Facts.Packs.Select(pack => $"{pack.Pack}{pack.LockedUntil.UtcTicks}").Order(StringComparer.Ordinal))).Hex;
        return new AuditEvent(
            clinic.Value,
            AuditActions.RetentionExtended,
            AuditOutcome.Success,
            by.Actor,
            new AuditSubject(clinic.Value, line.Study.Value),
            by.Origin,
            JsonNamingPolicy.KebabCaseLower.ConvertName(line.Reason.ToString()),
            details,
            $"extend:{line.Study}:{until}:{packs}");
    }

    /// <summary>What there is of a pack; nothing where storage lost it, which is recorded.</summary>
    private async Task<IReadOnlyList<ListedBlob>> VersionsAsync(ClinicId clinic, PackId pack, Requester by, CancellationToken cancellationToken)
    {
        List<ListedBlob> versions = await vault.ListVersionsAsync(VaultArea.Packs, BlobName.Pack(clinic, pack).Path, cancellationToken).ToListAsync(cancellationToken);
        if (versions.Count == 0)
        {
            await losses.RecordAsync(clinic, pack, PackLossCause.Missing, "retention", by, cancellationToken);
            return [];
        }

        return [.. versions, .. await vault.ListVersionsAsync(VaultArea.Records, RewrapRecords.Folder(clinic, pack), cancellationToken).ToListAsync(cancellationToken)];
    }
}
