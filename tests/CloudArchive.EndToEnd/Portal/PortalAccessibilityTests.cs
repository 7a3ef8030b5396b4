using Microsoft.Playwright;

namespace CloudArchive.EndToEnd.Portal;

/// <summary>Every page, as both roles, in light and dark, on a desk and on a phone: axe-core finds nothing, and nothing is wider than the screen.</summary>
public sealed class PortalAccessibilityTests(PortalPractice portal)
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task Axe_finds_no_violation_on_any_page(bool dark, bool phone)
    {
        await portal.ReadyAsync();
        string clinic = "/portal/clinics/" + portal.Practice.Clinic, damaged = "/portal/clinics/" + portal.Damaged, none = "/portal/clinics/" + portal.Empty;
        string kind = $"{(phone ? "phone" : "desk")}-{(dark ? "dark" : "light")}";
        List<string> violations = [];
        await using (PortalVisitor nobody = await PortalVisitor.OpenAsync(portal, dark, phone))
        {
            await nobody.Page.GotoAsync(portal.Practice.Archive.PortalUrl);
            await LookAsync(nobody, "sign-in");
            await nobody.GoAsync("/portal/sign-in?reason=idle");
            await LookAsync(nobody, "signed-out");
        }

        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal, dark, phone)).SignInAsync("local-admin");
        foreach ((string name, string path) in new[]
        {
            ("overview", "/portal"), ("clinic", clinic), ("clinic-new", none), ("studies", clinic + "/studies"), ("studies-none", none + "/studies"), ("snapshots", clinic + "/snapshots"), ("snapshots-none", none + "/snapshots"),
            ("restores", clinic + "/restores"), ("restores-none", none + "/restores"), ("restore-tests", clinic + "/restore-tests"),
            ("reports", clinic + "/reports"), ("reports-none", none + "/reports"), ("restore-tests-none", none + "/restore-tests"), ("audit", clinic + "/audit"), ("audit-search", clinic + "/audit?action=clinic/"), ("agents", clinic + "/agents"), ("access", clinic + "/access"), ("access-archive", "/portal/access"), ("alerts", clinic + "/alerts"), ("alerts-damaged", damaged + "/alerts"), ("alerts-archive", "/portal/alerts"),
            ("disclosures", clinic + "/disclosures"), ("retention", clinic + "/retention"), ("retention-none", none + "/retention"), ("clinic-damaged", damaged), ("restore-tests-damaged", damaged + "/restore-tests"),
            ("agents-none", none + "/agents"), ("not-found", "/portal/nowhere"), ("refused", "/portal/clinics/no-such-clinic"),
        })
        {
            await admin.GoAsync(path);
            await LookAsync(admin, name);
        }

        await admin.GoAsync(clinic + "/studies");
        await admin.Page.Locator("tbody a").First.ClickAsync();
        await admin.Page.GetByText("Bring it back").WaitForAsync();
        await LookAsync(admin, "study");
        await admin.GoAsync(clinic + "/restore-tests");
        await admin.Page.Locator("tbody a").First.ClickAsync();
        await admin.Page.GetByRole(AriaRole.Heading, new() { Name = "The sample" }).WaitForAsync();
        await LookAsync(admin, "restore-test");
        await admin.GoAsync(damaged + "/restore-tests");
        await admin.Page.Locator("tbody a").First.ClickAsync();
        await admin.Page.GetByText("Something did not come back").WaitForAsync();
        await LookAsync(admin, "restore-test-failed");
        await admin.GoAsync(clinic + "/disclosures");
        await admin.Page.GetByLabel("Patient ID").FillAsync("P-none");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Look up" }).ClickAsync();
        await admin.Page.GetByText("Nothing was handed out").WaitForAsync();
        await LookAsync(admin, "disclosures-none");
        await admin.GoAsync(clinic + "/retention");
        await admin.Page.GetByText("Change the policy").ClickAsync();
        await admin.Page.GetByText("Set a hold").ClickAsync();
        await LookAsync(admin, "retention-forms");
        await admin.GoAsync(clinic + "/audit");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Verify the log now" }).ClickAsync();
        await admin.Page.GetByText("Without trusting this page").WaitForAsync();
        await LookAsync(admin, "verified");
        await admin.GoAsync(clinic + "/agents");
        await admin.Page.GetByText("Enroll a computer").ClickAsync();
        await LookAsync(admin, "agents-enroll");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Make a code" }).ClickAsync();
        await admin.Page.GetByText("It is shown once").WaitForAsync();
        await LookAsync(admin, "code");

        await using PortalVisitor compliance = await (await PortalVisitor.OpenAsync(portal, dark, phone)).SignInAsync("local-compliance");
        foreach ((string name, string path) in new[] { ("compliance-studies", clinic + "/studies"), ("compliance-agents", clinic + "/agents"), ("compliance-restore-tests", clinic + "/restore-tests"), ("compliance-access", clinic + "/access"), ("compliance-alerts", damaged + "/alerts") })
        {
            await compliance.GoAsync(path);
            await LookAsync(compliance, name);
        }

        Assert.True(violations.Count == 0, string.Join('\n', violations));
        Assert.Empty(admin.Complaints);

        async Task LookAsync(PortalVisitor visitor, string name)
        {
            await visitor.PictureAsync($"{kind}-{name}");
            violations.AddRange(await visitor.ViolationsAsync());
            if (await visitor.Page.EvaluateAsync<bool>("() => document.documentElement.scrollWidth > document.documentElement.clientWidth"))
            {
                violations.Add($"{new Uri(visitor.Page.Url).AbsolutePath}: wider than the screen ({kind})");
            }
        }
    }
}
