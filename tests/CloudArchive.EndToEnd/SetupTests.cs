using System.Diagnostics;
using System.Globalization;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>
/// The receptionist: <c>cloudarchive setup</c> typed into a terminal, up to SAFE, with the service that it installs. A stand-in for systemctl starts what
/// the unit says, as systemd would.
/// </summary>
public sealed class SetupTests
{
    public static bool HasTmux => OperatingSystem.IsLinux() && File.Exists("/usr/bin/tmux") && File.Exists("/bin/bash");

    [Fact(SkipUnless = nameof(HasTmux), Skip = "needs tmux")]
    public async Task A_receptionist_types_the_code_chooses_the_folder_and_is_told_SAFE()
    {
        using TemporaryFolder folder = new();
        await using ArchiveProcess archive = await ArchiveProcess.StartAsync(folder["archive"]);
        Cli admin = new(folder["admin"], archive.Url, archive.AdminToken);
        (await admin.RunAsync("clinic", "create", "oak-street", "--name", "Oak Street Dental")).Expect(0);
        string told = (await admin.RunAsync("enrollment", "create", "--clinic", "oak-street")).Expect(0).Output;
        Assert.Contains($"cloudarchive setup --url {archive.Url} --code", told, StringComparison.Ordinal);
        Assert.Contains("--escrow-out", told, StringComparison.Ordinal);
        string code = told.Split('\n').Single(line => line.StartsWith("  ", StringComparison.Ordinal)).Trim();
        for (int i = 0; i < 3; i++)
        {
            SampleStudies.WriteOne(folder[$"person/DICOM/{i}.dcm"], $"image-{i}");
            File.SetLastWriteTimeUtc(folder[$"person/DICOM/{i}.dcm"], TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(-1)); // nobody is still writing it
        }

        Directory.CreateDirectory(folder["stick"]);
        using StandIns programs = new();
        AddStandIns(programs, folder);
        await using Terminal terminal = await Terminal.StartAsync(folder, 80, 30);
        try
        {
            await terminal.TypeAsync($"PATH={programs.Bin}:$PATH dotnet {ArchiveProcess.AssemblyOf("src/CloudArchive.Cli", "cloudarchive")} setup --scope user");
            await terminal.AnswerAsync("The archive's address:", "archive.example");
            await terminal.AnswerAsync("is no service URL", archive.Url);
            await terminal.AnswerAsync("The code:", code);
            Assert.Contains("DICOM  (DICOM images)", await terminal.WaitAsync("Numbers of those to back up"), StringComparison.Ordinal);
            await terminal.TypeAsync("");
            await terminal.AnswerAsync("The file:", folder["stick/escrow.pem"]);
            await terminal.AnswerAsync("Keep it there all the same?", "y");
            await terminal.AnswerAsync("A passphrase for the escrow key", "correct horse battery staple");
            await terminal.AnswerAsync("The passphrase again", "correct horse battery staple");
            await terminal.AnswerAsync("Install the background service", "y");
            await terminal.WaitAsync("The service is installed and runs");
            string end = await terminal.WaitAsync("Next: nothing");
            Assert.Matches(@"\n SAFE +Oak Street Dental", end[end.LastIndexOf("6. The first backup", StringComparison.Ordinal)..]);
            Assert.True(File.Exists(folder["stick/escrow.pem"]));

            Cli agent = new(folder["agent"]);
            Assert.Equal(3, (int)(await agent.RunAsync("status", "--json")).Expect(0).Json["backedUp"]!);

            // The service goes on where setup ended, and tells the desktop once its scan is over.
            for (Stopwatch watch = Stopwatch.StartNew(); programs.Asked("notify-send").Length == 0 && watch.Elapsed < TimeSpan.FromSeconds(30); await Task.Delay(100, TestContext.Current.CancellationToken))
            {
            }

            Assert.Contains(programs.Asked("notify-send"), line => line.Contains("CloudArchive: SAFE", StringComparison.Ordinal));
        }
        finally
        {
            StopService(folder);
        }
    }

    [Fact]
    public async Task A_script_answers_every_question_by_an_option()
    {
        using TemporaryFolder folder = new();
        await using ArchiveProcess archive = await ArchiveProcess.StartAsync(folder["archive"]);
        Cli admin = new(folder["admin"], archive.Url, archive.AdminToken);
        (await admin.RunAsync("clinic", "create", "oak-street", "--name", "Oak Street Dental")).Expect(0);
        string code = (string)(await admin.RunAsync("enrollment", "create", "--clinic", "oak-street", "--json")).Expect(0).Json["code"]!;
        SampleStudies.WriteOne(folder["images/a.dcm"], "a");
        await File.WriteAllTextAsync(folder["passphrase"], "correct horse battery staple", TestContext.Current.CancellationToken);
        Cli agent = new(folder["agent"]);
        string[] setup = ["setup", "--yes", "--url", archive.Url, "--code", code, "--folder", folder["images"], "--no-service"];

        // The clinic's first computer: without a place for the escrow key nothing is used up.
        Assert.Contains("--escrow-out", (await agent.RunAsync(setup)).Expect(2).Error, StringComparison.Ordinal);
        CliRun run = (await agent.RunAsync([.. setup, "--escrow-out", folder["escrow.pem"], "--escrow-passphrase-file", folder["passphrase"]])).Expect(0);
        Assert.Contains("WARNING", run.Error, StringComparison.Ordinal); // the same disk
        Assert.Contains("SAFE", run.Output, StringComparison.Ordinal);

        // Again: it is enrolled, and takes one more folder in.
        SampleStudies.WriteOne(folder["more/b.dcm"], "b");
        Assert.Contains("enrolled already", (await agent.RunAsync("setup", "--yes", "--folder", folder["more"], "--no-service")).Expect(0).Output, StringComparison.Ordinal);
        Assert.Equal(2, (int)(await agent.RunAsync("status", "--json")).Expect(0).Json["backedUp"]!);
    }

    private static void AddStandIns(StandIns programs, TemporaryFolder folder)
    {
        string unit = folder["config/systemd/user/cloudarchive.service"];
        programs.Add("systemctl",
            $"""
            case "$*" in
              *restart*)
                eval "export $(sed -n 's/^Environment=//p' '{unit}')"
                command="$(sed -n 's/^ExecStart=//p' '{unit}')"
                setsid bash -c "exec $command" > '{folder["service.log"]}' 2>&1 < /dev/null &
                echo $! > '{folder["service.pid"]}' ;;
              *is-active*) kill -0 "$(cat '{folder["service.pid"]}')" && echo active ;;
            esac
            """);
        programs.Add("loginctl", "");
        programs.Add("notify-send", "");
    }

    private static void StopService(TemporaryFolder folder)
    {
        if (File.Exists(folder["service.pid"]))
        {
            try
            {
                using Process service = Process.GetProcessById(int.Parse(File.ReadAllText(folder["service.pid"]), CultureInfo.InvariantCulture));
                service.Kill(entireProcessTree: true);
                service.WaitForExit(TimeSpan.FromSeconds(20));
            }
            catch (ArgumentException)
            {
                // It ended by itself.
            }
        }
    }

    /// <summary>A terminal that a person could sit at, under tmux: what stands on it can be read, and what is typed goes through a real pseudo-terminal.</summary>
    private sealed class Terminal : IAsyncDisposable
    {
        private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
        private readonly string _socket;

        private Terminal(string socket) => _socket = socket;

        public static async Task<Terminal> StartAsync(TemporaryFolder folder, int columns, int lines)
        {
            Terminal terminal = new(folder["tmux"]);
            Directory.CreateDirectory(folder["person"]);
            string[] variables =
            [
                $"CLOUDARCHIVE_HOME={folder["agent"]}", $"HOME={folder["person"]}", $"XDG_CONFIG_HOME={folder["config"]}",
                "CLOUDARCHIVE_URL=", "CLOUDARCHIVE_TOKEN=",
            ];
            await terminal.RunAsync(["-f", "/dev/null", "new-session", "-d", "-s", "t", "-x", $"{columns}", "-y", $"{lines}", .. variables.SelectMany(v => (string[])["-e", v]), "bash --norc --noprofile"]);
            await terminal.RunAsync(["set-option", "-g", "history-limit", "5000"]);
            return terminal;
        }

        /// <summary>Waits for a question and types the answer.</summary>
        public async Task AnswerAsync(string question, string answer)
        {
            await WaitAsync(question);
            await TypeAsync(answer);
        }

        public async Task TypeAsync(string line)
        {
            if (line.Length > 0)
            {
                await RunAsync(["send-keys", "-t", "t", "-l", line]);
            }

            await RunAsync(["send-keys", "-t", "t", "Enter"]);
        }

        /// <summary>Waits until a text stands on it, and returns everything that does.</summary>
        public async Task<string> WaitAsync(string text)
        {
            string screen = "";
            for (Stopwatch watch = Stopwatch.StartNew(); watch.Elapsed < s_patience; await Task.Delay(100))
            {
                screen = await RunAsync(["capture-pane", "-p", "-J", "-t", "t", "-S", "-"]);
                if (screen.Contains(text, StringComparison.Ordinal))
                {
                    return screen;
                }
            }

            throw new InvalidOperationException($"'{text}' does not stand on the terminal, but:\n{screen}");
        }

        public async ValueTask DisposeAsync() => await RunAsync(["kill-server"]);

        private async Task<string> RunAsync(string[] arguments)
        {
            // Not the test's token: the terminal is to be closed also where the test is stopped.
            (_, string output, _) = await Programs.RunAsync("tmux", ["-S", _socket, .. arguments], CancellationToken.None);
            return output;
        }
    }
}
