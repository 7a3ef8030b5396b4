using System.Text.RegularExpressions;
using CloudArchive.Api.Identity;
using CloudArchive.Api.Portal.Session;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Template;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace CloudArchive.Api.Portal;

/// <summary>
/// A form that was not done as it was filled in. It is shown again on its page, with what was typed and with each error beside its field; a message that begins
/// with a field's name and a colon, as the API's do, is that field's. Passwords and private keys are not given back.
/// </summary>
/// <param name="Action">Where it was sent: which of a page's forms it is.</param>
/// <param name="Typed">What was typed, by field.</param>
/// <param name="Errors">What is wrong with a field.</param>
/// <param name="General">What is wrong with no field in particular; a title first, where the kind of error has one.</param>
/// <param name="Status">The answer's status.</param>
public sealed partial record RefusedForm(
    string Action, IReadOnlyDictionary<string, IReadOnlyList<string>> Typed, IReadOnlyDictionary<string, string> Errors, IReadOnlyList<string> General, int Status)
{
    /// <summary>The hidden field that says on which page a form is.</summary>
    internal const string At = "at";

    /// <summary>Whether it is a search by GET: a page may have one of each that go to the same address.</summary>
    internal bool IsGet { get; init; }

    /// <summary>Whether the page has it. One that has it no more cannot say what was wrong.</summary>
    internal bool IsShown { get; set; }

    /// <summary>What was typed into a field; null where nothing was sent for it.</summary>
    public string? ValueOf(string field) => Typed.TryGetValue(field, out IReadOnlyList<string>? values) && values.Count > 0 ? values[0] : null;

    /// <summary>Whether a choice was made.</summary>
    public bool Has(string field, string value) => Typed.TryGetValue(field, out IReadOnlyList<string>? values) && values.Contains(value);

    /// <summary>Whether the reader is put there: the first thing that is wrong.</summary>
    public bool IsFirst(string field) => General.Count == 0 && Typed.Keys.FirstOrDefault(Errors.ContainsKey) == field;

    /// <inheritdoc/>
    public override string ToString() => "**redacted**";

    /// <summary>Shows the page of the refused form again. False where it has none, or none that its sender may see: then the error is a page of its own.</summary>
    internal static async Task<bool> TryShowAsync(HttpContext context, Problem problem)
    {
        if (context.Features.Get<RefusedForm>() is not null || Of(context, problem) is not (var refused, var page) || Find(context, page) is not var (endpoint, values))
        {
            return false;
        }

        HttpRequest request = context.Request;
        (PathString path, QueryString query, RouteValueDictionary was, Endpoint? before) = (request.Path, request.QueryString, request.RouteValues, context.GetEndpoint());
        try
        {
            // As a GET of that page would be: the same policy, the same filters, the same entries in the log.
            (request.Path, request.QueryString) = (page.LocalPath, new QueryString(page.Query));
            request.RouteValues = values;
            context.SetEndpoint(endpoint);
            context.Features.Set(refused);
            EndpointPolicy policy = endpoint.Metadata.GetRequiredMetadata<EndpointPolicy>();
            if (policy.Reach != Reach.Anonymous)
            {
                context.Info().ActingAs = Gate.Authorize(context, context.Caller(), policy, context.RequestServices.GetRequiredService<CloudArchiveOptions>());
            }

            await endpoint.RequestDelegate!(context);
            return true;
        }
        catch (Exception e) when (e is not OperationCanceledException && !context.Response.HasStarted)
        {
            (request.Path, request.QueryString, request.RouteValues) = (path, query, was);
            context.SetEndpoint(before);
            context.Features.Set<RefusedForm>(null);
            if (e is not (FormNotShownException or DeniedException or Core.RefusedException))
            {
                PortalErrors.LogNotShown(context.RequestServices.GetRequiredService<ILogger<RefusedForm>>(), e, endpoint.RoutePattern.RawText);
            }

            return false;
        }
    }

    private static (RefusedForm Refused, Uri Page)? Of(HttpContext context, Problem problem)
    {
        IEnumerable<KeyValuePair<string, StringValues>> sent;
        string page;
        if (HttpMethods.IsGet(context.Request.Method))
        {
            // A search by GET: its page without a question.
            (sent, page) = (context.Request.Query, context.Request.Path);
            if (problem.Status != StatusCodes.Status400BadRequest || context.Request.Query.Count == 0)
            {
                return null;
            }
        }
        else
        {
            bool signsIn = context.GetEndpoint()?.Metadata.GetMetadata<EndpointPolicy>()?.Reach == Reach.Anonymous;
            if (!context.Request.HasFormContentType || context.Features.Get<IFormFeature>()?.Form is not { } form || form[At] is not [{ Length: > 0 } at]
                || (signsIn ? problem.Status != StatusCodes.Status401Unauthorized : context.Session() is null || problem.Status is not (400 or 409 or 422)))
            {
                return null;
            }

            (sent, page) = (form, at);
        }

        Dictionary<string, IReadOnlyList<string>> typed = sent.Where(field => field.Key is not (At or PortalGate.FormToken)).ToDictionary(
            field => field.Key, field => (IReadOnlyList<string>)[.. field.Value.OfType<string>().Where(value => !value.Contains("PRIVATE KEY", StringComparison.Ordinal))], StringComparer.OrdinalIgnoreCase);
        Dictionary<string, string> errors = new(StringComparer.OrdinalIgnoreCase);
        List<string> general = [];
        foreach (string line in problem.Detail.Split('\n'))
        {
            if (FieldError().Match(line) is { Success: true } match && typed.ContainsKey(match.Groups["field"].Value))
            {
                errors.TryAdd(match.Groups["field"].Value, Sentence(match.Groups["what"].Value));
            }
            else
            {
                general.Add(line);
            }
        }

        if (general.Count > 0 && problem.Slug != "request-invalid")
        {
            general.Insert(0, problem.Title + ".");
        }

        // What a link got wrong, and no person typed, has no field to stand beside.
        bool shown = !HttpMethods.IsGet(context.Request.Method) || (general.Count == 0 && !errors.ContainsKey("after"));
        return shown && Uri.TryCreate(new Uri("https://portal.invalid/"), page, out Uri? at2) && at2.Host == "portal.invalid"
            ? (new RefusedForm(context.Request.Path, typed, errors, general, problem.Status) { IsGet = HttpMethods.IsGet(context.Request.Method) }, at2)
            : null;
    }

    /// <summary>The page at an address: of the same clinic as the request, or of none.</summary>
    private static (RouteEndpoint Endpoint, RouteValueDictionary Values)? Find(HttpContext context, Uri page)
    {
        foreach (RouteEndpoint endpoint in context.RequestServices.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(one => one.Metadata.GetMetadata<PortalSurface>() is not null && one.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Contains(HttpMethods.Get) == true)
            .OrderBy(one => one.RoutePattern.InboundPrecedence))
        {
            RouteValueDictionary values = new();
            if (new TemplateMatcher(TemplateParser.Parse(endpoint.RoutePattern.RawText!.TrimStart('/')), new RouteValueDictionary()).TryMatch(page.LocalPath, values))
            {
                object? clinic = context.Request.RouteValues["clinic"];
                return clinic is null || Equals(values["clinic"], clinic) ? (endpoint, values) : null;
            }
        }

        return null;
    }

    private static string Sentence(string what) => what.Length == 0 ? what : char.ToUpperInvariant(what[0]) + what[1..];

    [GeneratedRegex("^(?<field>[A-Za-z]+): (?<what>.+)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex FieldError();
}

/// <summary>A page that is shown again for a refused form has that form no more.</summary>
internal sealed class FormNotShownException : Exception;

/// <summary>What is wrong with a form, field by field, so that it is told all at once.</summary>
internal sealed class FormFaults
{
    private readonly List<(Core.Refusal Refusal, string Line)> _lines = [];

    /// <summary>A field is wrong.</summary>
    public void Add(string field, string what, Core.Refusal refusal = Core.Refusal.RequestInvalid) => _lines.Add((refusal, $"{field}: {what}"));

    /// <summary>Something is, that is no field's.</summary>
    public void Add(string what) => _lines.Add((Core.Refusal.RequestInvalid, what));

    /// <summary>Refuses the form where anything is wrong.</summary>
    public void ThrowIfAny()
    {
        if (_lines.Count > 0)
        {
            throw new Core.RefusedException(_lines[0].Refusal, string.Join('\n', _lines.Select(line => line.Line)));
        }
    }
}
