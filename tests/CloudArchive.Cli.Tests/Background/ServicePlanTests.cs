using CloudArchive.Cli.Background;

namespace CloudArchive.Cli.Tests.Background;

public class ServicePlanTests
{
    private static readonly ServiceSpec s_linux = new(ServiceHost.SystemdUser, ["/opt/Cloud Archive/cloudarchive"], "/home/ann/100% $data", "", "/home/ann/.config/systemd/user", null, "", ["/srv/images"]);
    private static readonly ServiceSpec s_windows = new(
        ServiceHost.Windows, [@"C:\Program Files\CloudArchive\cloudarchive.exe"], @"C:\Users\ann\AppData\Local\CloudArchive", @"C:\ProgramData\CloudArchive", "", null, "", [@"D:\Images", @"\\nas\x"]);

    [Fact]
    public void A_unit_of_systemd_runs_watch_with_the_data_folder_whatever_its_name_is()
    {
        WriteFileStep unit = ServicePlan.Install(s_linux).OfType<WriteFileStep>().Single();
        Assert.Equal("/home/ann/.config/systemd/user/cloudarchive.service", unit.Path);
        string[] lines = unit.Content.Split('\n');
        Assert.Contains("ExecStart=\"/opt/Cloud Archive/cloudarchive\" \"watch\"", lines);
        Assert.Contains("Environment=\"CLOUDARCHIVE_HOME=/home/ann/100%% $data\"", lines);
        Assert.Contains("WantedBy=default.target", lines);
        Assert.Contains("Restart=always", lines);
        Assert.Contains($"RestartPreventExitStatus={(int)ExitCode.Usage} {(int)ExitCode.NotEnrolled}", lines); // trying again mends neither
        Assert.DoesNotContain(lines, line => line.StartsWith("User=", StringComparison.Ordinal));
        Assert.All(ServicePlan.Install(s_linux).OfType<RunStep>().Where(step => step.Program == "systemctl"), step => Assert.Equal("--user", step.Arguments[0]));
    }

    [Fact]
    public void For_the_whole_computer_it_runs_as_the_account_that_was_named()
    {
        WriteFileStep unit = ServicePlan.Install(s_linux with { Host = ServiceHost.SystemdSystem, RunAs = "pacs", UnitFolder = "/etc/systemd/system" }).OfType<WriteFileStep>().Single();
        Assert.Contains("User=pacs\n", unit.Content, StringComparison.Ordinal);
        Assert.Contains("WantedBy=multi-user.target\n", unit.Content, StringComparison.Ordinal);
    }

    [Fact]
    public void On_Windows_the_service_has_an_account_of_its_own_that_is_given_the_folders_and_the_data_folder()
    {
        IReadOnlyList<ServiceStep> steps = ServicePlan.Install(s_windows);
        RunStep make = steps.OfType<RunStep>().Single(step => step.Arguments[0] == "config");
        Assert.Contains("\"C:\\Program Files\\CloudArchive\\cloudarchive.exe\" \"watch\" \"--as-service\"", make.Arguments);
        Assert.Contains(@"NT SERVICE\CloudArchive", make.Arguments);
        Assert.Equal([@"D:\Images", @"\\nas\x"], steps.OfType<RunStep>().Where(step => step.Arguments.Any(a => a.EndsWith("RX", StringComparison.Ordinal))).Select(step => step.Arguments[0]));

        // The right to the data folder comes after it is there, and the start last.
        int move = steps.Index().Single(step => step.Item is MoveHomeStep).Index;
        int lockUp = steps.Index().Single(step => step.Item is RunStep run && run.Arguments.Contains("/inheritance:r")).Index;
        Assert.True(move < lockUp && lockUp < steps.Count - 1);
        Assert.Equal("start", Assert.IsType<RunStep>(steps[^1]).Arguments[0]);
        Assert.DoesNotContain(ServicePlan.Install(s_windows with { Home = s_windows.MachineHome }), step => step is MoveHomeStep);
    }

    [Fact]
    public void A_property_list_of_launchd_is_XML_with_every_name_escaped()
    {
        ServiceSpec mac = s_linux with { Host = ServiceHost.LaunchAgent, UserId = "501", Home = "/Users/ann/R&D", UnitFolder = "/Users/ann/Library/LaunchAgents" };
        WriteFileStep list = ServicePlan.Install(mac).OfType<WriteFileStep>().Single();
        System.Xml.Linq.XDocument document = System.Xml.Linq.XDocument.Parse(list.Content);
        Assert.Contains(document.Descendants("string"), text => text.Value == "/Users/ann/R&D");
        Assert.Equal(["/opt/Cloud Archive/cloudarchive", "watch"], document.Descendants("array").Single().Elements().Select(e => e.Value));
        Assert.Contains(ServicePlan.Install(mac).OfType<RunStep>(), step => step.Arguments.SequenceEqual(["bootstrap", "gui/501", list.Path]));
    }

    [Theory]
    [InlineData(nameof(ServiceHost.SystemdUser), "active\n", true)]
    [InlineData(nameof(ServiceHost.SystemdUser), "inactive\n", false)]
    [InlineData(nameof(ServiceHost.SystemdUser), "failed\n", false)]
    [InlineData(nameof(ServiceHost.Windows), "SERVICE_NAME: CloudArchive\r\n        TYPE               : 10  WIN32_OWN_PROCESS\r\n        STATE              : 4  RUNNING\r\n", true)]
    [InlineData(nameof(ServiceHost.Windows), "SERVICE_NAME: CloudArchive\r\n        TYPE               : 10  WIN32_OWN_PROCESS\r\n        STATUS             : 4  WIRD AUSGEFÜHRT\r\n", true)]
    [InlineData(nameof(ServiceHost.Windows), "        STATE              : 1  STOPPED\r\n        WIN32_EXIT_CODE    : 4  (0x4)\r\n", false)]
    [InlineData(nameof(ServiceHost.LaunchAgent), "gui/501/org.cloudarchive.watch = {\n\tstate = running\n}", true)]
    [InlineData(nameof(ServiceHost.LaunchAgent), "\tstate = spawn scheduled\n", false)]
    public void The_systems_answer_is_read_in_every_language(string host, string answer, bool runs) => Assert.Equal(runs, ServicePlan.SaysRunning(Enum.Parse<ServiceHost>(host), answer));

    [Fact]
    public void What_is_installed_is_stopped_before_it_is_removed()
    {
        Assert.Equal(
            ["systemctl --user disable --now cloudarchive.service", "rm /home/ann/.config/systemd/user/cloudarchive.service", "systemctl --user daemon-reload"],
            ServicePlan.Uninstall(s_linux).Select(Line));
        Assert.Equal(
            ["launchctl bootout system/org.cloudarchive.watch", "rm /Library/LaunchDaemons/org.cloudarchive.watch.plist"],
            ServicePlan.Uninstall(s_linux with { Host = ServiceHost.LaunchDaemon, UnitFolder = "/Library/LaunchDaemons" }).Select(Line));

        // net.exe waits until it has stopped: sc.exe would delete one that is still at it.
        Assert.Equal(
            [
                "net.exe stop CloudArchive", "sc.exe delete CloudArchive",
                @"icacls.exe D:\Images /remove:g NT SERVICE\CloudArchive", @"icacls.exe \\nas\x /remove:g NT SERVICE\CloudArchive",
            ],
            ServicePlan.Uninstall(s_windows).Select(Line));
        Assert.Equal("net.exe stop CloudArchive", Line(ServicePlan.Install(s_windows)[0]));
    }

    private static string Line(ServiceStep step) => step switch
    {
        RunStep run => $"{run.Program} {string.Join(' ', run.Arguments)}",
        RemoveFileStep remove => $"rm {remove.Path}",
        _ => step.What,
    };
}
