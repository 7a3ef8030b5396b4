using CloudArchive.Core;
using CloudArchive.Core.Access;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace CloudArchive.Api.Identity;

/// <summary>Who may call an endpoint.</summary>
[Flags]
public enum Roles
{
    /// <summary>Nobody in particular: no token needed.</summary>
    None = 0,

    /// <summary>A clinic's computer.</summary>
    Agent = 1,

    /// <summary>Restores, enrolls, configures.</summary>
    Admin = 2,

    /// <summary>Reads evidence and the audit log.</summary>
    Compliance = 4,
}

/// <summary>Who a token says is calling.</summary>
/// <param name="Id">The agent's id, or <see cref="StaffId"/> of a person.</param>
/// <param name="Roles">The roles in the token; more than one only for staff.</param>
/// <param name="Clinics">The clinics in reach; null for all.</param>
/// <param name="Agent">The agent, where it is one.</param>
/// <param name="Mfa">Whether the token says that more than one factor was used.</param>
public sealed record Caller(string Id, Roles Roles, IReadOnlyList<ClinicId>? Clinics, AgentId? Agent = null, bool Mfa = false)
{
    /// <summary>The person; null for an agent and for nobody.</summary>
    public StaffId? Staff { get; init; }

    /// <summary>What rows from before <see cref="StaffId"/> call the person: see <see cref="Core.Requester.Formerly"/>.</summary>
    public IReadOnlyList<string> Formerly { get; init; } = [];

    /// <summary>A caller without a token.</summary>
    public static Caller Anonymous { get; } = new("anonymous", Roles.None, []);

    /// <summary>The roles as tokens and audit entries name them.</summary>
    public IEnumerable<string> RoleNames => new[] { Roles.Agent, Roles.Admin, Roles.Compliance }.Where(role => (Roles & role) != default).Select(NameOf);

    /// <summary>A role's name.</summary>
    internal static string NameOf(Roles role) => role switch
    {
        Roles.Agent => "agent",
        Roles.Admin => "admin",
        Roles.Compliance => "compliance",
        _ => "anonymous",
    };

    /// <summary>Whether the clinic is in reach.</summary>
    public bool Reaches(ClinicId clinic) => Clinics is null || Clinics.Contains(clinic);
}

/// <summary>What the middlewares know of a request; handlers find it in the request's features.</summary>
public sealed class RequestInfo
{
    /// <summary>The id that the response, the logs and the audit entries carry.</summary>
    public required string CorrelationId { get; init; }

    /// <summary>Who is calling. Null until <see cref="Gate"/> has let the request pass.</summary>
    public Caller? Caller { get; set; }

    /// <summary>The one role in which the caller was let in.</summary>
    public Roles ActingAs { get; set; }
}

/// <summary>Shorthands for handlers.</summary>
public static class RequestInfoExtensions
{
    /// <summary>What the middlewares know of the request.</summary>
    public static RequestInfo Info(this HttpContext context) =>
        context.Features.Get<RequestInfo>() ?? throw new InvalidOperationException("UseCloudArchive() is missing in this host's pipeline.");

    /// <summary>The caller that the gate let in.</summary>
    public static Caller Caller(this HttpContext context) =>
        context.Info().Caller ?? throw new InvalidOperationException("The request did not pass the gate.");

    /// <summary>The calling agent, on endpoints that only agents may call.</summary>
    public static AgentId Agent(this HttpContext context) =>
        context.Caller().Agent ?? throw new InvalidOperationException("The endpoint's policy lets others in than agents.");

    /// <summary>Who and from where, as audit entries have it.</summary>
    public static Requester Requester(this HttpContext context)
    {
        RequestInfo info = context.Info();
        Caller caller = info.Caller ?? Identity.Caller.Anonymous;
        return new Requester(new AuditActor(caller.Id, Identity.Caller.NameOf(info.ActingAs)), context.Origin()) { Formerly = caller.Formerly };
    }

    /// <summary>The clinic that the path names; null where it names none.</summary>
    public static ClinicId? ClinicInPath(this HttpContext context) => ClinicId.TryParse(context.GetRouteValue("clinic") as string, null, out ClinicId clinic) ? clinic : null;

    /// <summary>The endpoint's pattern, as audit entries have it: a path may carry what a caller put there.</summary>
    public static string PathPattern(this HttpContext context) => (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "unknown";

    /// <summary>From where.</summary>
    public static AuditOrigin Origin(this HttpContext context) => new(context.Connection.RemoteIpAddress?.ToString(), context.Info().CorrelationId);
}
