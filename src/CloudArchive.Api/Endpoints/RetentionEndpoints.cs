using System.Globalization;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Retention;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>How long studies are kept, what keeps them longer, and their destruction after that.</summary>
internal static class RetentionEndpoints
{
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused, Look: true);
    private static readonly EndpointPolicy _plan = _read with { Action = AuditActions.StudiesQueried, Look = false };
    private static readonly EndpointPolicy _admin = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused, Mfa: true);

    public static void Map(EndpointTable table)
    {
        table.Get("/v1/clinics/{clinic}/retention", GetPolicyAsync, _read)?.WithSummary("The retention policy that stands, and all that there were.");
        table.Put("/v1/clinics/{clinic}/retention", ChangePolicyAsync, _admin with { Action = AuditActions.RetentionPolicyChanged })?.WithSummary("A new version of the policy. What is locked is only ever extended.");
        table.Get("/v1/clinics/{clinic}/retention/plan", PlanAsync, _plan)?.WithSummary("What retention asks for now, study by study, with the reason.");

        table.Post("/v1/clinics/{clinic}/holds", SetHoldAsync, _admin with { Action = AuditActions.HoldSet })?.WithSummary("Sets a legal hold on a study or a patient. It counts at once; storage follows within the hour.");
        table.Get("/v1/clinics/{clinic}/holds", ListHoldsAsync, _read)?.WithSummary("Legal holds, oldest first, the cleared ones too.");
        table.Get("/v1/clinics/{clinic}/holds/{hold}", GetHoldAsync, _read)?.WithSummary("A legal hold.");
        table.Post("/v1/clinics/{clinic}/holds/{hold}/clear", ClearHoldAsync, _admin with { Action = AuditActions.HoldClearRequested })?.WithSummary("Clears a hold, or asks a second admin to where the clinic wants that.");
        table.Post("/v1/clinics/{clinic}/holds/{hold}/approve", ApproveHoldAsync, _admin with { Action = AuditActions.HoldCleared })?.WithSummary("A second admin's approval, which clears the hold.");

        table.Post("/v1/clinics/{clinic}/destructions", RequestAsync, _admin with { Action = AuditActions.DestructionRequested })?.WithSummary("Asks for the destruction of a study whose time is over. The archive does so by itself as well.");
        table.Get("/v1/clinics/{clinic}/destructions", ListAsync, _read)?.WithSummary("Destructions, oldest first.");
        table.Get("/v1/clinics/{clinic}/destructions/{destruction}", GetAsync, _read)?.WithSummary("A destruction.");
        table.Post("/v1/clinics/{clinic}/destructions/{destruction}/approve", ApproveAsync, _admin with { Action = AuditActions.DestructionApproved })?.WithSummary("An admin's approval, who is not the one who asked.");
        table.Post("/v1/clinics/{clinic}/destructions/{destruction}/reject", RejectAsync, _admin with { Action = AuditActions.DestructionRejected })?.WithSummary("An admin's no. The plan asks again after 90 days.");
        table.Get("/v1/clinics/{clinic}/destructions/{destruction}/certificate", CertificateAsync, _read)?.WithSummary("The signed certificate of a destruction.");
    }

    private static async Task<Ok<RetentionResponse>> GetPolicyAsync(ClinicId clinic, RetentionPolicies policies, CancellationToken cancellationToken)
    {
        IReadOnlyList<RetentionVersion> versions = await policies.ListAsync(clinic, cancellationToken);
        return TypedResults.Ok(new RetentionResponse(versions[^1].Policy, [.. versions.Select(version => new RetentionVersionResponse(version.Policy, version.ChangedAt, version.ChangedBy))]));
    }

    private static async Task<Ok<RetentionPolicy>> ChangePolicyAsync(ClinicId clinic, RetentionPolicyRequest body, RetentionPolicies policies, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok(await policies.ChangeAsync(
            clinic, new RetentionPolicy(0, body.Years, body.MinimumYears, body.From, body.MinorsUntilAge, body.MinorYears, body.ArchiveAfterYears), context.Requester(), cancellationToken));

    private static async Task<Ok<Page<RetentionLineResponse>>> PlanAsync(
        ClinicId clinic, string? action, string? after, int? take, RetentionPlanner planner, IAuditLog log, HttpContext context, CancellationToken cancellationToken)
    {
        int most = Paging.Take(take);
        Uid? last = Paging.After<Uid>(after);
        RetentionLineResponse[] page =
        [
            .. (await planner.PlanAsync(clinic, cancellationToken))
                .Select(line => line.ToResponse())
                .Where(line => (action is null || line.Action == action) && (last is null || string.CompareOrdinal(line.Study.Value, last.Value.Value) > 0))
                .OrderBy(line => line.Study.Value, StringComparer.Ordinal)
                .Take(most),
        ];
        Requester by = context.Requester();
        Dictionary<string, string> details = new() { ["by"] = "retention", ["studies"] = page.Length.ToString(CultureInfo.InvariantCulture) };
        await log.AppendAsync(new AuditEvent(clinic.Value, AuditActions.StudiesQueried, AuditOutcome.Success, by.Actor, new AuditSubject(clinic.Value), by.Origin, Details: details), cancellationToken);
        return TypedResults.Ok(new Page<RetentionLineResponse>(page, page.Length == most ? page[^1].Study.Value : null));
    }

    private static async Task<Created<HoldResponse>> SetHoldAsync(ClinicId clinic, HoldRequest body, IdentifierLookup lookup, Holds holds, CatalogReader catalog, HttpContext context, CancellationToken cancellationToken)
    {
        (IdentifierHmacs? patient, _) = await lookup.HmacAsync(clinic, body.PatientId, null, cancellationToken);
        Hold hold = await holds.SetAsync(clinic, body.Study, patient?.Named, body.Reason, context.Requester(), cancellationToken, patient?.Match ?? IdentifierMatch.Exact, patient?.Form);
        int studies = hold.Study is { } study ? (await catalog.PacksOfAsync(clinic, study, cancellationToken)).Count > 0 ? 1 : 0
            : patient is not null ? (await catalog.StudiesOfAsync(clinic, patient.All, cancellationToken)).Count : 0;
        return TypedResults.Created($"/v1/clinics/{clinic}/holds/{hold.Id}", hold.ToResponse() with { Studies = studies });
    }

    private static async Task<Ok<Page<HoldResponse>>> ListHoldsAsync(ClinicId clinic, string? after, int? take, Holds holds, CancellationToken cancellationToken)
    {
        int most = Paging.Take(take);
        IReadOnlyList<Hold> page = await holds.ListAsync(clinic, Paging.After<WorkId>(after), most, cancellationToken);
        return TypedResults.Ok(new Page<HoldResponse>([.. page.Select(hold => hold.ToResponse())], page.Count == most ? page[^1].Id.ToString() : null));
    }

    private static async Task<Ok<HoldResponse>> GetHoldAsync(ClinicId clinic, WorkId hold, Holds holds, CancellationToken cancellationToken) =>
        TypedResults.Ok((await holds.GetAsync(clinic, hold, cancellationToken)).ToResponse());

    private static async Task<Ok<HoldResponse>> ClearHoldAsync(ClinicId clinic, WorkId hold, Holds holds, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok((await holds.ClearAsync(clinic, hold, context.Requester(), cancellationToken)).ToResponse());

    private static async Task<Ok<HoldResponse>> ApproveHoldAsync(ClinicId clinic, WorkId hold, Holds holds, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok((await holds.ApproveClearAsync(clinic, hold, context.Requester(), cancellationToken)).ToResponse());

    private static async Task<Created<DestructionResponse>> RequestAsync(ClinicId clinic, DestructionRequest body, DestructionDesk desk, HttpContext context, CancellationToken cancellationToken)
    {
        DestructionOrder order = await desk.RequestAsync(clinic, body.Study, context.Requester(), cancellationToken);
        return TypedResults.Created($"/v1/clinics/{clinic}/destructions/{order.Id}", order.ToResponse());
    }

    private static async Task<Ok<Page<DestructionResponse>>> ListAsync(ClinicId clinic, string? after, int? take, DestructionDesk desk, CancellationToken cancellationToken)
    {
        int most = Paging.Take(take);
        IReadOnlyList<DestructionOrder> page = await desk.ListAsync(clinic, Paging.After<WorkId>(after), most, cancellationToken);
        return TypedResults.Ok(new Page<DestructionResponse>([.. page.Select(order => order.ToResponse())], page.Count == most ? page[^1].Id.ToString() : null));
    }

    private static async Task<Ok<DestructionResponse>> GetAsync(ClinicId clinic, WorkId destruction, DestructionDesk desk, CancellationToken cancellationToken) =>
        TypedResults.Ok((await desk.GetAsync(clinic, destruction, cancellationToken)).ToResponse());

    private static async Task<Ok<DestructionResponse>> ApproveAsync(ClinicId clinic, WorkId destruction, DestructionDesk desk, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok((await desk.ApproveAsync(clinic, destruction, context.Requester(), cancellationToken)).ToResponse());

    private static async Task<Ok<DestructionResponse>> RejectAsync(ClinicId clinic, WorkId destruction, DestructionDesk desk, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok((await desk.RejectAsync(clinic, destruction, context.Requester(), cancellationToken)).ToResponse());

    private static async Task<Ok<CertificateResponse>> CertificateAsync(
        ClinicId clinic, WorkId destruction, DestructionDesk desk, DestructionCertificateStore certificates, CancellationToken cancellationToken) =>
        TypedResults.Ok(await certificates.ReadAsync(await desk.GetAsync(clinic, destruction, cancellationToken), cancellationToken));
}
