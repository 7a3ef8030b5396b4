using System.CommandLine;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests;

public class CommandLineTests
{
    [Fact]
    public async Task Every_command_has_help_that_lists_the_exit_codes()
    {
        using TestCli cli = new();
        foreach (string[] path in Paths(CloudArchiveCli.CreateRoot(cli.Environment()), []))
        {
            (ExitCode code, string output, _) = await cli.RunAsync([.. path, "--help"]);
            Assert.Equal(ExitCode.Ok, code);
            foreach ((ExitCode number, string meaning) in ExitCodes.All)
            {
                Assert.Contains($"  {(int)number,-4} {meaning}", output, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Every_exit_code_has_a_meaning_and_no_two_have_the_same()
    {
        Assert.Equal(Enum.GetValues<ExitCode>().Order(), ExitCodes.All.Select(c => c.Code).Order());
        Assert.Equal(ExitCodes.All.Count, ExitCodes.All.Select(c => c.Meaning).Distinct().Count());
    }

    [Fact]
    public void The_manual_has_every_command_option_and_exit_code()
    {
        using TestCli cli = new();
        string manual = File.ReadAllText(Path.Combine(Repository.Root, "docs", "cli.md"));
        RootCommand root = CloudArchiveCli.CreateRoot(cli.Environment());
        foreach (string[] path in Paths(root, []).Where(p => p.Length > 0))
        {
            Assert.Contains($"`cloudarchive {string.Join(' ', path)}", manual, StringComparison.Ordinal);
            Command command = path.Aggregate((Command)root, (at, name) => at.Subcommands.Single(c => c.Name == name));
            string section = manual[manual.IndexOf($"`cloudarchive {string.Join(' ', path)}", StringComparison.Ordinal)..];
            foreach (Option option in command.Options)
            {
                Assert.True(section.Contains($"`{option.Name}", StringComparison.Ordinal), $"docs/cli.md does not mention {option.Name} of {string.Join(' ', path)}");
            }
        }

        foreach ((ExitCode code, string meaning) in ExitCodes.All)
        {
            Assert.Contains($"| {(int)code} | {meaning} |", manual, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("backup")]
    [InlineData("no-such-command")]
    [InlineData("clinic create")]
    [InlineData("clinic create UPPER --name x")]
    [InlineData("watch . --settle 0")]
    [InlineData("enroll --url ftp://x --code y")]
    [InlineData("restore --out x --purpose p --recipient r")]
    [InlineData("recover --from . --escrow-key no-such-file.pem --out x")]
    public async Task A_wrong_command_line_is_told_on_standard_error_with_a_code_of_its_own(string line)
    {
        using TestCli cli = new();
        (ExitCode code, string output, string error) = await cli.RunAsync(line.Split(' '));
        Assert.Equal(ExitCode.Usage, code);
        Assert.Equal("", output);
        Assert.NotEqual("", error);
    }

    [Theory]
    [InlineData("backup .")]
    [InlineData("watch .")]
    [InlineData("status")]
    [InlineData("receipts list")]
    [InlineData("receipts verify")]
    [InlineData("receipts export --out x")]
    public async Task An_agent_command_on_a_computer_that_is_not_enrolled_says_how_to_enroll(string line)
    {
        using TestCli cli = new();
        (ExitCode code, _, string error) = await cli.RunAsync(line.Split(' '));
        Assert.Equal(ExitCode.NotEnrolled, code);
        Assert.Contains("cloudarchive enroll", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_command_that_a_mistake_was_made_in_is_named_in_full()
    {
        using TestCli cli = new();
        (_, _, string error) = await cli.RunAsync("clinic", "create", "abc");
        Assert.Contains("--name", error, StringComparison.Ordinal);
        Assert.Contains("See: cloudarchive clinic create --help", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://archive.example.org")]
    [InlineData("archive.example.org")]
    [InlineData("https://user:secret@archive.example.org")]
    public async Task A_service_that_would_see_tokens_in_the_clear_is_refused(string url)
    {
        using TestCli cli = new();
        (ExitCode code, _, string error) = await cli.RunAsync("clinic", "create", "abc", "--name", "x", "--url", url, "--token", "t");
        Assert.Equal(ExitCode.Usage, code);
        Assert.DoesNotContain("secret", error.Replace(url, "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    private static IEnumerable<string[]> Paths(Command command, string[] path)
    {
        if (command.Subcommands.Count == 0 || path.Length == 0) yield return path;
        foreach (Command child in command.Subcommands)
        {
            foreach (string[] below in Paths(child, [.. path, child.Name])) yield return below;
        }
    }
}
