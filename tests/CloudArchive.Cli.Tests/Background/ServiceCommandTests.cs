using CloudArchive.Cli.Agent;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Background;

/// <summary>The service's commands against a stand-in for systemctl that notes what it is asked.</summary>
[Collection("stand-ins")]
public sealed class ServiceCommandTests : IDisposable
{
    private readonly Computers _computer = new();
    private readonly StandIns _programs = new();
    private readonly Dictionary<string, string?> _variables;
    private bool _isRoot;

    public ServiceCommandTests() => _variables = new() { ["PATH"] = _programs.Bin, ["XDG_CONFIG_HOME"] = _programs["config"] };

    [Fact]
    public async Task The_service_is_installed_looked_after_and_removed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd is Linux's");
        _programs.Add("systemctl", """case "$*" in *is-active*) test -e "$0.up" && echo active || { echo inactive; exit 3; } ;; *restart*) touch "$0.up" ;; *disable*) rm -f "$0.up" ;; esac""");
        _programs.Add("loginctl", "exit 1");
        _computer.Write("a.dcm");
        await _computer.BackUpAsync();

        (ExitCode none, string told, _) = await RunAsync("service", "status", "--scope", "user");
        Assert.Equal(ExitCode.Unhealthy, none);
        Assert.Contains("cloudarchive service install", told, StringComparison.Ordinal);

        (ExitCode installed, string output, string error) = await RunAsync("service", "install", "--scope", "user");
        Assert.True(installed == ExitCode.Ok, error);
        Assert.Contains("installed and runs", output, StringComparison.Ordinal);
        Assert.Contains("enable-linger", output, StringComparison.Ordinal); // it could not be, and that is no failure
        string unit = await File.ReadAllTextAsync(_programs["config/systemd/user/cloudarchive.service"], TestContext.Current.CancellationToken);
        Assert.Contains($"CLOUDARCHIVE_HOME={AgentHome.Of(_computer.Environment).Path}", unit, StringComparison.Ordinal);
        Assert.Equal(["--user daemon-reload", "--user enable cloudarchive.service", "--user restart cloudarchive.service"], _programs.Asked("systemctl").Take(3));
        Assert.Equal(ExitCode.Ok, (await RunAsync("service", "status", "--scope", "user")).Code);

        Assert.Equal(ExitCode.Ok, (await RunAsync("service", "uninstall", "--scope", "user")).Code);
        Assert.False(File.Exists(_programs["config/systemd/user/cloudarchive.service"]));
        Assert.Equal(ExitCode.Usage, (await RunAsync("service", "uninstall", "--scope", "user")).Code);
    }

    [Fact]
    public async Task Where_nothing_can_be_asked_the_answer_is_not_checked_and_where_the_system_refuses_its_words_are_told()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd is Linux's");
        _computer.Write("a.dcm");
        await _computer.BackUpAsync();
        (ExitCode absent, _, string noSystemd) = await RunAsync("service", "install", "--scope", "user");
        Assert.Equal(ExitCode.Local, absent);
        Assert.Contains("systemctl is not on this computer", noSystemd, StringComparison.Ordinal);
        Assert.Equal(ExitCode.NotChecked, (await RunAsync("service", "status", "--scope", "user")).Code);

        _programs.Add("systemctl", "echo 'Failed to connect to bus: No medium found' >&2; exit 1");
        (ExitCode refused, _, string error) = await RunAsync("service", "install", "--scope", "user");
        Assert.Equal(ExitCode.Local, refused);
        Assert.Contains("Could not tell systemd: systemctl --user daemon-reload says: Failed to connect to bus: No medium found", error, StringComparison.Ordinal);
        Assert.Contains("Could not tell systemd", (await RunAsync("service", "uninstall", "--scope", "user")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_without_anything_to_back_up_is_not_installed()
    {
        (ExitCode code, _, string error) = await RunAsync("service", "install", "--scope", OperatingSystem.IsWindows() ? "system" : "user");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("cloudarchive folders add", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task For_the_whole_computer_it_takes_an_administrator()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd is Linux's");
        (ExitCode code, _, string error) = await RunAsync("service", "install", "--scope", "system");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("sudo", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_for_the_whole_computer_belongs_to_whoever_has_the_data_folder()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd is Linux's");
        _computer.Write("a.dcm");
        await _computer.BackUpAsync();
        _isRoot = true;
        _variables["SUDO_USER"] = "ann";
        (ExitCode code, string plan, string error) = await RunAsync("service", "install", "--scope", "system", "--dry-run");
        Assert.True(code == ExitCode.Ok, error);
        Assert.Contains("/etc/systemd/system/cloudarchive.service", plan, StringComparison.Ordinal);
        Assert.Contains($"CLOUDARCHIVE_HOME={AgentHome.Of(_computer.Environment).Path}", plan, StringComparison.Ordinal);
        Assert.DoesNotContain("User=", plan, StringComparison.Ordinal); // the folder is root's, and not of whoever typed sudo

        (code, plan, error) = await RunAsync("service", "install", "--scope", "system", "--run-as", "pacs", "--dry-run");
        Assert.True(code == ExitCode.Ok, error);
        Assert.Contains("User=pacs", plan, StringComparison.Ordinal);

        _variables["CLOUDARCHIVE_HOME"] = null;
        (code, _, error) = await RunAsync("service", "install", "--scope", "system", "--run-as", "pacs", "--dry-run");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("set CLOUDARCHIVE_HOME to its data folder", error, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _computer.Dispose();
        _programs.Dispose();
    }

    private async Task<(ExitCode Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        CliEnvironment environment = _computer.Environment with
        {
            Out = output,
            Error = error,
            IsAdministrator = OperatingSystem.IsWindows() || _isRoot,
            Variable = name => _variables.TryGetValue(name, out string? value) ? value : _computer.Environment.Variable(name),
        };
        int code = await CloudArchiveCli.RunAsync(arguments, environment, TestContext.Current.CancellationToken);
        return ((ExitCode)code, output.ToString(), error.ToString());
    }
}
