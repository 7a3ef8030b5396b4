using System.Net;
using System.Security.Cryptography;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>The page of what of a patient's was handed out.</summary>
public sealed class PortalDisclosureTests(SharedStorage shared)
{
    private const string Anna = "PID-anna-secret";
    private static readonly ApiHostOptions _options = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") } };

    [Fact]
    public async Task What_was_handed_out_is_listed_with_when_to_whom_and_why_and_who_it_is_about_stays_nowhere()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host, requireApproval: false);
        string clinic = agent.Enrolled.Clinic.Value, page = $"/portal/clinics/{clinic}/disclosures", token = await agent.TokenAsync();
        Sidecar annas = (await agent.BackUpAsync(token, patientId: Anna)).Sidecar, berts = (await agent.BackUpAsync(token, patientId: "bert")).Sidecar;
        string fetched = await RestoreAsync(host, clinic, annas, "Second opinion", "Dr. Weber", fetch: true);
        await RestoreAsync(host, clinic, annas, "Never fetched", "Nobody", fetch: false);
        await RestoreAsync(host, clinic, berts, "Another patient", "Somebody else", fetch: true);

        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        await admin.GetAsync(page);
        PortalAnswer found = await admin.PostAsync(page, ("patientId", Anna));
        Assert.Equal(HttpStatusCode.OK, found.Status);
        Assert.Equal("no-store", found.Headers["Cache-Control"]);
        foreach (string shown in new[] { "1 disclosure of that patient", "Dr. Weber", "Second opinion", "ada", annas.Study.Value, "1 file", "not reported" })
        {
            Assert.Contains(shown, found.Text, StringComparison.Ordinal);
        }

        Assert.Contains($"/portal/clinics/{clinic}/restores/{fetched}\"", found.Html, StringComparison.Ordinal);
        foreach (string hidden in new[] { Anna, annas.PatientHmac!.Value.Hex, "Never fetched", "Another patient", berts.Study.Value })
        {
            Assert.DoesNotContain(hidden, found.Html, StringComparison.Ordinal);
        }

        Assert.DoesNotContain(host.Logged.Lines, line => line.Contains(Anna, StringComparison.Ordinal));
        AuditEntry entry = Assert.Single(await host.LogAsync(clinic), e => e.Origin.CorrelationId == found.CorrelationId);
        Assert.Equal((AuditActions.DisclosuresQueried, "1"), (entry.Action, entry.Details!["disclosures"]));
        Assert.Contains("Nothing was handed out", (await admin.PostAsync(page, ("patientId", "nobody"))).Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, (await admin.PostAsync(page, ("patientId", ""))).Status);
    }

    [Fact]
    public async Task Compliance_has_no_such_page_and_an_admin_without_a_second_factor_gets_none()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = $"/portal/clinics/{agent.Enrolled.Clinic}", page = clinic + "/disclosures";
        using PortalBrowser compliance = await PortalBrowser.SignInAsync(host, host.Staff("compliance")), oneFactor = await PortalBrowser.SignInAsync(host, host.Staff("admin", mfa: false));
        Assert.DoesNotContain(page, (await compliance.GetAsync(clinic)).Html, StringComparison.Ordinal);
        await oneFactor.GetAsync(clinic);
        foreach (PortalBrowser visitor in new[] { compliance, oneFactor })
        {
            Assert.Equal(HttpStatusCode.Forbidden, (await visitor.GetAsync(page)).Status);
            PortalAnswer refused = await visitor.PostAsync(page, ("patientId", Anna));
            Assert.Equal(HttpStatusCode.Forbidden, refused.Status);
            AuditEntry entry = Assert.Single(await host.LogAsync(agent.Enrolled.Clinic.Value), e => e.Origin.CorrelationId == refused.CorrelationId);
            Assert.Equal((AuditActions.DisclosuresQueried, AuditOutcome.Refused), (entry.Action, entry.Outcome));
        }
    }

    private static async Task<string> RestoreAsync(ApiHost host, string clinic, Sidecar study, string purpose, string recipient, bool fetch)
    {
        using RSA key = RSA.Create(2048);
        string admin = host.Staff("admin");
        RestoreResponse restore = (await host.PostAsync($"/v1/clinics/{clinic}/restores", admin, new RestoreRequest(JwkKeys.FromRsa(key), purpose, recipient, [study.Study]))).As<RestoreResponse>();
        if (fetch)
        {
            Assert.Single((await host.GetAsync($"/v1/clinics/{clinic}/restores/{restore.Id}/result", admin)).As<Page<RestorePack>>().Items);
        }

        return restore.Id;
    }
}
