using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;
using CloudArchive.Testing.Verdicts;

namespace CloudArchive.Api.Tests;

/// <summary>One verdict, end to end: what a computer reports over HTTP, and what API, portal and alerts say of it.</summary>
public sealed class VerdictApiTests(SharedStorage shared)
{
    private static readonly ApiHostOptions _options = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") } };

    [Fact]
    public async Task Portal_API_and_alerts_say_in_every_situation_what_the_computer_says()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, token = await agent.TokenAsync(), staff = host.Staff("compliance", clinic);
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("compliance", clinic, subject: "carol"));
        foreach (VerdictSituation situation in VerdictSituations.All)
        {
            AgentVerdict reported = VerdictRule.For(situation.Facts);
            Assert.Equal(204, (await ReportAsync(host, agent, token, reported)).Status);
            DateTimeOffset now = host.Clock.GetUtcNow();
            string word = !situation.Safe ? "Not safe" : situation.Remarks.Count > 0 ? "Needs attention" : "Safe";

            ClinicVerdictResponse verdict = (await host.GetAsync($"/v1/clinics/{clinic}/verdict", staff)).As<ClinicVerdictResponse>();
            Assert.Equal(word, verdict.State switch { VerdictState.Safe => "Safe", VerdictState.Attention => "Needs attention", _ => "Not safe" });
            foreach (string path in new[] { "/portal", $"/portal/clinics/{clinic}", $"/portal/clinics/{clinic}/agents" })
            {
                PortalAnswer page = await browser.GetAsync(path);
                Assert.True(page.Html.Contains($"</span>{word}</span>", StringComparison.Ordinal), $"{situation.Name}: {path} does not say {word}");
                Assert.All(new[] { "Safe", "Needs attention", "Not safe" }.Where(other => other != word && path == "/portal"), other => Assert.DoesNotContain($"</span>{other}</span>", page.Html, StringComparison.Ordinal));
            }

            // The same sentences, letter for letter; the clinic's page names computer and folder, and no page a path.
            string shown = (await browser.GetAsync($"/portal/clinics/{clinic}")).Text;
            for (int i = 0; i < reported.Folders.Count; i++)
            {
                foreach (VerdictFinding finding in reported.Folders[i].Findings)
                {
                    Assert.Contains($"Folder {i + 1} of reception: {VerdictTexts.Describe(finding, now)}", shown, StringComparison.Ordinal);
                }
            }

            Assert.All(reported.Findings, finding => Assert.Contains($"reception: {VerdictTexts.Describe(finding, now)}", shown, StringComparison.Ordinal));

            // Open alerts: one for each kind of trouble, and none where there is none. Which is which is written down in VerdictAlertsTests.
            Page<AlertResponse> open = (await host.GetAsync($"/v1/clinics/{clinic}/alerts?open=true", staff)).As<Page<AlertResponse>>();
            Assert.Equal(situation.Safe, open.Items.Count == 0);
            Assert.All(open.Items, alert => Assert.Equal(agent.Enrolled.AgentId, alert.Subject));
            Assert.All(
                reported.Folders.SelectMany(folder => folder.Findings).Where(finding => finding.NotSafe),
                finding => Assert.Contains(open.Items, alert => alert.Message.Contains(VerdictTexts.Describe(finding, now), StringComparison.Ordinal)));
        }
    }

    [Fact]
    public async Task An_agent_reports_for_itself_alone_and_what_is_no_report_is_refused()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent one = await ApiAgent.CreateAsync(host);
        ApiAgent two = await ApiAgent.EnrollAsync(host, one.Enrolled.Clinic);
        string token = await one.TokenAsync();
        AgentVerdict verdict = Good(host);
        Answer foreign = await host.PostAsync($"/v1/clinics/{one.Enrolled.Clinic}/agents/{two.Enrolled.AgentId}/verdict", token, verdict);
        Assert.Equal((403, "forbidden"), (foreign.Status, foreign.Problem));
        AuditEntry refused = Assert.Single(await host.EntriesOfAsync(foreign, one.Enrolled.Clinic.Value));
        Assert.Equal((AuditActions.VerdictChanged, AuditOutcome.Refused), (refused.Action, refused.Outcome));

        string path = $"/v1/clinics/{one.Enrolled.Clinic}/agents/{one.Enrolled.AgentId}/verdict";
        Answer named = await host.PostAsync(path, token, verdict with { Folders = [verdict.Folders[0] with { Folder = "D:/Images/Miller, Anna" }] });
        Assert.Equal((400, "request-invalid"), (named.Status, named.Problem));
        Assert.DoesNotContain("Miller", named.Body, StringComparison.Ordinal);
        Assert.DoesNotContain(host.Logged.Lines, line => line.Contains("Miller", StringComparison.Ordinal));
        Answer unknown = await host.SendAsync("POST", path, token, raw: """{"version":1,"at":"2026-01-01T00:00:00Z","safe":false,"folders":[],"findings":[{"cause":"of-tomorrow","notSafe":true}]}""");
        Assert.Equal(400, unknown.Status);
        Answer large = await host.SendAsync("POST", path, token, raw: $$"""{"version":1,"padding":"{{new string('x', 600_000)}}"}""");
        Assert.Equal(413, large.Status);
        Assert.Equal(404, (await host.GetAsync($"/v1/clinics/{one.Enrolled.Clinic}/agents/{one.Enrolled.Clinic}.0000000000000000/verdicts", host.Staff("admin"))).Status);
    }

    [Fact]
    public async Task A_clock_that_is_off_is_told_and_the_services_time_counts()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value;
        AgentVerdict behind = Good(host) with { At = host.Clock.GetUtcNow().AddHours(-3) };
        await ReportAsync(host, agent, await agent.TokenAsync(), behind with { Folders = [behind.Folders[0] with { LastCompleteAt = behind.At }] });
        ComputerVerdictResponse computer = (await host.GetAsync($"/v1/clinics/{clinic}/verdict", host.Staff("admin"))).As<ClinicVerdictResponse>().Computers[0];
        Assert.Equal((VerdictState.Safe, -10_800L, host.Clock.GetUtcNow()), (computer.State, computer.ClockOffSeconds, computer.ReceivedAt));
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("compliance", clinic));
        Assert.Contains("Its clock is 3 hours behind.", (await browser.GetAsync($"/portal/clinics/{clinic}/agents")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_report_is_one_entry_when_it_says_something_else_and_none_when_it_says_the_same()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, token = await agent.TokenAsync();
        for (int i = 0; i < 3; i++)
        {
            await ReportAsync(host, agent, token, Good(host));
        }

        AuditEntry entry = Assert.Single(await host.LogAsync(clinic), one => one.Action == AuditActions.VerdictChanged);
        Assert.Equal(("true", agent.Enrolled.AgentId, "agent"), (entry.Details!["safe"], entry.Subject.Other, entry.Actor.Role));
        VerdictDayResponse day = Assert.Single((await host.GetAsync($"/v1/clinics/{clinic}/agents/{agent.Enrolled.AgentId}/verdicts", host.Staff("compliance"))).As<Page<VerdictDayResponse>>().Items);
        Assert.Equal((3, true), (day.Reports, day.Safe));
    }

    [Fact]
    public async Task An_alert_is_acknowledged_with_a_reason_over_HTTP_and_in_the_portal()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, token = await agent.TokenAsync(), path = $"/v1/clinics/{clinic}/alerts", page = $"/portal/clinics/{clinic}/alerts";
        FolderVerdict folder = Good(host).Folders[0];
        AgentVerdict bad = Good(host) with { Safe = false, Folders = [folder with { Safe = false, Findings = [new VerdictFinding(VerdictCause.MassChange, true, 40), new VerdictFinding(VerdictCause.FilesUnreadable, true, 2)] }] };
        await ReportAsync(host, agent, token, bad);
        AlertResponse[] open = [.. (await host.GetAsync(path + "?open=true", host.Staff("admin"))).As<Page<AlertResponse>>().Items];
        Assert.Equal(["files-not-backed-up", "mass-change"], open.Select(alert => alert.Cause).Order(StringComparer.Ordinal));

        Answer empty = await host.PostAsync($"{path}/{open[0].Id}/acknowledge", host.Staff("admin"), new AcknowledgeAlertRequest(" "));
        Assert.Equal((400, "request-invalid"), (empty.Status, empty.Problem));
        AlertResponse taken = (await host.PostAsync($"{path}/{open[0].Id}/acknowledge", host.Staff("admin"), new AcknowledgeAlertRequest("Called the practice."))).As<AlertResponse>();
        Assert.Equal((false, ApiHost.Id("ada"), "Called the practice.", host.Clock.GetUtcNow()), (taken.Open, taken.AcknowledgedBy, taken.AcknowledgedReason, taken.AcknowledgedAt));

        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin", subject: "bob")), compliance = await PortalBrowser.SignInAsync(host, host.Staff("compliance"));
        PortalAnswer shown = await admin.GetAsync(page);
        Assert.Contains("1 alert is open", shown.Text, StringComparison.Ordinal);
        Assert.Contains("Called the practice.", shown.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("/acknowledge", (await compliance.GetAsync(page)).Html, StringComparison.Ordinal);
        PortalAnswer done = await admin.PostAsync($"{page}/{open[1].Id}/acknowledge", ("reason", "A <b>server</b> moved."));
        Assert.Equal(page, done.Location);
        Assert.Contains("A &lt;b&gt;server&lt;/b&gt; moved.", (await admin.GetAsync(page)).Html, StringComparison.Ordinal);
        Assert.Contains("0 alerts are open", (await admin.GetAsync(page)).Text, StringComparison.Ordinal);
        Assert.Equal([ApiHost.Id("ada"), ApiHost.Id("bob")], (await host.LogAsync(clinic)).Where(entry => entry.Action == AuditActions.AlertAcknowledged && entry.Outcome == AuditOutcome.Success).Select(entry => entry.Actor.Id));
    }

    [Fact]
    public async Task The_contact_is_set_by_an_admin_with_a_second_factor_and_shown_to_staff()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, path = $"/v1/clinics/{clinic}/contact";
        Answer set = await host.SendAsync("PUT", path, host.Staff("admin", clinic), new ClinicContactRequest("office@practice.example"));
        Assert.Equal("office@practice.example", set.As<ClinicResponse>().Contact);
        AuditEntry entry = Assert.Single(await host.EntriesOfAsync(set, clinic));
        Assert.Equal((AuditActions.ClinicContactChanged, "set"), (entry.Action, entry.Details!["contact"]));
        Answer list = await host.SendAsync("PUT", path, host.Staff("admin", clinic), new ClinicContactRequest("a@b.example, c@d.example"));
        Assert.Equal((400, "request-invalid"), (list.Status, list.Problem));

        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin", clinic));
        Assert.Contains("office@practice.example gets alerts and the weekly letter", (await browser.GetAsync($"/portal/clinics/{clinic}")).Text, StringComparison.Ordinal);
        await browser.PostAsync($"/portal/clinics/{clinic}/contact", ("contact", ""));
        Assert.Null((await host.GetAsync($"/v1/clinics/{clinic}", host.Staff("compliance"))).As<ClinicResponse>().Contact);
        Assert.Contains("nobody gets alerts", (await browser.GetAsync($"/portal/clinics/{clinic}")).Text, StringComparison.Ordinal);
    }

    private static AgentVerdict Good(ApiHost host) => new(
        AgentVerdict.CurrentVersion, host.Clock.GetUtcNow(), true, [new FolderVerdict("0011223344556677", true, 100, 90, 10, 5_000_000, host.Clock.GetUtcNow(), [])], []);

    private static Task<Answer> ReportAsync(ApiHost host, ApiAgent agent, string token, AgentVerdict verdict) =>
        host.PostAsync($"/v1/clinics/{agent.Enrolled.Clinic}/agents/{agent.Enrolled.AgentId}/verdict", token, verdict);
}
