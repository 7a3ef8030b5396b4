using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;

namespace CloudArchive.Cli.Background;

/// <summary><c>service</c>: a <c>watch</c> that the system starts.</summary>
internal static class ServiceCommands
{
    public static Command Create(CliEnvironment environment) => new("service", "The background service: a watch that the system starts with the computer.")
    {
        Install(environment),
        Status(environment),
        Uninstall(environment),
    };

    private static Command Install(CliEnvironment environment)
    {
        ServiceOptions options = new();
        Option<string?> runAs = new("--run-as")
        {
            Description = "The account that runs it, which has the data folder (CLOUDARCHIVE_HOME) and can read the folders [whoever installs it; on Windows one of the service's own, which is given both]",
            HelpName = "account",
        };
        Option<bool> dryRun = new("--dry-run") { Description = "Say what would be done, and do nothing" };
        Command command = new("install", "Install the service and start it, or bring the one that is there up to date.") { options.Scope, runAs, dryRun };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            BackgroundService service = await BackgroundService.OfAsync(environment, options.ScopeOf(parsed), parsed.GetValue(runAs), mustBackUp: true, cancellationToken);
            if (parsed.GetValue(dryRun))
            {
                service.Plan.ToList().ForEach(step => environment.Out.WriteLine(Describe(step)));
                return (int)ExitCode.Ok;
            }

            await service.InstallAsync(environment.Out, cancellationToken);
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static Command Status(CliEnvironment environment)
    {
        ServiceOptions options = new();
        Option<bool> json = CommonOptions.Json();
        Command command = new("status", "Say whether the service is installed and runs.") { options.Scope, json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            BackgroundService service = await BackgroundService.OfAsync(environment, options.ScopeOf(parsed), null, mustBackUp: false, cancellationToken);
            (ServiceState state, string told) = await service.AskAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(new { state, text = told });
            }
            else
            {
                environment.Out.WriteLine(told);
            }

            return (int)(state switch
            {
                ServiceState.Running => ExitCode.Ok,
                ServiceState.NotChecked => ExitCode.NotChecked,
                _ => ExitCode.Unhealthy,
            });
        });
        return command;
    }

    private static Command Uninstall(CliEnvironment environment)
    {
        ServiceOptions options = new();
        Command command = new("uninstall", "Stop the service and remove it. What is archived stays archived, and this computer stays enrolled.") { options.Scope };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            BackgroundService service = await BackgroundService.OfAsync(environment, options.ScopeOf(parsed), null, mustBackUp: false, cancellationToken);
            await service.UninstallAsync(environment.Out, cancellationToken);
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static string Describe(ServiceStep step) => step switch
    {
        WriteFileStep write => $"{step.What}: {write.Path}{Environment.NewLine}{string.Join(Environment.NewLine, write.Content.TrimEnd().Split('\n').Select(line => "    " + line))}",
        RemoveFileStep remove => $"{step.What}: {remove.Path}",
        RunStep run => $"{step.What}: {run.Program} {string.Join(' ', run.Arguments.Select(a => a.Contains(' ', StringComparison.Ordinal) ? $"'{a}'" : a))}",
        _ => step.What,
    };
}

/// <summary><c>--scope</c>.</summary>
internal sealed class ServiceOptions
{
    public Option<string?> Scope { get; } = new("--scope") { Description = "user: for whoever installs it; system: for the whole computer, which takes an administrator [system for an administrator]", HelpName = "user|system" };

    public ServiceOptions() => Scope.AcceptOnlyFromAmong("user", "system");

    /// <summary>Whether it is for the whole computer; null: nothing was said.</summary>
    public bool? ScopeOf(ParseResult parsed) => parsed.GetValue(Scope) is { } scope ? scope == "system" : null;
}

/// <summary>How the service stands. Three answers, and where it is not there a fourth.</summary>
internal enum ServiceState
{
    Running,
    Stopped,
    NotInstalled,
    NotChecked,
}

/// <summary>The service of this computer, and what to do about it.</summary>
internal sealed class BackgroundService(CliEnvironment environment, ServiceSpec spec)
{
    /// <summary>What installing it takes.</summary>
    public IReadOnlyList<ServiceStep> Plan => ServicePlan.Install(spec);

    /// <summary>Describes the service of this computer.</summary>
    /// <param name="environment">Where it is.</param>
    /// <param name="system">Whether for the whole computer; null: for an administrator.</param>
    /// <param name="runAs">The account, or null.</param>
    /// <param name="mustBackUp">Whether there must be something to back up.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static async Task<BackgroundService> OfAsync(CliEnvironment environment, bool? system, string? runAs, bool mustBackUp, CancellationToken cancellationToken)
    {
        bool isAdministrator = environment.IsAdministrator;
        bool isSystem = system ?? (isAdministrator || OperatingSystem.IsWindows());
        if (isSystem && !isAdministrator)
        {
            throw new UsageException(OperatingSystem.IsWindows()
                ? "A service of Windows takes an administrator: open the terminal with \"Run as administrator\" and give the same command."
                : "A service for the whole computer takes root: give the same command with sudo, or --scope user.");
        }

        if (OperatingSystem.IsWindows() && !isSystem)
        {
            throw new UsageException("Windows knows services for the whole computer alone: leave --scope out.");
        }

        if (runAs is not null && !OperatingSystem.IsWindows() && environment.Variable("CLOUDARCHIVE_HOME") is not { Length: > 0 })
        {
            // Where nothing names it, the data folder is that of whoever types this: keys that the account cannot open, or must not.
            throw new UsageException($"The service of {runAs} needs a data folder that is {runAs}'s own: set CLOUDARCHIVE_HOME to its data folder, and give the same command.");
        }

        AgentHome home = AgentHome.Of(environment);
        AgentIdentity? identity = mustBackUp ? AgentIdentity.Load(home) : AgentIdentity.TryLoad(home);
        IReadOnlyList<string> folders = [];
        if (identity is not null)
        {
            using AgentState? state = AgentState.OpenToRead(home.State(identity.Clinic));
            folders = state?.Folders() ?? [];
        }

        if (mustBackUp && folders.Count == 0)
        {
            throw new UsageException("No folder is remembered yet, and the service would have nothing to do: cloudarchive folders add <folder>");
        }

        ServiceHost host = OperatingSystem.IsWindows() ? ServiceHost.Windows
            : OperatingSystem.IsMacOS() ? (isSystem ? ServiceHost.LaunchDaemon : ServiceHost.LaunchAgent)
            : isSystem ? ServiceHost.SystemdSystem : ServiceHost.SystemdUser;
        string user = host == ServiceHost.LaunchAgent ? (await OtherProgram.RunAsync(environment, "id", ["-u"], cancellationToken)).Output : "";
        return new BackgroundService(environment, new ServiceSpec(host, OwnCommand(), home.Path, AgentHome.OfMachine, UnitFolder(environment, host), runAs, user, folders));
    }

    /// <summary>Installs it; <see cref="LocalFailureException"/> says which step failed and why.</summary>
    public async Task InstallAsync(TextWriter output, CancellationToken cancellationToken)
    {
        await DoAsync(Plan, output, cancellationToken);
        (ServiceState state, string told) = await AskAsync(cancellationToken);
        await output.WriteLineAsync(told);
        if (state == ServiceState.Stopped)
        {
            throw new LocalFailureException($"The service is installed and does not run. Its own words: {LogOf()}");
        }
    }

    /// <summary>Removes it.</summary>
    public async Task UninstallAsync(TextWriter output, CancellationToken cancellationToken)
    {
        if (ServicePlan.FileOf(spec.Host, spec.UnitFolder) is { } file && !File.Exists(file))
        {
            throw new UsageException($"There is no such service ({file}). {OtherScope()}");
        }

        await DoAsync(ServicePlan.Uninstall(spec), output, cancellationToken);
        await output.WriteLineAsync("The service is removed: nothing is backed up by itself any more.");
    }

    /// <summary>How it stands, and the same in words.</summary>
    public async Task<(ServiceState State, string Told)> AskAsync(CancellationToken cancellationToken)
    {
        if (ServicePlan.FileOf(spec.Host, spec.UnitFolder) is { } file && !File.Exists(file))
        {
            return (ServiceState.NotInstalled, $"The service is not installed ({file} is not there). {OtherScope()}Install it: cloudarchive service install");
        }

        RunStep ask = ServicePlan.Ask(spec);
        ProgramEnd end = await OtherProgram.RunAsync(environment, ask.Program, ask.Arguments, cancellationToken);
        if (end.Code is null)
        {
            return (ServiceState.NotChecked, $"Whether the service runs could not be checked: {end.Output}");
        }

        if (end.Code == NoSuchWindowsService && spec.Host == ServiceHost.Windows)
        {
            return (ServiceState.NotInstalled, "The service is not installed. Install it: cloudarchive service install");
        }

        return ServicePlan.SaysRunning(spec.Host, end.Output)
            ? (ServiceState.Running, "The service is installed and runs: what appears in the folders is backed up by itself.")
            : (ServiceState.Stopped, $"The service is installed and does not run. Its own words: {LogOf()} Start it anew: cloudarchive service install");
    }

    // ERROR_SERVICE_DOES_NOT_EXIST
    private const int NoSuchWindowsService = 1060;

    private async Task DoAsync(IReadOnlyList<ServiceStep> steps, TextWriter output, CancellationToken cancellationToken)
    {
        foreach (ServiceStep step in steps)
        {
            switch (step)
            {
                case WriteFileStep write:
                    Directory.CreateDirectory(Path.GetDirectoryName(write.Path)!);
                    await File.WriteAllTextAsync(write.Path, write.Content, cancellationToken);
                    break;
                case RemoveFileStep remove:
                    File.Delete(remove.Path);
                    break;
                case MoveHomeStep move:
                    new AgentHome(move.From).MoveTo(new AgentHome(move.To));
                    break;
                case RunStep run:
                    ProgramEnd end = await OtherProgram.RunAsync(environment, run.Program, run.Arguments, cancellationToken);
                    if (!end.IsGood && run.Otherwise is null)
                    {
                        throw new LocalFailureException($"Could not {run.What}: {run.Program} {string.Join(' ', run.Arguments)} says: {end.Output}");
                    }

                    if (!end.IsGood && run.Otherwise is { Length: > 0 } told)
                    {
                        await output.WriteLineAsync(told);
                    }

                    break;
            }
        }
    }

    private string LogOf() => spec.Host switch
    {
        ServiceHost.SystemdUser => $"journalctl --user -u {ServicePlan.Unit}",
        ServiceHost.SystemdSystem => $"journalctl -u {ServicePlan.Unit}",
        ServiceHost.Windows => Path.Combine(spec.MachineHome, "watch.log"),
        _ => Path.Combine(spec.Home, "watch.log"),
    };

    private string OtherScope()
    {
        ServiceHost other = spec.Host switch
        {
            ServiceHost.SystemdUser => ServiceHost.SystemdSystem,
            ServiceHost.SystemdSystem => ServiceHost.SystemdUser,
            ServiceHost.LaunchAgent => ServiceHost.LaunchDaemon,
            _ => ServiceHost.LaunchAgent,
        };
        return spec.Host != ServiceHost.Windows && ServicePlan.FileOf(other, UnitFolder(environment, other)) is { } file && File.Exists(file)
            ? $"There is one in {file}: --scope {(other is ServiceHost.SystemdSystem or ServiceHost.LaunchDaemon ? "system" : "user")}. "
            : "";
    }

    private static string UnitFolder(CliEnvironment environment, ServiceHost host) => host switch
    {
        ServiceHost.SystemdUser => Path.Combine(environment.Variable("XDG_CONFIG_HOME") is { Length: > 0 } config ? config : Path.Combine(environment.Profile, ".config"), "systemd", "user"),
        ServiceHost.SystemdSystem => "/etc/systemd/system",
        ServiceHost.LaunchAgent => Path.Combine(environment.Profile, "Library", "LaunchAgents"),
        ServiceHost.LaunchDaemon => "/Library/LaunchDaemons",
        _ => "",
    };

    /// <summary>What starts this very program: itself, or the runtime with it.</summary>
    private static string[] OwnCommand()
    {
        string self = Environment.ProcessPath ?? throw new LocalFailureException("The system does not say where this program lies.");
        return Path.GetFileNameWithoutExtension(self).Equals("dotnet", StringComparison.OrdinalIgnoreCase) ? [self, Path.Combine(AppContext.BaseDirectory, "cloudarchive.dll")] : [self];
    }
}
