using System.Text;
using System.Text.Json;
using CloudArchive.Format.Binders;
using CloudArchive.Testing;
using Microsoft.Playwright;

namespace CloudArchive.EndToEnd.Portal;

/// <summary>Issue 4, must show 4: people at a browser do what the portal is for.</summary>
public sealed class PortalWalkTests(PortalPractice portal)
{
    private string Clinic => "/portal/clinics/" + portal.Practice.Clinic;

    [Fact]
    public async Task An_admin_finds_a_patients_studies_asks_for_them_a_second_admin_approves_and_the_images_come_back()
    {
        await portal.ReadyAsync();
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        await admin.HoldClockAsync();
        await admin.GoAsync(Clinic + "/studies");
        await admin.Page.GetByLabel("Patient ID").FillAsync("P-1001");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Find", Exact = true }).ClickAsync();
        await admin.Page.GetByText("2 studies of that patient").WaitForAsync();
        await admin.LookAsync("walk-1-found");
        foreach (ILocator box in await admin.Page.Locator("input[name=study][type=checkbox]").AllAsync())
        {
            await box.CheckAsync();
        }

        await admin.Page.GetByText("Ask for a restore of the chosen studies and folders").ClickAsync();
        await admin.Page.GetByLabel("Purpose").FillAsync("Referral");
        await admin.Page.GetByLabel("Recipient").FillAsync("Dr. Okafor, oral surgery");
        await admin.Page.GetByLabel("Fetch them with the command line").CheckAsync();
        IDownload key = await admin.Page.RunAndWaitForDownloadAsync(() => admin.Page.GetByRole(AriaRole.Button, new() { Name = "Make a key in this browser" }).ClickAsync());
        await key.SaveAsAsync(portal.Practice["restore.pem"]);
        await admin.LookAsync("walk-2-ask");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Ask for the restore" }).ClickAsync();
        await admin.Page.GetByText("A second admin has to approve").WaitForAsync();
        await admin.LookAsync("walk-3-waits");
        string restore = new Uri(admin.Page.Url).AbsolutePath;
        await Assertions.Expect(admin.Page.GetByRole(AriaRole.Button, new() { Name = "Approve the restore" })).ToHaveCountAsync(0);

        await using PortalVisitor second = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin-2");
        await second.GoAsync(Clinic);
        await second.Page.Locator($"a.figure, .figure a[href='{Clinic}/restores']").ClickAsync();
        await second.Page.Locator($"a[href='{restore}']").ClickAsync();
        await second.Page.GetByRole(AriaRole.Heading, new() { Name = "Approve?" }).WaitForAsync();
        await second.LookAsync("walk-4-approve");
        await second.Page.GetByRole(AriaRole.Button, new() { Name = "Approve the restore" }).ClickAsync();
        await second.Page.GetByText("Ready to fetch").First.WaitForAsync();

        // A page that waits for something asks again by itself.
        await admin.LaterAsync(TimeSpan.FromSeconds(11));
        string command = await admin.Page.GetByLabel("The command").InnerTextAsync();
        await admin.LookAsync("walk-5-fetch");
        string[] words = command.Split(' ');
        Assert.Equal("cloudarchive", words[0]);
        words[Array.IndexOf(words, "--key") + 1] = portal.Practice["restore.pem"];
        words[Array.IndexOf(words, "--out") + 1] = portal.Practice["restored"];
        (await portal.Practice.Admin.RunAsync(words[1..])).Expect(0);
        Assert.Equal(Practice.Contents(Path.Combine(portal.Practice["clinic"], "Lindqvist_Anna")), Practice.Contents(portal.Practice["restored"]));
        await admin.LaterAsync(TimeSpan.FromSeconds(31));
        await admin.Page.GetByText("What came of it").WaitForAsync();
        await admin.LookAsync("walk-6-done");

        // What was handed out is accounted for, and who it is about stands in no address.
        await admin.Page.GetByRole(AriaRole.Link, new() { Name = "Proof", Exact = true }).ClickAsync();
        await admin.Page.GetByRole(AriaRole.Link, new() { Name = "Disclosures" }).ClickAsync();
        await admin.Page.GetByLabel("Patient ID").FillAsync("P-1001");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Look up" }).ClickAsync();
        await admin.Page.GetByText("of that patient").First.WaitForAsync(); // another walk may have brought some back too
        await Assertions.Expect(admin.Page.Locator("tbody tr").Filter(new() { HasText = "Dr. Okafor, oral surgery" })).ToHaveCountAsync(1);
        await admin.LookAsync("walk-7-disclosed");

        Assert.Empty(admin.Complaints);
        Assert.DoesNotContain(admin.Requests, url => url.Contains("P-1001", StringComparison.Ordinal));
        Assert.All(admin.Requests, url => Assert.StartsWith(portal.Practice.Archive.Url, url.Replace("blob:", "", StringComparison.Ordinal), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("local-admin")]
    [InlineData("local-compliance")]
    public async Task Evidence_is_taken_away_as_PDF_and_JSON_and_the_log_is_verified(string who)
    {
        await portal.ReadyAsync();
        await using PortalVisitor visitor = await (await PortalVisitor.OpenAsync(portal)).SignInAsync(who);
        await visitor.GoAsync(Clinic + "/restore-tests");
        await visitor.Page.Locator("tbody a").First.ClickAsync();
        await visitor.Page.GetByRole(AriaRole.Heading, new() { Name = "The sample" }).WaitForAsync();
        byte[] pdf = await DownloadAsync(visitor, "Report (PDF)"), json = await DownloadAsync(visitor, "Evidence (JSON)");
        Assert.Equal("%PDF-", Encoding.ASCII.GetString(pdf[..5]));
        Assert.Equal(portal.Practice.Clinic, JsonDocument.Parse(json).RootElement.GetProperty("clinic").GetString());

        // The binder, by one click and for any days.
        await visitor.GoAsync(Clinic + "/reports");
        foreach (ILocator way in (ILocator[])[visitor.Page.Locator("a[href*='/binder?']").First, visitor.Page.GetByRole(AriaRole.Button, new() { Name = "Get the binder" })])
        {
            IDownload binder = await visitor.Page.RunAndWaitForDownloadAsync(() => way.ClickAsync());
            await using FileStream zip = File.OpenRead(await binder.PathAsync());
            BinderVerification verification = BinderVerifier.Verify(zip, null);
            Assert.NotEqual(BinderState.Failed, verification.State);
            Assert.Contains(verification.Index!.Files, file => file.Path.StartsWith(BinderFiles.Runs, StringComparison.Ordinal));
        }

        await visitor.GoAsync(Clinic + "/audit");
        await visitor.Page.GetByRole(AriaRole.Button, new() { Name = "Verify the log now" }).ClickAsync();
        await visitor.Page.GetByRole(AriaRole.Heading, new() { Name = "The log holds" }).WaitForAsync();
        await visitor.PictureAsync($"walk-{who}-verified");
        Assert.Empty(visitor.Complaints);
    }

    [Fact]
    public async Task Compliance_sees_no_patient_data_and_gets_no_admins_forms()
    {
        await portal.ReadyAsync();
        await using PortalVisitor visitor = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-compliance");
        foreach (string path in new[] { "", Clinic, Clinic + "/studies", Clinic + "/restores", Clinic + "/restore-tests", Clinic + "/reports", Clinic + "/retention", Clinic + "/audit", Clinic + "/agents", Clinic + "/access", Clinic + "/alerts", "/portal/access", "/portal/alerts" }.Select(path => path.Length == 0 ? "/portal" : path))
        {
            await visitor.GoAsync(path);
            string html = await visitor.Page.ContentAsync();
            foreach (string patient in new[] { "P-1001", "P-1002", "Lindqvist", "Okafor^", "Hmac", "hmac" })
            {
                Assert.DoesNotContain(patient, html, StringComparison.Ordinal);
            }

            string[] forms = [.. (await visitor.Page.Locator("form[method=post]").EvaluateAllAsync<string[]>("forms => forms.map(form => new URL(form.getAttribute('action'), location).pathname)")).Distinct()];
            Assert.Empty(forms.Except(["/portal/sign-out", "/portal/stay", Clinic + "/audit", Clinic + "/audit/verify", Clinic + "/binder"]));
        }

        // What the pages do not offer is refused too.
        await visitor.GoAsync(Clinic + "/agents");
        int status = await visitor.Page.EvaluateAsync<int>("async path => (await fetch(path, { method: 'POST', body: new URLSearchParams(new FormData(document.querySelector('form'))) })).status", Clinic + "/enrollments");
        Assert.Equal(403, status);
        await visitor.GoAsync(Clinic + "/disclosures");
        await visitor.Page.GetByRole(AriaRole.Heading, new() { Name = "Your role does not allow that" }).WaitForAsync();
        Assert.Empty(visitor.Complaints);
    }

    [Fact]
    public async Task By_keyboard_alone_one_signs_in_finds_a_study_and_opens_it()
    {
        await portal.ReadyAsync();
        await using PortalVisitor visitor = await PortalVisitor.OpenAsync(portal);
        IKeyboard keyboard = visitor.Page.Keyboard;
        await visitor.Page.GotoAsync(portal.Practice.Archive.PortalUrl);
        await TabToAsync(visitor.Page, "input[name=code]");
        await TabToAsync(visitor.Page, "input[name=identity]");
        await keyboard.PressAsync("ArrowDown");
        await keyboard.PressAsync("ArrowUp");
        await TabToAsync(visitor.Page, "main button[type=submit]");
        await keyboard.PressAsync("Enter");
        await visitor.ArriveAsync("/portal");

        // The first stop of every page skips what is the same on all of them.
        await keyboard.PressAsync("Tab");
        Assert.Equal("Skip to the page", await visitor.Page.EvaluateAsync<string>("() => document.activeElement.textContent"));
        await keyboard.PressAsync("Enter");
        await TabToAsync(visitor.Page, $"h2 a[href='{Clinic}']");
        await keyboard.PressAsync("Enter");
        await visitor.ArriveAsync(Clinic);
        await TabToAsync(visitor.Page, $"nav.clinic a[href='{Clinic}/studies']");
        await keyboard.PressAsync("Enter");
        await visitor.ArriveAsync(Clinic + "/studies");
        await TabToAsync(visitor.Page, "#patientId");
        await keyboard.TypeAsync("P-1002");
        await keyboard.PressAsync("Enter");
        await visitor.Page.GetByText("1 study of that patient").WaitForAsync();
        await TabToAsync(visitor.Page, "tbody a");
        await keyboard.PressAsync("Enter");
        await visitor.Page.GetByRole(AriaRole.Heading, new() { Name = "Study of 2025-10-02" }).WaitForAsync();
        Assert.Empty(visitor.Complaints);
    }

    [Fact]
    public async Task An_admin_ends_what_must_not_act_any_more_and_attests_who_can_and_compliance_takes_the_signed_list_away()
    {
        await portal.ReadyAsync();
        string damaged = "/portal/clinics/" + portal.Damaged;
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        await admin.Page.GetByRole(AriaRole.Link, new() { Name = "Access" }).ClickAsync();
        await admin.Page.GetByText("End access of somebody who is not listed").ClickAsync();
        await admin.Page.GetByLabel("Id", new() { Exact = true }).FillAsync("left-last-year");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "End it" }).ClickAsync();
        await Assertions.Expect(admin.Page.Locator("tr", new() { HasText = "left-last-year" })).ToContainTextAsync("at once; no request was ever let in");
        await admin.LookAsync("walk-access-archive");

        await admin.GoAsync(damaged + "/access");
        await admin.Page.Locator("summary", new() { HasText = "Revoke" }).ClickAsync();
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Revoke it for good" }).ClickAsync();
        await admin.Page.GetByText("at once; the last request was let in").WaitForAsync();
        await admin.GoAsync(damaged + "/access");
        await Assertions.Expect(admin.Page.Locator("section[aria-labelledby=ended] tr", new() { HasText = portal.Damaged + "." })).ToContainTextAsync("at once; the last request was let in");
        await admin.Page.GetByText("Attest this list").ClickAsync();
        await admin.LookAsync("walk-access-attest");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "It is right: attest it" }).ClickAsync();
        await admin.Page.GetByText("Signature (JWS)").WaitForAsync();
        await admin.LookAsync("walk-access-attested");

        await using PortalVisitor compliance = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-compliance");
        await compliance.GoAsync(damaged + "/access");
        string folder = Directory.CreateDirectory(portal.Practice["review"]).FullName;
        await File.WriteAllBytesAsync(Path.Combine(folder, "review.json"), await DownloadAsync(compliance, "List (JSON)"), TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(Path.Combine(folder, "review.jws"), await DownloadAsync(compliance, "Signature (JWS)"), TestContext.Current.CancellationToken);
        using (HttpClient anyone = new() { BaseAddress = new Uri(portal.Practice.Archive.Url) })
        {
            await File.WriteAllTextAsync(portal.Practice["keys.json"], await anyone.GetStringAsync(new Uri("v1/keys", UriKind.Relative), TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);
        }

        (await portal.Practice.Admin.RunAsync("access", "verify", folder, "--key", portal.Practice["keys.json"])).Expect(0);
        Assert.Empty(admin.Complaints);
        Assert.Empty(compliance.Complaints);
    }

    [Fact]
    public async Task An_alert_that_nobody_was_told_of_is_sent_again()
    {
        await portal.ReadyAsync();
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        await admin.Page.GetByRole(AriaRole.Link, new() { Name = "Alerts" }).ClickAsync();
        ILocator alert = admin.Page.Locator("tr", new() { HasText = "Restore test failed" });

        // There is no webhook. Alerts are sent once a minute; the page asks for news by itself.
        await alert.GetByText("Not delivered").WaitForAsync(new() { Timeout = 240_000 });
        await admin.LookAsync("walk-alert-dead");
        await alert.GetByRole(AriaRole.Button, new() { Name = "Send again" }).ClickAsync();
        await admin.ArriveAsync($"/portal/clinics/{portal.Damaged}/alerts");
        await admin.Page.GetByText("About to be sent").WaitForAsync();
        Assert.Empty(admin.Complaints);
    }

    [Fact]
    public async Task A_session_that_is_left_alone_asks_whether_somebody_is_there_and_then_ends()
    {
        await portal.ReadyAsync();
        await using PortalVisitor visitor = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-compliance");
        await visitor.HoldClockAsync();
        await visitor.GoAsync(Clinic + "/restores");

        // On a page that asks for news by itself, which is nobody's click.
        await visitor.Page.Locator("tbody tr").Filter(new() { HasText = "Move to another building" }).GetByRole(AriaRole.Link).ClickAsync();
        await visitor.Page.GetByText("A second admin has to approve").WaitForAsync();
        await visitor.Page.RunAndWaitForResponseAsync(() => visitor.LaterAsync(TimeSpan.FromSeconds(11)), response => response.Request.Headers.ContainsKey("x-portal-refresh"));
        ILocator question = visitor.Page.GetByRole(AriaRole.Dialog, new() { Name = "Are you still there?" });
        await Assertions.Expect(question).ToBeHiddenAsync();
        await visitor.LaterAsync(TimeSpan.FromMinutes(14.2));
        await Assertions.Expect(question).ToBeVisibleAsync();
        await visitor.LookAsync("walk-idle");
        await visitor.Page.GetByRole(AriaRole.Button, new() { Name = "Stay signed in" }).ClickAsync();
        await Assertions.Expect(question).ToBeHiddenAsync();

        await visitor.LaterAsync(TimeSpan.FromMinutes(16));
        await visitor.ArriveAsync("/portal/sign-in?reason=idle");
        await visitor.Page.GetByText("You were signed out because nothing happened").WaitForAsync();
        Assert.Empty(visitor.Complaints);
    }

    /// <summary>Tab, as a person would, until the focus is there; it must be seen to be there.</summary>
    private static async Task TabToAsync(IPage page, string selector)
    {
        for (int i = 0; i < 60; i++)
        {
            if (await page.EvaluateAsync<bool>("selector => document.activeElement?.matches(selector) ?? false", selector))
            {
                Assert.NotEqual("none", await page.EvaluateAsync<string>("() => getComputedStyle(document.activeElement).outlineStyle"));
                return;
            }

            await page.Keyboard.PressAsync("Tab");
        }

        Assert.Fail($"{selector} cannot be reached with Tab on {page.Url}");
    }

    private static async Task<byte[]> DownloadAsync(PortalVisitor visitor, string link)
    {
        IDownload download = await visitor.Page.RunAndWaitForDownloadAsync(() => visitor.Page.GetByRole(AriaRole.Link, new() { Name = link }).ClickAsync());
        return await File.ReadAllBytesAsync(await download.PathAsync(), TestContext.Current.CancellationToken);
    }
}
