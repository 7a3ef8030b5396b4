using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Losses;

/// <summary>The rebuild's part in what agents learn: losses that the log has and the rows lost, and commits that the receipts have and the log lost.</summary>
public sealed class LossRebuild(IRowStore rows, AuditReader reader, CatalogReader catalog, CommitEntries commits, PackLosses losses, IAuditLog log)
{
    /// <summary>Writes the rows of the losses that stand in the log, where they are gone.</summary>
    public async Task RestoreAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        Dictionary<PackId, LostPack> lost = [];
        IReadOnlyList<StoredEntry> page;
        long next = 0;
        do
        {
            page = await reader.ReadAsync(clinic.Value, next, AuditReader.LargestRead, cancellationToken);
            foreach (StoredEntry stored in page)
            {
                next = stored.Index + 1;
                if (IsOfLosses(stored.Json) && stored.TryRead() is { } entry)
                {
                    Note(lost, entry);
                }
            }
        }
        while (page.Count == AuditReader.LargestRead);
        foreach (LostPack pack in lost.Values)
        {
            IReadOnlyList<SidecarInstance> instances = pack.Study is { } study ? await InstancesAsync(clinic, study, pack.Pack, cancellationToken) : [];
            try
            {
                await rows.SubmitAsync(RowTable.Work, clinic.Value, [new RowWrite.Insert(LossRows.Lost + pack.Pack, LossRows.Values(pack, instances))], cancellationToken);
            }
            catch (RowConflictException)
            {
                // It is there.
            }
        }
    }

    /// <summary>Records that a pack is not there, or not as long as it was.</summary>
    public Task RecordAsync(ClinicId clinic, PackId pack, bool missing, Requester by, CancellationToken cancellationToken) =>
        losses.RecordAsync(clinic, pack, missing ? PackLossCause.Missing : PackLossCause.Damaged, missing ? "rebuild" : "length", by, cancellationToken);

    /// <summary>Enters a pack's commit in the log again, where the entry that its receipt names is another's. Once: repeating it changes nothing.</summary>
    public async Task EnterAgainAsync(Receipt receipt, Requester by, CancellationToken cancellationToken)
    {
        if (await commits.IsThereAsync(receipt, cancellationToken))
        {
            return;
        }

        AuditEvent entry = new(
            receipt.Clinic.Value,
            AuditActions.PackReentered,
            AuditOutcome.Success,
            by.Actor,
            new AuditSubject(receipt.Clinic.Value, receipt.Study.Value, receipt.Pack.ToString()),
            by.Origin,
            Details: new Dictionary<string, string>
            {
                ["bytes"] = receipt.Length.ToString(CultureInfo.InvariantCulture),
                ["index"] = receipt.AuditIndex.ToString(CultureInfo.InvariantCulture),
                ["instances"] = receipt.InstanceCount.ToString(CultureInfo.InvariantCulture),
                ["sha256"] = receipt.Sha256.Hex,
                ["versionId"] = receipt.VersionId,
            },
            Once: $"reenter:{receipt.Pack}");
        await log.AppendAsync(entry, cancellationToken);
    }

    private static bool IsOfLosses(string json) =>
        json.Contains(AuditActions.PackLost, StringComparison.Ordinal)
        || json.Contains(AuditActions.PackReinstated, StringComparison.Ordinal)
        || json.Contains(AuditActions.StudyDestroyed, StringComparison.Ordinal);

    private static void Note(Dictionary<PackId, LostPack> lost, AuditEntry entry)
    {
        PackId? pack = PackId.TryParse(entry.Subject.Pack, null, out PackId id) ? id : null;
        Uid? study = Uid.TryParse(entry.Subject.Study, null, out Uid uid) ? uid : null;
        switch (entry.Action)
        {
            case AuditActions.PackLost when pack is { } gone:
                lost[gone] = new LostPack(
                    gone, study, LossRows.ParseCause(Detail("cause")) ?? PackLossCause.Damaged, Detail("detail") ?? "", entry.Time, (int)Number("instances"), Number("bytes"), null);
                break;
            case AuditActions.PackReinstated when pack is { } whole:
                lost.Remove(whole);
                break;
            case AuditActions.StudyDestroyed when entry.Outcome == AuditOutcome.Success && study is { } destroyed:
                foreach (PackId of in lost.Values.Where(other => other.Study == destroyed).Select(other => other.Pack).ToList())
                {
                    lost.Remove(of);
                }

                break;
        }

        string? Detail(string name) => entry.Details?.GetValueOrDefault(name);
        long Number(string name) => long.TryParse(Detail(name), NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : 0;
    }

    private async Task<IReadOnlyList<SidecarInstance>> InstancesAsync(ClinicId clinic, Uid study, PackId pack, CancellationToken cancellationToken)
    {
        try
        {
            return await catalog.InstancesOfAsync(clinic, study, pack, cancellationToken);
        }
        catch (IntegrityException)
        {
            return [];
        }
    }
}
