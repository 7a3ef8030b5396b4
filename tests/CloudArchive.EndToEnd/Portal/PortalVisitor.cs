using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Playwright;

namespace CloudArchive.EndToEnd.Portal;

/// <summary>Somebody at a browser of their own.</summary>
internal sealed class PortalVisitor : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly ArchiveProcess _archive;

    private PortalVisitor(IBrowserContext context, IPage page, ArchiveProcess archive)
    {
        (_context, Page, _archive) = (context, page, archive);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" && !message.Text.Contains("the server responded with a status of 4", StringComparison.Ordinal))
            {
                Complaints.Enqueue(message.Text);
            }
        };
        page.PageError += (_, error) => Complaints.Enqueue(error);
        page.Request += (_, request) => Requests.Enqueue(request.Url);
    }

    public IPage Page { get; }

    /// <summary>What the browser said against a page: breaches of the content security policy, errors of the script.</summary>
    public ConcurrentQueue<string> Complaints { get; } = new();

    /// <summary>Every address that was asked for.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    public static async Task<PortalVisitor> OpenAsync(PortalPractice portal, bool dark = false, bool phone = false)
    {
        IBrowserContext context = await portal.Browser.NewContextAsync(new BrowserNewContextOptions
        {
            ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
            ViewportSize = phone ? new ViewportSize { Width = 390, Height = 844 } : new ViewportSize { Width = 1280, Height = 900 },
            AcceptDownloads = true,
            ReducedMotion = ReducedMotion.Reduce,
        });
        context.SetDefaultTimeout(90_000);
        return new PortalVisitor(context, await context.NewPageAsync(), portal.Practice.Archive);
    }

    /// <summary>In by the link that LocalHost wrote, as one of its staff.</summary>
    public async Task<PortalVisitor> SignInAsync(string subject)
    {
        await Page.GotoAsync(_archive.PortalUrl);
        await Page.Locator($"input[name=identity][value={subject}]").CheckAsync();
        await Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await ArriveAsync("/portal");
        return this;
    }

    /// <summary>Waits until the browser is at an address and has read all of the page. By asking again and again: an event can be missed.</summary>
    public async Task ArriveAsync(string path)
    {
        await Assertions.Expect(Page).ToHaveURLAsync(_archive.Url + path);
        await Assertions.Expect(Page.Locator("footer.foot")).ToBeVisibleAsync();
    }

    public Task GoAsync(string path) => Page.GotoAsync(_archive.Url + path);

    /// <summary>Lets the page's clock run ahead, so that what a page does after a while is not waited for. <see cref="HoldClockAsync"/> first.</summary>
    public Task LaterAsync(TimeSpan time) => Page.Clock.FastForwardAsync((long)time.TotalMilliseconds);

    /// <summary>From the next page on, timers are this test's; the clock runs on by itself all the same.</summary>
    public Task HoldClockAsync() => Page.Clock.InstallAsync();

    /// <summary>A picture of the page, which must have nothing that axe-core finds wrong.</summary>
    public async Task LookAsync(string name)
    {
        await PictureAsync(name);
        Assert.Empty(await ViolationsAsync());
    }

    public Task PictureAsync(string name) => Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(PortalPractice.Pictures, name + ".png"), FullPage = true });

    /// <summary>What axe-core finds wrong, as lines for people.</summary>
    public async Task<IReadOnlyList<string>> ViolationsAsync()
    {
        // By the debugger's hand, which no content security policy binds; the page's own policy stays on. The size of what one touches is WCAG 2.2 AA
        // and off unless asked for.
        await Page.EvaluateAsync(PortalPractice.Axe + "; undefined");
        string json = await Page.EvaluateAsync<string>(
            "async () => JSON.stringify((await axe.run(document, { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } })).violations.map(v => ({ id: v.id, help: v.help, where: v.nodes.map(n => n.target.join(' ')) })))");
        return [.. JsonDocument.Parse(json).RootElement.EnumerateArray().Select(v => $"{new Uri(Page.Url).AbsolutePath}: {v.GetProperty("id")} ({v.GetProperty("help")}) at {v.GetProperty("where")}")];
    }

    public ValueTask DisposeAsync() => _context.DisposeAsync();
}
