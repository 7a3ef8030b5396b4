using CloudArchive.Api.Tests.Support;
using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api.Tests;

public sealed class AlertApiTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Alerts_are_listed_by_clinic_and_over_all_and_a_dead_letter_can_be_tried_again()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent one = await ApiAgent.CreateAsync(host), two = await ApiAgent.CreateAsync(host);
        string log = "log-of-" + one.Enrolled.Clinic;
        await RaiseAsync(host, new Alert(one.Enrolled.Clinic, AlertCause.RestoreTestFailed, "run-1", "A pack did not come back."));
        await RaiseAsync(host, new Alert(one.Enrolled.Clinic, AlertCause.ClinicSilent, "agents", "Nothing was heard."));
        await RaiseAsync(host, new Alert(two.Enrolled.Clinic, AlertCause.ClinicSilent, "agents", "Nothing was heard."));
        await RaiseAsync(host, new Alert(null, AlertCause.LogDamaged, log, "The log does not verify."));

        string admin = host.Staff("admin"), path = $"/v1/clinics/{one.Enrolled.Clinic}/alerts";
        Page<AlertResponse> mine = (await host.GetAsync(path, admin)).As<Page<AlertResponse>>();
        Assert.Equal(["clinic-silent", "restore-test-failed"], mine.Items.Select(alert => alert.Cause).Order(StringComparer.Ordinal));
        Assert.All(mine.Items, alert => Assert.Equal(AlertDeliveryStatus.Waiting, alert.Delivery));

        // There is no webhook here: each becomes a dead letter.
        await host.Services.GetRequiredService<AlertDelivery>().RunAsync(Requester.System("alerts", "test"), Cancel);
        Assert.Empty((await host.GetAsync(path + "?delivery=waiting", admin)).As<Page<AlertResponse>>().Items);
        AlertResponse dead = (await host.GetAsync(path + "?delivery=failed", admin)).As<Page<AlertResponse>>().Items[0];
        Answer again = await host.PostAsync($"{path}/{dead.Id}/retry", host.Staff("admin", one.Enrolled.Clinic.Value));
        Assert.Equal((AlertDeliveryStatus.Waiting, dead.Id), (again.As<AlertResponse>().Delivery, again.As<AlertResponse>().Id));
        AuditEntry entry = Assert.Single(await host.EntriesOfAsync(again, one.Enrolled.Clinic.Value));
        Assert.Equal((AuditActions.AlertRetried, ApiHost.Id("ada")), (entry.Action, entry.Actor.Id));

        List<AlertResponse> all = await AllAsync(host, admin, 1);
        Assert.Single(all, alert => alert.Clinic is null && alert.Subject == log);
        Assert.Equal(2, all.Count(alert => alert.Clinic == one.Enrolled.Clinic));
        Assert.Single(all, alert => alert.Clinic == two.Enrolled.Clinic);
        AlertResponse system = all.Single(alert => alert.Subject == log);
        Assert.Equal(AlertDeliveryStatus.Waiting, (await host.PostAsync($"/v1/alerts/{system.Id}/retry", admin)).As<AlertResponse>().Delivery);
    }

    [Fact]
    public async Task What_is_not_there_and_what_is_malformed_is_told()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string admin = host.Staff("admin"), path = $"/v1/clinics/{agent.Enrolled.Clinic}/alerts";
        Answer unknown = await host.PostAsync($"{path}/20261126-0123456789abcdef0123456789abcdef/retry", admin);
        Assert.Equal((404, "alert-unknown"), (unknown.Status, unknown.Problem));
        foreach (string bad in (string[])["?delivery=lost", "?after=x", "?take=0"])
        {
            Assert.Equal("request-invalid", (await host.GetAsync(path + bad, admin)).Problem);
            Assert.Equal("request-invalid", (await host.GetAsync("/v1/alerts" + bad, admin)).Problem);
        }
    }

    private static Task<bool> RaiseAsync(ApiHost host, Alert alert) =>
        host.Services.GetRequiredService<AlertDesk>().RaiseAsync(alert, Requester.System("test", "test"), Cancel);

    private static async Task<List<AlertResponse>> AllAsync(ApiHost host, string token, int take)
    {
        List<AlertResponse> all = [];
        string? after = null;
        do
        {
            Page<AlertResponse> page = (await host.GetAsync($"/v1/alerts?take={take}" + (after is null ? "" : "&after=" + Uri.EscapeDataString(after)), token)).As<Page<AlertResponse>>();
            Assert.InRange(page.Items.Count, 0, take);
            all.AddRange(page.Items);
            after = page.Next;
        }
        while (after is not null);
        return all;
    }
}
