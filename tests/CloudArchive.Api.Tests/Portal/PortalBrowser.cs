using System.Net;
using System.Text.RegularExpressions;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>A browser without a screen: keeps cookies, follows nothing, sends forms as pages made them.</summary>
internal sealed partial class PortalBrowser : IDisposable
{
    private readonly HttpClient _http;

    public PortalBrowser(ApiHost host) => _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, CookieContainer = Cookies }) { BaseAddress = host.Http.BaseAddress };

    public CookieContainer Cookies { get; } = new();

    /// <summary>The hidden field of the last page that had one.</summary>
    public string? FormToken { get; set; }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<PortalBrowser> SignInAsync(ApiHost host, string token)
    {
        PortalBrowser browser = new(host);
        PortalAnswer answer = await browser.PostAsync("/portal/sign-in", ("code", token));
        Assert.Equal((HttpStatusCode.SeeOther, "/portal"), (answer.Status, answer.Location));
        return browser;
    }

    public Task<PortalAnswer> GetAsync(string path, params (string Name, string Value)[] headers) => SendAsync(HttpMethod.Get, path, null, headers);

    public Task<PortalAnswer> PostAsync(string path, params (string Name, string Value)[] fields) => SendAsync(HttpMethod.Post, path, fields, []);

    public async Task<PortalAnswer> SendAsync(HttpMethod method, string path, (string Name, string Value)[]? fields, (string Name, string Value)[] headers)
    {
        using HttpRequestMessage request = new(method, path);
        if (fields is not null)
        {
            IEnumerable<KeyValuePair<string, string>> all = fields.Select(field => KeyValuePair.Create(field.Name, field.Value));
            request.Content = new FormUrlEncodedContent(FormToken is null || fields.Any(field => field.Name == "formToken") ? all : all.Append(KeyValuePair.Create("formToken", FormToken)));
        }

        foreach ((string name, string value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using HttpResponseMessage response = await _http.SendAsync(request, Cancel);
        string body = await response.Content.ReadAsStringAsync(Cancel);
        FormToken = FormTokenField().Match(body) is { Success: true } match ? match.Groups["token"].Value : FormToken;
        Dictionary<string, string> all2 = response.Headers.Concat(response.Content.Headers).ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase);
        return new PortalAnswer(response.StatusCode, body, response.Headers.Location?.OriginalString, all2);
    }

    public void Dispose() => _http.Dispose();

    [GeneratedRegex("name=\"formToken\" value=\"(?<token>[0-9a-f]+)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex FormTokenField();
}

/// <summary>A response.</summary>
internal sealed partial record PortalAnswer(HttpStatusCode Status, string Html, string? Location, IReadOnlyDictionary<string, string> Headers)
{
    /// <summary>What one reads on the page.</summary>
    public string Text => WebUtility.HtmlDecode(Tag().Replace(Html, ""));

    public string CorrelationId => Headers["x-ms-client-request-id"];

    [GeneratedRegex("<[^>]*>", RegexOptions.None, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Tag();
}

/// <summary>A door with one code.</summary>
internal sealed class TestDoor(Func<string, string> issue) : IPortalDoor
{
    public const string Code = "0123456789abcdef";

    public IReadOnlyList<PortalIdentity> Identities { get; } = [new("ada", "Ada"), new("bob", "Bob")];

    public string? Open(string code, string subject) => code == Code && Identities.Any(identity => identity.Subject == subject) ? issue(subject) : null;
}
