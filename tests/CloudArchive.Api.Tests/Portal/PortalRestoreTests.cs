using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>What the page of a restore asks for, so that its browser can fetch and open what it brings. That it does: BrowserRestoreTests.</summary>
public sealed class PortalRestoreTests(SharedStorage shared)
{
    private static readonly ApiHostOptions _options = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => ""), BlobUrl = new Uri("https://archive.blob.example.org/") } };

    [Fact]
    public async Task Who_asked_gets_the_result_and_reports_and_nobody_else_does()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host, requireApproval: false);
        string clinic = agent.Enrolled.Clinic.Value;
        Sidecar study = (await agent.BackUpAsync(await agent.TokenAsync())).Sidecar;
        using RSA key = RSA.Create(2048);
        string id = (await host.PostAsync($"/v1/clinics/{clinic}/restores", host.Staff("admin"), new RestoreRequest(JwkKeys.FromRsa(key), "Referral", "Dr. Weber", [study.Study]))).As<RestoreResponse>().Id;
        string page = $"/portal/clinics/{clinic}/restores/{id}";

        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin")), other = await PortalBrowser.SignInAsync(host, host.Staff("admin", subject: "bob"));
        PortalAnswer shown = await admin.GetAsync(page);
        Assert.Contains($"data-key=\"{JwkKeys.FromRsa(key).Kid}\"", shown.Html, StringComparison.Ordinal);
        Assert.Contains("connect-src 'self' https://archive.blob.example.org;", shown.Headers["Content-Security-Policy"], StringComparison.Ordinal);
        Assert.DoesNotContain("archive.blob.example.org", (await admin.GetAsync($"/portal/clinics/{clinic}/restores")).Headers["Content-Security-Policy"], StringComparison.Ordinal);

        RestorePack pack = Assert.Single((await SendAsync<RestorePage>(admin, page + "/result", HttpStatusCode.OK, ("after", "")))!.Items);
        Assert.Equal((study.Pack, study.Sha256), (pack.Pack, pack.Sha256));
        Assert.Equal(40, key.Decrypt(pack.ContentKey.EncryptedKey, RSAEncryptionPadding.OaepSHA256).Length);

        await other.GetAsync(page);
        PortalAnswer refused = await other.SendAsync(HttpMethod.Post, page + "/result", [("after", "")], [("Accept", "application/json")]);
        Assert.Equal((HttpStatusCode.Forbidden, "application/problem+json"), (refused.Status, refused.Headers["Content-Type"]));
        Assert.Contains("Only who asked", JsonDocument.Parse(refused.Html).RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);

        // Wrong numbers change nothing; what is partial leaves it open; the last report ends it.
        (string, string)[] report = [("restored", "1"), ("skipped", "0"), ("failed", "0"), ("bytes", "1000")];
        await SendAsync<JsonElement>(admin, page + "/report", HttpStatusCode.BadRequest, ("restored", "-1"), ("skipped", "0"), ("failed", "0"), ("bytes", "1"));
        await SendAsync<JsonElement>(admin, page + "/report", HttpStatusCode.BadRequest, [.. report, ("damaged", "no-pack")]);
        await SendAsync<JsonElement>(admin, page + "/report", HttpStatusCode.OK, [.. report, ("partial", "true"), ("damaged", study.Pack.ToString())]);
        Assert.Contains("Ready to fetch", (await admin.GetAsync(page)).Text, StringComparison.Ordinal);
        await SendAsync<JsonElement>(admin, page + "/report", HttpStatusCode.OK, report);
        Assert.Contains("What came of it", (await admin.GetAsync(page)).Text, StringComparison.Ordinal);
        await SendAsync<JsonElement>(admin, page + "/result", HttpStatusCode.Conflict, ("after", ""));
        string[] actions = [.. (await host.LogAsync(clinic)).Where(entry => entry.Subject?.Other == id && entry.Outcome == AuditOutcome.Success).Select(entry => entry.Action)];
        Assert.Equal([AuditActions.RestoreRequested, AuditActions.RestoreResultRead, AuditActions.RestoreProgressed, AuditActions.RestoreReported], actions);
    }

    [Fact]
    public async Task Scripts_come_with_a_policy_that_lets_a_worker_reach_nothing()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        using PortalBrowser anyone = new(host);
        foreach (string script in new[] { "portal.js", "restore.js", "pack.js" })
        {
            PortalAnswer answer = await anyone.GetAsync("/portal/assets/" + script);
            Assert.Equal(("default-src 'none'", "text/javascript; charset=utf-8"), (answer.Headers["Content-Security-Policy"], answer.Headers["Content-Type"]));
        }
    }

    private static async Task<T?> SendAsync<T>(PortalBrowser browser, string path, HttpStatusCode expected, params (string, string)[] fields)
    {
        PortalAnswer answer = await browser.SendAsync(HttpMethod.Post, path, fields, [("Accept", "application/json")]);
        Assert.True(answer.Status == expected, $"{(int)answer.Status}: {answer.Html}");
        return answer.Html.Length == 0 ? default : JsonSerializer.Deserialize<T>(answer.Html, FormatJson.Options);
    }
}
