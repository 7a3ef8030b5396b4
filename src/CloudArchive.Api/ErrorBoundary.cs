using System.Diagnostics;
using CloudArchive.Api.Identity;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Portal.Session;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Api;

/// <summary>
/// The outermost middleware: gives the request its correlation id, and turns every exception into a response. Nothing leaves it
/// unmapped, because a Functions worker answers 200 to what does.
/// </summary>
public sealed partial class ErrorBoundary(RequestDelegate next, RefusalLog refusals, LookLog looks, IAuditLog log, ILogger<ErrorBoundary> logger)
{
    private const string CorrelationHeader = "x-ms-client-request-id";

    /// <summary>Runs first.</summary>
    public async Task InvokeAsync(HttpContext context)
    {
        RequestInfo info = new() { CorrelationId = Correlation(context) };
        context.Features.Set(info);
        context.Response.Headers[CorrelationHeader] = info.CorrelationId;
        context.Response.Headers.XContentTypeOptions = "nosniff";
        using IDisposable? scope = logger.BeginScope(new KeyValuePair<string, object>[] { new("CorrelationId", info.CorrelationId) });
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
        }
        catch (SignInNeededException e) when (!context.Response.HasStarted)
        {
            PortalErrors.SendToSignIn(context, e.Reason);
        }
        catch (Exception e)
        {
            await AnswerAsync(context, e);
        }
    }

    private static string Correlation(HttpContext context)
    {
        string? given = context.Request.Headers[CorrelationHeader];
        return given is { Length: >= 1 and <= 64 } && given.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')
            ? given
            : Activity.Current?.TraceId.ToString() ?? context.TraceIdentifier.Replace(':', '-');
    }

    private async Task AnswerAsync(HttpContext context, Exception exception)
    {
        if (context.Response.HasStarted)
        {
            // The status is out: all that is left is to not pretend that the body is whole.
            LogFailed(logger, exception, context.Request.Method, Route(context));
            context.Abort();
            return;
        }

        OAuthException? oauth = exception as OAuthException;
        Problem problem = oauth is null ? Problems.For(exception) : new Problem(oauth.Status == 400 ? 401 : oauth.Status, oauth.Error, "", "");
        try
        {
            if (problem.IsRefusal && exception is not RefusedException { Audited: true } && !await refusals.RecordAsync(context, problem.Slug, CancellationToken.None))
            {
                problem = Problems.TooMany();
                oauth = null;
            }

            if (problem.Status is StatusCodes.Status400BadRequest or StatusCodes.Status404NotFound && !problem.IsRefusal)
            {
                await looks.RecordMissAsync(context, problem.Slug, CancellationToken.None);
            }

            if (problem.Slug == Problems.IntegrityFailed)
            {
                await RecordIntegrityAsync(context);
            }
        }
        catch (Exception e)
        {
            // A refusal that cannot be recorded is not told apart from any other failure: nothing was granted either way.
            LogFailed(logger, e, context.Request.Method, Route(context));
            problem = Problems.For(e);
            oauth = null;
        }

        if (problem.Status >= 500)
        {
            LogFailed(logger, exception, context.Request.Method, Route(context));
        }
        else
        {
            LogAnswered(logger, problem.Status, problem.Slug, context.Request.Method, Route(context));
        }

        await (oauth is not null ? Problems.WriteAsync(context, oauth)
            : context.IsPortal() ? PortalErrors.WriteAsync(context, problem)
            : Problems.WriteAsync(context, problem));
    }

    private async Task RecordIntegrityAsync(HttpContext context)
    {
        string? clinic = context.ClinicInPath()?.Value;
        AuditSubject subject = new(clinic, Pack: context.GetRouteValue("pack") is string pack && PackId.TryParse(pack, null, out PackId p) ? p.ToString() : null);
        await log.AppendAsync(
            new AuditEvent(clinic ?? AuditEntry.SystemLog, AuditActions.IntegrityFailed, AuditOutcome.Failure, context.Requester().Actor, subject, context.Origin(), Problems.IntegrityFailed),
            CancellationToken.None);
    }

    // The pattern, not the path: a path may carry what a caller put there.
    private static string Route(HttpContext context) => (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "(no route)";

    [LoggerMessage(201, LogLevel.Error, "{Method} {Route} failed.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string method, string route);

    [LoggerMessage(202, LogLevel.Information, "{Status} {Slug} for {Method} {Route}.")]
    private static partial void LogAnswered(ILogger logger, int status, string slug, string method, string route);
}
