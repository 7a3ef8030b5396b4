using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Cli.Tests.SignIn;

/// <summary>An archive and its issuer, whose addresses lie as Entra ID's do: endpoints beside the issuer's path, userinfo with another host.</summary>
internal sealed class StandInIssuer : IDisposable
{
    public const string Service = "https://archive.example.org/", Issuer = "https://login.example/tenant/v2.0", Scope = "api://archive/access";
    public const string Claims = """{"access_token":{"acrs":{"essential":true,"value":"c1"}}}""";
    private int _tokens;

    public StandInIssuer()
    {
        Cli = new TestCli { Clock = Clock, Interactive = true, Answer = AnswerAsync, OpenBrowser = Browse };
        Cli.Variables["CLOUDARCHIVE_CLINIC"] = "oak-street";
    }

    public FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 11, 28, 8, 0, 0, TimeSpan.Zero));

    public TestCli Cli { get; }

    /// <summary>What the archive says of its sign-in.</summary>
    public SignInResponse SignIn { get; set; } = new(Issuer, "cli-client", Scope, Claims);

    /// <summary>What the token endpoint says to each question; the default: a token.</summary>
    public Func<IReadOnlyDictionary<string, string>, HttpResponseMessage>? Token { get; set; }

    /// <summary>What the archive says to whoever has a token.</summary>
    public Func<string, HttpResponseMessage> Archive { get; set; } = _ => Json(HttpStatusCode.OK, """{"items":[]}""");

    /// <summary>Where the person's browser goes; the default: signs in, and comes back.</summary>
    public Func<Uri, Task>? Browser { get; set; }

    /// <summary>As whom the issuer signs in.</summary>
    public string Person { get; set; } = "anna";

    public List<IReadOnlyDictionary<string, string>> Asked { get; } = [];

    public List<(string Endpoint, DateTimeOffset At)> Requests { get; } = [];

    public List<string?> Bearers { get; } = [];

    public List<Uri> Opened { get; } = [];

    public Task? Browsing { get; private set; }

    public string SessionFile => Path.Combine(Cli.Home, "staff", "session");

    public static HttpResponseMessage Json(HttpStatusCode status, string json) => new(status) { Content = new StringContent(json, Encoding.UTF8, "application/json") };

    public static HttpResponseMessage Error(string error, string description = "") => Json(HttpStatusCode.BadRequest, $$"""{"error":"{{error}}","error_description":"{{description}}"}""");

    /// <summary>The challenge of an endpoint that wants a second factor.</summary>
    public static HttpResponseMessage Challenge(string claims = Claims)
    {
        HttpResponseMessage answer = Json(HttpStatusCode.Unauthorized, """{"type":"https://cloudarchive.example/problems/mfa-needed","title":"A second factor is needed","detail":"Sign in again with a second factor."}""");
        answer.Headers.TryAddWithoutValidation("WWW-Authenticate", $"Bearer error=\"insufficient_claims\", claims=\"{Convert.ToBase64String(Encoding.UTF8.GetBytes(claims))}\"");
        return answer;
    }

    public HttpResponseMessage Tokens(string? refreshToken = "refresh") => Json(HttpStatusCode.OK, new JsonObject
    {
        ["token_type"] = "Bearer",
        ["access_token"] = $"access-{Interlocked.Increment(ref _tokens)}",
        ["refresh_token"] = refreshToken,
        ["expires_in"] = 3600,
        ["id_token"] = $"e30.{Base64Url(new JsonObject { ["sub"] = "sub-of-" + Person, ["preferred_username"] = Person + "@example.org" }.ToJsonString())}.c2ln",
    }.ToJsonString());

    /// <summary>Signs in, or throws what went wrong.</summary>
    public async Task SignInAsync(params string[] more)
    {
        (ExitCode code, _, string error) = await Cli.RunAsync(["login", "--url", Service, .. more]);
        Assert.True(code == ExitCode.Ok, error);
    }

    /// <summary>Runs a command while time goes by, faster than here: so much at a step.</summary>
    public async Task<(ExitCode Code, string Output, string Error)> RunWhileTimeGoesByAsync(TimeSpan step, params string[] arguments)
    {
        Task<(ExitCode Code, string Output, string Error)> run = Cli.RunAsync(arguments);
        while (!run.IsCompleted)
        {
            Clock.Advance(step);
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        return await run;
    }

    /// <summary>The same, half a second at a step.</summary>
    public Task<(ExitCode Code, string Output, string Error)> RunWhileTimeGoesByAsync(params string[] arguments) => RunWhileTimeGoesByAsync(TimeSpan.FromMilliseconds(500), arguments);

    /// <summary>The browser's way back: what the issuer sends to where the command listens.</summary>
    public static async Task<(HttpStatusCode Status, string Body)> ComeBackAsync(Uri authorize, string query)
    {
        using HttpClient browser = new();
        using HttpResponseMessage answer = await browser.GetAsync(new Uri($"{Query(authorize)["redirect_uri"]}/?{query}"), TestContext.Current.CancellationToken);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    public static Dictionary<string, string> Query(Uri url) => Fields(url.Query.TrimStart('?'));

    public void Dispose() => Cli.Dispose();

    private static Dictionary<string, string> Fields(string form) => form.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=', 2))
        .ToDictionary(pair => pair[0], pair => WebUtility.UrlDecode(pair[1]), StringComparer.Ordinal);

    private static string Base64Url(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text)).TrimEnd('=').Replace('+', '-').Replace('/', '_');

    private bool Browse(Uri url)
    {
        Opened.Add(url);
        Browsing = Browser?.Invoke(url) ?? ComeBackAsync(url, $"code=the-code&state={Query(url)["state"]}");
        return true;
    }

    private async Task<HttpResponseMessage> AnswerAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        string path = request.RequestUri!.AbsolutePath;
        lock (Requests)
        {
            Requests.Add((path, Clock.GetUtcNow()));
        }

        if (request.RequestUri.Host == "archive.example.org")
        {
            if (path == "/v1/sign-in")
            {
                return Json(HttpStatusCode.OK, System.Text.Json.JsonSerializer.Serialize(SignIn, FormatJson.Options));
            }

            lock (Bearers)
            {
                Bearers.Add(request.Headers.Authorization?.Parameter);
            }

            return Archive(request.Headers.Authorization?.Parameter ?? "");
        }

        switch (path)
        {
            case "/tenant/v2.0/.well-known/openid-configuration":
                return Json(HttpStatusCode.OK, $$"""
                    {"issuer":"{{Issuer}}","authorization_endpoint":"https://login.example/tenant/oauth2/v2.0/authorize","token_endpoint":"https://login.example/tenant/oauth2/v2.0/token",
                    "device_authorization_endpoint":"https://login.example/tenant/oauth2/v2.0/devicecode","jwks_uri":"https://login.example/tenant/discovery/v2.0/keys","userinfo_endpoint":"https://graph.example/oidc/userinfo"}
                    """);
            case "/tenant/discovery/v2.0/keys":
                return Json(HttpStatusCode.OK, """{"keys":[]}""");
        }

        Dictionary<string, string> form = Fields(await request.Content!.ReadAsStringAsync(cancellationToken));
        lock (Asked)
        {
            Asked.Add(form);
        }

        return path.EndsWith("/devicecode", StringComparison.Ordinal)
            ? Json(HttpStatusCode.OK, """{"device_code":"the-device-code","user_code":"BCDF-GHJK","verification_uri":"https://login.example/device","expires_in":900,"interval":5}""")
            : Token?.Invoke(form) ?? Tokens();
    }
}
