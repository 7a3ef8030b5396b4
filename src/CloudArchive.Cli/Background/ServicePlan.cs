using System.Security;
using System.Text;

namespace CloudArchive.Cli.Background;

/// <summary>Who starts the background service.</summary>
internal enum ServiceHost
{
    /// <summary>systemd, for the person who installs it.</summary>
    SystemdUser,

    /// <summary>systemd, for the whole computer.</summary>
    SystemdSystem,

    /// <summary>launchd, for the person who installs it: runs while they are signed in.</summary>
    LaunchAgent,

    /// <summary>launchd, for the whole computer.</summary>
    LaunchDaemon,

    /// <summary>Windows' service control manager.</summary>
    Windows,
}

/// <summary>One thing to do; what it is for is told where it fails.</summary>
internal abstract record ServiceStep(string What);

/// <summary>Writes a file of the system's.</summary>
internal sealed record WriteFileStep(string Path, string Content, string What) : ServiceStep(What);

/// <summary>Removes a file.</summary>
internal sealed record RemoveFileStep(string Path, string What) : ServiceStep(What);

/// <summary>Runs a program.</summary>
/// <param name="Otherwise">What is said where it fails and that is no harm; empty: nothing, what it does is done already. Null: without it there is no service.</param>
internal sealed record RunStep(string Program, IReadOnlyList<string> Arguments, string What, string? Otherwise = null) : ServiceStep(What);

/// <summary>Moves the data folder to where the service's own account can open it.</summary>
internal sealed record MoveHomeStep(string From, string To, string What) : ServiceStep(What);

/// <summary>What the plan is made from.</summary>
/// <param name="Host">Who starts it.</param>
/// <param name="Command">The program, and what comes before its own arguments.</param>
/// <param name="Home">The data folder.</param>
/// <param name="MachineHome">The data folder of a computer as a whole; Windows alone has one.</param>
/// <param name="UnitFolder">Where the system looks for such files; none on Windows.</param>
/// <param name="RunAs">The account; null: whoever installs it, or on Windows an account of the service's own.</param>
/// <param name="UserId">The number of whoever installs it, for launchd.</param>
/// <param name="Folders">What is backed up.</param>
internal sealed record ServiceSpec(
    ServiceHost Host, IReadOnlyList<string> Command, string Home, string MachineHome, string UnitFolder, string? RunAs, string UserId, IReadOnlyList<string> Folders);

/// <summary>
/// What has to be done so that <c>watch</c> runs at every start of the computer, as an account that may read the folders. Pure: the steps are told by
/// <c>--dry-run</c>, and done by <see cref="ServiceCommands"/>.
/// </summary>
internal static class ServicePlan
{
    /// <summary>The service's name in systemd.</summary>
    public const string Unit = "cloudarchive.service";

    /// <summary>The service's name in launchd.</summary>
    public const string Label = "org.cloudarchive.watch";

    /// <summary>The service's name in Windows.</summary>
    public const string WindowsName = "CloudArchive";

    /// <summary>An account that exists for this one service: it may do nothing but what it is given here. No password, none that runs out.</summary>
    public const string WindowsAccount = @"NT SERVICE\CloudArchive";

    private const string OnlySignedIn =
        "The service runs only while you are signed in: an administrator changes that with loginctl enable-linger, or cloudarchive service install --scope system.";

    /// <summary>The file that tells the system of the service; none on Windows.</summary>
    public static string? FileOf(ServiceHost host, string unitFolder) => host switch
    {
        ServiceHost.SystemdUser or ServiceHost.SystemdSystem => $"{unitFolder}/{Unit}",
        ServiceHost.LaunchAgent or ServiceHost.LaunchDaemon => $"{unitFolder}/{Label}.plist",
        _ => null,
    };

    /// <summary>Installs and starts it, or brings what is installed up to date.</summary>
    public static IReadOnlyList<ServiceStep> Install(ServiceSpec spec) => spec.Host switch
    {
        ServiceHost.SystemdUser or ServiceHost.SystemdSystem => InstallSystemd(spec),
        ServiceHost.LaunchAgent or ServiceHost.LaunchDaemon => InstallLaunchd(spec),
        _ => InstallWindows(spec),
    };

    /// <summary>Stops and removes it. What is archived, and this computer's identity, stay.</summary>
    public static IReadOnlyList<ServiceStep> Uninstall(ServiceSpec spec) => spec.Host switch
    {
        ServiceHost.SystemdUser or ServiceHost.SystemdSystem =>
        [
            Systemctl(spec, "stop the service", otherwise: "", "disable", "--now", Unit),
            new RemoveFileStep(FileOf(spec.Host, spec.UnitFolder)!, "remove the unit"),
            Systemctl(spec, "tell systemd", otherwise: null, "daemon-reload"),
        ],
        ServiceHost.LaunchAgent or ServiceHost.LaunchDaemon =>
        [
            new RunStep("launchctl", ["bootout", $"{DomainOf(spec)}/{Label}"], "stop the service", Otherwise: ""),
            new RemoveFileStep(FileOf(spec.Host, spec.UnitFolder)!, "remove the property list"),
        ],
        _ =>
        [
            Stop("stop the service"),
            new RunStep("sc.exe", ["delete", WindowsName], "remove the service"),
            .. spec.Folders.Select(folder => new RunStep("icacls.exe", [folder, "/remove:g", WindowsAccount], $"take back the right to read {folder}", Otherwise: "")),
        ],
    };

    /// <summary>What asks whether it runs.</summary>
    public static RunStep Ask(ServiceSpec spec) => spec.Host switch
    {
        ServiceHost.SystemdUser or ServiceHost.SystemdSystem => Systemctl(spec, "ask systemd", otherwise: "", "is-active", Unit),
        ServiceHost.LaunchAgent or ServiceHost.LaunchDaemon => new RunStep("launchctl", ["print", $"{DomainOf(spec)}/{Label}"], "ask launchd", Otherwise: ""),
        _ => new RunStep("sc.exe", ["query", WindowsName], "ask Windows", Otherwise: ""),
    };

    /// <summary>Whether the answer says that it runs. The words are the same in every language: systemd and launchd have one, and Windows a number.</summary>
    public static bool SaysRunning(ServiceHost host, string answer) => host switch
    {
        ServiceHost.SystemdUser or ServiceHost.SystemdSystem => answer.Trim() is "active" or "activating" or "reloading",
        ServiceHost.LaunchAgent or ServiceHost.LaunchDaemon => answer.Contains("state = running", StringComparison.Ordinal),
        _ => answer.Split('\n').Any(line => line.Split(':', 2) is [_, var state] && state.TrimStart().StartsWith("4 ", StringComparison.Ordinal) && !state.Contains("0x", StringComparison.Ordinal)),
    };

    private static ServiceStep[] InstallSystemd(ServiceSpec spec)
    {
        bool isSystem = spec.Host == ServiceHost.SystemdSystem;
        StringBuilder unit = new();
        unit.Append("[Unit]\nDescription=CloudArchive: backs up this computer's folders\n");
        unit.Append(isSystem ? "After=network-online.target\nWants=network-online.target\n" : "");
        unit.Append("\n[Service]\n");
        unit.Append($"ExecStart={string.Join(' ', spec.Command.Append("watch").Select(word => Quote(word, dollars: true)))}\n");
        unit.Append($"Environment={Quote($"CLOUDARCHIVE_HOME={spec.Home}", dollars: false)}\n");
        unit.Append(isSystem && spec.RunAs is { } account ? $"User={account}\n" : "");

        // Not enrolled, or a wrong option: trying again mends neither.
        unit.Append("Restart=always\nRestartSec=60\nRestartPreventExitStatus=2 3\nNice=10\nIOSchedulingClass=idle\nNoNewPrivileges=true\n");
        unit.Append($"\n[Install]\nWantedBy={(isSystem ? "multi-user.target" : "default.target")}\n");
        return
        [
            new WriteFileStep(FileOf(spec.Host, spec.UnitFolder)!, unit.ToString(), "write the unit"),
            Systemctl(spec, "tell systemd", otherwise: null, "daemon-reload"),
            Systemctl(spec, "have it started with the computer", otherwise: null, "enable", Unit),
            Systemctl(spec, "start it", otherwise: null, "restart", Unit),
            .. isSystem ? (ServiceStep[])[] : [new RunStep("loginctl", ["enable-linger"], "have it run while nobody is signed in", OnlySignedIn)],
        ];
    }

    private static ServiceStep[] InstallLaunchd(ServiceSpec spec)
    {
        string log = $"{spec.Home}/watch.log";
        string file = FileOf(spec.Host, spec.UnitFolder)!;
        string user = spec.Host == ServiceHost.LaunchDaemon && spec.RunAs is { } account ? $"  <key>UserName</key><string>{Xml(account)}</string>\n" : "";
        string content =
            $"""
            <?xml version="1.0" encoding="UTF-8"?>
            <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
            <plist version="1.0">
            <dict>
              <key>Label</key><string>{Label}</string>
              <key>ProgramArguments</key><array>{string.Concat(spec.Command.Append("watch").Select(word => $"<string>{Xml(word)}</string>"))}</array>
              <key>EnvironmentVariables</key><dict><key>CLOUDARCHIVE_HOME</key><string>{Xml(spec.Home)}</string></dict>
            {user}  <key>RunAtLoad</key><true/>
              <key>KeepAlive</key><true/>
              <key>ThrottleInterval</key><integer>60</integer>
              <key>ProcessType</key><string>Background</string>
              <key>StandardOutPath</key><string>{Xml(log)}</string>
              <key>StandardErrorPath</key><string>{Xml(log)}</string>
            </dict>
            </plist>

            """;
        return
        [
            new WriteFileStep(file, content.ReplaceLineEndings("\n"), "write the property list"),
            new RunStep("launchctl", ["bootout", $"{DomainOf(spec)}/{Label}"], "stop the one that runs", Otherwise: ""),
            new RunStep("launchctl", ["bootstrap", DomainOf(spec), file], "start it"),
        ];
    }

    private static ServiceStep[] InstallWindows(ServiceSpec spec)
    {
        string account = spec.RunAs ?? WindowsAccount;
        string command = string.Join(' ', spec.Command.Append("watch").Append("--as-service").Select(word => $"\"{word}\""));
        return
        [
            Stop("stop the one that runs"),

            // Where it is there already, this fails and the next line sets the same.
            new RunStep("sc.exe", ["create", WindowsName, "binPath=", command, "start=", "delayed-auto", "obj=", account, "DisplayName=", "CloudArchive"], "make the service", Otherwise: ""),
            new RunStep("sc.exe", ["config", WindowsName, "binPath=", command, "start=", "delayed-auto", "obj=", account], "set the service up"),
            new RunStep("sc.exe", ["description", WindowsName, "Backs up this computer's folders to the off-site archive."], "describe the service", Otherwise: ""),
            new RunStep("sc.exe", ["failure", WindowsName, "reset=", "86400", "actions=", "restart/60000/restart/60000/restart/600000"], "have it started again where it fails"),
            new RunStep("sc.exe", ["failureflag", WindowsName, "1"], "have it started again where it ends with an error"),
            .. spec.Home.Equals(spec.MachineHome, StringComparison.OrdinalIgnoreCase) ? (ServiceStep[])[] : [new MoveHomeStep(spec.Home, spec.MachineHome, $"move the data folder to {spec.MachineHome}")],

            // SYSTEM and Administrators by their well-known SIDs: their names are translated.
            new RunStep(
                "icacls.exe", [spec.MachineHome, "/inheritance:r", "/grant:r", "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F", $"{account}:(OI)(CI)M"],
                "let the service, and administrators, alone open the data folder"),
            .. spec.Folders.Select(folder => new RunStep("icacls.exe", [folder, "/grant", $"{account}:(OI)(CI)RX"], $"let the service read {folder}")),
            new RunStep("sc.exe", ["start", WindowsName], "start it"),
        ];
    }

    private static RunStep Systemctl(ServiceSpec spec, string what, string? otherwise, params string[] arguments) =>
        new("systemctl", spec.Host == ServiceHost.SystemdUser ? ["--user", .. arguments] : arguments, what, otherwise);

    /// <summary>sc.exe only asks it to stop; net.exe waits until it has, and what follows finds its files and its name free.</summary>
    private static RunStep Stop(string what) => new("net.exe", ["stop", WindowsName], what, Otherwise: "");

    private static string DomainOf(ServiceSpec spec) => spec.Host == ServiceHost.LaunchDaemon ? "system" : $"gui/{spec.UserId}";

    /// <summary>A word of a unit file (systemd.syntax(7), systemd.service(5)): % begins a specifier, and in a command $ a variable.</summary>
    private static string Quote(string word, bool dollars)
    {
        string escaped = word.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("%", "%%", StringComparison.Ordinal);
        return $"\"{(dollars ? escaped.Replace("$", "$$", StringComparison.Ordinal) : escaped)}\"";
    }

    private static string Xml(string text) => SecurityElement.Escape(text);
}
