using System.Net;
using System.Security.Cryptography;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>What pages show, to whom, and what forms do.</summary>
public sealed class PortalPageTests(SharedStorage shared)
{
    private static readonly ApiHostOptions _options = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") } };

    [Fact]
    public async Task Every_page_forbids_what_it_does_not_need_and_is_kept_nowhere()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = $"/portal/clinics/{agent.Enrolled.Clinic}";
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        foreach (string path in new[] { "/portal", "/portal/sign-in", clinic, clinic + "/studies", clinic + "/snapshots", clinic + "/restores", clinic + "/restore-tests", clinic + "/reports", clinic + "/retention", clinic + "/audit", clinic + "/agents", clinic + "/access", clinic + "/alerts", clinic + "/disclosures", "/portal/access", "/portal/alerts", "/portal/nowhere" })
        {
            PortalAnswer page = await browser.GetAsync(path);
            Assert.StartsWith("text/html", page.Headers["Content-Type"], StringComparison.Ordinal);
            Assert.Equal("no-store", page.Headers["Cache-Control"]);
            Assert.Equal("no-referrer", page.Headers["Referrer-Policy"]);
            Assert.StartsWith("default-src 'none'; style-src 'self'; script-src 'self';", page.Headers["Content-Security-Policy"], StringComparison.Ordinal);
            Assert.Contains("frame-ancestors 'none'", page.Headers["Content-Security-Policy"], StringComparison.Ordinal);
            Assert.Contains("form-action 'self'", page.Headers["Content-Security-Policy"], StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe", page.Headers["Content-Security-Policy"], StringComparison.Ordinal);
            foreach (string inline in new[] { " style=", " onclick", " onload", "<style", "javascript:", "http://", "https://" })
            {
                Assert.DoesNotContain(inline, page.Html.Replace("https://archive.test", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase);
            }
        }
    }

    [Fact]
    public async Task Style_sheet_and_script_are_kept_for_good_under_an_address_with_their_hash()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        using PortalBrowser browser = new(host);
        string page = (await browser.GetAsync("/portal/sign-in")).Html;
        foreach (PortalAssets asset in new[] { PortalAssets.Style, PortalAssets.Script, PortalAssets.Icon })
        {
            Assert.Contains(asset.Url, page, StringComparison.Ordinal);
            PortalAnswer answer = await browser.GetAsync(asset.Url);
            Assert.Equal((HttpStatusCode.OK, "public, max-age=31536000, immutable"), (answer.Status, answer.Headers["Cache-Control"]));
            Assert.Equal(HttpStatusCode.NotModified, (await browser.GetAsync(asset.Url, ("If-None-Match", answer.Headers["ETag"]))).Status);
            Assert.Equal("no-cache", (await browser.GetAsync(asset.Url.Split('?')[0])).Headers["Cache-Control"]);
        }
    }

    [Fact]
    public async Task An_admin_finds_a_patients_study_and_what_was_typed_stays_nowhere()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        const string patient = "PID-4711-secret";
        Sidecar study = (await agent.BackUpAsync(await agent.TokenAsync(), patientId: patient)).Sidecar;
        string studies = $"/portal/clinics/{agent.Enrolled.Clinic}/studies";
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        Assert.Contains(study.Study.Value, (await browser.GetAsync(studies)).Html, StringComparison.Ordinal);
        PortalAnswer sent = await browser.PostAsync(studies, ("patientId", patient), ("accession", ""));
        Assert.Equal(HttpStatusCode.SeeOther, sent.Status);
        Assert.DoesNotContain(patient, sent.Location + string.Concat(sent.Headers.Values), StringComparison.Ordinal);
        Assert.DoesNotContain(study.PatientHmac!.Value.Hex, sent.Location!, StringComparison.Ordinal);
        PortalAnswer found = await browser.GetAsync(sent.Location!);
        Assert.Contains("1 study of that patient", found.Html, StringComparison.Ordinal);
        Assert.Contains(study.Study.Value, found.Html, StringComparison.Ordinal);
        Assert.DoesNotContain(patient, found.Html, StringComparison.Ordinal);
        Assert.DoesNotContain(study.PatientHmac!.Value.Hex, found.Html, StringComparison.Ordinal);
        Assert.Contains(study.Study.Value, (await browser.GetAsync(sent.Location!)).Html, StringComparison.Ordinal); // back

        // A later search, and another person's session in the same browser, have nothing of it.
        PortalAnswer other = await browser.PostAsync(studies, ("patientId", "another"));
        Assert.Contains("No study fits", (await browser.GetAsync(other.Location!)).Html, StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.SeeOther, studies), ((await browser.GetAsync(sent.Location!)) is var gone ? gone.Status : default, gone.Location));
        await browser.PostAsync("/portal/sign-in", ("code", host.Staff("admin", subject: "bob")));
        Assert.Equal((HttpStatusCode.SeeOther, studies), ((await browser.GetAsync(other.Location!)) is var his ? his.Status : default, his.Location));
        await browser.PostAsync("/portal/sign-in", ("code", host.Staff("admin")));
        await browser.GetAsync(studies);
        Assert.Equal(HttpStatusCode.BadRequest, (await browser.PostAsync(studies)).Status);

        Assert.DoesNotContain(host.Logged.Lines, line => line.Contains(patient, StringComparison.Ordinal));
        AuditEntry entry = Assert.Single((await host.LogAsync(agent.Enrolled.Clinic.Value)), e => e.Origin.CorrelationId == found.CorrelationId);
        Assert.Equal((AuditActions.StudiesQueried, "patient"), (entry.Action, entry.Details!["by"]));
    }

    [Fact]
    public async Task Compliance_sees_no_identifiers_no_forms_and_is_refused_what_only_admins_may()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        Sidecar study = (await agent.BackUpAsync(await agent.TokenAsync())).Sidecar;
        string clinic = $"/portal/clinics/{agent.Enrolled.Clinic}";
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("compliance"));
        foreach (string path in new[] { "/portal", clinic, clinic + "/studies", $"{clinic}/studies/{study.Study}", clinic + "/snapshots", clinic + "/restores", clinic + "/restore-tests", clinic + "/reports", clinic + "/audit", clinic + "/agents", clinic + "/access", clinic + "/alerts" })
        {
            PortalAnswer page = await browser.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, page.Status);
            Assert.DoesNotContain(study.PatientHmac!.Value.Hex, page.Html, StringComparison.Ordinal);
            Assert.DoesNotContain("patientId", page.Html, StringComparison.Ordinal);
            Assert.DoesNotContain("/revoke", page.Html, StringComparison.Ordinal);
            Assert.DoesNotContain("/enrollments", page.Html, StringComparison.Ordinal);
        }

        foreach ((string path, string action) in new[]
        {
            (clinic + "/studies", AuditActions.StudiesQueried), (clinic + "/restores", AuditActions.RestoreRequested), (clinic + "/enrollments", AuditActions.EnrollmentCodeIssued),
            ($"{clinic}/agents/{agent.Enrolled.AgentId}/revoke", AuditActions.AgentRevoked), (clinic + "/restore-tests", AuditActions.RestoreTestStarted),
        })
        {
            PortalAnswer refused = await browser.PostAsync(path, ("patientId", "PID-7"));
            Assert.Equal(HttpStatusCode.Forbidden, refused.Status);
            Assert.Contains("Your role does not allow that", refused.Html, StringComparison.Ordinal);
            AuditEntry entry = Assert.Single((await host.LogAsync(agent.Enrolled.Clinic.Value)), e => e.Origin.CorrelationId == refused.CorrelationId);
            Assert.Equal((action, AuditOutcome.Refused), (entry.Action, entry.Outcome));
        }
    }

    [Fact]
    public async Task The_overviews_counts_lead_to_what_they_count()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        string clinic = (await ApiAgent.CreateAsync(host)).Enrolled.Clinic.Value;
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("compliance", clinics: clinic));
        PortalAnswer page = await browser.GetAsync("/portal");
        Assert.Equal("1 clinic: 0 safe, 0 needing attention, 1 not safe.", page.Text.Split("Overview")[^1].Trim()[..50]);
        Assert.Contains($"<a href=\"#c-{clinic}\">1 not safe</a>", page.Html, StringComparison.Ordinal);
        Assert.Contains($"id=\"c-{clinic}\"", page.Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_clinics_than_a_page_are_counted_filtered_and_paged()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        string mark = $"many-{Guid.NewGuid():N}"[..20];
        string[] ids = [.. Enumerable.Range(0, 26).Select(i => $"{mark}-{i:00}")];
        foreach (string id in ids)
        {
            Assert.Equal(201, (await host.PostAsync("/v1/clinics", host.Staff("admin"), new CreateClinicRequest(ClinicId.Parse(id), $"Practice {id[^2..]}"))).Status);
        }

        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin", clinics: string.Join(' ', ids)));
        PortalAnswer first = await browser.GetAsync("/portal");
        Assert.Contains("26 clinics: 0 not safe, 0 needing attention, 0 safe, 26 not looked at yet", first.Text, StringComparison.Ordinal);
        Assert.Equal(24, ids.Count(id => first.Html.Contains($"id=\"c-{id}\"", StringComparison.Ordinal)));
        PortalAnswer second = await browser.GetAsync("/portal?page=2");
        Assert.Equal(ids[24..], ids.Where(id => second.Html.Contains($"id=\"c-{id}\"", StringComparison.Ordinal)));
        Assert.Contains("href=\"/portal?page=2\"", first.Html, StringComparison.Ordinal);
        PortalAnswer found = await browser.GetAsync($"/portal?find={mark.ToUpperInvariant()}-07");
        Assert.Equal([ids[7]], ids.Where(id => found.Html.Contains($"id=\"c-{id}\"", StringComparison.Ordinal)));
        Assert.Contains("href=\"/portal?state=unknown\">26 not looked at yet", found.Html, StringComparison.Ordinal); // the count is of all, and so is what it leads to
        Assert.Contains("No clinic fits", (await browser.GetAsync("/portal?state=safe")).Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, (await browser.GetAsync("/portal?state=fine")).Status);
        PortalAnswer beyond = await browser.GetAsync("/portal?page=99");
        Assert.Equal(ids[24..], ids.Where(id => beyond.Html.Contains($"id=\"c-{id}\"", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Another_clinics_pages_are_out_of_reach()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent mine = await ApiAgent.CreateAsync(host), other = await ApiAgent.CreateAsync(host);
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin", clinics: mine.Enrolled.Clinic.Value));
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync($"/portal/clinics/{mine.Enrolled.Clinic}")).Status);
        Assert.DoesNotContain(other.Enrolled.Clinic.Value, (await browser.GetAsync("/portal")).Html, StringComparison.Ordinal);
        foreach (string page in new[] { "", "/studies", "/restores", "/restore-tests", "/reports", "/audit", "/agents", "/access", "/alerts", "/disclosures" })
        {
            Assert.Equal(HttpStatusCode.Forbidden, (await browser.GetAsync($"/portal/clinics/{other.Enrolled.Clinic}{page}")).Status);
        }
    }

    [Fact]
    public async Task An_error_is_told_to_people_without_addresses_of_the_API_or_a_way_into_a_clinic_that_there_is_not()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        PortalAnswer nowhere = await browser.GetAsync("/portal/clinics/no-such-clinic/agents");
        Assert.Equal(HttpStatusCode.NotFound, nowhere.Status);
        Assert.Contains("There is no clinic no-such-clinic.", nowhere.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("/portal/clinics/", nowhere.Html, StringComparison.Ordinal);
        foreach (string page in new[] { "restores", "restore-tests" })
        {
            PortalAnswer unknown = await browser.GetAsync($"/portal/clinics/{agent.Enrolled.Clinic}/{page}/01890a5d-ac96-774b-bcce-b302099a8057");
            Assert.Equal(HttpStatusCode.NotFound, unknown.Status);
            Assert.DoesNotContain("GET ", unknown.Text, StringComparison.Ordinal);
            Assert.Contains($"/portal/clinics/{agent.Enrolled.Clinic}/{page}\"", unknown.Html, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_restore_of_two_studies_waits_for_another_admin_and_needs_a_second_factor_a_purpose_and_a_public_key()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync(), clinic = $"/portal/clinics/{agent.Enrolled.Clinic}";
        string[] studies = [(await agent.BackUpAsync(token)).Sidecar.Study.Value, (await agent.BackUpAsync(token)).Sidecar.Study.Value];
        using RSA key = RSA.Create(2048);
        (string, string)[] ask = [("study", studies[0]), ("study", studies[1]), ("purpose", "Referral"), ("recipient", "Dr. Okafor"), ("publicKey", key.ExportSubjectPublicKeyInfoPem())];
        using PortalBrowser ada = await PortalBrowser.SignInAsync(host, host.Staff("admin", subject: "ada")), bob = await PortalBrowser.SignInAsync(host, host.Staff("admin", subject: "bob"));
        using PortalBrowser oneFactor = await PortalBrowser.SignInAsync(host, host.Staff("admin", subject: "eve", mfa: false));
        await ada.GetAsync(clinic);
        await bob.GetAsync(clinic);
        await oneFactor.GetAsync(clinic);

        Assert.Equal(HttpStatusCode.Forbidden, (await oneFactor.PostAsync(clinic + "/restores", ask)).Status);
        foreach (string missing in new[] { "purpose", "recipient", "study" })
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await ada.PostAsync(clinic + "/restores", [.. ask.Where(field => field.Item1 != missing)])).Status);
        }

        PortalAnswer gaveAway = await ada.PostAsync(clinic + "/restores", [.. ask.Where(field => field.Item1 != "publicKey"), ("publicKey", key.ExportPkcs8PrivateKeyPem())]);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, gaveAway.Status);
        Assert.Contains("private key", gaveAway.Html, StringComparison.Ordinal);

        string restore = (await ada.PostAsync(clinic + "/restores", ask)).Location!;
        Assert.StartsWith(clinic + "/restores/", restore, StringComparison.Ordinal);
        Assert.DoesNotContain("/approve", (await ada.GetAsync(restore)).Html, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await ada.PostAsync(restore + "/approve")).Status);
        Assert.Contains("/approve", (await bob.GetAsync(restore)).Html, StringComparison.Ordinal);
        Assert.Equal(restore, (await bob.PostAsync(restore + "/approve")).Location);
        Assert.Contains("cloudarchive restores fetch", (await ada.GetAsync(restore)).Text, StringComparison.Ordinal);
        Assert.DoesNotContain("cloudarchive restores fetch", (await bob.GetAsync(restore)).Text, StringComparison.Ordinal);
        Assert.Contains("Dr. Okafor", (await bob.GetAsync(clinic + "/restores")).Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_people_wrote_is_shown_as_text()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = $"/portal/clinics/{agent.Enrolled.Clinic}", study = (await agent.BackUpAsync(await agent.TokenAsync())).Sidecar.Study.Value;
        using RSA key = RSA.Create(2048);
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        await browser.GetAsync(clinic);
        const string markup = "<script>alert(1)</script>\"'><img src=x>";
        string restore = (await browser.PostAsync(clinic + "/restores", ("study", study), ("purpose", markup), ("recipient", markup), ("publicKey", key.ExportSubjectPublicKeyInfoPem()))).Location!;
        foreach (string path in new[] { restore, clinic + "/restores", $"{clinic}/audit?action={Uri.EscapeDataString(markup)}", $"{clinic}/studies?from=x{Uri.EscapeDataString(markup)}", $"/portal/sign-in?code={Uri.EscapeDataString(markup)}&reason={Uri.EscapeDataString(markup)}" })
        {
            string html = (await browser.GetAsync(path)).Html;
            Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
            Assert.DoesNotContain("<img", html, StringComparison.Ordinal);
        }

        string searched = (await browser.PostAsync(clinic + "/audit", ("actor", markup))).Html;
        Assert.Contains("value=\"&lt;script&gt;", searched, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>alert", searched, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_acted_is_searched_for_in_a_form_and_stands_in_no_address()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string audit = $"/portal/clinics/{agent.Enrolled.Clinic}/audit";
        await agent.BackUpAsync(await agent.TokenAsync());
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("compliance", subject: "carol"));
        await browser.GetAsync(audit);
        PortalAnswer mine = await browser.PostAsync(audit, ("actor", agent.Enrolled.AgentId));
        Assert.Equal(HttpStatusCode.OK, mine.Status);
        Assert.Contains(AuditActions.PackCommitted, mine.Html, StringComparison.Ordinal);

        // In the list of actions to choose from, and in no row.
        PortalAnswer nobodys = await browser.PostAsync(audit, ("actor", "nobody"));
        Assert.Contains("No entry fits", nobodys.Html, StringComparison.Ordinal);

        PortalAnswer inUrl = await browser.GetAsync($"{audit}?actor={agent.Enrolled.AgentId}");
        Assert.Equal(HttpStatusCode.BadRequest, inUrl.Status);

        // More than a page of one actor's: what goes on is a form as well.
        for (int i = 0; i < 51; i++)
        {
            await host.Services.GetRequiredService<IAuditLog>().AppendAsync(
                new AuditEvent(agent.Enrolled.Clinic.Value, AuditActions.RecordRead, AuditOutcome.Success, new AuditActor("many@staff.test", "admin"), new AuditSubject(), new AuditOrigin(null, $"c-{i}")), TestContext.Current.CancellationToken);
        }

        PortalAnswer first = await browser.PostAsync(audit, ("actor", "many@staff.test"));
        string after = System.Text.RegularExpressions.Regex.Match(first.Html, "name=\"after\" value=\"(?<after>[0-9]+)\"", System.Text.RegularExpressions.RegexOptions.ExplicitCapture | System.Text.RegularExpressions.RegexOptions.NonBacktracking).Groups["after"].Value;
        Assert.NotEqual("", after);
        Assert.DoesNotContain("?actor=", first.Html, StringComparison.Ordinal);
        Assert.DoesNotContain("&amp;actor=", first.Html, StringComparison.Ordinal);
        PortalAnswer second = await browser.PostAsync(audit, ("actor", "many@staff.test"), ("after", after));
        Assert.Equal(2, second.Html.Split("many@staff.test <span").Length);
    }

    [Fact]
    public async Task Verify_now_reads_every_entry_and_names_the_one_that_was_changed()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string log = agent.Enrolled.Clinic.Value, audit = $"/portal/clinics/{log}/audit";
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("compliance"));
        await browser.GetAsync(audit);
        await host.CheckpointAsync(log);
        PortalAnswer holds = await browser.PostAsync(audit + "/verify");
        Assert.Contains("The log holds", holds.Html, StringComparison.Ordinal);
        Assert.Single((await host.LogAsync(log)), entry => entry.Origin.CorrelationId == holds.CorrelationId && entry.Action == AuditActions.AuditRead);

        await host.AlterEntryAsync(log, 1);
        PortalAnswer damaged = await browser.PostAsync(audit + "/verify");
        Assert.Contains("The log does not hold", damaged.Html, StringComparison.Ordinal);
        Assert.Contains("Entry 1", damaged.Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hold_is_set_by_one_admin_and_cleared_by_two_and_the_policy_is_changed_where_compliance_only_looks()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string page = $"/portal/clinics/{agent.Enrolled.Clinic}/retention";
        using PortalBrowser ada = await PortalBrowser.SignInAsync(host, host.Staff("admin", subject: "ada"));
        using PortalBrowser bert = await PortalBrowser.SignInAsync(host, host.Staff("admin", subject: "bert"));
        using PortalBrowser carol = await PortalBrowser.SignInAsync(host, host.Staff("compliance", subject: "carol"));
        await ada.GetAsync(page);
        string holds = $"/portal/clinics/{agent.Enrolled.Clinic}/holds";
        Assert.Equal(HttpStatusCode.SeeOther, (await ada.PostAsync(holds, ("patientId", "PID-4711"), ("reason", "Letter <b>of</b> today"))).Status);
        string shown = (await ada.GetAsync(page)).Html;
        Assert.Contains("Letter &lt;b&gt;of&lt;/b&gt; today", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("PID-4711", shown, StringComparison.Ordinal);
        string clear = System.Text.RegularExpressions.Regex.Match(shown, "action=\"(?<url>[^\"]+/holds/[^\"]+/clear)\"", System.Text.RegularExpressions.RegexOptions.ExplicitCapture | System.Text.RegularExpressions.RegexOptions.NonBacktracking).Groups["url"].Value;
        Assert.Equal(HttpStatusCode.SeeOther, (await ada.PostAsync(clear, [])).Status);
        string approve = clear.Replace("/clear", "/approve", StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await ada.PostAsync(approve, [])).Status);
        string looked = (await carol.GetAsync(page)).Html;
        Assert.Contains("clearing waits for approval", looked, StringComparison.Ordinal);
        Assert.DoesNotContain("<form method=\"post\" action=\"" + holds, looked, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await carol.PostAsync(approve, [])).Status);
        Assert.Contains("Approve clearing", (await bert.GetAsync(page)).Html, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.SeeOther, (await bert.PostAsync(approve, [])).Status);
        Assert.Contains("No hold is on", (await bert.GetAsync(page)).Html, StringComparison.Ordinal);

        (string, string)[] policy = [("years", "7"), ("minimumYears", "3"), ("from", "last-treatment"), ("minorsUntilAge", "18"), ("minorYears", "7")];
        Assert.Equal(HttpStatusCode.SeeOther, (await ada.PostAsync(page, policy)).Status);
        Assert.Contains("until 18 and 7 years more", (await carol.GetAsync(page)).Html, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, (await ada.PostAsync(page, ("years", "many"), ("minimumYears", "3"))).Status);
    }

    [Fact]
    public async Task An_enrollment_code_is_shown_once_and_an_agent_is_revoked()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = $"/portal/clinics/{agent.Enrolled.Clinic}";
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        await browser.GetAsync(clinic + "/agents");
        PortalAnswer code = await browser.PostAsync(clinic + "/enrollments");
        Assert.Equal(HttpStatusCode.Created, code.Status);
        Assert.Contains("cloudarchive enroll --url https://archive.test --code ", code.Text, StringComparison.Ordinal);
        Assert.Equal(clinic + "/agents", (await browser.PostAsync($"{clinic}/agents/{agent.Enrolled.AgentId}/revoke")).Location);
        Assert.Contains("Revoked", (await browser.GetAsync(clinic + "/agents")).Html, StringComparison.Ordinal);
        Assert.Equal(401, (await agent.AskTokenAsync(agent.Assertion())).Status);
    }
}
