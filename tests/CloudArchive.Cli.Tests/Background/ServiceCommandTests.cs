using CloudArchive.Cli.Agent;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Background;

/// <summary>The service's commands against a stand-in for systemctl that notes what it is asked.</summary>
[Collection("stand-ins")]
public sealed class ServiceCommandTests : IDisposable
{
    private readonly Computers _computer = new();
    private readonly StandIns _programs = new();

    public static bool IsLinux => OperatingSystem.IsLinux();

    [Fact(SkipUnless = nameof(IsLinux), Skip = "systemd is Linux's")]
    public async Task The_service_is_installed_looked_after_and_removed()
    {
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

    [Fact(SkipUnless = nameof(IsLinux), Skip = "systemd is Linux's")]
    public async Task Where_nothing_can_be_asked_the_answer_is_not_checked_and_where_the_system_refuses_its_words_are_told()
    {
        _computer.Write("a.dcm");
        await _computer.BackUpAsync();
        (ExitCode absent, _, string noSystemd) = await RunAsync("service", "install", "--scope", "user");
        Assert.Equal(ExitCode.Local, absent);
        Assert.Contains("systemctl is not on this computer", noSystemd, StringComparison.Ordinal);
        Assert.Equal(ExitCode.NotChecked, (await RunAsync("service", "status", "--scope", "user")).Code);

        _programs.Add("systemctl", "echo 'Failed to connect to bus: No medium found' >&2; exit 1");
        (ExitCode refused, _, string error) = await RunAsync("service", "install", "--scope", "user");
        Assert.Equal(ExitCode.Local, refused);
        Assert.Contains("No medium found", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_without_anything_to_back_up_is_not_installed()
    {
        (ExitCode code, _, string error) = await RunAsync("service", "install", "--scope", OperatingSystem.IsWindows() ? "system" : "user");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("cloudarchive folders add", error, StringComparison.Ordinal);
    }

    [Fact(SkipUnless = nameof(IsLinux), Skip = "systemd is Linux's")]
    public async Task For_the_whole_computer_it_takes_an_administrator()
    {
        (ExitCode code, _, string error) = await RunAsync("service", "install", "--scope", "system");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("sudo", error, StringComparison.Ordinal);
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
        CliEnvironment environment = _programs.On(_computer.Environment) with { Out = output, Error = error, IsAdministrator = OperatingSystem.IsWindows() };
        int code = await CloudArchiveCli.RunAsync(arguments, environment, TestContext.Current.CancellationToken);
        return ((ExitCode)code, output.ToString(), error.ToString());
    }
}

/// <summary>Programs of the system that note what they are asked, alone on a PATH.</summary>
internal sealed class StandIns : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public StandIns() => Directory.CreateDirectory(_folder["bin"]);

    public string this[string relative] => _folder[relative];

    public void Add(string name, string script)
    {
        File.WriteAllText(_folder[$"bin/{name}"], $"#!/bin/sh\nPATH=/usr/bin:/bin\nfor word in \"$@\"; do printf '%s ' \"$word\"; done >> \"$0.asked\"\necho >> \"$0.asked\"\n{script}\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(_folder[$"bin/{name}"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    public string[] Asked(string name) => File.Exists(_folder[$"bin/{name}.asked"]) ? [.. File.ReadLines(_folder[$"bin/{name}.asked"]).Select(line => line.TrimEnd())] : [];

    public CliEnvironment On(CliEnvironment environment) => environment with
    {
        Variable = name => name switch { "PATH" => _folder["bin"], "XDG_CONFIG_HOME" => _folder["config"], _ => environment.Variable(name) },
    };

    public void Dispose() => _folder.Dispose();
}
