using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CloudArchive.LocalHost.Identity;
using CloudArchive.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CloudArchive.LocalHost.Tests.Identity;

/// <summary>LocalHost's issuer, held to what a client of Entra ID's asks for: RFC 6749, 7636, 8252, 8628 and OpenID Connect's claims.</summary>
public sealed partial class LocalSignInTests : IDisposable
{
    private const string Redirect = "http://localhost:4711", Verifier = "a-verifier-of-at-least-forty-three-characters-0000";
    private const string Claims = """{"access_token":{"acrs":{"essential":true,"value":"c1"}}}""";
    private const string DeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 11, 28, 8, 0, 0, TimeSpan.Zero));
    private readonly TemporaryFolder _folder = new();
    private readonly LocalIssuer _issuer;
    private readonly LocalDoor _door;
    private readonly LocalSignIn _signIn;

    public LocalSignInTests()
    {
        _issuer = LocalIssuer.Open(new Uri("http://127.0.0.1:5280/issuer"), _folder["issuer.pem"], _clock);
        _door = new LocalDoor(_issuer);
        _signIn = new LocalSignIn(_issuer, _door, _clock);
    }

    public void Dispose()
    {
        _issuer.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_discovery_document_names_every_endpoint_below_the_issuer()
    {
        JsonNode document = (await SendAsync("GET", "/.well-known/openid-configuration")).Json;
        Assert.Equal(_issuer.Trust.Issuer, (string)document["issuer"]!);
        foreach (string name in (string[])["authorization_endpoint", "token_endpoint", "device_authorization_endpoint", "jwks_uri"])
        {
            Assert.StartsWith(_issuer.Trust.Issuer + "/", (string)document[name]!, StringComparison.Ordinal);
        }

        Assert.Equal(["S256"], document["code_challenge_methods_supported"]!.AsArray().Select(method => (string)method!));
        Assert.Single((await SendAsync("GET", "/keys")).Json["keys"]!.AsArray());
        Assert.Equal(404, (await SendAsync("GET", "/userinfo")).Status);
    }

    [Fact]
    public async Task The_sign_in_code_and_the_verifier_get_a_token_of_one_factor()
    {
        Answer answer = await AuthorizeAsync(Asked());
        Assert.StartsWith(Redirect, answer.Location, StringComparison.Ordinal);
        Assert.Equal("the-state", answer.Query["state"]);
        JsonNode tokens = (await RedeemAsync(answer.Query["code"])).Json;
        JsonWebToken access = new((string)tokens["access_token"]!);
        Assert.Equal(("local-admin", "pwd", 0), (access.Subject, string.Join(' ', access.Claims.Where(claim => claim.Type == "amr").Select(claim => claim.Value)), access.Claims.Count(claim => claim.Type == "acrs")));
        Assert.Equal("cloudarchive-cli", new JsonWebToken((string)tokens["id_token"]!).Audiences.Single());
    }

    [Fact]
    public async Task A_login_that_asks_for_the_context_gets_it_and_keeps_it_when_it_is_renewed()
    {
        Dictionary<string, string> asked = Asked();
        asked["claims"] = Claims;
        Answer page = await SendAsync("GET", "/authorize", asked);
        Assert.Contains("The archive asks for a second factor.", page.Body, StringComparison.Ordinal);
        JsonNode tokens = (await RedeemAsync((await AuthorizeAsync(asked)).Query["code"])).Json;
        JsonNode renewed = (await TokenAsync(("grant_type", "refresh_token"), ("refresh_token", (string)tokens["refresh_token"]!), ("claims", Claims))).Json;
        foreach (JsonNode one in (JsonNode[])[tokens, renewed])
        {
            JsonWebToken access = new((string)one["access_token"]!);
            Assert.Equal("c1", access.Claims.Single(claim => claim.Type == "acrs").Value);
            Assert.Contains(access.Claims, claim => claim is { Type: "amr", Value: "mfa" });
        }

        // And a session of one factor does not get it by asking.
        JsonNode plain = (await RedeemAsync((await AuthorizeAsync(Asked())).Query["code"])).Json;
        Assert.Equal("interaction_required", (await TokenAsync(("grant_type", "refresh_token"), ("refresh_token", (string)plain["refresh_token"]!), ("claims", Claims))).Error);
    }

    [Fact]
    public async Task A_code_is_good_once_for_its_verifier_and_address_and_for_a_minute()
    {
        Assert.Equal("invalid_grant", (await RedeemAsync(await CodeAsync(), verifier: Verifier + "x")).Error);
        Assert.Equal("invalid_grant", (await RedeemAsync(await CodeAsync(), redirect: "http://localhost:4712")).Error);
        Assert.Equal("invalid_grant", (await RedeemAsync("guessed")).Error);
        string code = await CodeAsync();
        Assert.Equal("invalid_grant", (await RedeemAsync(code, verifier: "")).Error);
        Assert.Equal("invalid_grant", (await RedeemAsync(code)).Error); // a wrong guess used it up
        code = await CodeAsync();
        Assert.Null((await RedeemAsync(code)).Error);
        Assert.Equal("invalid_grant", (await RedeemAsync(code)).Error);
        code = await CodeAsync();
        _clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal("invalid_grant", (await RedeemAsync(code)).Error);
    }

    [Theory]
    [InlineData("redirect_uri", "https://elsewhere.example/")]
    [InlineData("redirect_uri", "http://elsewhere.example:4711/")]
    [InlineData("redirect_uri", "http://localhost:4711/other")]
    [InlineData("redirect_uri", "")]
    [InlineData("client_id", "another")]
    public async Task Nothing_is_sent_to_an_address_or_client_that_is_not_the_commands(string name, string value)
    {
        Dictionary<string, string> asked = Asked();
        asked[name] = value;
        Answer answer = await AuthorizeAsync(asked);
        Assert.Equal((400, ""), (answer.Status, answer.Location));
    }

    [Theory]
    [InlineData("response_type", "token", "invalid_request")]
    [InlineData("code_challenge_method", "plain", "invalid_request")]
    [InlineData("code_challenge", "", "invalid_request")]
    [InlineData("claims", "{", "invalid_request")]
    [InlineData("answer", "no", "access_denied")]
    public async Task What_cannot_be_done_is_told_to_the_command(string name, string value, string error)
    {
        Dictionary<string, string> asked = Asked();
        asked[name] = value;
        Answer answer = await AuthorizeAsync(asked);
        Assert.Equal((303, error, "the-state"), (answer.Status, answer.Query["error"], answer.Query["state"]));
        Assert.DoesNotContain("code", answer.Query.Keys);
    }

    [Fact]
    public async Task A_wrong_sign_in_code_or_person_gets_the_page_again_and_nothing_else()
    {
        foreach ((string code, string identity) in new[] { ("wrong", "local-admin"), (_door.Code, "nobody"), ("", "local-admin") })
        {
            Dictionary<string, string> asked = Asked();
            (asked["code"], asked["identity"]) = (code, identity);
            Answer answer = await AuthorizeAsync(asked);
            Assert.Equal((401, ""), (answer.Status, answer.Location));
            Assert.Contains("The sign-in code is not right.", answer.Body, StringComparison.Ordinal);
            Assert.DoesNotContain(_door.Code, answer.Body, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_page_shows_what_was_sent_as_text()
    {
        Dictionary<string, string> asked = Asked();
        asked["state"] = "\"><script>alert(1)</script>";
        Answer page = await SendAsync("GET", "/authorize", asked);
        Assert.DoesNotContain("<script", page.Body, StringComparison.Ordinal);
        Assert.Contains("default-src 'none'", page.Policy, StringComparison.Ordinal);
        Assert.Contains($"form-action 'self' {Redirect};", page.Policy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_device_is_asked_to_wait_to_slow_down_and_gets_its_token_once()
    {
        JsonNode device = (await SendAsync("POST", "/device_authorization", new() { ["client_id"] = "cloudarchive-cli", ["scope"] = "x" })).Json;
        string deviceCode = (string)device["device_code"]!, userCode = (string)device["user_code"]!;
        Assert.Matches("^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$", userCode);
        Assert.Equal("authorization_pending", (await PollAsync(deviceCode)).Error);
        Assert.Equal("slow_down", (await PollAsync(deviceCode)).Error);
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("authorization_pending", (await PollAsync(deviceCode)).Error);

        Assert.Equal(401, (await ApproveAsync(userCode, "wrong")).Status);
        Assert.Equal(401, (await ApproveAsync("BBBB-BBBB", _door.Code)).Status);
        Assert.Equal(200, (await ApproveAsync(userCode.ToLowerInvariant(), _door.Code)).Status);
        Assert.Equal("local-admin", new JsonWebToken((string)(await PollAsync(deviceCode)).Json["access_token"]!).Subject);
        Assert.Equal("expired_token", (await PollAsync(deviceCode)).Error);
        Assert.Equal(401, (await ApproveAsync(userCode, _door.Code)).Status); // nobody is signed in by it twice
    }

    [Fact]
    public async Task A_device_that_is_declined_or_that_nobody_answers_gets_no_token()
    {
        JsonNode device = (await SendAsync("POST", "/device_authorization", new() { ["client_id"] = "cloudarchive-cli" })).Json;
        await ApproveAsync((string)device["user_code"]!, "", answer: "no");
        Assert.Equal("access_denied", (await PollAsync((string)device["device_code"]!)).Error);

        device = (await SendAsync("POST", "/device_authorization", new() { ["client_id"] = "cloudarchive-cli" })).Json;
        _clock.Advance(TimeSpan.FromMinutes(16));
        Assert.Equal("expired_token", (await PollAsync((string)device["device_code"]!)).Error);
        Assert.Equal(401, (await ApproveAsync((string)device["user_code"]!, _door.Code)).Status);
        Assert.Equal("invalid_client", (await SendAsync("POST", "/device_authorization", new() { ["client_id"] = "another" })).Error);
    }

    [Fact]
    public async Task Whoever_asks_for_codes_without_end_fills_nothing()
    {
        JsonNode first = (await SendAsync("POST", "/device_authorization", new() { ["client_id"] = "cloudarchive-cli" })).Json;
        for (int i = 0; i < 1000; i++)
        {
            await SendAsync("POST", "/device_authorization", new() { ["client_id"] = "cloudarchive-cli" });
        }

        Assert.Equal("expired_token", (await PollAsync((string)first["device_code"]!)).Error);
    }

    private Dictionary<string, string> Asked() => new()
    {
        ["response_type"] = "code",
        ["client_id"] = "cloudarchive-cli",
        ["redirect_uri"] = Redirect,
        ["scope"] = "openid api://cloudarchive/access",
        ["state"] = "the-state",
        ["code_challenge"] = Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(Verifier))),
        ["code_challenge_method"] = "S256",
    };

    private async Task<string> CodeAsync() => (await AuthorizeAsync(Asked())).Query["code"];

    /// <summary>What the page's form sends.</summary>
    private Task<Answer> AuthorizeAsync(Dictionary<string, string> asked)
    {
        Dictionary<string, string> form = new(asked);
        form.TryAdd("code", _door.Code);
        form.TryAdd("identity", "local-admin");
        return SendAsync("POST", "/authorize", form);
    }

    private Task<Answer> RedeemAsync(string code, string verifier = Verifier, string redirect = Redirect) =>
        TokenAsync(("grant_type", "authorization_code"), ("code", code), ("code_verifier", verifier), ("redirect_uri", redirect));

    private Task<Answer> PollAsync(string deviceCode) => TokenAsync(("grant_type", DeviceGrant), ("device_code", deviceCode));

    private Task<Answer> ApproveAsync(string userCode, string code, string answer = "yes") =>
        SendAsync("POST", "/device", new() { ["user_code"] = userCode, ["code"] = code, ["identity"] = "local-admin", ["answer"] = answer });

    private Task<Answer> TokenAsync(params (string Name, string Value)[] form) =>
        SendAsync("POST", "/token", form.Append(("client_id", "cloudarchive-cli")).ToDictionary(pair => pair.Item1, pair => pair.Item2, StringComparer.Ordinal));

    private async Task<Answer> SendAsync(string method, string path, Dictionary<string, string>? values = null)
    {
        DefaultHttpContext context = new();
        using MemoryStream body = new();
        (context.Request.Method, context.Request.Path, context.Response.Body) = (method, path, body);
        if (values is not null && method == "GET")
        {
            context.Request.QueryString = QueryString.Create(values.Select(pair => KeyValuePair.Create<string, string?>(pair.Key, pair.Value)));
        }
        else if (values is not null)
        {
            using FormUrlEncodedContent form = new(values);
            context.Request.ContentType = form.Headers.ContentType!.ToString();
            context.Request.Body = new MemoryStream(await form.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
        }

        await _signIn.InvokeAsync(context);
        return new Answer(context.Response.StatusCode, Encoding.UTF8.GetString(body.ToArray()), context.Response.Headers.Location.ToString(), context.Response.Headers.ContentSecurityPolicy.ToString());
    }

    private sealed partial record Answer(int Status, string Body, string Location, string Policy)
    {
        public JsonNode Json => JsonNode.Parse(Body)!;

        public string? Error => (string?)Json["error"];

        public Dictionary<string, string> Query => Pair().Matches(Location).ToDictionary(match => match.Groups["name"].Value, match => WebUtility.UrlDecode(match.Groups["value"].Value), StringComparer.Ordinal);

        [GeneratedRegex("[?&](?<name>[a-z_]+)=(?<value>[^&]*)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
        private static partial Regex Pair();
    }
}
