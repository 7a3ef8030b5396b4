using System.Globalization;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Retention;

/// <summary>
/// Tags packs with their clinic's <see cref="Format.Retention.RetentionPolicy.ArchiveAfterYears"/>, so that the lifecycle rule of that many years finds them (docs/retention.md,
/// "Tiers by age"). Packs alone: sidecars and receipts are read by every restore test and stay online. For the host that may change packs.
/// </summary>
public sealed partial class TieringRun(IRowStore rows, ClinicDirectory clinics, CatalogReader catalog, IBlobVault vault, TimeProvider clock, ILogger<TieringRun> logger) : IWork
{
    /// <summary>The index tag that infra/lifecycle.json matches.</summary>
    public const string Tag = "archive_after_years";

    /// <summary>Row of <see cref="RowTable.Work"/> in the clinic's partition: which tag packs have, since when, and where a pass was cut off.</summary>
    private const string StateKey = "tiering";

    /// <summary>Where more fail, storage does: the clinic's run ends, and the next begins where it was.</summary>
    private const int MostFailed = 200;

    private static readonly TimeSpan s_every = TimeSpan.FromHours(20);

    // Hosts' clocks differ, and what a crash left is finished later.
    private static readonly TimeSpan s_overlap = TimeSpan.FromDays(2);

    // Packs that are tagged in a slice.
    private const int PacksOfSlice = 2000;

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        ClinicId clinic = slice.Clinic!.Value;
        await RunAsync(clinic, PacksOfSlice, cancellationToken);
        Row? state = await rows.FindAsync(RowTable.Work, clinic.Value, StateKey, cancellationToken);
        int failed = state?.Text("failed")?.Split(',').Length ?? 0;
        return state?.Text("after") is null ? SliceEnd.Finished(failed) : SliceEnd.More(null, failed: failed);
    }

    /// <summary>
    /// One run for one clinic: all packs where the policy has another age than the last time; else, once a day, those that were committed since.
    /// What was cut off is gone on with.
    /// </summary>
    public async Task<int> RunAsync(ClinicId id, int most, CancellationToken cancellationToken)
    {
        long years = (await clinics.GetAsync(id, cancellationToken)).Retention.ArchiveAfterYears ?? 0;
        Row? state = await rows.FindAsync(RowTable.Work, id.Value, StateKey, cancellationToken);
        PackId[] before = [.. (state?.Text("failed") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries).Select(text => PackId.TryParse(text, null, out PackId pack) ? pack : (PackId?)null).OfType<PackId>()];
        Pass? pass = Next(state, years);
        if (pass is null && before.Length == 0)
        {
            return 0;
        }

        Dictionary<string, string> tags = years == 0 ? [] : new() { [Tag] = years.ToString(CultureInfo.InvariantCulture) };
        List<PackId> failed = [];
        int tagged = 0;
        foreach (PackId pack in before)
        {
            if (await catalog.TryFindPackAsync(id, pack, cancellationToken) is { } again)
            {
                tagged += await TagAsync(id, again, tags, failed, cancellationToken);
            }
        }

        if (pass is null)
        {
            await SaveAsync(id, years, new Pass(DateTimeOffset.MinValue, state!.Time("begun")!.Value, null), failed, cancellationToken);
            return tagged;
        }

        int seen = 0;
        await foreach ((PackId pack, CatalogPack? found) in catalog.ReadKnownPacksAsync(id, cancellationToken))
        {
            // A row with nonsense in it is the restore tests' to find.
            if (found is null || (pass.After is { } after && string.CompareOrdinal(pack.ToString(), after) <= 0) || found.CommittedAt < pass.Since)
            {
                continue;
            }

            tagged += await TagAsync(id, found, tags, failed, cancellationToken);
            if (++seen == most)
            {
                await SaveAsync(id, years, pass with { After = pack.ToString() }, failed, cancellationToken);
                return tagged;
            }
        }

        await SaveAsync(id, years, pass with { After = null }, failed, cancellationToken);
        return tagged;
    }

    private Pass? Next(Row? state, long years)
    {
        DateTimeOffset now = clock.GetUtcNow();
        return state is null ? years == 0 ? null : new Pass(DateTimeOffset.MinValue, now, null) // no clinic without this term has ever had a tag
            : state.Number("years") != years ? new Pass(DateTimeOffset.MinValue, now, null)
            : state.Text("after") is { } after ? new Pass(state.Time("since") ?? DateTimeOffset.MinValue, state.Time("begun")!.Value, after)
            : years == 0 || state.Time("begun") + s_every > now ? null
            : new Pass(state.Time("begun")!.Value - s_overlap, now, null);
    }

    private async Task SaveAsync(ClinicId id, long years, Pass pass, List<PackId> failed, CancellationToken cancellationToken)
    {
        Dictionary<string, object> values = new() { ["years"] = years, ["begun"] = pass.Begun };
        if (failed.Count > 0)
        {
            values["failed"] = string.Join(',', failed.Distinct());
        }

        if (pass.After is { } after)
        {
            values["after"] = after;
            if (pass.Since > DateTimeOffset.MinValue)
            {
                values["since"] = pass.Since;
            }
        }

        await rows.SubmitAsync(RowTable.Work, id.Value, [new RowWrite.Upsert(StateKey, values)], cancellationToken);
    }

    /// <summary>Tags a pack: 1, or 0 where storage does not take it, which must not keep the others from theirs: <paramref name="failed"/> is tried again with every run.</summary>
    private async Task<int> TagAsync(ClinicId clinic, CatalogPack pack, Dictionary<string, string> tags, List<PackId> failed, CancellationToken cancellationToken)
    {
        try
        {
            await vault.SetTagsAsync(BlobName.Pack(clinic, pack.Pack), pack.VersionId, tags, cancellationToken);
        }
        catch (BlobMissingException)
        {
            return 0; // Destroyed since, or lost: the restore tests' to find.
        }
        catch (Exception e) when (e is not OperationCanceledException && failed.Count < MostFailed)
        {
            LogPackFailed(logger, e, pack.Pack, clinic);
            failed.Add(pack.Pack);
            return 0;
        }

        return 1;
    }

    [LoggerMessage(128, LogLevel.Error, "The tag of pack {Pack} of clinic {Clinic} could not be set; a later run tries again.", EventName = "TieringPackFailed")]
    private static partial void LogPackFailed(ILogger logger, Exception exception, PackId pack, ClinicId clinic);

    /// <summary>What a pass looks at: packs committed since a time, after an id.</summary>
    private sealed record Pass(DateTimeOffset Since, DateTimeOffset Begun, string? After);
}
