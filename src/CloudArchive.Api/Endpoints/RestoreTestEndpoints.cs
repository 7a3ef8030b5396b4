using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>Restore tests on demand, how all of them went, what each may spend, and their evidence.</summary>
internal static class RestoreTestEndpoints
{
    private const string Latest = "latest";
    private static readonly EndpointPolicy _start = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RestoreTestStarted);
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused, Look: true);

    public static void Map(EndpointTable table)
    {
        table.Post("/v1/clinics/{clinic}/restore-tests", StartAsync, _start)?.WithSummary("Draws a sample that nobody could choose, and starts to restore it.");
        table.Get("/v1/clinics/{clinic}/restore-tests", ListAsync, _read)?.WithSummary("Runs, oldest first, without their packs.");
        table.Get("/v1/clinics/{clinic}/restore-tests/{run}", GetAsync, _read)?.WithSummary("A run with its packs.");
        table.Get("/v1/clinics/{clinic}/restore-test-budget", BudgetAsync, _read)?.WithSummary("What each scheduled run may spend.");
        table.Put("/v1/clinics/{clinic}/restore-test-budget", SetBudgetAsync, _start with { Action = AuditActions.RestoreTestBudgetChanged })?.WithSummary("Changes what each scheduled run may spend.");
        table.Get("/v1/clinics/{clinic}/evidence", EvidenceAsync, _read)?.WithSummary("The evidence of runs that ended, oldest first.");
        table.Get("/v1/clinics/{clinic}/evidence/{run}/{file}", FileAsync, _read)?.WithSummary("A file of a run's evidence; the run may be 'latest'.");
    }

    private static async Task<Accepted<RestoreTestResponse>> StartAsync(
        ClinicId clinic, RestoreTestRequest body, RestoreTestDesk desk, RestoreTestBudgets budgets, JobTimer jobs, HttpContext context, CancellationToken cancellationToken)
    {
        ClinicBudget usual = await budgets.GetAsync(clinic, cancellationToken);
        ClinicBudget budget = new(body.Packs ?? usual.Packs, body.Bytes ?? usual.Bytes, body.ArchivedBytes ?? usual.ArchivedBytes);
        Requester by = context.Requester();
        RestoreTestResponse run = await desk.StartAsync(clinic, budget, new RunTrigger(RunTriggerKind.OnDemand, RequestedBy: by.Actor.Id), by, cancellationToken);
        await jobs.StartAsync(Jobs.RestoreTest, clinic, cancellationToken);
        string url = $"/v1/clinics/{clinic}/restore-tests/{run.Id}";
        context.Response.Headers["Operation-Location"] = url;
        return TypedResults.Accepted(url, run);
    }

    private static async Task<Ok<Page<RestoreTestResponse>>> ListAsync(ClinicId clinic, string? after, int? take, RestoreTestDesk desk, CancellationToken cancellationToken)
    {
        int most = Paging.Take(take);
        IReadOnlyList<RestoreTestResponse> page = await desk.ListAsync(clinic, Paging.After<WorkId>(after), most, cancellationToken);
        return TypedResults.Ok(new Page<RestoreTestResponse>(page, page.Count == most ? page[^1].Id : null));
    }

    private static async Task<Ok<RestoreTestResponse>> GetAsync(ClinicId clinic, WorkId run, RestoreTestDesk desk, CancellationToken cancellationToken) =>
        TypedResults.Ok(await desk.GetAsync(clinic, run, cancellationToken));

    private static async Task<Ok<RestoreTestBudgetMessage>> BudgetAsync(ClinicId clinic, RestoreTestBudgets budgets, CancellationToken cancellationToken) =>
        TypedResults.Ok(Message(await budgets.GetAsync(clinic, cancellationToken)));

    private static async Task<Ok<RestoreTestBudgetMessage>> SetBudgetAsync(ClinicId clinic, RestoreTestBudgetMessage body, RestoreTestBudgets budgets, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok(Message(await budgets.SetAsync(clinic, new ClinicBudget(body.Packs, body.Bytes, body.ArchivedBytes), context.Requester(), cancellationToken)));

    private static async Task<Ok<Page<EvidenceResponse>>> EvidenceAsync(ClinicId clinic, string? after, int? take, RestoreTestDesk desk, CancellationToken cancellationToken)
    {
        int most = Paging.Take(take);
        IReadOnlyList<RestoreTestResponse> page = await desk.ListAsync(clinic, Paging.After<WorkId>(after), most, cancellationToken);
        return TypedResults.Ok(new Page<EvidenceResponse>([.. page.Where(run => run.Summary is not null).Select(Evidence)], page.Count == most ? page[^1].Id : null));
    }

    internal static async Task<FileContentHttpResult> FileAsync(ClinicId clinic, string run, string file, EvidenceStore evidence, HttpContext context, CancellationToken cancellationToken)
    {
        WorkId id = run == Latest ? await evidence.FindLatestAsync(clinic, cancellationToken) ?? throw Unknown(clinic, run, file)
            : WorkId.TryParse(run, null, out WorkId parsed) ? parsed : throw Unknown(clinic, run, file);
        byte[] content = EvidenceStore.Files.Contains(file) && await evidence.ReadAsync(clinic, id, file, cancellationToken) is { } found ? found : throw Unknown(clinic, run, file);

        // What `latest` was, so that the next file is asked of the same run.
        context.Response.Headers.ContentLocation = $"/v1/clinics/{clinic}/evidence/{id}/{file}";
        string type = Path.GetExtension(file) switch { ".json" => "application/json", ".pdf" => "application/pdf", _ => "application/jose" };
        return TypedResults.File(content, type, $"{clinic}-{id}-{file}");
    }

    private static RefusedException Unknown(ClinicId clinic, string run, string file) => new(
        Refusal.EvidenceUnknown,
        $"Clinic {clinic} has no such evidence{(run == Latest ? " yet" : "")}. GET .../evidence lists what there is; the files are {string.Join(", ", EvidenceStore.Files)}."
        + (EvidenceStore.Files.Contains(file) ? "" : " This is none of them."));

    private static RestoreTestBudgetMessage Message(ClinicBudget budget) => new(budget.Packs, budget.Bytes, budget.ArchivedBytes);

    private static EvidenceResponse Evidence(RestoreTestResponse run) => new(
        run.Id,
        run.Clinic,
        run.Status switch { RestoreTestStatus.Passed => RunVerdict.Passed, RestoreTestStatus.Failed => RunVerdict.Failed, _ => RunVerdict.NothingTested },
        run.RequestedAt,
        run.FinishedAt!.Value,
        run.Summary!,
        run.Statistics!,
        run.EvidenceSha256!.Value,
        EvidenceStore.Files);
}
