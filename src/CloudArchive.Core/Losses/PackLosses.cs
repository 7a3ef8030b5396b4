using System.Globalization;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Losses;

/// <summary>A pack that the archive lost: its receipt does not count.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Study">Its study, where anything still says which.</param>
/// <param name="Cause"><see cref="PackLossCause.Missing"/> or <see cref="PackLossCause.Damaged"/>.</param>
/// <param name="Detail">The cause, closer; no PHI.</param>
/// <param name="Since">When it was found.</param>
/// <param name="Instances">How many instances it held; 0 where nothing says so any more.</param>
/// <param name="Bytes">Its length; 0 where nothing says so any more.</param>
/// <param name="ReplacedAt">When everything that it held was seen to be in other packs; null while it is not.</param>
/// <param name="ETag">Of the row.</param>
public sealed record LostPack(PackId Pack, Uid? Study, PackLossCause Cause, string Detail, DateTimeOffset Since, int Instances, long Bytes, DateTimeOffset? ReplacedAt, string ETag = "");

/// <summary>
/// The packs whose receipts no longer count. Whoever finds that a pack is not in storage, or is not what was committed, says so here: it is recorded once,
/// with one audit entry, which is also how agents learn of it (<see cref="ChangeFeed"/>), and alerted. Storage that does not answer is no loss.
/// </summary>
public sealed partial class PackLosses(IRowStore rows, CatalogReader catalog, Outbox outbox, AlertDesk alerts, TimeProvider clock, ILogger<PackLosses> logger)
{
    /// <summary>What the alert is about: all of a clinic's lost packs together.</summary>
    internal const string AlertSubject = "packs";

    private readonly SnapshotCatalog _snapshots = new(rows, catalog);

    /// <summary>All of a clinic's lost packs, by id.</summary>
    public async Task<IReadOnlyDictionary<PackId, LostPack>> ListAsync(ClinicId clinic, CancellationToken cancellationToken) =>
        await LossRows.ListAsync(rows, clinic, cancellationToken);

    /// <summary>The pack's loss, or null: it counts.</summary>
    public async Task<LostPack?> FindAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Work, clinic.Value, LossRows.Lost + pack, cancellationToken) is { } row ? LossRows.Read(row) : null;

    /// <summary>
    /// Records that a pack is lost. False where that is known, or where its study is being destroyed. Only for what storage itself said: that there is
    /// no such blob, or bytes that are others.
    /// </summary>
    public async Task<bool> RecordAsync(ClinicId clinic, PackId pack, PackLossCause cause, string detail, Requester by, CancellationToken cancellationToken)
    {
        if (await FindAsync(clinic, pack, cancellationToken) is not null)
        {
            return false;
        }

        CatalogPack? known = await catalog.TryFindPackAsync(clinic, pack, cancellationToken);
        if (known is not null && await DestructionRows.IsDestroyingAsync(rows, clinic, known.Study, cancellationToken))
        {
            return false;
        }

        IReadOnlyList<SidecarInstance> instances = known is null ? [] : await InstancesAsync(known, cancellationToken);
        LostPack lost = new(pack, known?.Study, cause, detail, clock.GetUtcNow(), known?.Instances ?? 0, known?.Length ?? 0, null);
        AuditEvent entry = new(
            clinic.Value,
            AuditActions.PackLost,
            AuditOutcome.Failure,
            by.Actor,
            new AuditSubject(clinic.Value, lost.Study?.Value, pack.ToString()),
            by.Origin,
            Details: new Dictionary<string, string>
            {
                ["bytes"] = lost.Bytes.ToString(CultureInfo.InvariantCulture),
                ["cause"] = LossRows.Name(cause),
                ["detail"] = detail,
                ["instances"] = lost.Instances.ToString(CultureInfo.InvariantCulture),
            });
        try
        {
            await outbox.SubmitAsync(RowTable.Work, clinic.Value, [new RowWrite.Insert(LossRows.Lost + pack, LossRows.Values(lost, instances))], entry, cancellationToken);
        }
        catch (RowConflictException)
        {
            return false; // Another found it in this moment.
        }

        ArchiveMetrics.PacksLost.Add(1, new KeyValuePair<string, object?>("cause", LossRows.Name(cause)));
        LogLost(logger, pack, clinic, cause, detail);
        string what = cause == PackLossCause.Missing ? "not in storage any more" : "in storage, but is not what was archived";
        await RaiseAsync(clinic, $"Pack {pack} of clinic {clinic} is {what}. The clinic's computers upload again at their next backup what they still have.", by, cancellationToken);
        return true;
    }

    /// <summary>
    /// What the reconciler does for a clinic: notes which losses are made good, and raises the alert of the others once a day. Nothing where nothing is lost.
    /// </summary>
    public async Task ReviewAsync(ClinicId clinic, Requester by, CancellationToken cancellationToken)
    {
        LostPack[] open = [.. (await NoteReplacedAsync(clinic, null, cancellationToken)).Values.Where(lost => lost.ReplacedAt is null)];
        if (open.Length > 0)
        {
            string message = $"{open.Length} packs of clinic {clinic} are lost with {open.Sum(lost => (long)lost.Instances)} instances, and not everything of them was uploaded again; the first since {open.Min(lost => lost.Since).UtcDateTime:yyyy-MM-dd}.";
            await RaiseAsync(clinic, message, by, cancellationToken);
        }
    }

    /// <summary>Records that a pack of the catalogue is not in storage; not where it left the catalogue meanwhile, as a study does that is destroyed.</summary>
    public async Task<bool> RecordMissingAsync(CatalogPack pack, Requester by, CancellationToken cancellationToken) =>
        await catalog.TryFindPackAsync(pack.Clinic, pack.Pack, cancellationToken) is { Receipt: not null }
        && await RecordAsync(pack.Clinic, pack.Pack, PackLossCause.Missing, "pack", by, cancellationToken);

    /// <summary>Takes it back: the pack was found whole, by a test of all of it. False where it was not lost.</summary>
    public async Task<bool> ReinstateAsync(ClinicId clinic, PackId pack, Requester by, CancellationToken cancellationToken)
    {
        if (await FindAsync(clinic, pack, cancellationToken) is not { } lost)
        {
            return false;
        }

        AuditEvent entry = new(
            clinic.Value, AuditActions.PackReinstated, AuditOutcome.Success, by.Actor, new AuditSubject(clinic.Value, lost.Study?.Value, pack.ToString()), by.Origin);
        try
        {
            await outbox.SubmitAsync(RowTable.Work, clinic.Value, [new RowWrite.Delete(LossRows.Lost + pack, lost.ETag)], entry, cancellationToken);
            return true;
        }
        catch (RowConflictException)
        {
            return false; // Somebody else did, or it was replaced in this moment; the next test that passes sees to it.
        }
    }

    /// <summary>
    /// Notes which lost packs are replaced: each of their instances, byte for byte, lies in a committed pack of the same set that is not lost; or, of snapshots,
    /// the computer has a later one that can be read. Cheap where nothing is lost: one query.
    /// </summary>
    /// <param name="clinic">The clinic.</param>
    /// <param name="study">Only those of this study; null for all.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<IReadOnlyDictionary<PackId, LostPack>> NoteReplacedAsync(ClinicId clinic, Uid? study, CancellationToken cancellationToken)
    {
        Dictionary<PackId, LostPack> all = [];
        List<(LostPack Pack, IReadOnlyList<ArchivedContent> Instances)> open = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, clinic.Value, RowRange.Prefix(LossRows.Lost), cancellationToken))
        {
            LostPack lost = LossRows.Read(row);
            all[lost.Pack] = lost;
            if (lost.ReplacedAt is null && lost.Study is { } of && (study is null || of == study) && LossRows.ReadInstances(row) is { Count: > 0 } instances)
            {
                open.Add((lost, instances));
            }
        }

        foreach (IGrouping<Uid, (LostPack Pack, IReadOnlyList<ArchivedContent> Instances)> of in open.GroupBy(lost => lost.Pack.Study!.Value))
        {
            HashSet<ArchivedContent> there = await ContentsAsync(clinic, of.Key, all, cancellationToken);
            PackId? snapshot = Sets.IsMadeUp(of.Key) ? await _snapshots.FindLatestAsync(clinic, of.Key, all.Keys, cancellationToken) : null;
            foreach ((LostPack lost, IReadOnlyList<ArchivedContent> instances) in of)
            {
                // What stood where on that day nobody can say again; what stands where, the next snapshot that can be read says.
                if (instances.All(there.Contains) || (snapshot is { } later && string.CompareOrdinal(later.ToString(), lost.Pack.ToString()) > 0))
                {
                    all[lost.Pack] = await MarkReplacedAsync(clinic, lost, cancellationToken);
                }
            }
        }

        return all;
    }

    // One alert a clinic and day, however many packs: a storage account that is gone must not be ten thousand mails.
    private Task<bool> RaiseAsync(ClinicId clinic, string message, Requester by, CancellationToken cancellationToken) =>
        alerts.RaiseAsync(new Alert(clinic, AlertCause.PackLost, AlertSubject, message + " See docs/operations.md, \"A pack is lost\"."), by, cancellationToken);

    private async Task<LostPack> MarkReplacedAsync(ClinicId clinic, LostPack lost, CancellationToken cancellationToken)
    {
        LostPack replaced = lost with { ReplacedAt = clock.GetUtcNow() };
        if (await rows.FindAsync(RowTable.Work, clinic.Value, LossRows.Lost + lost.Pack, cancellationToken) is not { } row || row.ETag != lost.ETag)
        {
            return lost;
        }

        try
        {
            Dictionary<string, object> values = new(row.Values) { [LossRows.ReplacedAt] = replaced.ReplacedAt!.Value };
            await rows.SubmitAsync(RowTable.Work, clinic.Value, [new RowWrite.Replace(row.Key, values, row.ETag!)], cancellationToken);
            return replaced;
        }
        catch (RowConflictException)
        {
            return lost; // Looked at again the next time.
        }
    }

    /// <summary>What a study's packs hold that are committed and not lost.</summary>
    private async Task<HashSet<ArchivedContent>> ContentsAsync(ClinicId clinic, Uid study, Dictionary<PackId, LostPack> lost, CancellationToken cancellationToken)
    {
        HashSet<ArchivedContent> there = [];
        Dictionary<PackId, bool> counts = [];
        await foreach (InstanceResponse instance in catalog.ReadInstancesAsync(clinic, study, cancellationToken))
        {
            if (!counts.TryGetValue(instance.Pack, out bool good))
            {
                counts[instance.Pack] = good = !lost.ContainsKey(instance.Pack) && await catalog.TryFindPackAsync(clinic, instance.Pack, cancellationToken) is { Receipt: not null };
            }

            if (good)
            {
                there.Add(new ArchivedContent(instance.SopInstance, instance.Sha256));
            }
        }

        return there;
    }

    private async Task<IReadOnlyList<SidecarInstance>> InstancesAsync(CatalogPack pack, CancellationToken cancellationToken)
    {
        try
        {
            return await catalog.InstancesOfAsync(pack.Clinic, pack.Study, pack.Pack, cancellationToken);
        }
        catch (IntegrityException)
        {
            return []; // The loss is what matters.
        }
    }

    [LoggerMessage(141, LogLevel.Error, "Pack {Pack} of clinic {Clinic} is lost: {Cause}, {Detail}.", EventName = "PackLost")]
    private static partial void LogLost(ILogger logger, PackId pack, ClinicId clinic, PackLossCause cause, string detail);
}

/// <summary>What makes an instance the same wherever it lies.</summary>
public readonly record struct ArchivedContent(Uid SopInstance, Sha256Digest Sha256);
