using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Restores;

/// <summary>Has the packs of a restore brought back from the archive tier: all of them once one was met, so that they come at the same time and not page by page.</summary>
public sealed partial class RestoreRehydration(IRowStore rows, Rehydration rehydration, ILogger<RestoreRehydration> logger)
{
    /// <summary>Packs that are looked at in one request; the next request goes on.</summary>
    private const int AtOnce = 400;
    private const int InParallel = 8;
    private const string Asked = "rehydrationAsked";

    /// <summary>Looks at the packs that were not looked at yet, and asks for those that lie in the archive tier.</summary>
    public async Task AskAsync(Restore restore, Requester by, CancellationToken cancellationToken)
    {
        List<Row> some = await rows.ReadAllAsync(RowTable.Work, restore.Clinic.Value, RestoreRows.Plan(restore.Id), cancellationToken)
            .Where(row => row.Number(Asked) is null).Take(AtOnce).ToListAsync(cancellationToken);
        foreach (Row[] group in some.Chunk(InParallel))
        {
            bool[] asked = await Task.WhenAll(group.Select(row => TryAskAsync(restore.Clinic, row, by, cancellationToken)));
            RowWrite[] writes =
            [
                .. group.Zip(asked).Where(pair => pair.Second)
                    .Select(pair => new RowWrite.Upsert(pair.First.Key, new Dictionary<string, object>(pair.First.Values) { [Asked] = 1L })),
            ];
            if (writes.Length > 0)
            {
                await rows.SubmitAsync(RowTable.Work, restore.Clinic.Value, writes, cancellationToken);
            }
        }
    }

    /// <summary>Asks for a pack where it is archived; false, and told, where that could not be: the next request tries again, and the others are asked for.</summary>
    private async Task<bool> TryAskAsync(ClinicId clinic, Row row, Requester by, CancellationToken cancellationToken)
    {
        try
        {
            PackId pack = RestoreRows.ReadPack(row).Pack;
            if (await rehydration.FindArchivedAsync(clinic, pack, cancellationToken) is { } receipt)
            {
                await rehydration.RequestAsync(clinic, pack, receipt.VersionId, by, cancellationToken);
            }

            return true;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNotAsked(logger, e, row.Key, clinic);
            return false;
        }
    }

    [LoggerMessage(314, LogLevel.Error, "Whether {Row} of clinic {Clinic} has to come back from the archive tier could not be found out; it is looked at again with the next request.")]
    private static partial void LogNotAsked(ILogger logger, Exception exception, string row, ClinicId clinic);
}
