using System.Text.RegularExpressions;
using CloudArchive.Api.Identity;
using CloudArchive.Api.Portal.Pages;
using CloudArchive.Api.Portal.Session;
using CloudArchive.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Api.Portal;

/// <summary>Errors of the portal as pages: the same problems that the API answers, for people.</summary>
internal static partial class PortalErrors
{
    /// <summary>Writes a problem.</summary>
    public static async Task WriteAsync(HttpContext context, Problem problem)
    {
        if (!await RefusedForm.TryShowAsync(context, problem))
        {
            await WriteAloneAsync(context, problem);
        }
    }

    private static Task WriteAloneAsync(HttpContext context, Problem problem) => problem switch
    {
        // A page's own script says that it reads no pages.
        _ when context.Request.Headers.Accept == "application/json" => Problems.WriteAsync(context, problem with { Detail = ApiHint().Replace(problem.Detail, "") }),
        { Status: StatusCodes.Status404NotFound, Slug: "not-found" } => PageAsync(context, problem with { Title = "There is no such page", Detail = "Check the address, or begin at the overview." }),
        { Slug: "forbidden" } => PageAsync(context, problem with { Title = "Your role does not allow that", Detail = problem.Detail.Replace("The token", "Your sign-in", StringComparison.Ordinal) }),
        { Status: StatusCodes.Status401Unauthorized } => PageAsync(context, problem with { Title = "Sign in again" }),
        _ => PageAsync(context, problem with { Detail = ApiHint().Replace(problem.Detail, "") }),
    };

    /// <summary>To where one signs in, and back afterwards.</summary>
    public static void SendToSignIn(HttpContext context, SignInReason reason)
    {
        string next = HttpMethods.IsGet(context.Request.Method) && context.Request.Path != PortalTable.Root
            ? $"next={Uri.EscapeDataString(context.Request.Path + context.Request.QueryString)}"
            : "";
        string why = reason == SignInReason.None ? "" : $"reason={Name(reason)}";
        string query = string.Join('&', new[] { why, next }.Where(part => part.Length > 0));
        PortalHeaders.Protect(context);
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = $"{PortalTable.Root}/sign-in{(query.Length > 0 ? "?" + query : "")}";
    }

    /// <summary>The reason as an address has it.</summary>
    public static string Name(SignInReason reason) => reason switch
    {
        SignInReason.Idle => "idle",
        SignInReason.Expired => "expired",
        SignInReason.SignedOut => "signed-out",
        SignInReason.Wrong => "wrong",
        _ => "",
    };

    private static Task PageAsync(HttpContext context, Problem problem)
    {
        if (problem.Slug == Problems.Refusals[Refusal.ClinicUnknown].Slug)
        {
            // No navigation into a clinic that there is not.
            context.Request.RouteValues.Remove("clinic");
        }

        return PortalPage.Of<ErrorPage, ErrorModel>(problem.Title, new ErrorModel(problem, context.Info().CorrelationId), problem.Status).ExecuteAsync(context);
    }

    [LoggerMessage(209, LogLevel.Error, "The page {Route} could not be shown again with a refused form; the refusal is a page of its own.")]
    internal static partial void LogNotShown(ILogger logger, Exception exception, string? route);

    /// <summary>What an error says to programs: which address lists what there is. People have the navigation.</summary>
    [GeneratedRegex(@"\s*\bGET \S+ (lists|says|describes) .*$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ApiHint();
}
