using System.Text.Json;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Records;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Losses;

/// <summary>
/// What an agent has to learn of its clinic's packs, read from the audit log: its order is the one order that there is, without gaps and the same for
/// everybody, and what is published is what is logged. Nothing is kept for it, so there is nothing to rebuild.
/// </summary>
public sealed class ChangeFeed(AuditReader reader, ArchivedPacks archived, PackRows inFlight, PackLosses losses, RecordStore records, TimeProvider clock)
{
    /// <summary>Instances of one page, as a rule: a pack is never cut.</summary>
    private const int MostInstances = 5000;

    /// <summary>Entries that one page looks at, most of which are about something else.</summary>
    private const int MostEntries = 10 * AuditReader.LargestRead;
    private const int AtOnce = 8;

    /// <summary>A commit's entry comes a moment before its receipt; the reconciler finishes what a crash left. What takes longer is not waited for.</summary>
    private static readonly TimeSpan s_settled = TimeSpan.FromHours(1);

    /// <summary>
    /// The changes after the entry <paramref name="after"/>; from the beginning with -1. Where the log does not go that far, it is not the log that the agent
    /// saw: then the answer is to begin again.
    /// </summary>
    public async Task<ChangesResponse> ReadAsync(ClinicId clinic, long after, int take, CancellationToken cancellationToken)
    {
        long size = (await reader.GetHeadAsync(clinic.Value, cancellationToken)).Size;
        if (after >= size)
        {
            return size == 0 ? new ChangesResponse([], -1, false) : new ChangesResponse([], -1, true);
        }

        IReadOnlyDictionary<PackId, LostPack> lost = await losses.ListAsync(clinic, cancellationToken);
        List<ArchiveChange> changes = [];
        int instances = 0;
        long next = after;
        for (int scanned = 0; scanned < MostEntries;)
        {
            // Never beyond the head: a row that somebody put there is no entry.
            IReadOnlyList<StoredEntry> page = [.. (await reader.ReadAsync(clinic.Value, next + 1, AuditReader.LargestRead, cancellationToken)).TakeWhile(stored => stored.Index < size)];
            foreach (StoredEntry[] some in page.Chunk(AtOnce))
            {
                Reading[] read = await Task.WhenAll(some.Select(stored => ReadAsync(clinic, stored, lost, cancellationToken)));
                foreach (Reading reading in read)
                {
                    if (!reading.Settled)
                    {
                        return new ChangesResponse(changes, next, false);
                    }

                    if (changes.Count > 0 && (changes.Count + reading.Changes.Count > take || instances + reading.Instances > MostInstances))
                    {
                        return new ChangesResponse(changes, next, true);
                    }

                    changes.AddRange(reading.Changes);
                    instances += reading.Instances;
                    next = reading.Index;
                }
            }

            scanned += page.Count;
            if (page.Count < AuditReader.LargestRead)
            {
                return new ChangesResponse(changes, next, false);
            }
        }

        return new ChangesResponse(changes, next, true);
    }

    private async Task<Reading> ReadAsync(ClinicId clinic, StoredEntry stored, IReadOnlyDictionary<PackId, LostPack> lost, CancellationToken cancellationToken)
    {
        // Nine of ten entries are about something else: not parsed.
        if (!IsOfPacks(stored.Json) || stored.TryRead() is not { } entry)
        {
            return new Reading(stored.Index, []);
        }

        switch (entry)
        {
            case { Action: AuditActions.PackCommitted, Outcome: AuditOutcome.Success } or { Action: AuditActions.PackReinstated or AuditActions.PackReentered } when Pack(entry) is { } pack:
                if (lost.ContainsKey(pack))
                {
                    return new Reading(stored.Index, []); // that it is lost stands further on
                }

                if (await archived.FindAsync(clinic, pack, cancellationToken) is { } found)
                {
                    return new Reading(stored.Index, [new ArchiveChange(stored.Index, pack, Archived: found)]);
                }

                bool settled = entry.Time < clock.GetUtcNow() - s_settled || await inFlight.FindAsync(clinic, pack, cancellationToken) is null;
                return new Reading(stored.Index, [], settled);

            case { Action: AuditActions.PackLost } when Pack(entry) is { } pack:
                PackLossCause cause = LossRows.ParseCause(entry.Details?.GetValueOrDefault("cause")) ?? PackLossCause.Damaged;
                Uid? study = Uid.TryParse(entry.Subject.Study, null, out Uid uid) ? uid : null;
                return new Reading(stored.Index, [new ArchiveChange(stored.Index, pack, Lost: new PackLoss(cause, entry.Time, study))]);

            case { Action: AuditActions.StudyDestroyed, Outcome: AuditOutcome.Success }:
                return new Reading(stored.Index, await DestroyedAsync(clinic, stored.Index, entry, cancellationToken));

            default:
                return new Reading(stored.Index, []);
        }
    }

    /// <summary>What its certificate says that is gone.</summary>
    private async Task<IReadOnlyList<ArchiveChange>> DestroyedAsync(ClinicId clinic, long index, AuditEntry entry, CancellationToken cancellationToken)
    {
        byte[]? json = WorkId.TryParse(entry.Subject.Other, null, out WorkId order)
            ? await records.ReadAsync(RecordStore.Name(clinic.Value, DestructionCertificate.Kind, order.ToString(), DestructionCertificate.File), cancellationToken)
            : null;
        try
        {
            if (json is not null && JsonSerializer.Deserialize<DestructionCertificate>(json, FormatJson.Options) is { } certificate)
            {
                return [.. certificate.Packs.Select(pack => new ArchiveChange(index, pack.Pack, Lost: new PackLoss(PackLossCause.Destroyed, certificate.DestroyedAt, certificate.Study)))];
            }
        }
        catch (JsonException)
        {
            // As if there were none.
        }

        return await CommittedBeforeAsync(clinic, index, entry, cancellationToken);
    }

    /// <summary>
    /// What a study had when it was destroyed, as the log itself tells: no certificate does. An agent that hears nothing of them would go on to count
    /// packs that are gone. Reads the log from its beginning, which nothing but a damaged record makes it do.
    /// </summary>
    private async Task<IReadOnlyList<ArchiveChange>> CommittedBeforeAsync(ClinicId clinic, long index, AuditEntry destroyed, CancellationToken cancellationToken)
    {
        if (!Uid.TryParse(destroyed.Subject.Study, null, out Uid study))
        {
            return [];
        }

        List<ArchiveChange> gone = [];
        HashSet<PackId> seen = [];
        for (long next = 0; next < index;)
        {
            IReadOnlyList<StoredEntry> page = await reader.ReadAsync(clinic.Value, next, AuditReader.LargestRead, cancellationToken);
            gone.AddRange(page
                .Where(stored => stored.Index < index && AuditActions.BringsPack(stored.Json))
                .Select(stored => stored.TryRead())
                .Where(entry => entry is { Action: AuditActions.PackCommitted or AuditActions.PackReentered, Outcome: AuditOutcome.Success } && entry.Subject.Study == destroyed.Subject.Study)
                .Select(entry => Pack(entry!))
                .OfType<PackId>()
                .Where(seen.Add)
                .Select(pack => new ArchiveChange(index, pack, Lost: new PackLoss(PackLossCause.Destroyed, destroyed.Time, study))));
            if (page.Count < AuditReader.LargestRead)
            {
                break;
            }

            next = page[^1].Index + 1;
        }

        return gone;
    }

    private static PackId? Pack(AuditEntry entry) => PackId.TryParse(entry.Subject.Pack, null, out PackId pack) ? pack : null;

    private static bool IsOfPacks(string json) =>
        AuditActions.BringsPack(json)
        || json.Contains(AuditActions.PackLost, StringComparison.Ordinal)
        || json.Contains(AuditActions.PackReinstated, StringComparison.Ordinal)
        || json.Contains(AuditActions.StudyDestroyed, StringComparison.Ordinal);

    /// <summary>What an entry says; not settled where what it says is not there yet.</summary>
    private readonly record struct Reading(long Index, IReadOnlyList<ArchiveChange> Changes, bool Settled = true)
    {
        public int Instances => Changes.Sum(change => change.Archived?.Instances.Count ?? 0);
    }
}
