using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Tests.SignIn;

/// <summary><c>login</c>, with the browser and on another device, and what it leaves.</summary>
public sealed class LoginTests : IDisposable
{
    private readonly StandInIssuer _issuer = new();

    public void Dispose() => _issuer.Dispose();

    [Fact]
    public async Task After_a_login_commands_need_neither_address_nor_token()
    {
        (ExitCode code, string output, string error) = await _issuer.Cli.RunAsync("login", "--url", StandInIssuer.Service);
        Assert.Equal((ExitCode.Ok, "Signed in as anna@example.org\nto https://archive.example.org\nRenewed by itself; cloudarchive logout ends it.\n"), (code, output.ReplaceLineEndings("\n")));
        Assert.Equal("Sign in at login.example, in the browser window that opens.\nNone opens? Press Ctrl+C, then add --device to cloudarchive login.\n", error.ReplaceLineEndings("\n"));

        Assert.Equal(ExitCode.Ok, (await _issuer.Cli.RunAsync("hold", "list")).Code);
        Assert.Equal(["access-1"], _issuer.Bearers);
    }

    [Fact]
    public async Task The_browser_gets_a_challenge_and_the_token_endpoint_what_solves_it()
    {
        await _issuer.SignInAsync();
        Dictionary<string, string> asked = StandInIssuer.Query(_issuer.Opened.Single());
        IReadOnlyDictionary<string, string> redeemed = _issuer.Asked.Single();
        Assert.Equal("/tenant/oauth2/v2.0/authorize", _issuer.Opened[0].AbsolutePath);
        Assert.Equal(("code", "cli-client", "S256", $"openid profile offline_access {StandInIssuer.Scope}", "select_account"), (asked["response_type"], asked["client_id"], asked["code_challenge_method"], asked["scope"], asked["prompt"]));
        Assert.Equal(("authorization_code", "the-code", "cli-client", asked["redirect_uri"]), (redeemed["grant_type"], redeemed["code"], redeemed["client_id"], redeemed["redirect_uri"]));
        Assert.Matches("^http://localhost:[0-9]+$", asked["redirect_uri"]);
        Assert.Equal(asked["code_challenge"], Convert.ToBase64String(SHA256.HashData(Encoding.ASCII.GetBytes(redeemed["code_verifier"]))).TrimEnd('=').Replace('+', '-').Replace('/', '_'));
        Assert.DoesNotContain("claims", asked.Keys);
        Assert.DoesNotContain("client_secret", redeemed.Keys);

        // Another login, other secrets.
        await _issuer.SignInAsync();
        Assert.NotEqual(redeemed["code_verifier"], _issuer.Asked[1]["code_verifier"]);
        Assert.NotEqual(asked["state"], StandInIssuer.Query(_issuer.Opened[1])["state"]);
    }

    [Fact]
    public async Task An_answer_with_another_state_is_not_believed_and_keeps_nobody_from_the_right_one()
    {
        List<(HttpStatusCode Status, string Body)> pages = [];
        _issuer.Browser = async url =>
        {
            pages.Add(await StandInIssuer.ComeBackAsync(url, "code=an-attackers-code&state=guessed"));
            pages.Add(await StandInIssuer.ComeBackAsync(url, "code=an-attackers-code"));
            pages.Add(await StandInIssuer.ComeBackAsync(url, "error=access_denied"));
            pages.Add(await StandInIssuer.ComeBackAsync(url, $"code=the-code&state={StandInIssuer.Query(url)["state"]}"));
        };
        await _issuer.SignInAsync();
        await _issuer.Browsing!;
        Assert.Equal([HttpStatusCode.NotFound, HttpStatusCode.NotFound, HttpStatusCode.NotFound, HttpStatusCode.OK], pages.Select(page => page.Status));
        Assert.Contains("Signed in.", pages[3].Body, StringComparison.Ordinal);
        Assert.Equal("the-code", _issuer.Asked.Single()["code"]);
    }

    [Fact]
    public async Task Waiting_for_the_browser_ends_and_says_what_came_in_its_place()
    {
        _issuer.Browser = url => StandInIssuer.ComeBackAsync(url, "code=an-attackers-code&state=guessed");
        (ExitCode code, _, string error) = await _issuer.RunWhileTimeGoesByAsync("login", "--url", StandInIssuer.Service);
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("The browser brought no answer within 5 minutes; one came that was of another sign-in, and was not believed. Sign in again: cloudarchive login", error, StringComparison.Ordinal);
        Assert.Empty(_issuer.Asked);
        Assert.False(File.Exists(_issuer.SessionFile));
    }

    [Fact]
    public async Task Who_declines_in_the_browser_is_not_signed_in_and_reads_why()
    {
        _issuer.Browser = url => StandInIssuer.ComeBackAsync(url, $"error=access_denied&error_description=AADSTS65004%3A+User+declined.%0D%0ATrace+ID%3A+1&state={StandInIssuer.Query(url)["state"]}");
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("login", "--url", StandInIssuer.Service);
        Assert.Equal(ExitCode.Refused, code);
        Assert.EndsWith("login.example does not sign in: AADSTS65004: User declined.\n", error.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.False(File.Exists(_issuer.SessionFile));
    }

    [Fact]
    public async Task Without_a_browser_the_address_is_told()
    {
        _issuer.Cli.OpenBrowser = url =>
        {
            _ = StandInIssuer.ComeBackAsync(url, $"code=the-code&state={StandInIssuer.Query(url)["state"]}"); // the person does it by hand
            return false;
        };
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("login", "--url", StandInIssuer.Service);
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("https://login.example/tenant/oauth2/v2.0/authorize?client_id=cli-client", error, StringComparison.Ordinal);
        Assert.Contains("--device", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_another_device_the_code_is_told_and_the_issuers_pace_is_kept()
    {
        int polls = 0;
        _issuer.Token = form => form["device_code"] != "the-device-code" ? StandInIssuer.Error("invalid_grant") : ++polls switch
        {
            1 => StandInIssuer.Error("authorization_pending"),
            2 => StandInIssuer.Error("slow_down"),
            3 => StandInIssuer.Error("authorization_pending"),
            4 => throw new HttpRequestException("the connection was lost"),
            _ => _issuer.Tokens(),
        };
        (ExitCode code, string output, string error) = await _issuer.RunWhileTimeGoesByAsync("login", "--url", StandInIssuer.Service, "--device");
        Assert.Equal("Open  https://login.example/device\nCode  BCDF-GHJK\nType the code there, in a browser on any device. Waiting up to 15 min.\n", error.ReplaceLineEndings("\n"));
        Assert.Equal(ExitCode.Ok, code);
        Assert.StartsWith("Signed in as anna@example.org", output, StringComparison.Ordinal);
        Assert.Empty(_issuer.Opened);
        Assert.Equal("urn:ietf:params:oauth:grant-type:device_code", _issuer.Asked[1]["grant_type"]);

        // 5 s, then 5 s more after slow_down (RFC 8628 §3.5), then twice as long after silence.
        DateTimeOffset[] asked = [.. _issuer.Requests.Where(request => request.Endpoint.EndsWith("/token", StringComparison.Ordinal)).Select(request => request.At)];
        Assert.Equal(5, asked.Length);
        int[] least = [5, 10, 10, 20];
        Assert.All(least.Index(), wait => Assert.InRange((asked[wait.Index + 1] - asked[wait.Index]).TotalSeconds, wait.Item, wait.Item + 4));
    }

    [Theory]
    [InlineData("expired_token", "Nobody typed the code within 15 min. Sign in again: cloudarchive login --device")]
    [InlineData("access_denied", "The sign-in was declined in the browser: nobody was signed in.")]
    [InlineData("authorization_declined", "The sign-in was declined in the browser: nobody was signed in.")]
    [InlineData("invalid_client", "login.example does not sign in: because.")]
    public async Task A_device_that_brings_nobody_says_why(string answer, string told)
    {
        _issuer.Token = _ => StandInIssuer.Error(answer, "because");
        (ExitCode code, _, string error) = await _issuer.RunWhileTimeGoesByAsync("login", "--url", StandInIssuer.Service, "--device");
        Assert.Equal(ExitCode.Refused, code);
        Assert.EndsWith(told + "\n", error.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.False(File.Exists(_issuer.SessionFile));
    }

    [Fact]
    public async Task An_issuer_that_says_pending_for_ever_is_asked_as_long_as_the_code_is_good()
    {
        _issuer.Token = _ => StandInIssuer.Error("authorization_pending");
        (ExitCode code, _, string error) = await _issuer.RunWhileTimeGoesByAsync("login", "--url", StandInIssuer.Service, "--device");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("Nobody typed the code within 15 min", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(StandInIssuer.Issuer, "https://management.azure.com/.default", "asks for a token that is not for an archive")]
    [InlineData(StandInIssuer.Issuer, "User.Read", "asks for a token that is not for an archive")]
    [InlineData(StandInIssuer.Issuer, StandInIssuer.Scope + " https://graph.microsoft.com/.default", "asks for a token that is not for an archive")]
    [InlineData("http://login.example/tenant/v2.0", StandInIssuer.Scope, "names an issuer that is no https URL")]
    [InlineData("http://localhost:1/issuer", StandInIssuer.Scope, "names an issuer that is no https URL")]
    public async Task A_service_gets_no_token_for_anything_but_an_archive_and_from_no_issuer_in_the_clear(string issuer, string scope, string told)
    {
        _issuer.SignIn = new SignInResponse(issuer, "cli-client", scope, null);
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("login", "--url", StandInIssuer.Service);
        Assert.Equal(ExitCode.Integrity, code);
        Assert.Contains(told, error, StringComparison.Ordinal);
        Assert.Empty(_issuer.Opened);
    }

    [Fact]
    public async Task With_mfa_the_login_asks_for_the_claims_that_the_service_names()
    {
        await _issuer.SignInAsync("--mfa");
        Assert.Equal(StandInIssuer.Claims, StandInIssuer.Query(_issuer.Opened.Single())["claims"]);
        Assert.Equal(StandInIssuer.Claims, _issuer.Asked.Single()["claims"]);
        Assert.StartsWith("Signed in as anna@example.org, with a second factor", (await _issuer.Cli.RunAsync("login", "--status")).Output, StringComparison.Ordinal);

        _issuer.SignIn = _issuer.SignIn with { SecondFactorClaims = null };
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("login", "--mfa");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("--mfa has nothing to ask for", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_and_logout_say_what_is_there_and_leave_nothing()
    {
        Assert.Equal((ExitCode.Unhealthy, "Nobody is signed in. cloudarchive login --url <service>", ""), Trimmed(await _issuer.Cli.RunAsync("login", "--status")));
        Assert.Equal((ExitCode.Ok, "Nobody was signed in.", ""), Trimmed(await _issuer.Cli.RunAsync("logout")));

        await _issuer.SignInAsync();
        JsonNode status = await _issuer.Cli.JsonAsync("login", "--status");
        Assert.Equal((true, "anna@example.org", StandInIssuer.Service), ((bool)status["signedIn"]!, (string)status["name"]!, (string)status["service"]!));
        Assert.Equal(ExitCode.Ok, (await _issuer.Cli.RunAsync("logout")).Code);
        Assert.DoesNotContain(Directory.GetFiles(_issuer.Cli.Home, "*", SearchOption.AllDirectories), file => File.ReadAllText(file).Contains("refresh", StringComparison.Ordinal));

        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("hold", "list", "--url", StandInIssuer.Service);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("Sign in: cloudarchive login --url https://archive.example.org (scripts give", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_issuer_that_nobody_reaches_is_named()
    {
        _issuer.Token = _ => throw new HttpRequestException("Connection refused");
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("login", "--url", StandInIssuer.Service);
        Assert.Equal(ExitCode.Unreachable, code);
        Assert.Contains("login.example cannot be reached", error, StringComparison.Ordinal);
    }

    private static (ExitCode Code, string Output, string Error) Trimmed((ExitCode Code, string Output, string Error) run) => (run.Code, run.Output.TrimEnd(), run.Error.TrimEnd());
}
