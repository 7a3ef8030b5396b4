using System.Diagnostics;
using CloudArchive.Testing;
using Microsoft.Playwright;

namespace CloudArchive.EndToEnd.Portal;

/// <summary>The pictures of README.md, as the product drew them: <c>dotnet run scripts/pictures.cs</c>.</summary>
public sealed class ReadmePictureTests(PortalPractice portal)
{
    private static readonly string _folder = Path.Combine(Repository.Root, "docs", "pictures");

    [Fact(Explicit = true)]
    public async Task Portal_and_evidence_as_the_readme_shows_them()
    {
        await portal.ReadyAsync();
        await using Practice practice = await Practice.OpenAsync("smith-dental", name: "Smith Dental");
        SampleStudies.WriteClinic(practice["images"]);
        await practice.BackUpAsync(practice["images"]);
        (await practice.Admin.RunAsync("restore-test", "run", "--clinic", practice.Clinic, "--json")).Expect(0);
        (await practice.Admin.RunAsync("clinic", "create", "new-practice", "--name", "New Practice")).Expect(0);

        await using IBrowserContext context = await portal.Browser.NewContextAsync(new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = 1080, Height = 620 }, ColorScheme = ColorScheme.Light });
        IPage page = await context.NewPageAsync();
        await page.GotoAsync(practice.Archive.PortalUrl);
        await page.Locator("input[name=identity][value=local-compliance]").CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Assertions.Expect(page.Locator("footer.foot")).ToBeVisibleAsync();
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(_folder, "overview.png") });
        await page.GotoAsync(practice.Archive.Url + "/portal/clinics/smith-dental/restore-tests");
        await page.Locator("tbody a").First.ClickAsync();
        await Assertions.Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Evidence" })).ToBeVisibleAsync();
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(_folder, "restore-test.png") });

        (await practice.Admin.RunAsync("evidence", "get", "latest", "--clinic", practice.Clinic, "--out", practice["evidence"])).Expect(0);
        using Process drawing = Process.Start("pdftoppm", ["-png", "-r", "72", "-f", "1", "-l", "1", "-singlefile", practice["evidence/report.pdf"], Path.Combine(_folder, "evidence")]);
        await drawing.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, drawing.ExitCode);
        Assert.All(Directory.GetFiles(_folder, "*.png"), file => Assert.InRange(new FileInfo(file).Length, 10_000, 250_000));
    }
}
