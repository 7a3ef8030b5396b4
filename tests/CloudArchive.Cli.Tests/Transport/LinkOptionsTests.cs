using CloudArchive.Cli.Transport;

namespace CloudArchive.Cli.Tests.Transport;

public sealed class LinkOptionsTests : IDisposable
{
    private readonly TestCli _cli = new();

    public void Dispose() => _cli.Dispose();

    [Theory]
    [InlineData("90s", 90)]
    [InlineData("30min", 1800)]
    [InlineData("30m", 1800)]
    [InlineData("1.5h", 5400)]
    [InlineData("2 d", 172_800)]
    public void A_time_is_read_as_people_write_it(string text, int seconds) => Assert.Equal(TimeSpan.FromSeconds(seconds), LinkOptions.ParseTime(text));

    [Theory]
    [InlineData("")]
    [InlineData("30")]
    [InlineData("h")]
    [InlineData("0s")]
    [InlineData("-1h")]
    [InlineData("31d")]
    [InlineData("1.2.3h")]
    public void What_is_no_time_is_told_with_an_example(string text) => Assert.Throws<UsageException>(() => LinkOptions.ParseTime(text));

    [Theory]
    [InlineData("--limit", "fast")]
    [InlineData("--limit-hours", "08:00=500kB/s")]
    [InlineData("--give-up-after", "soon")]
    public async Task A_limit_that_is_none_is_told_before_anything_else(string option, string value)
    {
        (ExitCode code, _, string error) = await _cli.RunAsync("backup", _cli.Home, option, value);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains(value, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "limit": "fast" }""")]
    [InlineData("""{ "limits": "2MB/s" }""")]
    [InlineData("""{ "limitHours": "08:00-18:00=500kB/s" }""")]
    [InlineData("""limit = 2MB/s""")]
    public async Task Settings_that_nobody_would_keep_to_are_told(string settings)
    {
        Directory.CreateDirectory(_cli.Home);
        await File.WriteAllTextAsync(Path.Combine(_cli.Home, "settings.json"), settings, TestContext.Current.CancellationToken);
        Assert.Equal(ExitCode.Usage, (await _cli.RunAsync("backup", _cli.Home)).Code);
    }

    [Fact]
    public async Task Settings_are_read_and_the_command_line_outweighs_them()
    {
        Directory.CreateDirectory(_cli.Home);
        await File.WriteAllTextAsync(
            Path.Combine(_cli.Home, "settings.json"), """{ "limit": "2MB/s", "limitHours": ["08:00-18:00=500kB/s"], "giveUpAfter": "12h", } // ours""", TestContext.Current.CancellationToken);
        LinkSettings settings = LinkSettings.Read(new CloudArchive.Cli.Agent.AgentHome(_cli.Home));
        Assert.Equal(("2MB/s", "08:00-18:00=500kB/s", "12h"), (settings.Limit, settings.LimitHours!.Single(), settings.GiveUpAfter));
        Assert.Equal(ExitCode.NotEnrolled, (await _cli.RunAsync("backup", _cli.Home)).Code);
        Assert.Equal(ExitCode.Usage, (await _cli.RunAsync("backup", _cli.Home, "--limit", "fast")).Code);
    }
}
