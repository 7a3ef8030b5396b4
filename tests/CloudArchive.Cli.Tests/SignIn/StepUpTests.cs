using System.Net;
using System.Text;

namespace CloudArchive.Cli.Tests.SignIn;

/// <summary>An endpoint that wants a second factor: the command signs in for one, once, and goes on.</summary>
public sealed class StepUpTests : IDisposable
{
    private readonly StandInIssuer _issuer = new();
    private readonly HashSet<string> _enough = [];

    public StepUpTests() => _issuer.Archive = token => _enough.Contains(token) ? StandInIssuer.Json(HttpStatusCode.OK, """{"items":[]}""") : StandInIssuer.Challenge();

    public void Dispose() => _issuer.Dispose();

    [Fact]
    public async Task The_login_asks_for_what_the_challenge_says_and_the_command_is_done()
    {
        await _issuer.SignInAsync();
        _enough.Add("access-2");
        (ExitCode code, string output, string error) = await _issuer.Cli.RunAsync("hold", "list");
        Assert.Equal((ExitCode.Ok, "There are no holds."), (code, output.Trim()));
        Assert.StartsWith("This needs a second factor.", error, StringComparison.Ordinal);
        Dictionary<string, string> asked = StandInIssuer.Query(_issuer.Opened[1]);
        Assert.Equal((StandInIssuer.Claims, "anna@example.org"), (asked["claims"], asked["login_hint"]));
        Assert.DoesNotContain("prompt", asked.Keys);
        Assert.Equal(["access-1", "access-2"], _issuer.Bearers);

        // It holds for the commands after it, and its renewal asks for it again.
        _enough.Add("access-3");
        _issuer.Clock.Advance(TimeSpan.FromHours(2));
        Assert.Equal((ExitCode.Ok, ""), (await _issuer.Cli.RunAsync("hold", "list")) is var (c, _, e) ? (c, e) : default);
        Assert.Equal(("refresh_token", StandInIssuer.Claims), (_issuer.Asked[^1]["grant_type"], _issuer.Asked[^1]["claims"]));
        Assert.Equal(2, _issuer.Opened.Count);
    }

    [Fact]
    public async Task It_is_done_once_and_what_is_refused_then_is_the_operators_to_mend()
    {
        await _issuer.SignInAsync();
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("hold", "list");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("The second factor was used, and the token of the new sign-in does not state it", error, StringComparison.Ordinal);
        Assert.Equal((2, 2), (_issuer.Opened.Count, _issuer.Bearers.Count));
    }

    [Fact]
    public async Task Who_signed_in_on_another_device_steps_up_there()
    {
        await _issuer.RunWhileTimeGoesByAsync("login", "--url", StandInIssuer.Service, "--device");
        _enough.Add("access-2");
        (ExitCode code, _, string error) = await _issuer.RunWhileTimeGoesByAsync("hold", "list");
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("Code  BCDF-GHJK", error, StringComparison.Ordinal);
        Assert.Empty(_issuer.Opened);
        Assert.Equal([StandInIssuer.Claims, StandInIssuer.Claims], _issuer.Asked.TakeLast(2).Select(form => form["claims"]));
    }

    [Fact]
    public async Task The_second_factor_of_somebody_else_does_nothing()
    {
        await _issuer.SignInAsync();
        _enough.Add("access-2");
        _issuer.Person = "berta";
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("hold", "list");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("The second factor was berta@example.org's, and this command is anna@example.org's: nothing was done", error, StringComparison.Ordinal);
        Assert.Equal(["access-1"], _issuer.Bearers);
        Assert.Contains("anna@example.org", (await _issuer.Cli.RunAsync("login", "--status")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_nobody_sits_nothing_is_waited_for()
    {
        await _issuer.SignInAsync();
        using TestCli script = new() { Clock = _issuer.Clock, Answer = _issuer.Cli.Answer, OpenBrowser = _issuer.Cli.OpenBrowser };
        script.Variables["CLOUDARCHIVE_CLINIC"] = "oak-street";
        CopySession(script);
        (ExitCode code, _, string error) = await script.RunAsync("hold", "list");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("This needs a second factor, and nobody sits at this terminal. Sign in again: cloudarchive login --mfa at one, then run this again", error, StringComparison.Ordinal);
        Assert.Single(_issuer.Opened);
    }

    [Fact]
    public async Task A_token_that_was_given_is_refused_with_what_to_do_and_no_browser_opens()
    {
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("hold", "list", "--url", StandInIssuer.Service, "--token", "given");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("A second factor is needed: Sign in again with a second factor. cloudarchive login --mfa signs in with one; a token that is given must state it.", error, StringComparison.Ordinal);
        Assert.Equal(["given"], _issuer.Bearers);
        Assert.Empty(_issuer.Opened);
    }

    [Theory]
    [InlineData("Bearer error=\"insufficient_claims\"")]
    [InlineData("Bearer error=\"insufficient_claims\", claims=\"%%%\"")]
    [InlineData("Bearer error=\"insufficient_claims\", claims=\"bm8gSlNPTg==\"")]
    [InlineData("Bearer error=\"invalid_token\", claims=\"e30=\"")]
    [InlineData("Bearer")]
    public async Task A_challenge_that_says_nothing_useful_is_an_ordinary_refusal(string challenge)
    {
        await _issuer.SignInAsync();
        _issuer.Archive = _ =>
        {
            HttpResponseMessage answer = new(HttpStatusCode.Unauthorized) { Content = new StringContent("""{"title":"No"}""", Encoding.UTF8, "application/problem+json") };
            answer.Headers.TryAddWithoutValidation("WWW-Authenticate", challenge);
            return answer;
        };
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("hold", "list");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("The service refused: No. The token is missing, wrong or too old.", error, StringComparison.Ordinal);
        Assert.Single(_issuer.Opened);
    }

    private void CopySession(TestCli to)
    {
        Directory.CreateDirectory(Path.Combine(to.Home, "staff"));
        File.Copy(_issuer.SessionFile, Path.Combine(to.Home, "staff", "session"));
    }
}
