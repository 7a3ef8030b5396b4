using CloudArchive.EndToEnd.Portal;
using CloudArchive.Testing;
using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(PortalPractice))]

namespace CloudArchive.EndToEnd.Portal;

/// <summary>One clinic with studies and a restore test, and one headless Chromium, for all tests of the portal. Made when the first one asks.</summary>
public sealed class PortalPractice : IAsyncDisposable
{
    private static readonly string[] _names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    private readonly SemaphoreSlim _one = new(1);
    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private Practice? _practice;

    public Practice Practice => _practice!;

    public IBrowser Browser => _browser!;

    /// <summary>Where pictures go: kept as test output.</summary>
    public static string Pictures { get; } = Directory.CreateDirectory(Path.Combine(Repository.Root, "artifacts", "portal")).FullName;

    /// <summary>axe-core's source, as npm brought it.</summary>
    public static string Axe { get; } = File.ReadAllText(Path.Combine(Repository.Root, "node_modules", "axe-core", "axe.min.js"));

    private static string? Chromium => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .SelectMany(folder => _names.Select(name => Path.Combine(folder, name))).FirstOrDefault(File.Exists);

    public async Task ReadyAsync()
    {
        string chromium = Chromium ?? "";
        Assert.SkipWhen(chromium.Length == 0, "There is no Chromium or Chrome on the PATH.");
        await _one.WaitAsync(TestContext.Current.CancellationToken);
        try
        {
            if (_browser is null)
            {
                _playwright = await Microsoft.Playwright.Playwright.CreateAsync();
                _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
                {
                    ExecutablePath = chromium,
                    Args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
                    Timeout = 180_000,
                });
                Practice practice = await Practice.OpenAsync("smith-dental", approval: true);
                SampleStudies.WriteClinic(practice["clinic"], cbctSide: 64);
                await practice.BackUpAsync(practice["clinic"]);
                (await practice.Admin.RunAsync("restore-test", "run", "--clinic", practice.Clinic, "--json")).Expect(0);
                (await practice.Admin.RunAsync("clinic", "create", "new-practice", "--name", "New Practice")).Expect(0);
                _practice = practice;
            }
        }
        finally
        {
            _one.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
        if (_practice is not null)
        {
            await _practice.DisposeAsync();
        }

        _one.Dispose();
    }
}
