using System.Net;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Format.Audit;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>A form that was filled in wrong is shown again on its page, with what was typed and with the errors at their fields.</summary>
public sealed partial class PortalFormTests(SharedStorage shared)
{
    private static readonly ApiHostOptions _options = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") } };

    // Page and action below the clinic's; fields as typed, "!" before those that are wrong.
    private static readonly (string Page, string Action, string[] Typed)[] _wrong =
    [
        ("/retention", "/retention", ["!years=many", "minimumYears=3", "from=last-treatment", "!minorsUntilAge=x", "!minorYears=y"]),
        ("/retention", "/retention", ["!years=900", "minimumYears=3"]),
        ("/retention", "/holds", ["!study=not a uid", "patientId=P-17", "!reason="]),
        ("/retention", "/holds", ["study=", "patientId=", "reason=A letter of a lawyer"]),
        ("", "/contact", ["!contact=nobody at home"]),
        ("/restore-tests", "/restore-tests", ["!packs=some"]),
        ("/restore-tests", "/restore-tests", ["!packs=0"]),
        ("/studies", "/studies", ["patientId=", "accession="]),
        ("/studies?from=1900-01-01", "/restores", ["!purpose=", "recipient=Dr. Weber", "!publicKey=none"]),
        ("/disclosures", "/disclosures", ["!patientId="]),
        ("/audit", "/audit", ["!from=yesterday", "to=2026-01-01", "action=clinic/", "actor=ada"]),
    ];

    [Fact]
    public async Task A_wrong_form_keeps_what_was_typed_and_says_at_each_field_what_is_wrong()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        await agent.BackUpAsync(await agent.TokenAsync());
        string clinic = "/portal/clinics/" + agent.Enrolled.Clinic;
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        await browser.GetAsync(clinic);
        foreach ((string page, string action, string[] typed) in _wrong)
        {
            Exception? fault = await Record.ExceptionAsync(() => CheckAsync(browser, clinic, page, action, typed));
            Assert.True(fault is null, $"{page}, {action}, {string.Join(' ', typed)}: {fault}");
        }
    }

    private static async Task CheckAsync(PortalBrowser browser, string clinic, string page, string action, string[] typed)
    {
        string at = At().Match(WebUtility.HtmlDecode((await browser.GetAsync(clinic + page)).Html)).Groups["at"].Value;
        Assert.Equal(clinic + page, at); // every form says where it is
        (string Name, string Value)[] fields = [.. typed.Select(field => field.TrimStart('!').Split('=', 2)).Select(pair => (pair[0], pair[1]))];
        PortalAnswer answer = await browser.PostAsync(clinic + action, [.. fields, ("at", at)]);
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.DoesNotContain("breaks a rule", answer.Text, StringComparison.Ordinal);
        string form = FormsTo(answer.Html, clinic + action).Single(one => fields.All(field => one.Contains($"name=\"{field.Name}\"", StringComparison.Ordinal)));
        string[] wrong = [.. typed.Where(field => field[0] == '!').Select(field => field[1..].Split('=')[0])];
        foreach ((string name, string value) in fields)
        {
            string control = Control(form, name);
            string kept = control.StartsWith("<select", StringComparison.Ordinal) ? $"<option value=\"{value}\" selected" : value;
            Assert.Contains(kept, WebUtility.HtmlDecode(kept == value ? control : form), StringComparison.Ordinal);
            Assert.Equal(wrong.Contains(name), control.Contains("aria-invalid=\"true\"", StringComparison.Ordinal));
            if (wrong.Contains(name))
            {
                string described = Described().Match(control).Groups["ids"].Value.Split(' ')[0];
                Assert.Matches($"<p class=\"error\" id=\"{described}\">[A-Z0-9].+</p>", form);
            }
        }

        // The reader is put to the first that is wrong, or to what is wrong with no field.
        Assert.Single(Focus().Matches(answer.Html));
        Assert.Equal(wrong.Length == 0 || action == "/restores", form.Contains("role=\"alert\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_same_form_sent_again_in_order_is_done()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        string clinic = "/portal/clinics/" + (await ApiAgent.CreateAsync(host)).Enrolled.Clinic;
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        await browser.GetAsync(clinic);
        Assert.Equal(HttpStatusCode.BadRequest, (await browser.PostAsync(clinic + "/contact", ("contact", "nobody"), ("at", clinic))).Status);
        PortalAnswer done = await browser.PostAsync(clinic + "/contact", ("contact", "front@practice.example"), ("at", clinic));
        Assert.Equal((HttpStatusCode.SeeOther, clinic), (done.Status, done.Location));
    }

    [Fact]
    public async Task A_search_by_address_that_is_wrong_keeps_its_question()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        string clinic = "/portal/clinics/" + (await ApiAgent.CreateAsync(host)).Enrolled.Clinic;
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        await browser.GetAsync(clinic);
        PortalAnswer answer = await browser.GetAsync(clinic + "/studies?from=2020-01-01&study=abc&set=folder");
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        string form = FormsTo(answer.Html, clinic + "/studies").Single(one => one.Contains("method=\"get\"", StringComparison.Ordinal));
        Assert.Contains("value=\"2020-01-01\"", Control(form, "from"), StringComparison.Ordinal);
        Assert.Matches("value=\"abc\".*aria-invalid=\"true\"", Control(form, "study"));
        Assert.Matches("<option value=\"folder\" selected", form);

        // What no person typed is no field's.
        Assert.Contains("breaks a rule", (await browser.GetAsync(clinic + "/studies?after=x")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_is_told_also_where_the_page_has_the_form_no_more()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        string clinic = "/portal/clinics/" + (await ApiAgent.CreateAsync(host)).Enrolled.Clinic;
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        await browser.GetAsync(clinic);
        PortalAnswer answer = await browser.PostAsync(clinic + "/restores", ("purpose", ""), ("recipient", "us"), ("at", clinic + "/studies")); // of which there are none
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Contains("say why the images are brought back", answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secrets_are_not_given_back()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        using PortalBrowser stranger = new(host);
        PortalAnswer wrong = await stranger.PostAsync("/portal/sign-in", ("code", "not-the-code"), ("identity", "bob"), ("next", "/portal/alerts"), ("at", "/portal/sign-in"));
        Assert.Equal(HttpStatusCode.Unauthorized, wrong.Status);
        Assert.DoesNotContain("not-the-code", wrong.Html, StringComparison.Ordinal);
        Assert.Contains("aria-invalid=\"true\"", Control(wrong.Html, "code"), StringComparison.Ordinal);
        Assert.Matches("value=\"bob\" checked", wrong.Html);
        Assert.Contains("value=\"/portal/alerts\"", wrong.Html, StringComparison.Ordinal);

        string clinic = "/portal/clinics/" + (await ApiAgent.CreateAsync(host)).Enrolled.Clinic;
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        await browser.GetAsync(clinic);
        using RSA key = RSA.Create(2048);
        PortalAnswer gaveAway = await browser.PostAsync(
            clinic + "/restores", ("study", "1.2.3"), ("purpose", "a test"), ("recipient", "us"), ("publicKey", key.ExportPkcs8PrivateKeyPem()), ("at", clinic + "/studies"));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, gaveAway.Status);
        Assert.DoesNotContain("PRIVATE KEY", gaveAway.Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_of_a_wrong_form_shows_nothing_that_its_sender_could_not_have_opened_and_counts_as_opened()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent mine = await ApiAgent.CreateAsync(host), other = await ApiAgent.CreateAsync(host);
        string clinic = "/portal/clinics/" + mine.Enrolled.Clinic;
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin", mine.Enrolled.Clinic.Value));
        await browser.GetAsync(clinic);
        foreach (string at in new[] { $"/portal/clinics/{other.Enrolled.Clinic}", "/portal/access", "/v1/clinics", "//evil.test/portal", "https://evil.test/portal", "/portal/nowhere", "" })
        {
            PortalAnswer answer = await browser.PostAsync(clinic + "/contact", ("contact", "nobody"), ("at", at));
            Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
            Assert.Contains("breaks a rule", answer.Text, StringComparison.Ordinal);
            Assert.DoesNotContain(other.Enrolled.Clinic.Value, answer.Html, StringComparison.Ordinal);
        }

        // A look at the list of restores is recorded, by whatever way it is had; and the refusal once.
        PortalAnswer looked = await browser.PostAsync(clinic + "/restores", ("publicKey", "none"), ("purpose", "p"), ("recipient", "r"), ("study", "1.2.3"), ("at", clinic + "/restores"));
        AuditEntry[] entries = [.. (await host.LogAsync(mine.Enrolled.Clinic.Value)).Where(entry => entry.Origin.CorrelationId == looked.CorrelationId)];
        Assert.Single(entries, entry => entry is { Outcome: AuditOutcome.Refused, Action: AuditActions.RestoreRequested });
        Assert.Single(entries, entry => entry.Outcome == AuditOutcome.Success);
    }

    private static IEnumerable<string> FormsTo(string html, string action) =>
        Form().Matches(html).Select(match => match.Value).Where(form => form.Contains($"action=\"{action}\"", StringComparison.Ordinal));

    private static string Control(string html, string name) =>
        Regex.Match(html, $"<(input|textarea|select) [^>]*name=\"{name}\"[^>]*>([^<]*</textarea>)?", RegexOptions.None, TimeSpan.FromSeconds(5)).Value;

    [GeneratedRegex("<form .*?</form>", RegexOptions.Singleline, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Form();

    [GeneratedRegex("name=\"at\" value=\"(?<at>[^\"]*)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex At();

    [GeneratedRegex("aria-describedby=\"(?<ids>[^\"]*)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Described();

    [GeneratedRegex(" autofocus", RegexOptions.None, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Focus();
}
