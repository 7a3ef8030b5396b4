using Microsoft.Playwright;

namespace CloudArchive.EndToEnd.Portal;

/// <summary>A person types something wrong, is told where, and has lost nothing; and a second admin decides on the overview.</summary>
public sealed class PortalFormWalkTests(PortalPractice portal)
{
    private string Clinic => "/portal/clinics/" + portal.Practice.Clinic;

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task A_wrong_form_keeps_its_input(bool dark, bool phone)
    {
        await portal.ReadyAsync();
        string kind = $"{(phone ? "phone" : "desk")}-{(dark ? "dark" : "light")}";
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal, dark, phone)).SignInAsync("local-admin");
        IPage page = admin.Page;

        // A restore, with a key that is none: the browser itself finds nothing wrong.
        await admin.GoAsync(Clinic + "/studies?set=study");
        ILocator second = page.Locator("input[name=study][type=checkbox]").Nth(1);
        string chosen = (await second.GetAttributeAsync("value"))!;
        await second.CheckAsync();
        await page.GetByText("Ask for a restore of the chosen studies and folders").ClickAsync();
        await page.GetByLabel("Purpose").FillAsync("Referral");
        await page.GetByLabel("Recipient").FillAsync("Dr. Okafor, oral surgery");
        await page.GetByLabel("Fetch them with the command line").CheckAsync();
        await page.GetByLabel("Public key").FillAsync("ssh-rsa AAAA");
        await page.GetByRole(AriaRole.Button, new() { Name = "Ask for the restore" }).ClickAsync();
        ILocator key = page.GetByLabel("Public key");
        await Assertions.Expect(key).ToHaveAttributeAsync("aria-invalid", "true");
        await Assertions.Expect(key).ToBeFocusedAsync();
        await Assertions.Expect(key).ToHaveValueAsync("ssh-rsa AAAA");
        await Assertions.Expect(key).ToHaveAttributeAsync("aria-describedby", "publicKey-error key-hint key-said");
        await Assertions.Expect(page.Locator("#publicKey-error")).ToContainTextAsync("Paste an RSA public key");
        await Assertions.Expect(page.GetByLabel("Purpose")).ToHaveValueAsync("Referral");
        await Assertions.Expect(page.GetByLabel("Recipient")).ToHaveValueAsync("Dr. Okafor, oral surgery");
        await Assertions.Expect(page.Locator($"input[name=study][value='{chosen}']")).ToBeCheckedAsync();
        await Assertions.Expect(page.Locator("input[name=study]:checked")).ToHaveCountAsync(1);
        await admin.LookAsync($"form-{kind}-restore");

        // A hold, in a form that was folded away.
        await admin.GoAsync(Clinic + "/retention");
        await page.GetByText("Set a hold").ClickAsync();
        await page.GetByLabel("Study Instance UID, or a folder's id").FillAsync("the one of last week");
        await page.GetByLabel("or Patient ID").FillAsync("P-1001");
        await page.GetByLabel("Why").FillAsync("A letter of a lawyer");
        await page.GetByRole(AriaRole.Button, new() { Name = "Set the hold" }).ClickAsync();
        await Assertions.Expect(page.GetByLabel("Study Instance UID, or a folder's id")).ToBeFocusedAsync();
        await Assertions.Expect(page.GetByLabel("or Patient ID")).ToHaveValueAsync("P-1001");
        await Assertions.Expect(page.GetByLabel("Why")).ToHaveValueAsync("A letter of a lawyer");
        await admin.LookAsync($"form-{kind}-hold");

        // What is wrong with no field in particular.
        await admin.GoAsync(Clinic + "/studies");
        await page.GetByRole(AriaRole.Button, new() { Name = "Find", Exact = true }).ClickAsync();
        await Assertions.Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("Fill in a patient ID or an accession number");
        await Assertions.Expect(page.GetByRole(AriaRole.Alert)).ToBeFocusedAsync();
        await admin.LookAsync($"form-{kind}-search");

        await admin.GoAsync(Clinic);
        await page.GetByText("Change the contact").ClickAsync();
        await page.GetByLabel("Mail address").FillAsync("the front desk");
        await page.GetByRole(AriaRole.Button, new() { Name = "Save the contact" }).ClickAsync();
        await Assertions.Expect(page.GetByLabel("Mail address")).ToHaveValueAsync("the front desk");
        await admin.LookAsync($"form-{kind}-contact");

        await using PortalVisitor stranger = await PortalVisitor.OpenAsync(portal, dark, phone);
        await stranger.GoAsync("/portal/sign-in");
        await stranger.Page.GetByLabel("Sign-in code").FillAsync("0000");
        await stranger.Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Assertions.Expect(stranger.Page.GetByLabel("Sign-in code")).ToHaveAttributeAsync("aria-invalid", "true");
        await Assertions.Expect(stranger.Page.GetByLabel("Sign-in code")).ToHaveValueAsync("");
        await stranger.LookAsync($"form-{kind}-sign-in");
        Assert.Empty(admin.Complaints);
        Assert.DoesNotContain(admin.Requests, url => url.Contains("P-1001", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_was_found_is_there_again_after_back()
    {
        await portal.ReadyAsync();
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        await admin.GoAsync(Clinic + "/studies");
        await admin.Page.GetByLabel("Patient ID").FillAsync("P-1001");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Find", Exact = true }).ClickAsync();
        await Assertions.Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "2 studies of that patient" })).ToBeVisibleAsync();
        await admin.Page.Locator("tbody a").First.ClickAsync();
        await Assertions.Expect(admin.Page.GetByText("Bring it back")).ToBeVisibleAsync();
        await admin.Page.GoBackAsync();
        await Assertions.Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "2 studies of that patient" })).ToBeVisibleAsync();
        await admin.Page.ReloadAsync();
        await Assertions.Expect(admin.Page.Locator("tbody tr")).ToHaveCountAsync(2);
        Assert.DoesNotContain(admin.Requests, url => url.Contains("P-1001", StringComparison.Ordinal));
        Assert.Empty(admin.Complaints);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task What_waits_for_a_second_admin_is_decided_on_the_overview(bool dark, bool phone)
    {
        await portal.ReadyAsync();
        string kind = $"{(phone ? "phone" : "desk")}-{(dark ? "dark" : "light")}", purpose = "Second opinion, " + kind;
        (await portal.Practice.Admin.RunAsync(
            "restore", "--clinic", portal.Practice.Clinic, "--patient", "P-1001", "--out", portal.Practice["never-" + kind], "--purpose", purpose, "--recipient", "Dr. Okafor", "--wait", "0")).Expect(11);

        await using PortalVisitor asker = await (await PortalVisitor.OpenAsync(portal, dark, phone)).SignInAsync("local-admin");
        ILocator own = asker.Page.Locator(".approval").Filter(new() { HasText = purpose });
        await Assertions.Expect(own).ToContainTextAsync("asked for by you");
        await Assertions.Expect(own.GetByText("Approve", new() { Exact = true })).ToHaveCountAsync(0);
        await asker.LookAsync($"approvals-{kind}-own");

        await using PortalVisitor second = await (await PortalVisitor.OpenAsync(portal, dark, phone)).SignInAsync("local-admin-2");
        ILocator asked = second.Page.Locator(".approval").Filter(new() { HasText = purpose });
        await Assertions.Expect(asked).ToContainTextAsync("For Dr. Okafor");
        await Assertions.Expect(asked.Locator(".sets a").First).ToContainTextAsync("Study of ");
        await second.LookAsync($"approvals-{kind}");
        await asked.Locator("summary", new() { HasText = "Decline" }).ClickAsync();
        await second.LookAsync($"approvals-{kind}-decline");
        await asked.GetByRole(AriaRole.Button, new() { Name = "Decline the restore" }).ClickAsync();
        await second.ArriveAsync("/portal");
        await Assertions.Expect(second.Page.Locator(".approval").Filter(new() { HasText = purpose })).ToHaveCountAsync(0);
        await second.GoAsync(Clinic + "/restores");
        await Assertions.Expect(second.Page.Locator("tr").Filter(new() { HasText = purpose })).ToContainTextAsync("Declined by local-admin-2");
        Assert.Empty(second.Complaints);
    }
}
