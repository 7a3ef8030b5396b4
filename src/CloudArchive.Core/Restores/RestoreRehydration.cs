using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.Restores;

/// <summary>Has the packs of a restore brought back from the archive tier: all of them once one was met, so that they come at the same time and not page by page.</summary>
public sealed class RestoreRehydration(IRowStore rows, Rehydration rehydration)
{
    /// <summary>Packs that are looked at in one request; the next request goes on.</summary>
    private const int AtOnce = 400;
    private const int InParallel = 8;
    private const string Asked = "rehydrationAsked";

    /// <summary>Looks at the packs that were not looked at yet, and asks for those that lie in the archive tier.</summary>
    public async Task AskAsync(Restore restore, Requester by, CancellationToken cancellationToken)
    {
        List<Row> some = await rows.ReadAllAsync(RowTable.Work, restore.Clinic.Value, RestoreRows.Plan(restore.Id, null), cancellationToken)
            .Where(row => row.Number(Asked) is null).Take(AtOnce).ToListAsync(cancellationToken);
        foreach (Row[] group in some.Chunk(InParallel))
        {
            await Task.WhenAll(group.Select(row => AskAsync(restore.Clinic, RestoreRows.ReadPack(row).Pack, by, cancellationToken)));
            await rows.SubmitAsync(
                RowTable.Work,
                restore.Clinic.Value,
                [.. group.Select(row => new RowWrite.Upsert(row.Key, new Dictionary<string, object>(row.Values) { [Asked] = 1L }))],
                cancellationToken);
        }
    }

    private async Task AskAsync(ClinicId clinic, PackId pack, Requester by, CancellationToken cancellationToken)
    {
        if (await rehydration.FindArchivedAsync(clinic, pack, cancellationToken) is { } receipt)
        {
            await rehydration.RequestAsync(clinic, pack, receipt.VersionId, by, cancellationToken);
        }
    }
}
