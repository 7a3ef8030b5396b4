using System.CommandLine;
using CloudArchive.Cli.Terminal;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests;

public class CommandLineTests
{
    [Fact]
    public async Task Every_command_has_help_that_names_the_manual()
    {
        using TestCli cli = new();
        foreach (string[] path in Paths(CloudArchiveCli.CreateRoot(cli.Environment()), []))
        {
            (ExitCode code, string output, _) = await cli.RunAsync([.. path, "--help"]);
            Assert.Equal(ExitCode.Ok, code);
            Assert.Contains($"Manual and exit codes: {HelpWithExamples.Manual}", output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Every_example_of_the_help_is_a_command_line_that_is_understood()
    {
        using TestCli cli = new();
        RootCommand root = CloudArchiveCli.CreateRoot(cli.Environment());
        using TemporaryFolder folder = new();
        foreach ((string command, string[] examples) in HelpWithExamples.All)
        {
            (_, string help, _) = await cli.RunAsync([.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]);
            foreach (string example in examples)
            {
                Assert.Contains(example, help, StringComparison.Ordinal);
                string[] words = [.. System.CommandLine.Parsing.CommandLineParser.SplitCommandLine(example[(example.IndexOf(" cloudarchive ", StringComparison.Ordinal) + 1)..]).Skip(1)];
                System.CommandLine.ParseResult parsed = root.Parse(words);
                Assert.True(parsed.Errors.All(error => error.Message.Contains("exist", StringComparison.Ordinal)), $"{example}: {string.Join(' ', parsed.Errors.Select(e => e.Message))}");
            }
        }
    }

    [Fact]
    public async Task The_command_alone_says_what_to_do_and_a_code_that_scripts_know()
    {
        using TestCli cli = new();
        (ExitCode code, string output, string error) = await cli.RunAsync();
        Assert.Equal(ExitCode.NotEnrolled, code);
        Assert.Contains("cloudarchive setup", output, StringComparison.Ordinal);
        Assert.Equal("", error);

        using Computers computer = new();
        computer.Write("a.dcm");
        await computer.BackUpAsync();
        using StringWriter told = new();
        Assert.Equal((int)ExitCode.Ok, await CloudArchiveCli.RunAsync([], computer.Environment with { Out = told }, TestContext.Current.CancellationToken));
        Assert.Contains("Next: nothing", told.ToString(), StringComparison.Ordinal);
        Directory.Delete(computer.Images, recursive: true);
        Assert.Equal((int)ExitCode.NotSafe, await CloudArchiveCli.RunAsync([], computer.Environment with { Out = told }, TestContext.Current.CancellationToken));
        Assert.Contains("see that the drive or share is connected", told.ToString(), StringComparison.Ordinal);
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
    [InlineData("backup . --dry-run --accept-changes")]
    [InlineData("folders")]
    [InlineData("folders exclude .")]
    [InlineData("status --max-age 0")]
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

    [Fact]
    public async Task An_option_that_a_command_does_not_have_is_a_mistake_whichever_command_it_is_and_the_one_that_was_meant_is_named()
    {
        using TestCli cli = new();
        RootCommand root = CloudArchiveCli.CreateRoot(cli.Environment());
        foreach (string[] path in Paths(root, [], groups: true))
        {
            foreach (Option option in Find(root, path).Options.Where(option => option.Name.Length > 4))
            {
                string mistyped = option.Name[..^2] + option.Name[^1];
                foreach (string[] line in (string[][])[[.. path, mistyped], [.. path, mistyped + "=x"], [.. path, "folder", mistyped, "--help"]])
                {
                    if (path.Length == 0 && line.Contains("folder"))
                    {
                        continue;
                    }

                    (ExitCode code, string output, string error) = await cli.RunAsync(line);
                    Assert.True(code == ExitCode.Usage, string.Join(' ', line));
                    Assert.Equal("", output);
                    Assert.Contains($"no option {mistyped}", error, StringComparison.Ordinal);
                    Assert.Contains(option.Name, error.Split("Did you mean", 2)[1].Split('?')[0], StringComparison.Ordinal);
                }
            }

            (ExitCode foreign, _, string told) = await cli.RunAsync([.. path, "--what-is-this"]);
            Assert.Equal(ExitCode.Usage, foreign);
            Assert.DoesNotContain("Did you mean", told, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("backup images --dryrun", "--dry-run")]
    [InlineData("audit verify --lives", "--live")]
    [InlineData("evidence verify folder --jsn", "--json")]
    [InlineData("backp images", "backup")]
    [InlineData("Backup images", "backup")]
    [InlineData("audit verfy", "verify")]
    [InlineData("verify", "cloudarchive audit verify")]
    [InlineData("restore --pateint x", "--patient")]
    [InlineData("hold set --reason --sudy 1.2.3", "--study")]
    public async Task What_was_probably_meant_is_said(string line, string meant)
    {
        using TestCli cli = new();
        (ExitCode code, _, string error) = await cli.RunAsync(line.Split(' '));
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("Did you mean", error, StringComparison.Ordinal);
        Assert.Contains(meant, error.Split("Did you mean", 2)[1].Split(Environment.NewLine)[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mistyped_command_is_a_mistake_whichever_it_is()
    {
        using TestCli cli = new();
        foreach (string[] path in Paths(CloudArchiveCli.CreateRoot(cli.Environment()), [], groups: true).Where(path => path.Length > 0))
        {
            string name = path[^1];
            (ExitCode code, _, string error) = await cli.RunAsync([.. path[..^1], name[..1] + name[2..]]);
            Assert.Equal(ExitCode.Usage, code);
            Assert.Contains($"Did you mean", error, StringComparison.Ordinal);
            Assert.Contains(name, error.Split("Did you mean", 2)[1], StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task An_empty_word_is_a_mistake_in_every_command()
    {
        using TestCli cli = new();
        RootCommand root = CloudArchiveCli.CreateRoot(cli.Environment());
        foreach (string[] path in Paths(root, [], groups: true))
        {
            foreach (string[] line in (string[][])[[.. path, ""], [.. path, " "], [.. path, "folder", ""], [.. path, "--", ""], .. Find(root, path).Options.Select(option => (string[])[.. path, option.Name, ""]), .. Find(root, path).Options.Select(option => (string[])[.. path, option.Name + "="])])
            {
                (ExitCode code, string output, string error) = await cli.RunAsync(line);
                Assert.True(code == ExitCode.Usage, string.Join('|', line));
                Assert.Equal("", output);
                Assert.Matches("empty|no value", error);
            }
        }
    }

    [Fact]
    public async Task A_word_with_an_at_sign_is_that_word_and_no_file_of_words()
    {
        using TestCli cli = new();
        using TemporaryFolder folder = new();
        string file = folder["words"];
        await File.WriteAllTextAsync(file, "--help", TestContext.Current.CancellationToken);
        foreach (string[] path in Paths(CloudArchiveCli.CreateRoot(cli.Environment()), []).Where(path => path.Length > 0))
        {
            (ExitCode code, string output, _) = await cli.RunAsync([.. path, "@" + file]);
            Assert.NotEqual(ExitCode.Ok, code);
            Assert.DoesNotContain("Manual and exit codes:", output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_begins_with_a_dash_and_is_a_value_or_a_folder_can_be_given_all_the_same()
    {
        using TestCli cli = new() { Input = "P-1" };

        // A dash alone reads from standard input; after -- everything is a folder; with = everything is a value.
        Assert.Contains("Which service?", (await cli.RunAsync("hold", "set", "--patient", "-", "--reason=--odd")).Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.NotEnrolled, (await cli.RunAsync("backup", "--", "--images")).Code);
        Assert.DoesNotContain("no option", (await cli.RunAsync("clinic", "create", "abc", "--name=--odd")).Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.NotEnrolled, (await cli.RunAsync("backup", "[images]")).Code);
    }

    [Theory]
    [InlineData("backup")]
    [InlineData("backup .")]
    [InlineData("watch .")]
    [InlineData("folders list")]
    [InlineData("folders show .")]
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

    private static Command Find(RootCommand root, string[] path) => path.Aggregate((Command)root, (at, name) => at.Subcommands.Single(c => c.Name == name));

    private static IEnumerable<string[]> Paths(Command command, string[] path, bool groups = false)
    {
        if (command.Subcommands.Count == 0 || path.Length == 0 || groups)
        {
            yield return path;
        }

        foreach (Command child in command.Subcommands)
        {
            foreach (string[] below in Paths(child, [.. path, child.Name], groups))
            {
                yield return below;
            }
        }
    }
}
