using System.Globalization;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Packs;

/// <summary>What a look through a clinic's blobs did with those that no row names.</summary>
/// <param name="Recovered">Committed packs that the catalogue had lost and has again.</param>
/// <param name="Removed">Packs that were never committed, and are gone.</param>
/// <param name="Kept">What could be neither, and stays: an alert says so.</param>
/// <param name="Failed">Packs that the next look has to look at again; the log names each.</param>
/// <param name="Next">Where the next slice begins; null at the end.</param>
public sealed record StrayResult(int Recovered, int Removed, int Kept, int Failed, string? Next);

/// <summary>
/// Finds what lies in storage and stands in no row: rows that a table lost, or that somebody took. What was committed has a sidecar or a receipt beside it, and is
/// catalogued again as a rebuild does; what never was is removed once no upload URL for it can be good any more; what is neither, or locked, is told.
/// </summary>
public sealed partial class StrayBlobs(
    IBlobVault vault, IRowStore rows, AuditReader reader, CatalogRebuild rebuild, PackRemoval removal, AlertDesk alerts, TimeProvider clock, ILogger<StrayBlobs> logger)
{
    /// <summary>What is younger may be under way: an open pack has a day, and its last URL an hour more.</summary>
    internal static readonly TimeSpan Young = PackReconciliation.AbandonAfter + PackIntake.UploadLifetime;

    /// <summary>What the alert is about.</summary>
    internal const string AlertSubject = "stray-packs";

    private const string StateKey = "strays";
    private const string InFlight = "pack:";
    private static readonly TimeSpan s_every = TimeSpan.FromHours(20);

    /// <summary>Whether the last look began long enough ago; then it is noted that one begins.</summary>
    public async Task<bool> TryBeginAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        Row? state = await rows.FindAsync(RowTable.Work, clinic.Value, StateKey, cancellationToken);
        if (state?.Values.GetValueOrDefault("begun") is DateTimeOffset begun && begun <= now && now - begun < s_every)
        {
            return false;
        }

        await rows.SubmitAsync(RowTable.Work, clinic.Value, [new RowWrite.Upsert(StateKey, new Dictionary<string, object> { ["begun"] = now })], cancellationToken);
        return true;
    }

    /// <summary>Looks through at most so many packs, from the first after <paramref name="after"/> (<see cref="StrayResult.Next"/>). One that cannot be dealt with keeps no other from it.</summary>
    public async Task<StrayResult> RunAsync(ClinicId clinic, string? after, int most, Requester by, CancellationToken cancellationToken)
    {
        (SortedDictionary<string, Found> found, string? next, int unknown) = await ListAsync(clinic, after, most, cancellationToken);
        await RemoveKnownAsync(clinic, found, cancellationToken);
        int recovered = 0, removed = 0, kept = unknown, failed = 0;
        foreach (Found pack in found.Values)
        {
            try
            {
                switch (await SettleAsync(clinic, pack, by, cancellationToken))
                {
                    case Settled.Recovered:
                        recovered++;
                        break;
                    case Settled.Removed:
                        removed++;
                        break;
                    case Settled.Kept:
                        kept++;
                        break;
                    default:
                        break;
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(logger, e, pack.Pack, clinic);
                failed++;
            }
        }

        if (recovered + kept > 0)
        {
            string message = string.Create(CultureInfo.InvariantCulture,
                $"Storage holds what no row of the tables names: {recovered} packs were catalogued again from their sidecars, {kept} things stay as they are because they are locked, or because nothing says what they are. The service's log names each. See docs/operations.md, \"Packs that no row names\".");
            await alerts.RaiseAsync(new Alert(clinic, AlertCause.StrayPacks, AlertSubject, message), by, cancellationToken);
        }

        return new StrayResult(recovered, removed, kept, failed, next);
    }

    /// <summary>The packs of which there is anything, by id; whether there is more; and how many blobs have no pack's name.</summary>
    private async Task<(SortedDictionary<string, Found> Found, string? Next, int Unknown)> ListAsync(ClinicId clinic, string? after, int most, CancellationToken cancellationToken)
    {
        string prefix = $"{clinic}/";
        SortedDictionary<string, Found> found = new(StringComparer.Ordinal);
        int unknown = 0;

        // '~' comes after whatever follows a pack's id in the names of its blobs.
        await foreach (ListedBlob blob in vault.ListAsync(VaultArea.Packs, prefix, after is null ? null : prefix + after + "~", cancellationToken))
        {
            string name = blob.Name.Path[prefix.Length..];
            int end = name.IndexOf('.', StringComparison.Ordinal);
            if (!PackId.TryParse(end < 0 ? name : name[..end], null, out PackId pack) || (end >= 0 && blob.Name != BlobName.Sidecar(clinic, pack) && blob.Name != BlobName.Receipt(clinic, pack)))
            {
                LogUnknown(logger, clinic);
                unknown++;
                continue;
            }

            string key = pack.ToString();
            if (!found.TryGetValue(key, out Found? one))
            {
                if (found.Count == most)
                {
                    return (found, found.Keys.Last(), unknown);
                }

                found[key] = one = new Found(pack);
            }

            one.IsCommitted |= end >= 0;
        }

        return (found, null, unknown);
    }

    /// <summary>Takes out of <paramref name="found"/> what a row names. Those in flight first: a pack that is committed meanwhile is in one of the two.</summary>
    private async Task RemoveKnownAsync(ClinicId clinic, SortedDictionary<string, Found> found, CancellationToken cancellationToken)
    {
        if (found.Count == 0)
        {
            return;
        }

        string first = found.Keys.First(), last = found.Keys.Last();
        foreach ((RowTable table, string prefix) in new[] { (RowTable.Work, InFlight), (RowTable.Catalog, CatalogRows.Pack) })
        {
            await foreach (Row row in rows.ReadAllAsync(table, clinic.Value, new RowRange(prefix + first, prefix + last + "!"), cancellationToken))
            {
                // A row with nonsense in it names its pack all the same: it is the restore tests' to find.
                found.Remove(row.Key[prefix.Length..]);
            }
        }
    }

    private async Task<Settled> SettleAsync(ClinicId clinic, Found found, Requester by, CancellationToken cancellationToken)
    {
        BlobName name = BlobName.Pack(clinic, found.Pack);
        if (await vault.FindAsync(found.IsCommitted ? BlobName.Sidecar(clinic, found.Pack) : name, cancellationToken) is { } state && clock.GetUtcNow() - state.CreatedAt < Young)
        {
            return Settled.NotDue;
        }

        if (found.IsCommitted)
        {
            if (await rebuild.RecoverAsync(clinic, found.Pack, by, cancellationToken) is { } problem)
            {
                LogNotRecovered(logger, found.Pack, clinic, problem);
                return Settled.Kept;
            }

            LogRecovered(logger, found.Pack, clinic);
            return Settled.Recovered;
        }

        // The log has its commit, and sidecar and receipt are gone too: a pack that somebody robbed of all that tells of it is no rubbish.
        if (await reader.HasOnceAsync(clinic.Value, PackFinish.OnceOf(found.Pack), cancellationToken) || !await removal.TryRemoveStrayAsync(clinic, found.Pack, by, cancellationToken))
        {
            LogKept(logger, found.Pack, clinic);
            return Settled.Kept;
        }

        LogRemoved(logger, found.Pack, clinic);
        return Settled.Removed;
    }

    [LoggerMessage(540, LogLevel.Error, "Pack {Pack} of clinic {Clinic}, which no row names, could not be dealt with; the next look tries again.")]
    private static partial void LogFailed(ILogger logger, Exception exception, PackId pack, ClinicId clinic);

    [LoggerMessage(541, LogLevel.Error, "Pack {Pack} of clinic {Clinic} was not in the catalogue and is again, from its sidecar: somebody took its row, or the table lost it.", EventName = "StrayRecovered")]
    private static partial void LogRecovered(ILogger logger, PackId pack, ClinicId clinic);

    [LoggerMessage(542, LogLevel.Error, "Pack {Pack} of clinic {Clinic} is in no row, and could not be catalogued again: {Problem}.", EventName = "StrayNotRecovered")]
    private static partial void LogNotRecovered(ILogger logger, PackId pack, ClinicId clinic, string problem);

    [LoggerMessage(543, LogLevel.Error, "Pack {Pack} of clinic {Clinic} is in no row and has no sidecar, and stays: it is locked, or the log has its commit.", EventName = "StrayKept")]
    private static partial void LogKept(ILogger logger, PackId pack, ClinicId clinic);

    [LoggerMessage(544, LogLevel.Warning, "Pack {Pack} of clinic {Clinic} was in no row and never committed; it was removed.")]
    private static partial void LogRemoved(ILogger logger, PackId pack, ClinicId clinic);

    [LoggerMessage(545, LogLevel.Error, "A blob of clinic {Clinic} has a name that this service gives none.", EventName = "StrayUnknown")]
    private static partial void LogUnknown(ILogger logger, ClinicId clinic);

    private enum Settled
    {
        NotDue,
        Recovered,
        Removed,
        Kept,
    }

    /// <summary>A pack of which something is in storage.</summary>
    private sealed class Found(PackId pack)
    {
        public PackId Pack => pack;

        /// <summary>Whether a sidecar or a receipt is there.</summary>
        public bool IsCommitted { get; set; }
    }
}
