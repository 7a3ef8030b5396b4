using System.Net;
using System.Text.Json.Nodes;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Portal.Pages;
using CloudArchive.Api.Tests.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using CloudArchive.Reports;

namespace CloudArchive.Api.Tests.Reports;

public sealed class ReportApiTests(SharedStorage shared)
{
    private static readonly ApiHostOptions _portal = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") } };

    [Fact]
    public async Task Compliance_takes_a_months_report_as_csv_and_pdf_and_each_is_an_entry()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, month = $"{host.Clock.GetUtcNow():yyyy-MM}", path = $"/v1/clinics/{clinic}/reports/{month}", compliance = host.Staff("compliance", clinic, "carol");
        await agent.BackUpAsync(await agent.TokenAsync());
        (await host.PostAsync($"/v1/clinics/{clinic}/holds", host.Staff("admin", clinic), new HoldRequest("Smith versus Miller", ApiAgent.NewStudy()))).As<HoldResponse>();
        (await host.PostAsync($"/v1/clinics/{clinic}/agents/{agent.Enrolled.AgentId}/revoke", host.Staff("admin", clinic))).As<AgentResponse>();

        Answer csv = await host.GetAsync(path + ".csv", compliance);
        Assert.Equal((200, "text/csv"), (csv.Status, csv.MediaType));
        Assert.True(csv.Headers.CacheControl!.NoStore);
        string[] lines = csv.Body.Split("\r\n");
        Assert.Equal("clinic,period,from,until,state,metric,value,unit", lines[0]);
        Assert.Equal(("1", "1", "1", "0", "", "0"), (Value("holds-set"), Value("holds-on"), Value("access-ended-agents"), Value("access-let-in-after"), Value("restore-success-rate"), Value("packs-tested")));
        Assert.All(["Smith", "carol", "ada", "PID-7", agent.Enrolled.AgentId], text => Assert.DoesNotContain(text, csv.Body, StringComparison.Ordinal));

        Answer pdf = await host.GetAsync(path + ".pdf", host.Staff("admin", clinic));
        Assert.Equal((200, "application/pdf"), (pdf.Status, pdf.MediaType));
        Assert.StartsWith("%PDF-1.7", pdf.Body, StringComparison.Ordinal);

        foreach ((Answer answer, string form, string who) in new[] { (csv, "csv", ApiHost.Id("carol")), (pdf, "pdf", ApiHost.Id("ada")) })
        {
            AuditEntry entry = Assert.Single(await host.EntriesOfAsync(answer, clinic));
            Assert.Equal((AuditActions.ReportRead, AuditOutcome.Success, who, form, month), (entry.Action, entry.Outcome, entry.Actor.Id, entry.Details!["form"], entry.Details["period"]));
        }

        string Value(string metric) => Assert.Single(lines, line => line.Contains($",{metric},", StringComparison.Ordinal)).Split(',')[6];
    }

    [Theory]
    [InlineData("2026-13")]
    [InlineData("2026-Q5")]
    [InlineData("november")]
    [InlineData("2026-11-01")]
    public async Task What_is_no_period_is_told_which_shapes_there_are(string period)
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        foreach (string form in new[] { "csv", "pdf" })
        {
            Answer answer = await host.GetAsync($"/v1/clinics/{agent.Enrolled.Clinic}/reports/{period}.{form}", host.Staff("compliance"));
            Assert.Equal((400, "request-invalid"), (answer.Status, answer.Problem));
            Assert.Contains("a month as 2026-11, a quarter as 2026-Q4 or a year as 2026", answer.Body, StringComparison.Ordinal);
            Assert.DoesNotContain("november", answer.Body, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task There_is_no_report_of_a_time_before_the_clinic_or_after_today_and_none_of_another_form()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string path = $"/v1/clinics/{agent.Enrolled.Clinic}/reports/";
        foreach (string period in new[] { "2019", "2019-Q1", "2019-05", $"{host.Clock.GetUtcNow().AddYears(1):yyyy}" })
        {
            Answer answer = await host.GetAsync($"{path}{period}.csv", host.Staff("admin"));
            Assert.Equal((404, "report-unknown"), (answer.Status, answer.Problem));
        }

        Assert.Equal((404, "not-found"), await StatusAsync($"{path}2026.xlsx"));
        Assert.Equal((404, "clinic-unknown"), await StatusAsync($"/v1/clinics/{ApiAgent.NewClinicId()}/reports/2026.csv"));
        Assert.DoesNotContain(await host.LogAsync(agent.Enrolled.Clinic.Value), entry => entry.Action == AuditActions.ReportRead);

        async Task<(int, string?)> StatusAsync(string url)
        {
            Answer answer = await host.GetAsync(url, host.Staff("admin"));
            return (answer.Status, answer.Problem);
        }
    }

    [Fact]
    public async Task Another_clinics_staff_and_agents_get_none_and_that_they_tried_is_logged_under_its_name()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host), other = await ApiAgent.CreateAsync(host);
        string path = $"/v1/clinics/{agent.Enrolled.Clinic}/reports/{host.Clock.GetUtcNow():yyyy}.pdf";
        foreach (string token in new[] { host.Staff("admin", other.Enrolled.Clinic.Value), host.Staff("compliance", other.Enrolled.Clinic.Value), await agent.TokenAsync() })
        {
            Answer answer = await host.GetAsync(path, token);
            Assert.Equal((403, "forbidden"), (answer.Status, answer.Problem));
            AuditEntry entry = Assert.Single(await host.EntriesOfAsync(answer, agent.Enrolled.Clinic.Value));
            Assert.Equal((AuditActions.ReportRead, AuditOutcome.Refused), (entry.Action, entry.Outcome));
        }
    }

    [Fact]
    public async Task The_openapi_document_says_what_a_period_looks_like_and_what_comes_back()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        JsonNode paths = JsonNode.Parse((await host.GetAsync("/openapi/v1.json", null)).Body)!["paths"]!;
        foreach ((string form, string type) in new[] { ("csv", "text/csv"), ("pdf", "application/pdf") })
        {
            JsonNode operation = paths[$"/v1/clinics/{{clinic}}/reports/{{period}}.{form}"]!["get"]!;
            JsonNode parameter = operation["parameters"]!.AsArray().Single(one => one!["name"]!.GetValue<string>() == "period")!;
            Assert.Equal(ReportPeriod.Pattern, parameter["schema"]!["pattern"]!.GetValue<string>());
            Assert.Contains("2026-Q4", parameter["description"]!.GetValue<string>(), StringComparison.Ordinal);
            Assert.NotNull(operation["responses"]!["200"]!["content"]![type]);
        }
    }

    [Fact]
    public async Task The_portal_lists_every_period_since_the_clinic_was_there_and_gives_the_same_files()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _portal);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, page = $"/portal/clinics/{clinic}/reports", month = $"{host.Clock.GetUtcNow():yyyy-MM}";
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("compliance", clinic));
        string html = (await browser.GetAsync(page)).Html;
        foreach (ReportPeriod period in new[] { ReportPeriod.Parse(month), ReportPeriod.QuarterOf(host.Clock.GetUtcNow()), ReportPeriod.YearOf(host.Clock.GetUtcNow()) })
        {
            foreach (string form in new[] { "csv", "pdf" })
            {
                Assert.Contains($"href=\"{page}/{period}.{form}\"", html, StringComparison.Ordinal);
            }
        }

        Assert.Contains($"href=\"{page}\" aria-current=\"page\"", html, StringComparison.Ordinal);
        Assert.Equal(3, html.Split("So far").Length - 1);
        Assert.DoesNotContain("Complete", html, StringComparison.Ordinal);
        PortalAnswer csv = await browser.GetAsync($"{page}/{month}.csv");
        Assert.Equal((HttpStatusCode.OK, "no-store"), (csv.Status, csv.Headers["Cache-Control"]));
        Assert.StartsWith("text/csv", csv.Headers["Content-Type"], StringComparison.Ordinal);
        Assert.Contains($"filename={clinic}-{month}.csv", csv.Headers["Content-Disposition"], StringComparison.Ordinal);
        Assert.StartsWith("clinic,period,", csv.Html, StringComparison.Ordinal);
        Assert.Contains("default-src 'none'", csv.Headers["Content-Security-Policy"], StringComparison.Ordinal);
        AuditEntry entry = Assert.Single(await host.LogAsync(clinic), one => one.Origin.CorrelationId == csv.CorrelationId);
        Assert.Equal((AuditActions.ReportRead, month), (entry.Action, entry.Details!["period"]));
        Assert.StartsWith("%PDF-1.7", (await browser.GetAsync($"{page}/{month}.pdf")).Html, StringComparison.Ordinal);
        PortalAnswer bad = await browser.GetAsync($"{page}/2026-Q9.csv");
        Assert.Equal(HttpStatusCode.BadRequest, bad.Status);
        Assert.Contains("a quarter as 2026-Q4", bad.Html, StringComparison.Ordinal);
    }

    [Fact]
    public void Years_are_listed_from_the_newest_with_their_quarters_and_months_and_nothing_that_was_not_there()
    {
        IReadOnlyList<ReportYear> years = ReportYear.Between(Time("2024-11-30T23:59:59Z"), Time("2026-02-01T00:00:00Z"));
        Assert.Equal(["2026", "2025", "2024"], years.Select(year => year.Year.ToString()));
        Assert.Equal(["2026", "2026-Q1", "2026-02", "2026-01"], years[0].All.Select(period => period.ToString()));
        Assert.Equal(17, years[1].All.Count());
        Assert.Equal(["2024", "2024-Q4", "2024-12", "2024-11"], years[2].All.Select(period => period.ToString()));

        static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
    }
}
