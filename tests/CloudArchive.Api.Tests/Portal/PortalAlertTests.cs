using System.Net;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Format.Audit;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>The pages of alerts: what is open, what was, and what nobody was told.</summary>
public sealed class PortalAlertTests(SharedStorage shared)
{
    private static readonly ApiHostOptions _options = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") } };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_alert_is_open_links_to_what_it_is_about_and_a_dead_letter_is_sent_again_by_an_admin()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = $"/portal/clinics/{agent.Enrolled.Clinic}", page = clinic + "/alerts", run = WorkId.New(host.Clock).ToString();
        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin")), compliance = await PortalBrowser.SignInAsync(host, host.Staff("compliance"));
        Assert.Contains("Nothing calls for attention", (await compliance.GetAsync(page)).Text, StringComparison.Ordinal);
        await RaiseAsync(host, new Alert(agent.Enrolled.Clinic, AlertCause.RestoreTestFailed, run, "A pack <b>did not</b> come back."));
        PortalAnswer waiting = await compliance.GetAsync(page);
        Assert.Contains("1 alert is open", waiting.Text, StringComparison.Ordinal);
        Assert.Contains($"{clinic}/restore-tests/{run}\"", waiting.Html, StringComparison.Ordinal);
        Assert.Contains("A pack &lt;b&gt;did not&lt;/b&gt; come back.", waiting.Html, StringComparison.Ordinal);
        Assert.Contains("About to be sent", waiting.Text, StringComparison.Ordinal);

        // There is no webhook here: it becomes a dead letter.
        await host.Services.GetRequiredService<AlertDelivery>().RunAsync(Requester.System("alerts", "test"), Cancel);
        Assert.DoesNotContain("/retry", (await compliance.GetAsync(page)).Html, StringComparison.Ordinal);
        PortalAnswer dead = await admin.GetAsync(page);
        Assert.Contains("Not delivered", dead.Text, StringComparison.Ordinal);
        Assert.Contains("No webhook and no mail server is configured.", dead.Text, StringComparison.Ordinal);
        string retry = dead.Html.Split("action=\"").Select(part => part.Split('"')[0]).Single(action => action.EndsWith("/retry", StringComparison.Ordinal));
        PortalAnswer again = await admin.PostAsync(retry);
        Assert.Equal((HttpStatusCode.SeeOther, page), (again.Status, again.Location));
        Assert.Equal(AuditActions.AlertRetried, Assert.Single(await host.LogAsync(agent.Enrolled.Clinic.Value), e => e.Origin.CorrelationId == again.CorrelationId).Action);
        Assert.Contains("About to be sent", (await admin.GetAsync(page)).Text, StringComparison.Ordinal);
        Assert.Contains($"<a href=\"{page}\">1</a>", (await admin.GetAsync(clinic)).Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_nobody_was_told_of_stays_open_and_what_is_older_than_ninety_days_is_among_all()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string page = $"/portal/clinics/{agent.Enrolled.Clinic}/alerts";
        await RaiseAsync(host, new Alert(agent.Enrolled.Clinic, AlertCause.ClinicSilent, "agents", "Nothing was heard."));
        host.Clock.Advance(TimeSpan.FromDays(10));
        using (PortalBrowser later = await PortalBrowser.SignInAsync(host, host.Staff("compliance")))
        {
            Assert.Contains("1 alert is open", (await later.GetAsync(page)).Text, StringComparison.Ordinal);
        }

        host.Clock.Advance(TimeSpan.FromDays(100));
        using PortalBrowser last = await PortalBrowser.SignInAsync(host, host.Staff("compliance"));
        PortalAnswer recent = await last.GetAsync(page);
        Assert.DoesNotContain("Nothing was heard.", recent.Text, StringComparison.Ordinal);
        string older = recent.Html.Split("href=\"").Select(part => part.Split('"')[0]).Single(href => href.StartsWith(page + "?before=", StringComparison.Ordinal));
        Assert.Contains("Nothing was heard.", (await last.GetAsync(older)).Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, (await last.GetAsync(page + "?before=x")).Status);
    }

    [Fact]
    public async Task Who_reaches_all_clinics_sees_the_archives_own_alerts_and_every_clinics()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string log = "log-of-" + agent.Enrolled.Clinic, silent = $"Nothing was heard of {agent.Enrolled.Clinic}.";
        await RaiseAsync(host, new Alert(null, AlertCause.LogDamaged, log, $"The log {log} does not verify."));
        await RaiseAsync(host, new Alert(agent.Enrolled.Clinic, AlertCause.ClinicSilent, "agents", silent));
        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        PortalAnswer page = await admin.GetAsync("/portal/alerts");
        Assert.Contains($"The log {log} does not verify.", page.Text, StringComparison.Ordinal);
        while (!page.Text.Contains(silent, StringComparison.Ordinal))
        {
            // Other tests have clinics here too: fifty to a page.
            string next = page.Html.Split("href=\"").Select(part => part.Split('"')[0]).Single(href => href.StartsWith("/portal/alerts?after=", StringComparison.Ordinal));
            page = await admin.GetAsync(next);
        }

        using PortalBrowser local = await PortalBrowser.SignInAsync(host, host.Staff("admin", agent.Enrolled.Clinic.Value));
        Assert.DoesNotContain("href=\"/portal/alerts\"", (await local.GetAsync("/portal")).Html, StringComparison.Ordinal);
        Assert.Contains("href=\"/portal/alerts\"", (await admin.GetAsync("/portal")).Html, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await local.GetAsync("/portal/alerts")).Status);
    }

    private static Task<bool> RaiseAsync(ApiHost host, Alert alert) =>
        host.Services.GetRequiredService<AlertDesk>().RaiseAsync(alert, Requester.System("test", "test"), Cancel);
}
