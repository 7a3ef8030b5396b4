using System.IO.Compression;
using System.Text.Json.Nodes;
using CloudArchive.Testing;
using Microsoft.Playwright;

namespace CloudArchive.EndToEnd.Portal;

/// <summary>Issue 16: from search to files on the disk without a terminal, in a real browser.</summary>
public sealed class BrowserRestoreTests(PortalPractice portal)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_an_admin_searched_and_a_second_admin_approved_is_downloaded_byte_for_byte()
    {
        await portal.ReadyAsync();
        string clinic = "/portal/clinics/" + portal.Practice.Clinic;
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        await admin.GoAsync(clinic + "/studies");
        await admin.Page.GetByLabel("Patient ID").FillAsync("P-1001");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Find", Exact = true }).ClickAsync();
        await admin.Page.GetByText("2 studies of that patient").WaitForAsync();
        foreach (ILocator box in await admin.Page.Locator("input[name=study][type=checkbox]").AllAsync())
        {
            await box.CheckAsync();
        }

        await admin.Page.GetByText("Ask for a restore of the chosen studies and folders").ClickAsync();
        await AskAsync(admin, "Second opinion", "Dr. Virtanen");
        await admin.Page.GetByText("A second admin has to approve").WaitForAsync();
        string restore = new Uri(admin.Page.Url).AbsolutePath;

        await using PortalVisitor second = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin-2");
        await second.GoAsync(restore);
        await second.Page.GetByRole(AriaRole.Button, new() { Name = "Approve the restore" }).ClickAsync();
        await second.Page.GetByText("can fetch the images, until").WaitForAsync();
        await Assertions.Expect(second.Page.GetByRole(AriaRole.Button, new() { Name = "Download" })).ToBeHiddenAsync();

        // The key outlives the page: it lies in the browser, and no script can read it out.
        await admin.GoAsync(restore);
        Assert.False(await admin.Page.EvaluateAsync<bool>(
            """
            () => new Promise(resolve => {
              const opening = indexedDB.open("cloudarchive", 1);
              opening.onsuccess = () => {
                const all = opening.result.transaction("restore-keys").objectStore("restore-keys").getAll();
                all.onsuccess = () => resolve(all.result.length !== 1 || all.result[0].privateKey.extractable);
              };
            })
            """));
        await Assertions.Expect(admin.Page.GetByLabel("The command")).ToBeHiddenAsync();
        await admin.LookAsync("browser-1-ready");
        string folder = await DownloadAsync(admin, "anna");
        await admin.Page.GetByText("each byte for byte as it was archived").WaitForAsync();
        await admin.LookAsync("browser-2-done");
        Assert.Equal(Practice.Contents(Path.Combine(portal.Practice["clinic"], "Lindqvist_Anna")), Practice.Contents(folder));
        Assert.Equal(
            Directory.EnumerateFiles(portal.Practice["clinic"], "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(portal.Practice["clinic"], file)).Where(name => name.StartsWith("Lindqvist", StringComparison.Ordinal)).Order(),
            Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(folder, file)).Order());

        // The archive knows how it went, and the restore is over.
        await admin.GoAsync(restore);
        await admin.Page.GetByText("What came of it").WaitForAsync();
        await Assertions.Expect(admin.Page.Locator("dl.facts").Last).ToContainTextAsync("5 files");

        Assert.Empty(admin.Complaints);
        Assert.DoesNotContain(admin.Requests, url => url.Contains("P-1001", StringComparison.Ordinal));
        Assert.All(admin.Requests, url => Assert.True(IsOurs(url), url));
    }

    [Fact]
    public async Task Large_volumes_and_files_of_every_kind_come_and_what_storage_altered_is_told_and_left_out()
    {
        await portal.ReadyAsync();
        (string clinic, string source) = await BackUpAsync();
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        await AskForAllAsync(admin, clinic);
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Download" }).WaitForAsync();
        string restore = new Uri(admin.Page.Url).AbsolutePath;

        // The line breaks once; and of one pack storage has other bytes.
        string? altered = null;
        int broken = 0;
        await admin.Page.RouteAsync(url => url.StartsWith(portal.Practice.Archive.BlobUrl, StringComparison.Ordinal), async route =>
        {
            string address = new Uri(route.Request.Url).AbsolutePath;
            if (Interlocked.Increment(ref broken) == 1)
            {
                await route.AbortAsync("connectionreset");
            }
            else if ((altered ??= address) == address)
            {
                IAPIResponse whole = await route.FetchAsync();
                byte[] body = await whole.BodyAsync();
                body[body.Length / 2] ^= 1;
                await route.FulfillAsync(new RouteFulfillOptions { Response = whole, BodyBytes = body });
            }
            else
            {
                await route.ContinueAsync();
            }
        });
        string some = await DownloadAsync(admin, "some");
        await admin.Page.GetByText("Not everything came. The archive was told").WaitForAsync();
        await admin.LookAsync("browser-3-altered");
        string pack = altered![(altered!.LastIndexOf('/') + 1)..];
        await Assertions.Expect(admin.Page.Locator("[data-problems] li")).ToContainTextAsync(["SHA-256 is not the one that was committed"]);
        await Assertions.Expect(admin.Page.Locator("[data-problems] code").First).ToHaveTextAsync(pack);
        string[] came = Practice.Contents(some), all = Practice.Contents(source);
        Assert.Superset(came.ToHashSet(), all.ToHashSet());
        Assert.InRange(came.Length, 1, all.Length - 1);

        // The restore lives on, and the next try brings all.
        await admin.Page.UnrouteAllAsync();
        await admin.GoAsync(restore);
        string everything = await DownloadAsync(admin, "everything");
        await admin.Page.GetByText("each byte for byte as it was archived").WaitForAsync();
        Assert.Equal(Tree(source), Tree(everything));
        await admin.GoAsync(restore);
        await admin.Page.GetByText("What came of it").WaitForAsync();
        Assert.All(admin.Complaints, complaint => Assert.Contains("ERR_CONNECTION_RESET", complaint, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_browser_without_the_key_says_where_to_go_and_one_that_keeps_none_offers_the_command_line()
    {
        await portal.ReadyAsync();
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        await admin.Page.AddInitScriptAsync("indexedDB.open = () => { throw new Error('no'); }");
        (string clinic, _) = await BackUpAsync();
        await admin.GoAsync($"/portal/clinics/{clinic}/studies");
        await admin.Page.Locator("input[name=study][type=checkbox]").First.CheckAsync();
        await admin.Page.GetByText("Ask for a restore of the chosen studies and folders").ClickAsync();
        await AskAsync(admin, "Referral", "Dr. Okafor");
        await admin.Page.GetByText("This browser keeps no keys").WaitForAsync();
        await Assertions.Expect(admin.Page.GetByLabel("Public key")).ToBeVisibleAsync();
        await admin.LookAsync("browser-4-no-keys");

        await using PortalVisitor one = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        await AskForAllAsync(one, clinic);
        await one.Page.GetByRole(AriaRole.Button, new() { Name = "Download" }).WaitForAsync();
        await using PortalVisitor another = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        await another.GoAsync(new Uri(one.Page.Url).AbsolutePath);
        await another.Page.GetByText("this one does not have it. Open this page in that browser").WaitForAsync();
        await Assertions.Expect(another.Page.GetByRole(AriaRole.Button, new() { Name = "Download" })).ToBeHiddenAsync();
        Assert.Empty(another.Complaints);
    }

    [Fact]
    public async Task What_a_browser_cannot_hold_is_told_before_it_is_asked_for_and_before_it_is_fetched()
    {
        await portal.ReadyAsync();
        (string clinic, _) = await BackUpAsync();
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        await admin.GoAsync($"/portal/clinics/{clinic}/studies");
        await admin.Page.Locator("input[name=study][type=checkbox]").First.CheckAsync();
        await admin.Page.EvaluateAsync("() => document.querySelector('input[name=study][type=checkbox]').dataset.bytes = 2000000001");
        await admin.Page.GetByText("Ask for a restore of the chosen studies and folders").ClickAsync();
        await AskAsync(admin, "Referral", "Dr. Okafor");
        await admin.Page.GetByText("What you chose is 2.0 GB. A browser can hold 2.0 GB").WaitForAsync();
        await admin.ArriveAsync($"/portal/clinics/{clinic}/studies"); // nothing was asked

        await AskForAllAsync(admin, clinic);
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Download" }).WaitForAsync();
        string restore = new Uri(admin.Page.Url).AbsolutePath;
        string bytes = (await admin.Page.Locator("form[data-key]").GetAttributeAsync("data-bytes"))!;
        await admin.Page.RouteAsync(url => url.EndsWith(restore, StringComparison.Ordinal), async route =>
        {
            IAPIResponse answer = await route.FetchAsync();
            await route.FulfillAsync(new RouteFulfillOptions { Response = answer, Body = (await answer.TextAsync()).Replace($"data-bytes=\"{bytes}\"", "data-bytes=\"2000000001\"", StringComparison.Ordinal) });
        });
        await admin.GoAsync(restore);
        await admin.Page.GetByText("and more than a browser can hold").WaitForAsync();
        await Assertions.Expect(admin.Page.GetByRole(AriaRole.Button, new() { Name = "Download" })).ToBeHiddenAsync();
    }

    [Fact]
    public async Task URLs_that_grow_old_are_asked_for_anew_and_what_is_handed_out_no_more_is_told()
    {
        await portal.ReadyAsync();
        (string clinic, string source) = await BackUpAsync();
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        await AskForAllAsync(admin, clinic);
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Download" }).WaitForAsync();
        string restore = new Uri(admin.Page.Url).AbsolutePath, lost = "";
        int asked = 0;
        await admin.Page.RouteAsync(url => url.EndsWith(restore + "/result", StringComparison.Ordinal), async route =>
        {
            IAPIResponse answer = await route.FetchAsync();
            JsonObject page = JsonNode.Parse(await answer.TextAsync())!.AsObject();
            JsonArray items = page["items"]!.AsArray();
            if (Interlocked.Increment(ref asked) == 1)
            {
                foreach (JsonNode? item in items)
                {
                    item!["urlExpiresAt"] = "2020-01-01T00:00:00Z";
                }
            }
            else if (lost.Length == 0)
            {
                lost = (string)items[^1]!["pack"]!;
                items.RemoveAt(items.Count - 1);
            }

            await route.FulfillAsync(new RouteFulfillOptions { Response = answer, Body = page.ToJsonString() });
        });
        string some = await DownloadAsync(admin, "aged");
        await admin.Page.GetByText("Not everything came").WaitForAsync();
        Assert.Equal(2, asked);
        await Assertions.Expect(admin.Page.Locator("[data-problems] li")).ToContainTextAsync([$"Pack {lost}: the archive does not hand it out any more"]);
        Assert.InRange(Practice.Contents(some).Length, 1, Practice.Contents(source).Length - 1);
        await admin.Page.UnrouteAllAsync();
        await admin.GoAsync(restore);
        await admin.Page.GetByText("Ready to fetch").WaitForAsync(); // it lives on
    }

    /// <summary>A clinic that asks for no approval, with a volume of many regions, a series, photos, documents, an empty file and names in other scripts.</summary>
    private async Task<(string Clinic, string Source)> BackUpAsync()
    {
        string clinic = $"browser-{Guid.NewGuid():N}"[..20], source = portal.Practice[clinic];
        CtSeries.WriteVolume(Path.Combine(source, "Volume", "mandible.dcm"), clinic, frames: 120, side: 512);
        CtSeries.Write(Path.Combine(source, "Series"), clinic + " series", slices: 30, side: 256);
        SampleStudies.WriteMixed(source, 25);
        foreach ((string name, int length) in new[] { ("photos/患者 smile.jpg", 300_000), ("letters/empty.txt", 0), ("letters/Befund.pdf", 70_000) })
        {
            string path = Path.Combine(source, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            byte[] bytes = new byte[length];
            new Random(length).NextBytes(bytes);
            await File.WriteAllBytesAsync(path, bytes, Cancel);
            File.SetLastWriteTimeUtc(path, new DateTime(2024, 2, 29, 12, 34, 56, DateTimeKind.Utc));
        }

        (await portal.Practice.Admin.RunAsync("clinic", "create", clinic, "--name", "Browser", "--no-approval")).Expect(0);
        CliRun code = (await portal.Practice.Admin.RunAsync("enrollment", "create", "--clinic", clinic, "--json")).Expect(0);
        Cli agent = new(portal.Practice[clinic + "-agent"]);
        (await agent.RunAsync(
            "enroll", "--url", portal.Practice.Archive.Url, "--code", (string)code.Json["code"]!, "--escrow-out", portal.Practice[clinic + ".pem"], "--escrow-passphrase-file", portal.Practice.PassphraseFile)).Expect(0);
        (await agent.RunAsync("backup", source, "--json")).Expect(0);
        return (clinic, source);
    }

    private static async Task AskForAllAsync(PortalVisitor admin, string clinic)
    {
        await admin.GoAsync($"/portal/clinics/{clinic}/studies");
        foreach (ILocator box in await admin.Page.Locator("input[name=study][type=checkbox]").AllAsync())
        {
            await box.CheckAsync();
        }

        await admin.Page.GetByText("Ask for a restore of the chosen studies and folders").ClickAsync();
        await AskAsync(admin, "Referral", "Dr. Okafor, oral surgery");
    }

    /// <summary>As the form proposes: a key that the browser keeps.</summary>
    private static async Task AskAsync(PortalVisitor admin, string purpose, string recipient)
    {
        await admin.Page.GetByLabel("Purpose").FillAsync(purpose);
        await admin.Page.GetByLabel("Recipient").FillAsync(recipient);
        await Assertions.Expect(admin.Page.GetByLabel("Download them in this browser")).ToBeCheckedAsync();
        await Assertions.Expect(admin.Page.GetByLabel("Public key")).ToBeHiddenAsync();
        await admin.LookAsync("browser-0-ask");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Ask for the restore" }).ClickAsync();
    }

    /// <summary>Presses Download, and unpacks what the browser saves.</summary>
    private async Task<string> DownloadAsync(PortalVisitor admin, string name)
    {
        IDownload download = await admin.Page.RunAndWaitForDownloadAsync(
            () => admin.Page.GetByRole(AriaRole.Button, new() { Name = "Download" }).ClickAsync(), new PageRunAndWaitForDownloadOptions { Timeout = 240_000 });
        Assert.Matches(@"^restore-[0-9a-f-]{36}\.zip$", download.SuggestedFilename);
        string folder = portal.Practice[$"{name}-{Guid.NewGuid():N}"];
        await download.SaveAsAsync(folder + ".zip");
        await ZipFile.ExtractToDirectoryAsync(folder + ".zip", folder, Cancel);
        return folder;
    }

    private bool IsOurs(string url) => new[] { portal.Practice.Archive.Url, "blob:" + portal.Practice.Archive.Url, portal.Practice.Archive.BlobUrl }.Any(ours => url.StartsWith(ours, StringComparison.Ordinal));

    /// <summary>Every file: where it is, and what it holds.</summary>
    private static string[] Tree(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(file => $"{Path.GetRelativePath(folder, file)} {Practice.HashOf(file)}").Order(StringComparer.Ordinal)];
}
