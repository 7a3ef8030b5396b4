using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>The computers that may add to the archive.</summary>
internal static class AgentPages
{
    private const int AgentsAPage = 100;
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused);
    private static readonly EndpointPolicy _code = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.EnrollmentCodeIssued, Mfa: true);
    private static readonly EndpointPolicy _revoke = _code with { Action = AuditActions.AgentRevoked };

    public static void Map(PortalTable table)
    {
        table.Page("/clinics/{clinic}/agents", ListAsync, _read);
        table.Form("/clinics/{clinic}/enrollments", CreateCodeAsync, _code);
        table.Form("/clinics/{clinic}/agents/{agent}/revoke", RevokeAsync, _revoke);
    }

    private static async Task<PortalPage> ListAsync(ClinicId clinic, string? after, ClinicDirectory clinics, ClinicCheck check, CancellationToken cancellationToken)
    {
        CheckedClinic found = await check.RunAsync(await clinics.GetAsync(clinic, cancellationToken), cancellationToken);
        string? last = Paging.After<AgentId>(after)?.ToString();
        Agent[] page = [.. found.Agents.Where(agent => last is null || string.CompareOrdinal(agent.Id.ToString(), last) > 0).Take(AgentsAPage)];
        return PortalPage.Of<AgentsPage, AgentsModel>("Agents", new AgentsModel(page, found, after is not null, page.Length == AgentsAPage ? page[^1].Id.ToString() : null));
    }

    private static async Task<PortalPage> CreateCodeAsync(
        ClinicId clinic, Enrollments enrollments, CloudArchiveOptions options, HttpContext context, CancellationToken cancellationToken)
    {
        IssuedCode issued = await enrollments.CreateCodeAsync(clinic, context.Requester(), cancellationToken);
        EnrollmentCodeModel model = new(issued.Code.Reveal(), issued.ExpiresAt, options.PublicUrl.AbsoluteUri.TrimEnd('/'), issued.MakesEscrowKey);
        return PortalPage.Of<EnrollmentCodePage, EnrollmentCodeModel>("Enrollment code", model, StatusCodes.Status201Created);
    }

    private static async Task<IResult> RevokeAsync(ClinicId clinic, AgentId agent, Agents agents, HttpContext context, CancellationToken cancellationToken)
    {
        if (agent.Clinic != clinic)
        {
            throw new RefusedException(Refusal.AgentUnknown, $"Clinic {clinic} has no such agent.");
        }

        await agents.RevokeAsync(agent, context.Requester(), cancellationToken);
        return PortalPage.SeeOther($"{PortalTable.Root}/clinics/{clinic}/agents");
    }
}

/// <summary>A page of agents.</summary>
/// <param name="Agents">The page.</param>
/// <param name="Found">The clinic, with what they reported.</param>
/// <param name="Later">Whether others come before.</param>
/// <param name="Next">Where the next one begins.</param>
public sealed record AgentsModel(IReadOnlyList<Agent> Agents, CheckedClinic Found, bool Later, string? Next);

/// <summary>A computer, for its card.</summary>
/// <param name="Computer">Its verdict.</param>
/// <param name="Name">Its name.</param>
/// <param name="Report">What it reported last.</param>
public sealed record ComputerModel(ComputerVerdict Computer, string Name, ReportedVerdict? Report);

/// <summary>A code, shown once.</summary>
/// <param name="Code">The code.</param>
/// <param name="ExpiresAt">Until when it is good.</param>
/// <param name="AgentUrl">Where the clinic's computer reaches the archive.</param>
/// <param name="MakesEscrowKey">Whether that computer is the clinic's first, which makes the escrow key.</param>
public sealed record EnrollmentCodeModel(string Code, DateTimeOffset ExpiresAt, string AgentUrl, bool MakesEscrowKey)
{
    /// <inheritdoc/>
    public override string ToString() => "**redacted**";
}
