using CloudArchive.EndToEnd.Portal;
using CloudArchive.Testing;
using Azure.Data.Tables;
using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(PortalPractice))]

namespace CloudArchive.EndToEnd.Portal;

/// <summary>One clinic with studies and a restore test, and one headless Chromium, for all tests of the portal. Made when the first one asks.</summary>
public sealed class PortalPractice : IAsyncDisposable
{
    private static readonly string[] _names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    private readonly Lazy<Task> _ready;
    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private Practice? _practice;

    public PortalPractice() => _ready = new Lazy<Task>(OpenAsync);

    public Practice Practice => _practice!;

    public IBrowser Browser => _browser!;

    /// <summary>Where pictures go: kept as test output.</summary>
    public static string Pictures { get; } = Directory.CreateDirectory(Path.Combine(Repository.Root, "artifacts", "portal")).FullName;

    /// <summary>axe-core's source, as npm brought it.</summary>
    public static string Axe { get; } = File.ReadAllText(Path.Combine(Repository.Root, "node_modules", "axe-core", "axe.min.js"));

    private static string? Chromium => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .SelectMany(folder => _names.Select(name => Path.Combine(folder, name))).FirstOrDefault(File.Exists);

    /// <summary>Another clinic, one of whose packs was damaged: how the pages look when something is wrong.</summary>
    public string Damaged => "oak-dental";

    /// <summary>A third, of which there is nothing yet.</summary>
    public string Empty => "new-practice";

    /// <summary>Skips the test where there is no browser. Where making it all fails, it fails for every test, with the first one's reason.</summary>
    public Task ReadyAsync()
    {
        Assert.SkipWhen(Chromium is null, "There is no Chromium or Chrome on the PATH.");
        return _ready.Value;
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

    }

    private async Task OpenAsync()
    {
        _practice = await Practice.OpenAsync("smith-dental", approval: true);
        SampleStudies.WriteClinic(_practice["clinic"], cbctSide: 64);
        await _practice.BackUpAsync(_practice["clinic"]);
        (await _practice.Admin.RunAsync("restore-test", "run", "--clinic", _practice.Clinic, "--json")).Expect(0);
        (await _practice.Admin.RunAsync("restore", "--clinic", _practice.Clinic, "--everything", "--out", _practice["never"], "--purpose", "Move to another building", "--recipient", "The practice", "--wait", "0")).Expect(11);
        (await _practice.Admin.RunAsync("clinic", "create", Empty, "--name", "New Practice")).Expect(0);
        await DamageAsync(_practice);

        // Seen once each, so that nobody is new to the list of who can act while a test attests it.
        foreach (string token in new[] { _practice.Archive.AdminToken, _practice.Archive.SecondAdminToken, _practice.Archive.ComplianceToken })
        {
            using HttpClient staff = _practice.Archive.Client(token);
            (await staff.GetAsync(new Uri("v1/clinics", UriKind.Relative))).EnsureSuccessStatusCode();
        }

        // Last, so that nothing but what is tested takes its time while it is up.
        Assertions.SetDefaultExpectTimeout(90_000);
        _playwright = await Microsoft.Playwright.Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Chromium,
            Args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
            Timeout = 180_000,
        });
    }

    /// <summary>A clinic whose restore test must fail.</summary>
    private async Task DamageAsync(Practice practice)
    {
        (await practice.Admin.RunAsync("clinic", "create", Damaged, "--name", "Oak Dental")).Expect(0);
        CliRun code = (await practice.Admin.RunAsync("enrollment", "create", "--clinic", Damaged, "--json")).Expect(0);
        Cli agent = new(practice["oak-agent"]);
        (await agent.RunAsync(
            "enroll", "--url", practice.Archive.Url, "--code", (string)code.Json["code"]!, "--name", "front-desk", "--escrow-out", practice["oak-escrow.pem"], "--escrow-passphrase-file", practice.PassphraseFile)).Expect(0);
        SampleStudies.WriteMixed(practice["oak"], 3);
        (await agent.RunAsync("backup", practice["oak"], "--json")).Expect(0);
        TableClient catalog = StoredArchive.Tables(practice.Archive.TableUrl).GetTableClient("Catalog");
        TableEntity pack = await catalog.QueryAsync<TableEntity>(row => row.PartitionKey == Damaged && row.RowKey.CompareTo("p:") >= 0 && row.RowKey.CompareTo("p;") < 0).FirstAsync();
        pack["length"] = 1L;
        await catalog.UpdateEntityAsync(pack, pack.ETag);
        (await practice.Admin.RunAsync("restore-test", "run", "--clinic", Damaged, "--json")).Expect(7);
    }
}
