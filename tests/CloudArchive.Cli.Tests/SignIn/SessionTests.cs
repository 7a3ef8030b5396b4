using System.Net;
using System.Runtime.Versioning;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.SignIn;

/// <summary>What is kept between commands: read, renewed, and never given to anybody else.</summary>
public sealed class SessionTests : IDisposable
{
    private readonly StandInIssuer _issuer = new();

    public void Dispose() => _issuer.Dispose();

    [UnsupportedOSPlatform("windows")]
    [Fact(SkipUnless = nameof(IsUnix), Skip = "Windows has DPAPI in place of modes")]
    public async Task The_file_is_for_its_user_alone()
    {
        await _issuer.SignInAsync();
        const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Assert.Equal(Owner, File.GetUnixFileMode(_issuer.SessionFile));
        Assert.Equal(Owner | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.GetDirectoryName(_issuer.SessionFile)!));
    }

    public static bool IsUnix => !OperatingSystem.IsWindows();

    [Theory]
    [InlineData("")]
    [InlineData("not JSON at all")]
    [InlineData("""{"service":"https://archive.example.org/"}""")]
    public async Task A_damaged_file_is_told_as_such_and_the_next_login_mends_it(string content)
    {
        await _issuer.SignInAsync();
        await File.WriteAllTextAsync(_issuer.SessionFile, content, TestContext.Current.CancellationToken);
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("hold", "list", "--url", StandInIssuer.Service);
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains($"is damaged, or belongs to another user or computer ({_issuer.SessionFile}). Sign in again: cloudarchive login", error, StringComparison.Ordinal);

        // A script with a token of its own is not kept from its work.
        Assert.Equal(ExitCode.Ok, (await _issuer.Cli.RunAsync("hold", "list", "--url", StandInIssuer.Service, "--token", "given")).Code);
        await _issuer.SignInAsync();
        Assert.Equal(ExitCode.Ok, (await _issuer.Cli.RunAsync("hold", "list")).Code);
    }

    [Fact]
    public async Task A_token_that_is_about_to_run_out_is_renewed_once_and_kept()
    {
        await _issuer.SignInAsync();
        _issuer.Clock.Advance(TimeSpan.FromMinutes(59));
        await _issuer.Cli.RunAsync("hold", "list");
        await _issuer.Cli.RunAsync("hold", "list");
        Assert.Equal(["access-2", "access-2"], _issuer.Bearers);
        Assert.Equal(("refresh_token", "refresh", "cli-client"), (_issuer.Asked[1]["grant_type"], _issuer.Asked[1]["refresh_token"], _issuer.Asked[1]["client_id"]));
        Assert.Equal(2, _issuer.Asked.Count);
    }

    [Fact]
    public async Task The_next_refresh_token_takes_the_place_of_the_last_and_none_leaves_it()
    {
        await _issuer.SignInAsync();
        string?[] next = ["second", null, "third"];
        List<string> sent = [];
        foreach (string? refreshToken in next)
        {
            _issuer.Token = form =>
            {
                sent.Add(form["refresh_token"]);
                return _issuer.Tokens(refreshToken);
            };
            _issuer.Clock.Advance(TimeSpan.FromHours(2));
            Assert.Equal(ExitCode.Ok, (await _issuer.Cli.RunAsync("hold", "list")).Code);
        }

        Assert.Equal(["refresh", "second", "second"], sent);
    }

    [Fact]
    public async Task A_token_that_the_service_refuses_is_renewed_although_it_has_not_run_out()
    {
        await _issuer.SignInAsync();
        _issuer.Archive = token => token == "access-1" ? StandInIssuer.Json(HttpStatusCode.Unauthorized, "{}") : StandInIssuer.Json(HttpStatusCode.OK, """{"items":[]}""");
        Assert.Equal(ExitCode.Ok, (await _issuer.Cli.RunAsync("hold", "list")).Code);
        Assert.Equal(["access-1", "access-2"], _issuer.Bearers);
    }

    [Fact]
    public async Task An_issuer_that_renews_no_more_has_people_sign_in_again()
    {
        await _issuer.SignInAsync();
        _issuer.Clock.Advance(TimeSpan.FromDays(100));
        _issuer.Token = _ => StandInIssuer.Error("invalid_grant", "AADSTS700082: The refresh token has expired due to inactivity. Trace ID: 1");
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("hold", "list");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Equal("The sign-in of anna@example.org has ended. login.example does not sign in: AADSTS700082: The refresh token has expired due to inactivity. Sign in again: cloudarchive login", error.Trim());
        Assert.Empty(_issuer.Bearers);
    }

    [Fact]
    public async Task Without_a_refresh_token_the_sign_in_ends_with_the_token()
    {
        _issuer.Token = _ => _issuer.Tokens(null);
        await _issuer.SignInAsync();
        Assert.Contains("Good until", (await _issuer.Cli.RunAsync("login", "--status")).Output, StringComparison.Ordinal);
        _issuer.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Contains("The sign-in of anna@example.org has run out. Sign in again: cloudarchive login", (await _issuer.Cli.RunAsync("hold", "list")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_issuer_that_is_away_for_a_moment_is_waited_for_and_one_that_stays_away_is_named()
    {
        await _issuer.SignInAsync();
        _issuer.Clock.Advance(TimeSpan.FromHours(2));
        int asked = 0;
        _issuer.Token = _ => ++asked switch
        {
            1 => throw new HttpRequestException("Connection refused"),
            2 => StandInIssuer.Json(HttpStatusCode.ServiceUnavailable, ""),
            _ => _issuer.Tokens(),
        };
        Assert.Equal(ExitCode.Ok, (await _issuer.RunWhileTimeGoesByAsync(TimeSpan.FromMilliseconds(10), "hold", "list")).Code);

        _issuer.Clock.Advance(TimeSpan.FromHours(2));
        _issuer.Token = _ => throw new HttpRequestException("Connection refused");
        (ExitCode code, _, string error) = await _issuer.RunWhileTimeGoesByAsync(TimeSpan.FromMilliseconds(10), "hold", "list");
        Assert.Equal(ExitCode.Unreachable, code);
        Assert.Contains("login.example, which signs people in: Connection refused", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commands_side_by_side_renew_it_once()
    {
        await _issuer.SignInAsync();
        _issuer.Clock.Advance(TimeSpan.FromHours(2));
        int renewals = 0;
        _issuer.Token = _ =>
        {
            Interlocked.Increment(ref renewals);
            Thread.Sleep(50);
            return _issuer.Tokens();
        };
        Task<(ExitCode Code, string Output, string Error)>[] runs = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(() => _issuer.Cli.RunAsync("hold", "list")))];
        Task all = Task.WhenAll(runs);
        while (!all.IsCompleted)
        {
            _issuer.Clock.Advance(TimeSpan.FromMilliseconds(100)); // who waits for the lock looks again
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        Assert.All(runs, run => Assert.Equal((ExitCode.Ok, ""), (run.Result.Code, run.Result.Error)));
        Assert.Equal(1, renewals);
        Assert.Equal(["access-2"], _issuer.Bearers.Distinct());
    }

    [Fact]
    public async Task A_token_goes_to_no_other_service_than_its_own()
    {
        await _issuer.SignInAsync();
        (ExitCode code, _, string error) = await _issuer.Cli.RunAsync("hold", "list", "--url", "https://elsewhere.example.org");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("You are signed in to archive.example.org, and this is for elsewhere.example.org: cloudarchive login --url https://elsewhere.example.org", error, StringComparison.Ordinal);
        Assert.Empty(_issuer.Bearers);
    }

    [Fact]
    public async Task A_token_that_is_given_goes_before_the_sign_in()
    {
        await _issuer.SignInAsync();
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["token"], "from-file", TestContext.Current.CancellationToken);
        await _issuer.Cli.RunAsync("hold", "list", "--token", "given");
        await _issuer.Cli.RunAsync("hold", "list", "--token-file", folder["token"]);
        _issuer.Cli.Variables["CLOUDARCHIVE_TOKEN"] = "of-the-environment";
        await _issuer.Cli.RunAsync("hold", "list");
        Assert.Equal(["given", "from-file", "of-the-environment"], _issuer.Bearers);
    }
}
