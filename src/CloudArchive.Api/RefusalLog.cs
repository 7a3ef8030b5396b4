using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace CloudArchive.Api;

/// <summary>
/// Every refusal has its audit entry (docs/design.md, invariant 4). So that nobody can flood the log, refusals have a budget, of each
/// caller and of everyone without a token together: beyond it the answer is 429, which is none.
/// </summary>
public sealed class RefusalLog(IAuditLog log, RateLimits limits)
{
    /// <summary>Appends the entry; false where the budget is used up, and then there is none.</summary>
    public async Task<bool> RecordAsync(HttpContext context, string reason, CancellationToken cancellationToken)
    {
        ArchiveMetrics.Refusals.Add(1, new KeyValuePair<string, object?>("reason", reason));
        if (await limits.TakeRefusalAsync(context, cancellationToken) is not null)
        {
            return false;
        }

        // The clinic's log only for who may act in it; what others try is the system's business.
        ClinicId? clinic = context.ClinicInPath();
        bool inReach = clinic is { } id && IsKnown(context) && context.Caller().Reaches(id);
        EndpointPolicy? policy = context.GetEndpoint()?.Metadata.GetMetadata<EndpointPolicy>();
        string route = context.PathPattern();
        await log.AppendAsync(
            new AuditEvent(
                inReach ? clinic!.Value.Value : AuditEntry.SystemLog,
                policy?.Action ?? AuditActions.RequestRefused,
                AuditOutcome.Refused,
                context.Requester().Actor,
                new AuditSubject(clinic?.Value, Pack: PackIn(context)),
                context.Origin(),
                reason,
                new Dictionary<string, string> { ["method"] = context.Request.Method, ["route"] = route }),
            cancellationToken);
        return true;
    }

    private static bool IsKnown(HttpContext context) => context.Info().Caller is { Roles: not Roles.None };

    private static string? PackIn(HttpContext context) => context.GetRouteValue("pack") is string text && PackId.TryParse(text, null, out PackId pack) ? pack.ToString() : null;
}
