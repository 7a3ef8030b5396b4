using System.Runtime.CompilerServices;
using System.Text;
using CloudArchive.Core;
using CloudArchive.Core.Access;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Restores;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Access;
using CloudArchive.Format.Binders;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Reports.Binders;

/// <summary>A file for a binder; without content it should be there and is not.</summary>
internal sealed record BinderContent(string Path, byte[]? Content);

/// <summary>A thing that belongs into a binder, read when its turn comes.</summary>
/// <param name="What">What it is called where it cannot be read.</param>
/// <param name="ReadAsync">Reads its files.</param>
internal sealed record BinderThing(string What, Func<CancellationToken, Task<IReadOnlyList<BinderContent>>> ReadAsync)
{
    /// <summary>A row that says what cannot be.</summary>
    public static BinderThing Damaged(Row row) => new($"row {row.Key}", _ => throw new IntegrityException("It says what cannot be: it was changed past the service. See docs/operations.md, integrity."));
}

/// <summary>What a binder holds of one kind.</summary>
internal sealed record BinderPart(string Kind, Func<Clinic, BinderPeriod, CancellationToken, IAsyncEnumerable<BinderThing>> ListAsync);

/// <summary>What of a clinic's belongs into a binder, kind by kind. Lists first and reads later, so that one thing at a time is in memory.</summary>
public sealed class BinderRecords(EvidenceStore evidence, RestoreTestDesk tests, AccessReviews reviews, DestructionDesk destructions, DestructionCertificateStore certificates, Checkpoints checkpoints)
{
    private const int PageSize = 1000;

    internal IReadOnlyList<BinderPart> Parts => 
    [
        new("restore tests", RunsAsync), new("access reviews", ReviewsAsync), new("certificates of destruction", DestructionsAsync), new("checkpoint", CheckpointAsync),
    ];

    /// <summary>Runs that began in the period: those of which evidence is locked in storage, and those that ended by their rows. One that is under way has none yet.</summary>
    private async IAsyncEnumerable<BinderThing> RunsAsync(Clinic clinic, BinderPeriod period, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        SortedSet<string> runs = new(StringComparer.Ordinal);
        List<BinderThing> damaged = [];
        await foreach (WorkId run in IdsAsync(after => evidence.ListAsync(clinic.Id, after, PageSize, cancellationToken), period))
        {
            runs.Add(run.ToString());
        }

        IReadOnlyList<RestoreTestResponse> page;
        WorkId after = WorkId.Before(period.From);
        do
        {
            page = await tests.ListAsync(clinic.Id, after, PageSize, cancellationToken, row => damaged.Add(BinderThing.Damaged(row)));
            runs.UnionWith(page.Where(run => run.FinishedAt is not null && period.Has(WorkId.Parse(run.Id).MadeAt)).Select(run => run.Id));
            after = page.Count > 0 ? WorkId.Parse(page[^1].Id) : after;
        }
        while (page.Count == PageSize && after.MadeAt < period.To);

        foreach (BinderThing thing in damaged)
        {
            yield return thing;
        }

        foreach (string id in runs)
        {
            yield return new BinderThing($"{BinderFiles.Runs}{id}", async cancellation =>
            {
                List<BinderContent> files = [];
                foreach (string file in EvidenceStore.Files)
                {
                    files.Add(new BinderContent($"{BinderFiles.Runs}{id}/{file}", await evidence.ReadAsync(clinic.Id, WorkId.Parse(id), file, cancellation)));
                }

                return files;
            });
        }
    }

    private IAsyncEnumerable<BinderThing> ReviewsAsync(Clinic clinic, BinderPeriod period, CancellationToken cancellationToken) =>
        IdsAsync(after => reviews.ListReviewsAsync(clinic.Id, after, PageSize, cancellationToken), period).Select(id => new BinderThing($"{BinderFiles.Reviews}{id}", async cancellation =>
        {
            StoredReview stored = await reviews.GetAsync(clinic.Id, id, cancellation);
            string folder = $"{BinderFiles.Reviews}{id}/";
            return [new(folder + AccessReviewDocument.File, stored.Document), new(folder + AccessReviewDocument.SignatureFile, Encoding.ASCII.GetBytes(stored.Signature))];
        }));

    /// <summary>The last signed state of the log.</summary>
    private IAsyncEnumerable<BinderThing> CheckpointAsync(Clinic clinic, BinderPeriod period, CancellationToken cancellationToken) => new[]
    {
        new BinderThing(BinderFiles.Checkpoint, async cancellation =>
            [new(BinderFiles.Checkpoint, await checkpoints.FindLastAsync(clinic.Id.Value, cancellation) is { } last ? Encoding.ASCII.GetBytes(last.Jws) : null)]),
    }.ToAsyncEnumerable();

    /// <summary>Ids of the period out of a list that is in the order of when they were made. What is no id is nobody's.</summary>
    private static async IAsyncEnumerable<WorkId> IdsAsync(Func<WorkId, Task<IReadOnlyList<string>>> list, BinderPeriod period)
    {
        for (WorkId? after = WorkId.Before(period.From); after is { } from;)
        {
            IReadOnlyList<string> page = await list(from);
            after = null;
            foreach (string text in page)
            {
                if (WorkId.TryParse(text, null, out WorkId id) && period.Has(id.MadeAt))
                {
                    after = page.Count == PageSize ? id : null;
                    yield return id;
                }
            }
        }
    }

    /// <summary>By when something was destroyed, however long before it was asked for.</summary>
    private async IAsyncEnumerable<BinderThing> DestructionsAsync(Clinic clinic, BinderPeriod period, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<BinderThing> damaged = [];
        WorkId? after = null;
        IReadOnlyList<DestructionOrder> page;
        do
        {
            page = await destructions.ListAsync(clinic.Id, after, PageSize, cancellationToken, row => damaged.Add(BinderThing.Damaged(row)));
            foreach (DestructionOrder order in page.Where(order => period.Has(order.DestroyedAt)))
            {
                string folder = $"{BinderFiles.Destructions}{order.Id}/";
                yield return new BinderThing(folder.TrimEnd('/'), async cancellation =>
                {
                    CertificateResponse made = await certificates.ReadAsync(order, cancellation);
                    return [new(folder + DestructionCertificate.File, Encoding.UTF8.GetBytes(made.Certificate)), new(folder + DestructionCertificate.SignatureFile, Encoding.ASCII.GetBytes(made.Signature))];
                });
            }

            after = page.Count > 0 ? page[^1].Id : after;
        }
        while (page.Count == PageSize && after?.MadeAt < period.To);

        foreach (BinderThing thing in damaged)
        {
            yield return thing;
        }
    }
}

/// <summary>What a binder lists of a clinic's rows: as the service has them when the binder is made, and vouched for by its index.</summary>
public sealed class BinderLists(AlertList alerts, DisclosureLog disclosures, RestoreDesk restores, RollUps reports, TimeProvider clock)
{
    private const int PageSize = 1000;

    internal IReadOnlyList<BinderPart> Parts => [new("reports", ReportsAsync), new("alerts", AlertsAsync), new("disclosures", DisclosuresAsync)];

    /// <summary>The cover's figures.</summary>
    internal async Task<BinderFigures> FiguresAsync(Clinic clinic, BinderPeriod period, CancellationToken cancellationToken)
    {
        (RollUpFigures whole, IReadOnlyList<EndedRun> runs) = await reports.FiguresAsync(clinic, period.From, period.To, cancellationToken);
        return new BinderFigures(whole, runs);
    }

    private IAsyncEnumerable<BinderThing> ReportsAsync(Clinic clinic, BinderPeriod period, CancellationToken cancellationToken) =>
        period.Reports(clinic.CreatedAt, clock.GetUtcNow()).Select(of => new BinderThing($"{BinderFiles.Reports}{clinic.Id}-{of}", async cancellation =>
        {
            RollUp report = await reports.WorkOutAsync(clinic, of, cancellation);
            string name = $"{BinderFiles.Reports}{clinic.Id}-{of}";
            return [new($"{name}.pdf", RollUpReport.Render(report)), new($"{name}.csv", RollUpCsv.Write(report))];
        })).ToAsyncEnumerable();

    private async IAsyncEnumerable<BinderThing> AlertsAsync(Clinic clinic, BinderPeriod period, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<BinderThing> damaged = [];
        List<AlertResponse> raised = [];
        DateTimeOffset now = clock.GetUtcNow();
        AlertId? after = AlertId.Before(period.From);
        do
        {
            (IReadOnlyList<RaisedAlert> page, after) = await alerts.ListAsync(clinic.Id.Value, null, after, PageSize, cancellationToken, row => damaged.Add(BinderThing.Damaged(row)));
            raised.AddRange(page.Where(alert => period.Has(alert.RaisedAt)).Select(alert => alert.ToResponse(now)));
            after = page.Count > 0 && page[^1].RaisedAt >= period.To ? null : after;
        }
        while (after is not null);

        foreach (BinderThing thing in damaged)
        {
            yield return thing;
        }

        yield return List(BinderFiles.Alerts, new { clinic = clinic.Id, from = period.From, to = period.To, alerts = raised });
    }

    /// <summary>What restores handed out in the period: when, how much, why, for whom. Of which patient is nobody's to see but an admin's.</summary>
    private async IAsyncEnumerable<BinderThing> DisclosuresAsync(Clinic clinic, BinderPeriod period, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        int damaged = 0;
        Dictionary<WorkId, (DateTimeOffset First, int Packs, long Files)> handedOut = [];
        await foreach (HandedOut one in disclosures.CountAsync(clinic.Id, _ => damaged++, cancellationToken))
        {
            if (period.Has(one.At))
            {
                (DateTimeOffset first, int packs, long files) = handedOut.GetValueOrDefault(one.Restore, (one.At, 0, 0L));
                handedOut[one.Restore] = (one.At < first ? one.At : first, packs + 1, files + one.Instances);
            }
        }

        List<BinderDisclosure> told = [];
        foreach ((WorkId id, (DateTimeOffset first, int packs, long files)) in handedOut.OrderBy(one => one.Value.First))
        {
            Restore? restore = null;
            string? why = null;
            try
            {
                restore = await restores.GetAsync(clinic.Id, id, cancellationToken);
            }
            catch (Exception e) when (e is IntegrityException or RefusedException)
            {
                why = e.Message;
            }

            told.Add(new BinderDisclosure(id.ToString(), first, packs, files, restore?.Purpose, restore?.Recipient, restore?.RequestedBy, restore?.ApprovedBy));
            if (why is not null)
            {
                yield return new BinderThing($"restore {id}", _ => throw new IntegrityException(why));
            }
        }

        if (damaged > 0)
        {
            string rows = ReportText.Count(damaged, "row", "rows");
            yield return new BinderThing($"{rows} of what was handed out", _ => throw new IntegrityException("They say what cannot be: they were changed past the service. See docs/operations.md, integrity."));
        }

        yield return List(BinderFiles.Disclosures, new { clinic = clinic.Id, from = period.From, to = period.To, disclosures = told });
    }

    private static BinderThing List<T>(string path, T document) => new(path, _ => Task.FromResult<IReadOnlyList<BinderContent>>([new(path, CanonicalJson.Serialize(document))]));
}

/// <summary>A restore that handed something out. What it is for and for whom is as it was stated; null where the restore cannot be read.</summary>
internal sealed record BinderDisclosure(
    string Restore, DateTimeOffset ReleasedAt, int Packs, long Files, string? Purpose, string? Recipient, string? RequestedBy, string? ApprovedBy);
