using System.Globalization;
using CloudArchive.Api.Identity;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace CloudArchive.Api;

/// <summary>
/// Every look of a person at what tells of a clinic's patients has an entry, and so has every request of a known caller for what is not there or
/// makes no sense, which is how ids are guessed. So that nobody can flood the log: one for each caller, kind of thing and minute, whatever instance
/// answers. What has an action of its own, such as a query, has that instead.
/// </summary>
public sealed class LookLog(IAuditLog log, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private readonly HashSet<string> _ofThisMinute = new(StringComparer.Ordinal);
    private long _minute;

    /// <summary>Before the answer goes out: a look that cannot be recorded is none.</summary>
    public async ValueTask<object?> FilterAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        object? result = await next(invocation);
        HttpContext context = invocation.HttpContext;
        if (context.Caller().Agent is null)
        {
            await RecordAsync(context, AuditOutcome.Success, null, context.RequestAborted);
        }

        return result;
    }

    /// <summary>A request that was answered 400 or 404. Nobody is told apart from anybody else where the caller is not known: that is the refusals' business.</summary>
    public Task RecordMissAsync(HttpContext context, string reason, CancellationToken cancellationToken) =>
        context.Info().Caller is { Roles: not Roles.None } ? RecordAsync(context, AuditOutcome.Failure, reason, cancellationToken) : Task.CompletedTask;

    /// <summary>A page that is not a clinic's shows what is one's.</summary>
    internal Task RecordAsync(HttpContext context, ClinicId clinic, CancellationToken cancellationToken) => RecordAsync(context, AuditOutcome.Success, null, cancellationToken, clinic);

    private async Task RecordAsync(HttpContext context, AuditOutcome outcome, string? reason, CancellationToken cancellationToken, ClinicId? of = null)
    {
        Caller caller = context.Caller();
        string? clinic = (of ?? context.ClinicInPath()) is { } id && caller.Reaches(id) ? id.Value : null;
        string route = context.PathPattern();
        long minute = clock.GetUtcNow().ToUnixTimeSeconds() / 60;
        string once = string.Create(CultureInfo.InvariantCulture, $"look:{caller.Id}:{clinic}:{context.Request.Method} {route}:{reason}:{minute}");
        if (IsRecorded(once, minute))
        {
            return;
        }

        AuditEvent entry = new(
            clinic ?? AuditEntry.SystemLog,
            AuditActions.RecordRead,
            outcome,
            context.Requester().Actor,
            new AuditSubject(clinic),
            context.Origin(),
            reason,
            new Dictionary<string, string> { ["method"] = context.Request.Method, ["route"] = route },
            Once: once);
        try
        {
            await log.AppendAsync(entry, cancellationToken);
        }
        catch (AuditLogDamagedException) when (clinic is not null)
        {
            // A clinic whose log is damaged can be looked at all the same, or nobody could say what is the matter with it.
            await log.AppendAsync(entry with { Log = AuditEntry.SystemLog }, cancellationToken);
        }

        lock (_gate)
        {
            if (_minute == minute)
            {
                _ofThisMinute.Add(once);
            }
        }
    }

    private bool IsRecorded(string once, long minute)
    {
        lock (_gate)
        {
            if (_minute != minute)
            {
                _minute = minute;
                _ofThisMinute.Clear();
            }

            return _ofThisMinute.Contains(once);
        }
    }
}
