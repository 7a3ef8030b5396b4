using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Binders;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Tests.Binders;

public sealed class BinderApiTests(SharedStorage shared)
{
    private static readonly ApiHostOptions _portal = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") } };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Compliance_takes_a_binder_that_verifies_and_that_is_an_entry()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        (string clinic, string run) = await TestedAsync(host);
        (byte[] zip, string correlation) = await GetAsync(host, $"/v1/clinics/{clinic}/binder?{Days(host)}", host.Staff("compliance", clinic, "carol"));
        BinderVerification verification = await VerifyAsync(host, zip);
        Assert.True(verification.State == BinderState.Verified, string.Join('\n', verification.Items));
        Assert.Equal((clinic, ApiHost.Id("carol")), (verification.Index!.Clinic.Value, verification.Index.MadeFor));
        string[] names = [.. verification.Index.Files.Select(file => file.Path)];
        Assert.Contains($"{BinderFiles.Runs}{run}/evidence.json", names);
        Assert.Contains($"{BinderFiles.Reports}{clinic}-{host.Clock.GetUtcNow():yyyy-MM}.pdf", names);
        Assert.All([BinderFiles.Cover, BinderFiles.Guide, BinderFiles.Script, BinderFiles.Keys, BinderFiles.Alerts, BinderFiles.Disclosures, BinderFiles.Checkpoint], name => Assert.Contains(name, names));

        // Of an alert its end is there, too; of nothing is there a patient's ID.
        AlertResponse alert = Assert.Single(Document<Alerts>(zip, BinderFiles.Alerts).Items, one => one.Cause == "restore-test-failed");
        Assert.Equal((run, ApiHost.Id("ada"), "In hand."), (alert.Subject, alert.AcknowledgedBy, alert.AcknowledgedReason));
        using (ZipArchive archive = new(new MemoryStream(zip)))
        {
            foreach (ZipArchiveEntry entry in archive.Entries)
            {
                using StreamReader reader = new(entry.Open());
                Assert.DoesNotContain("PID-7", await reader.ReadToEndAsync(Cancel), StringComparison.Ordinal);
            }
        }

        AuditEntry taken = Assert.Single(await host.LogAsync(clinic), entry => entry.Origin.CorrelationId == correlation);
        Assert.Equal((AuditActions.BinderRead, AuditOutcome.Success, ApiHost.Id("carol")), (taken.Action, taken.Outcome, taken.Actor.Id));
        Assert.Equal($"{host.Clock.GetUtcNow():yyyy-MM}-01", taken.Details!["from"]);
    }

    [Fact]
    public async Task What_cannot_be_read_is_a_line_and_keeps_nothing_else_out()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        (string clinic, string run) = await TestedAsync(host);

        // Somebody with the tables' key changes an alert, and makes a run up of which there is no evidence.
        IRowStore rows = shared.Storage.Rows;
        Row alert = (await rows.QueryAsync(RowTable.Work, clinic, "alert:", "alert;", 10, Cancel)).First(one => one.Text("alert")!.Contains(run, StringComparison.Ordinal));
        await rows.SubmitAsync(RowTable.Work, clinic, [new RowWrite.Upsert(alert.Key, new Dictionary<string, object>(alert.Values) { ["alert"] = "{" })], Cancel);
        Row row = (await rows.FindAsync(RowTable.Work, clinic, "test:" + run, Cancel))!;
        string made = Core.WorkId.New(host.Clock).ToString();
        string json = row.Text("json")!.Replace(run, made, StringComparison.Ordinal);
        await rows.SubmitAsync(RowTable.Work, clinic, [new RowWrite.Insert("test:" + made, new Dictionary<string, object> { ["json"] = json })], Cancel);

        (byte[] zip, _) = await GetAsync(host, $"/v1/clinics/{clinic}/binder?{Days(host)}", host.Staff("compliance", clinic));
        BinderVerification verification = await VerifyAsync(host, zip);
        Assert.Equal(BinderState.NotChecked, verification.State);
        Assert.Contains(verification.Index!.NotIncluded, gap => gap.What == "row " + alert.Key && gap.Why.Contains("changed past the service", StringComparison.Ordinal));
        Assert.Equal(4, verification.Index.NotIncluded.Count(gap => gap.What.StartsWith($"{BinderFiles.Runs}{made}/", StringComparison.Ordinal) && gap.Why == "It is not in storage."));
        Assert.Contains(verification.Items, item => item.Path == $"{BinderFiles.Runs}{run}/evidence.json" && item.State == BinderState.Verified);
        Assert.DoesNotContain(Document<Alerts>(zip, BinderFiles.Alerts).Items, one => one.Subject == run);
    }

    [Theory]
    [InlineData("from=2026-01-01", "request-invalid")]
    [InlineData("from=2026-01-01&to=2026-13-01", "to: a day such as")]
    [InlineData("from=1.1.2026&to=2026-02-01", "from: a day such as")]
    [InlineData("from=2026-02-01&to=2026-02-01", "to: later than from")]
    [InlineData("from=2026-01-01&to=2027-01-03", "to: at most 366 days")]
    public async Task What_are_no_days_of_a_year_is_refused_with_the_reason(string query, string why)
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        Answer answer = await host.GetAsync($"/v1/clinics/{agent.Enrolled.Clinic}/binder?{query}", host.Staff("compliance"));
        Assert.Equal((400, "request-invalid"), (answer.Status, answer.Problem));
        Assert.Contains(why, answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task There_is_none_of_a_time_before_the_clinic_or_of_one_to_come()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        int next = host.Clock.GetUtcNow().Year + 1;
        foreach (string query in (string[])["from=2019-01-01&to=2019-02-01", $"from={next}-01-01&to={next}-02-01"])
        {
            Answer answer = await host.GetAsync($"/v1/clinics/{agent.Enrolled.Clinic}/binder?{query}", host.Staff("admin"));
            Assert.Equal((404, "report-unknown"), (answer.Status, answer.Problem));
        }

        Assert.DoesNotContain(await host.LogAsync(agent.Enrolled.Clinic.Value), entry => entry.Action == AuditActions.BinderRead);
    }

    [Fact]
    public async Task The_portal_gives_a_binder_by_one_click_or_by_a_form_that_keeps_what_was_typed()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _portal);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, page = $"/portal/clinics/{clinic}";
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("compliance", clinic));
        string html = WebUtility.HtmlDecode((await browser.GetAsync(page + "/reports")).Html);
        DateTimeOffset month = new(host.Clock.GetUtcNow().Year, host.Clock.GetUtcNow().Month, 1, 0, 0, 0, TimeSpan.Zero);
        string link = $"{page}/binder?from={month:yyyy-MM-dd}&to={month.AddMonths(1):yyyy-MM-dd}";
        Assert.Contains($"href=\"{link}\"", html, StringComparison.Ordinal);
        PortalAnswer got = await browser.GetAsync(link);
        Assert.Equal((HttpStatusCode.OK, "application/zip", "no-store"), (got.Status, got.Headers["Content-Type"], got.Headers["Cache-Control"]));
        Assert.Contains($"filename={clinic}-{month:yyyy-MM-dd}-{month.AddMonths(1):yyyy-MM-dd}.zip", got.Headers["Content-Disposition"], StringComparison.Ordinal);
        Assert.StartsWith("PK", got.Html, StringComparison.Ordinal);

        PortalAnswer asked = await browser.PostAsync(page + "/binder", ("from", $"{month:yyyy-MM-dd}"), ("to", $"{month.AddMonths(1):yyyy-MM-dd}"), ("at", page + "/reports"));
        Assert.Equal((HttpStatusCode.OK, "application/zip"), (asked.Status, asked.Headers["Content-Type"]));
        PortalAnswer wrong = await browser.PostAsync(page + "/binder", ("from", "2026-03-01"), ("to", "2026-02-01"), ("at", page + "/reports"));
        Assert.Equal(HttpStatusCode.BadRequest, wrong.Status);
        Assert.Contains("value=\"2026-03-01\"", wrong.Html, StringComparison.Ordinal);
        Assert.Contains("id=\"to-error\"", wrong.Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_admin_of_all_clinics_sets_objectives_and_everybody_sees_whether_they_are_met()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _portal);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, path = $"/v1/clinics/{clinic}", page = $"/portal/clinics/{clinic}";
        ClinicResponse before = (await host.GetAsync(path, host.Staff("compliance", clinic))).As<ClinicResponse>();
        Assert.Equal((72, 24), (before.RtoHours, before.RpoHours));
        ClinicResponse after = (await host.SendAsync("PUT", path + "/settings", host.Staff("admin"), new ClinicSettingsRequest(RtoHours: 8))).As<ClinicResponse>();
        Assert.Equal((8, 24), (after.RtoHours, after.RpoHours));
        foreach (ClinicSettingsRequest bad in (ClinicSettingsRequest[])[new(RtoHours: 0), new(RpoHours: 8761)])
        {
            Answer answer = await host.SendAsync("PUT", path + "/settings", host.Staff("admin"), bad);
            Assert.Equal((400, "request-invalid"), (answer.Status, answer.Problem));
        }

        AuditEntry entry = (await host.LogAsync(clinic)).Last(one => one.Action == AuditActions.ClinicSettingsChanged);
        Assert.Equal(("8", "24"), (entry.Details!["rtoHours"], entry.Details["rpoHours"]));
        ClinicVerdictResponse verdict = (await host.GetAsync(path + "/verdict", host.Staff("compliance", clinic))).As<ClinicVerdictResponse>();
        Assert.Equal("Not checked: no restore test has ended for 48 hours.", verdict.Objectives!.RecoveryTime.Why);

        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin")), compliance = await PortalBrowser.SignInAsync(host, host.Staff("compliance", clinic));
        Assert.Contains("Change the objectives", (await admin.GetAsync(page)).Html, StringComparison.Ordinal);
        PortalAnswer seen = await compliance.GetAsync(page);
        Assert.Contains("Not checked", seen.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("Change the objectives", seen.Html, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.SeeOther, (await admin.PostAsync(page + "/objectives", ("rtoHours", "36"), ("rpoHours", "12"), ("at", page))).Status);
        Assert.Contains("36 hours", (await compliance.GetAsync(page)).Text, StringComparison.Ordinal);
        PortalAnswer wrong = await admin.PostAsync(page + "/objectives", ("rtoHours", "soon"), ("rpoHours", "12"), ("at", page));
        Assert.Equal(HttpStatusCode.BadRequest, wrong.Status);
        Assert.Contains("id=\"rtoHours-error\"", wrong.Html, StringComparison.Ordinal);
    }

    /// <summary>A clinic with a pack, a run that ended, an alert that somebody has in hand, and a checkpoint.</summary>
    private static async Task<(string Clinic, string Run)> TestedAsync(ApiHost host)
    {
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, path = $"/v1/clinics/{clinic}";
        await agent.BackUpAsync(await agent.TokenAsync());
        RestoreTestResponse run = (await host.PostAsync($"{path}/restore-tests", host.Staff("admin"), new RestoreTestRequest(5))).As<RestoreTestResponse>();
        for (int i = 0; run.FinishedAt is null && i < 600; i++)
        {
            await Task.Delay(100, Cancel);
            run = (await host.GetAsync($"{path}/restore-tests/{run.Id}", host.Staff("admin"))).As<RestoreTestResponse>();
        }

        // These packs hold no DICOM, which the test finds out: that is the alert.
        Assert.Equal(RestoreTestStatus.Failed, run.Status);
        AlertResponse alert = Assert.Single((await host.GetAsync($"{path}/alerts", host.Staff("admin"))).As<Page<AlertResponse>>().Items, one => one.Cause == "restore-test-failed");
        (await host.PostAsync($"{path}/alerts/{alert.Id}/acknowledge", host.Staff("admin"), new AcknowledgeAlertRequest("In hand."))).As<AlertResponse>();
        await ((Checkpoints)host.Services.GetService(typeof(Checkpoints))!).MakeAsync(clinic, Cancel);
        return (clinic, run.Id);
    }

    /// <summary>The month and a day beyond.</summary>
    private static string Days(ApiHost host) => $"from={host.Clock.GetUtcNow():yyyy-MM}-01&to={host.Clock.GetUtcNow().AddDays(1):yyyy-MM-dd}";

    private static async Task<(byte[] Zip, string Correlation)> GetAsync(ApiHost host, string path, string token)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using HttpResponseMessage response = await host.Http.SendAsync(request, Cancel);
        Assert.Equal((HttpStatusCode.OK, "application/zip"), (response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        return (await response.Content.ReadAsByteArrayAsync(Cancel), response.Headers.GetValues("x-ms-client-request-id").Single());
    }

    private static async Task<BinderVerification> VerifyAsync(ApiHost host, byte[] zip) =>
        BinderVerifier.Verify(new MemoryStream(zip), (await host.GetAsync("/v1/keys", null)).As<JwkSet>());

    private static T Document<T>(byte[] zip, string path)
    {
        using ZipArchive archive = new(new MemoryStream(zip));
        using Stream stream = archive.GetEntry(path)!.Open();
        return JsonSerializer.Deserialize<T>(stream, FormatJson.Options)!;
    }

    private sealed record Alerts(string Clinic, DateTimeOffset From, DateTimeOffset To, [property: System.Text.Json.Serialization.JsonPropertyName("alerts")] IReadOnlyList<AlertResponse> Items);
}
