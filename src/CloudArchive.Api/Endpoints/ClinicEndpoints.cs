using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Api.Endpoints;

/// <summary>Clinics, their settings, their agents.</summary>
internal static partial class ClinicEndpoints
{
    private static readonly EndpointPolicy _create = new(Roles.Admin, Reach.AllClinics, ArchiveRole.Recovery, AuditActions.ClinicCreated);
    private static readonly EndpointPolicy _change = new(Roles.Admin, Reach.AllClinics, ArchiveRole.Recovery, AuditActions.ClinicSettingsChanged, Mfa: true);
    private static readonly EndpointPolicy _list = new(Roles.Admin | Roles.Compliance, Reach.Own, ArchiveRole.Recovery, AuditActions.RequestRefused);
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused);
    private static readonly EndpointPolicy _admin = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused);

    private static readonly EndpointPolicy _contact = _admin with { Action = AuditActions.ClinicContactChanged, Mfa = true };

    public static void Map(EndpointTable table)
    {
        table.Post("/v1/clinics", CreateAsync, _create)?.WithSummary("Creates a clinic. Repeating it with the same settings answers the clinic.");
        table.Get("/v1/clinics", ListAsync, _list)?.WithSummary("The clinics in the caller's reach.");
        table.Get("/v1/clinics/{clinic}", GetAsync, _read)?.WithSummary("A clinic.");
        table.Put("/v1/clinics/{clinic}/settings", ChangeAsync, _change)?.WithSummary("Changes settings; retention can only be raised.");
        table.Put("/v1/clinics/{clinic}/contact", ChangeContactAsync, _contact)?.WithSummary("The mail address that gets the clinic's alerts and its weekly letter.");
        table.Post("/v1/clinics/{clinic}/enrollments", CreateCodeAsync, _admin with { Action = AuditActions.EnrollmentCodeIssued, Mfa = true })?.WithSummary("A one-time code that enrolls one agent within 24 hours.");
        table.Get("/v1/clinics/{clinic}/agents", ListAgentsAsync, _read)?.WithSummary("The clinic's agents.");
        table.Post("/v1/clinics/{clinic}/agents/{agent}/revoke", RevokeAsync, _admin with { Action = AuditActions.AgentRevoked, Mfa = true })?.WithSummary("Revokes an agent, for good.");
    }

    private static async Task<Created<ClinicResponse>> CreateAsync(CreateClinicRequest body, ClinicDirectory clinics, HttpContext context, CancellationToken cancellationToken)
    {
        Clinic clinic = await clinics.CreateAsync(body.Clinic, body.Name, body.RetentionYears, body.RequireApproval, context.Requester(), cancellationToken);
        return TypedResults.Created($"/v1/clinics/{clinic.Id}", await ResponseAsync(clinic, clinics, cancellationToken));
    }

    private static async Task<Ok<Page<ClinicResponse>>> ListAsync(string? after, int? take, ClinicDirectory clinics, ILogger<ClinicResponse> logger, HttpContext context, CancellationToken cancellationToken)
    {
        int most = Paging.Take(take);
        ClinicId? last = Paging.After<ClinicId>(after);
        IReadOnlyList<ClinicId> ids = await InReachAsync(context.Caller(), last, most, clinics, cancellationToken);
        List<ClinicResponse> page = [];
        foreach (ClinicId id in ids)
        {
            try
            {
                if (await clinics.FindAsync(id, cancellationToken) is { } clinic)
                {
                    page.Add(await ResponseAsync(clinic, clinics, cancellationToken));
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One clinic's trouble must not hide the others.
                LogUnreadable(logger, e, id);
                page.Add(new ClinicResponse(id, id.Value, 0, default, false, null, Problem: "It could not be read. The service's log says why; docs/operations.md, integrity, what to do."));
            }
        }

        return TypedResults.Ok(new Page<ClinicResponse>(page, ids.Count == most ? ids[^1].Value : null));
    }

    [LoggerMessage(208, LogLevel.Error, "Clinic {Clinic} could not be read for the list of clinics.")]
    private static partial void LogUnreadable(ILogger logger, Exception exception, ClinicId clinic);

    /// <summary>The clinics that the caller reaches, in order.</summary>
    internal static async Task<IReadOnlyList<ClinicId>> InReachAsync(Caller caller, ClinicId? after, int take, ClinicDirectory clinics, CancellationToken cancellationToken) => caller.Clinics is null
        ? await clinics.ListAsync(after, take, cancellationToken)
        : [.. caller.Clinics.Distinct().OrderBy(id => id.Value, StringComparer.Ordinal).Where(id => after is null || string.CompareOrdinal(id.Value, after.Value.Value) > 0).Take(take)];

    private static async Task<Ok<ClinicResponse>> GetAsync(ClinicId clinic, ClinicDirectory clinics, CancellationToken cancellationToken) =>
        TypedResults.Ok(await ResponseAsync(await clinics.GetAsync(clinic, cancellationToken), clinics, cancellationToken));

    private static async Task<Ok<ClinicResponse>> ChangeAsync(ClinicId clinic, ClinicSettingsRequest body, ClinicDirectory clinics, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok(await ResponseAsync(await clinics.ChangeAsync(
            clinic, body.RetentionYears, body.RequireApproval, context.Requester(), cancellationToken, body.DailyBytes, body.DailyPacks, body.IdentifierMatch, body.RtoHours, body.RpoHours), clinics, cancellationToken));

    private static async Task<Ok<ClinicResponse>> ChangeContactAsync(ClinicId clinic, ClinicContactRequest body, ClinicDirectory clinics, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok(await ResponseAsync(await clinics.ChangeContactAsync(clinic, body.Contact, context.Requester(), cancellationToken), clinics, cancellationToken));

    private static async Task<Created<EnrollmentCodeResponse>> CreateCodeAsync(
        ClinicId clinic, Enrollments enrollments, CloudArchiveOptions options, HttpContext context, CancellationToken cancellationToken)
    {
        IssuedCode issued = await enrollments.CreateCodeAsync(clinic, context.Requester(), cancellationToken);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Created((string?)null, new EnrollmentCodeResponse(clinic, issued.Code.Reveal(), issued.ExpiresAt, options.PublicUrl, issued.MakesEscrowKey));
    }

    private static async Task<Ok<Page<AgentResponse>>> ListAgentsAsync(ClinicId clinic, string? after, int? take, Agents agents, CancellationToken cancellationToken)
    {
        int most = Paging.Take(take);
        IReadOnlyList<Agent> page = await agents.ListAsync(clinic, Paging.After<AgentId>(after), most, cancellationToken);
        return TypedResults.Ok(new Page<AgentResponse>([.. page.Select(Response)], page.Count == most ? page[^1].Id.ToString() : null));
    }

    private static async Task<Ok<AgentResponse>> RevokeAsync(ClinicId clinic, AgentId agent, Agents agents, HttpContext context, CancellationToken cancellationToken) =>
        agent.Clinic == clinic
            ? TypedResults.Ok(Response(await agents.RevokeAsync(agent, context.Requester(), cancellationToken)))
            : throw new RefusedException(Refusal.AgentUnknown, $"Clinic {clinic} has no such agent.");

    internal static AgentResponse Response(Agent agent) => new(agent.Id.ToString(), agent.Name, agent.EnrolledAt, agent.LastSeenAt, agent.Revoked, agent.KeySince, agent.RevokedAt);

    private static async Task<ClinicResponse> ResponseAsync(Clinic clinic, ClinicDirectory clinics, CancellationToken cancellationToken) => new(
        clinic.Id, clinic.Name, clinic.Retention.Years, clinic.CreatedAt, clinic.EscrowKey is not null, await clinics.LastCommitAsync(clinic.Id, cancellationToken), clinic.RequireApproval, clinic.Contact)
    {
        IdentifierMatch = clinic.IdentifierMatch,
        DailyBytes = clinic.Quota.Bytes,
        DailyPacks = clinic.Quota.Packs,
        RtoHours = clinic.Objectives.RtoHours,
        RpoHours = clinic.Objectives.RpoHours,
    };
}
