using System.Threading.RateLimiting;
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
public sealed class RefusalLog : IDisposable
{
    private readonly IAuditLog _log;
    private readonly PartitionedRateLimiter<HttpContext> _budget;

    /// <summary>Budgets refill by the minute.</summary>
    public RefusalLog(IAuditLog log, CloudArchiveOptions options)
    {
        _log = log;
        RequestLimits limits = options.Limits;
        _budget = PartitionedRateLimiter.CreateChained(
            PartitionedRateLimiter.Create<HttpContext, string>(context => IsKnown(context)
                ? RateLimitPartition.GetTokenBucketLimiter("caller " + context.Caller().Id, _ => Bucket(limits.RefusalsPerCaller))
                : RateLimitPartition.GetTokenBucketLimiter("address " + context.Connection.RemoteIpAddress, _ => Bucket(limits.RefusalsPerAddress))),
            PartitionedRateLimiter.Create<HttpContext, string>(context => IsKnown(context)
                ? RateLimitPartition.GetNoLimiter("callers")
                : RateLimitPartition.GetTokenBucketLimiter("anonymous", _ => Bucket(limits.RefusalsOfAnonymous))));
    }

    /// <summary>Appends the entry; false where the budget is used up, and then there is none.</summary>
    public async Task<bool> RecordAsync(HttpContext context, string reason, CancellationToken cancellationToken)
    {
        ArchiveMetrics.Refusals.Add(1, new KeyValuePair<string, object?>("reason", reason));
        using (RateLimitLease lease = _budget.AttemptAcquire(context))
        {
            if (!lease.IsAcquired)
            {
                return false;
            }
        }

        // The clinic's log only for who may act in it; what others try is the system's business.
        ClinicId? clinic = context.ClinicInPath();
        bool inReach = clinic is { } id && IsKnown(context) && context.Caller().Reaches(id);
        EndpointPolicy? policy = context.GetEndpoint()?.Metadata.GetMetadata<EndpointPolicy>();
        string route = context.PathPattern();
        await _log.AppendAsync(
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

    /// <inheritdoc/>
    public void Dispose() => _budget.Dispose();

    internal static TokenBucketRateLimiterOptions Bucket(int perMinute) => new()
    {
        TokenLimit = Math.Max(1, perMinute * 2),
        TokensPerPeriod = Math.Max(1, perMinute / 6),
        ReplenishmentPeriod = TimeSpan.FromSeconds(10),
        AutoReplenishment = true,
        QueueLimit = 0,
    };

    private static bool IsKnown(HttpContext context) => context.Info().Caller is { Roles: not Roles.None };

    private static string? PackIn(HttpContext context) => context.GetRouteValue("pack") is string text && PackId.TryParse(text, null, out PackId pack) ? pack.ToString() : null;
}
