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
    /// <exception cref="AggregateException">Some packs could not be locked; the others are, and that is noted. The next plan has the rest.</exception>
    public async Task ExtendAsync(ClinicId clinic, RetentionLine line, int policy, Requester by, CancellationToken cancellationToken)
    {
        Dictionary<PackId, DateTimeOffset> stated = [];
        List<Exception> failed = [];
        PackFacts[] packs = [.. line.ToExtend];
        foreach (PackFacts pack in packs)
        {
            // A pack that storage lost, or that it does not lock, must not keep the study's others from being locked.
            try
            {
                stated[pack.Pack] = await LockAsync(clinic, pack.Pack, line.KeepUntil, by, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed.Add(e);
            }
        }

        if (stated.Count > 0)
        {
            PackFacts[] locked = [.. packs.Where(pack => stated.ContainsKey(pack.Pack))];
            await log.AppendAsync(Entry(clinic, line with { Facts = line.Facts with { Packs = locked } }, policy, by), cancellationToken);
            foreach ((PackId pack, DateTimeOffset until) in stated)
            {
                await catalog.NoteLockAsync(clinic, line.Study, pack, until, cancellationToken);
            }
        }

        ThrowIfAny(failed, $"{failed.Count} of {packs.Length} packs of {line.Facts.Named} could not be locked longer.");
    }

    /// <summary>Locks what there is of a pack; until when it is locked at least. A pack of which storage has nothing is not asked for at each run.</summary>
    private async Task<DateTimeOffset> LockAsync(ClinicId clinic, PackId pack, DateTimeOffset keepUntil, Requester by, CancellationToken cancellationToken)
    {
        DateTimeOffset earliest = DateTimeOffset.MaxValue;
        List<Exception> failed = [];
        foreach (ListedBlob version in await VersionsAsync(clinic, pack, by, cancellationToken))
        {
            try
            {
                DateTimeOffset until = await stored.LockAsync(version.Name, version.VersionId, keepUntil, cancellationToken);
                earliest = until < earliest ? until : earliest;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed.Add(e);
            }
        }

        ThrowIfAny(failed, $"{failed.Count} blobs of pack {pack} could not be locked longer.");
        return earliest == DateTimeOffset.MaxValue ? keepUntil : earliest;
    }

    private static void ThrowIfAny(List<Exception> failed, string message)
    {
        if (failed.Count > 0)
        {
            throw new AggregateException(message, failed);
        }
    }

    /// <summary>Holds a pack, or lets go of it. Returns whether storage had it otherwise.</summary>
    /// <exception cref="AggregateException">Some of its blobs could not be; the others are.</exception>
    public async Task<bool> HoldAsync(ClinicId clinic, PackId pack, bool hold, CancellationToken cancellationToken)
    {
        bool changed = false;
        List<Exception> failed = [];
        foreach (ListedBlob version in await VersionsAsync(clinic, pack, s_finder, cancellationToken))
        {
            // One blob's trouble must not keep the pack's others unheld.
            try
            {
                changed |= await HoldAsync(version, hold, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed.Add(e);
            }
        }

        ThrowIfAny(failed, $"{failed.Count} blobs of pack {pack} could not be {(hold ? "held" : "let go of")}.");
        return changed;
    }

    private async Task<bool> HoldAsync(ListedBlob version, bool hold, CancellationToken cancellationToken)
    {
        if ((await vault.FindAsync(version.Name, version.VersionId, cancellationToken))?.LegalHold == hold)
        {
            return false;
        }

        await vault.SetLegalHoldAsync(version.Name, version.VersionId, hold, cancellationToken);
        return (await vault.FindAsync(version.Name, version.VersionId, cancellationToken))?.LegalHold == hold
            ? true
            : throw new IntegrityException($"Storage accepted the legal hold on {version.Name} and does not state it. See docs/operations.md.");
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
        if (!versions.Exists(version => version.Name == BlobName.Pack(clinic, pack)))
        {
            await losses.RecordAsync(clinic, pack, PackLossCause.Missing, "retention", by, cancellationToken);
            if (versions.Count == 0)
            {
                return [];
            }
        }

        return [.. versions, .. await vault.ListVersionsAsync(VaultArea.Records, RewrapRecords.Folder(clinic, pack), cancellationToken).ToListAsync(cancellationToken)];
    }
}
