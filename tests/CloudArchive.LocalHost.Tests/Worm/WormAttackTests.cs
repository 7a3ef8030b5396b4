using System.Globalization;
using System.Text;
using CloudArchive.Core.Storage;
using CloudArchive.LocalHost.Storage;
using CloudArchive.LocalHost.Tests.Storage;

namespace CloudArchive.LocalHost.Tests.Worm;

/// <summary>
/// Somebody has the account's key and wants a locked blob gone or changed. Every trick must be refused, and must leave the blob as it
/// was: bytes, metadata, version, policy, and its place in the listing.
/// </summary>
public sealed class WormAttackTests(SharedStorage shared) : IAsyncLifetime
{
    private static int s_blobs;

    private readonly LocalStorage _storage = shared.Storage;
    private readonly BlobName _name = new(VaultArea.Packs, string.Create(CultureInfo.InvariantCulture, $"attacked-{Interlocked.Increment(ref s_blobs)}/x"));
    private BlobState _before = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private RawStorage Attacker => new(_storage.BlobUrl, _storage.Account);

    public async ValueTask InitializeAsync()
    {
        string version = await _storage.Vault.WriteNewAsync(_name, Encoding.UTF8.GetBytes("precious"), "text/plain", Cancel);
        await _storage.Vault.LockAsync(_name, version, TimeProvider.System.GetUtcNow().AddDays(30), Cancel);
        _before = (await _storage.Vault.FindAsync(_name, Cancel))!;
    }

    public async ValueTask DisposeAsync()
    {
        BlobState after = (await _storage.Vault.FindAsync(_name, Cancel))!;
        Assert.NotNull(after);
        Assert.Equal(_before with { Metadata = after.Metadata }, after);
        Assert.Empty(after.Metadata);
        await using Stream stream = await _storage.Vault.OpenReadAsync(_name, _before.VersionId, Cancel);
        using StreamReader reader = new(stream);
        Assert.Equal("precious", await reader.ReadToEndAsync(Cancel));
        Assert.Equal(_before.VersionId, (await _storage.Vault.ListAsync(VaultArea.Packs, _name.Path, null, Cancel).SingleAsync(Cancel)).VersionId);
    }

    /// <summary>Method, target ({p} the blob's path, {f} its folder, {v} its version), headers, body.</summary>
    public static TheoryData<string, string, string, string> Requests()
    {
        const string put = "x-ms-blob-type: BlockBlob";
        const string blockList = "<?xml version=\"1.0\"?><BlockList></BlockList>";
        const string far = "x-ms-immutability-policy-until-date: Fri, 01 Jan 2038 00:00:00 GMT";
        TheoryData<string, string, string, string> all = new()
        {
            // Plain.
            { "DELETE", "{p}", "", "" },
            { "DELETE", "{p}?versionid={v}", "", "" },
            { "DELETE", "{p}", "x-ms-delete-snapshots: include", "" },
            { "DELETE", "{p}", "x-ms-delete-snapshots: only", "" },
            { "DELETE", "{p}?deletetype=permanent", "", "" },
            { "DELETE", "{p}?snapshot=2026-01-01T00:00:00.0000000Z", "", "" },
            { "DELETE", "{p}?versionid=2020-01-01T00:00:00.0000000Z", "", "" },
            { "DELETE", "{p}?versionid=", "", "" },
            { "PUT", "{p}", put, "ransom" },
            { "PUT", "{p}", "x-ms-blob-type: AppendBlob", "" },
            { "PUT", "{p}", "x-ms-blob-type: PageBlob|x-ms-blob-content-length: 512", "" },
            { "PUT", "{p}", put + "|If-Match: *", "ransom" },
            { "PUT", "{p}?comp=block&blockid=AAAA", "", "ransom" },
            { "PUT", "{p}?comp=blocklist", "", blockList },
            { "PUT", "{p}?comp=blocklist", "x-ms-meta-a: b", blockList },
            { "PUT", "{p}?comp=metadata", "x-ms-meta-a: b", "" },
            { "PUT", "{p}?comp=properties", "x-ms-blob-content-type: text/ransom", "" },
            { "PUT", "{p}?comp=properties", "x-ms-blob-content-length: 0", "" },
            { "PUT", "{p}?comp=page", "x-ms-page-write: clear|x-ms-range: bytes=0-511", "" },
            { "PUT", "{p}?comp=appendblock", "", "ransom" },
            { "PUT", "{p}?comp=seal", "", "" },
            { "PUT", "{p}?comp=expiry", "x-ms-expiry-option: RelativeToNow|x-ms-expiry-time: 1", "" },
            { "PUT", "{p}?comp=undelete", "", "" },
            { "PUT", "{p}?comp=snapshot", "x-ms-meta-a: b", "" },
            { "PUT", "{p}?comp=snapshot&versionid={v}", "", "" },
            { "GET", "{p}?snapshot=2026-01-01T00:00:00.0000000Z", "", "" },
            { "PUT", "{p}?comp=metadata&snapshot=2026-01-01T00:00:00.0000000Z", "x-ms-meta-a: b", "" },
            { "DELETE", "{p}?snapshot=", "", "" },
            { "DELETE", "{p}?snapshot=2026-01-01T00:00:00.0000000Z&versionid={v}", "", "" },
            { "PUT", "{p}?comp=incrementalcopy", "x-ms-copy-source: {u}{f}/y", "" },
            { "PUT", "{p}?comp=copy&copyid=1", "x-ms-copy-action: abort", "" },
            { "PUT", "{p}?comp=rename", "", "" },
            { "PUT", "{p}?comp=nothing", "", "" },
            { "PUT", "{p}?comp=", put, "ransom" },
            { "PUT", "{p}", "x-ms-copy-source: {u}{f}/y", "" },
            { "PUT", "{p}", put + "|x-ms-copy-source: {u}{f}/y", "" },
            { "PUT", "{p}", put + "|x-ms-copy-source: {u}{f}/y|x-ms-requires-sync: true", "" },
            { "PUT", "{p}?comp=block&blockid=AAAA", "x-ms-copy-source: {u}{f}/y", "" },
            { "PUT", "{p}", "x-ms-rename-source: {f}/y", "" },
            { "POST", "{p}?comp=query", "", "<QueryRequest/>" },

            // The policy.
            { "DELETE", "{p}?comp=immutabilityPolicies", "", "" },
            { "DELETE", "{p}?comp=immutabilityPolicies&versionid={v}", "", "" },
            { "PUT", "{p}?comp=immutabilityPolicies", far, "" },
            { "PUT", "{p}?comp=immutabilityPolicies", far + "|x-ms-immutability-policy-mode: Unlocked", "" },
            { "PUT", "{p}?comp=immutabilityPolicies", far + "|x-ms-immutability-policy-mode: Mutable", "" },
            { "PUT", "{p}?comp=immutabilityPolicies", far + "|x-ms-immutability-policy-mode: Locked, Unlocked", "" },
            { "PUT", "{p}?comp=immutabilityPolicies", "x-ms-immutability-policy-mode: Locked|x-ms-immutability-policy-until-date: {soon}", "" },
            { "PUT", "{p}?comp=immutabilityPolicies", "x-ms-immutability-policy-mode: Locked|x-ms-immutability-policy-until-date: Wed, 01 Jan 2020 00:00:00 GMT", "" },
            { "PUT", "{p}?comp=immutabilityPolicies", "x-ms-immutability-policy-mode: Locked", "" },
            { "PUT", "{p}?comp=legalhold", "", "" },
            { "PUT", "{p}", put + "|" + far + "|x-ms-immutability-policy-mode: Unlocked", "ransom" },
            { "PUT", "{p}", put + "|x-ms-legal-hold: false", "ransom" },

            // One blob by many names, many blobs by one name.
            { "DELETE", "/devstoreaccount1/packs/{e}", "", "" },
            { "DELETE", "/devstoreaccount1/packs%2F{e}", "", "" },
            { "DELETE", "/devstoreaccount1%2Fpacks%2F{e}", "", "" },
            { "DELETE", "/devstoreaccount%31/packs/{n}", "", "" },
            { "DELETE", "/devstoreaccount1/%70acks/{n}", "", "" },
            { "DELETE", "/devstoreaccount1/PACKS/{n}", "", "" },
            { "DELETE", "/devstoreaccount1//packs/{n}", "", "" },
            { "DELETE", "/devstoreaccount1/packs//{n}", "", "" },
            { "DELETE", "//devstoreaccount1/packs/{n}", "", "" },
            { "DELETE", "/devstoreaccount1/packs/./{n}", "", "" },
            { "DELETE", "/devstoreaccount1/packs/%2e/{n}", "", "" },
            { "DELETE", "/devstoreaccount1/records/../packs/{n}", "", "" },
            { "DELETE", "/devstoreaccount1/records/%2e%2e/packs/{n}", "", "" },
            { "DELETE", "/devstoreaccount1/packs\\{n}", "", "" },
            { "DELETE", "/devstoreaccount1/packs%5C{n}", "", "" },
            { "DELETE", "/devstoreaccount1-secondary/packs/{n}", "", "" },
            { "DELETE", "{p}/", "", "" },
            { "DELETE", "{p}%00", "", "" },
            { "DELETE", "{p}%20", "", "" },
            { "DELETE", "{p}%2500", "", "" },
            { "DELETE", "{p}#", "", "" },
            { "DELETE", "{p}%23", "", "" },
            { "DELETE", "{p};a=b", "", "" },
            { "DELETE", "{p}%C0%AF", "", "" },
            { "DELETE", "{u}", "", "" },
            { "DELETE", "http://127.0.0.1{p}", "", "" },
            { "DELETE", "http://devstoreaccount1.blob.localhost/packs/{n}", "Host: devstoreaccount1.blob.localhost", "" },
            { "DELETE", "/packs/{n}", "Host: devstoreaccount1.blob.localhost", "" },
            { "DELETE", "{p}", "Host: devstoreaccount1.blob.localhost", "" },

            // Parameters that one reader sees and another does not.
            { "PUT", "{p}?COMP=metadata", "x-ms-meta-a: b", "" },
            { "PUT", "{p}?comp=Metadata", "x-ms-meta-a: b", "" },
            { "PUT", "{p}?comp=meta%64ata", "x-ms-meta-a: b", "" },
            { "PUT", "{p}?%63omp=metadata", "x-ms-meta-a: b", "" },
            { "PUT", "{p}?comp=tags&comp=metadata", "x-ms-meta-a: b", "<Tags><TagSet/></Tags>" },
            { "PUT", "{p}?comp=metadata&comp=tags", "x-ms-meta-a: b", "<Tags><TagSet/></Tags>" },
            { "PUT", "{p}?comp[]=metadata", "x-ms-meta-a: b", "" },
            { "PUT", "{p}?comp[0]=metadata", "x-ms-meta-a: b", "" },
            { "PUT", "{p}?comp%5B%5D=metadata", "x-ms-meta-a: b", "" },
            { "PUT", "{p}?comp=tier&comp%00=metadata", "x-ms-meta-a: b|x-ms-access-tier: Cool", "" },
            { "PUT", "{p}?comp=tier;comp=metadata", "x-ms-meta-a: b|x-ms-access-tier: Cool", "" },
            { "PUT", "{p}?comp=tags&restype=container", "", "<Tags><TagSet/></Tags>" },
            { "DELETE", "{p}?restype=container", "", "" },
            { "DELETE", "{p}?comp=tier", "", "" },

            // Methods that another header names.
            { "GET", "{p}", "X-HTTP-Method: DELETE", "" },
            { "HEAD", "{p}", "X-HTTP-Method: DELETE", "" },
            { "POST", "{p}", "X-HTTP-Method: DELETE", "" },
            { "PUT", "{p}?comp=tier", "X-HTTP-Method: DELETE|x-ms-access-tier: Cool", "" },
            { "GET", "{p}", "X-HTTP-Method-Override: DELETE", "" },
            { "POST", "{p}", "X-Method-Override: DELETE", "" },
            { "delete", "{p}", "", "" },
            { "Delete", "{p}", "", "" },
            { "put", "{p}", put, "ransom" },
            { "PATCH", "{p}", "", "" },
            { "MERGE", "{p}", "", "" },
            { "MOVE", "{p}", "", "" },
            { "OPTIONS", "{p}", "", "" },
            { "TRACE", "{p}", "", "" },

            // The container, the account, batches.
            { "DELETE", "/devstoreaccount1/packs?restype=container", "", "" },
            { "DELETE", "/devstoreaccount1/packs", "", "" },
            { "DELETE", "/devstoreaccount1/packs/?restype=container", "", "" },
            { "DELETE", "/devstoreaccount1", "", "" },
            { "DELETE", "/devstoreaccount1/", "", "" },
            { "PUT", "/devstoreaccount1/packs?restype=container&comp=metadata", "x-ms-meta-a: b", "" },
            { "PUT", "/devstoreaccount1/packs?restype=container&comp=acl", "x-ms-blob-public-access: container", "" },
            { "PUT", "/devstoreaccount1/packs?restype=container&comp=lease", "x-ms-lease-action: acquire|x-ms-lease-duration: -1", "" },
            { "PUT", "/devstoreaccount1/packs2?restype=container&comp=rename", "x-ms-source-container-name: packs", "" },
            { "PUT", "/devstoreaccount1/packs2?restype=container&comp=undelete", "x-ms-deleted-container-name: packs", "" },
            { "PUT", "/devstoreaccount1/other?restype=container", "x-ms-blob-public-access: container", "" },
            { "PUT", "/devstoreaccount1/?restype=service&comp=properties", "", "<StorageServiceProperties/>" },
            { "POST", "/devstoreaccount1/?comp=batch", "Content-Type: multipart/mixed; boundary=b", "--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nDELETE {p} HTTP/1.1\r\n\r\n--b--\r\n" },
            { "POST", "/devstoreaccount1/packs?restype=container&comp=batch", "Content-Type: multipart/mixed; boundary=b", "--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nDELETE {p} HTTP/1.1\r\n\r\n--b--\r\n" },

            // What the layer keeps for itself.
            { "PUT", "{p}?comp=metadata", "x-ms-meta-cloudarchive_worm_version: 2020-01-01T00:00:00.0000000Z", "" },
            { "PUT", "{f}/y", put + "|x-ms-meta-cloudarchive_worm_version: {v}", "ransom" },
            { "PUT", "{f}/y", put + "|x-ms-meta-CloudArchive_Worm_Version: {v}", "ransom" },
        };
        return all;
    }

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task A_trick_is_refused_and_changes_nothing(string method, string target, string headers, string body)
    {
        string path = $"/devstoreaccount1/packs/{_name.Path}";
        string Fill(string text) => text
            .Replace("{p}", path, StringComparison.Ordinal)
            .Replace("{f}", path[..^2], StringComparison.Ordinal)
            .Replace("{n}", _name.Path, StringComparison.Ordinal)
            .Replace("{e}", Uri.EscapeDataString(_name.Path), StringComparison.Ordinal)
            .Replace("{u}", $"http://{_storage.BlobUrl.Authority}{path}", StringComparison.Ordinal)
            .Replace("{v}", _before.VersionId, StringComparison.Ordinal)
            .Replace("{soon}", TimeProvider.System.GetUtcNow().AddHours(1).ToString("R", CultureInfo.InvariantCulture), StringComparison.Ordinal);
        Dictionary<string, string> all = headers.Split('|', StringSplitOptions.RemoveEmptyEntries).Select(h => h.Split(": ", 2)).ToDictionary(h => h[0], h => Fill(h[1]));
        RawAnswer answer = await Attacker.SendAsync(method, Fill(target), all, Fill(body));
        Assert.True(answer.Status is >= 400 and < 500 or 501, $"{answer.Status} {answer.Body}");
    }

    [Fact]
    public async Task A_request_hidden_in_the_body_of_another_is_never_run()
    {
        string path = $"/devstoreaccount1/packs/{_name.Path}";
        string hidden = $"DELETE {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
        Dictionary<string, string> headers = new() { ["x-ms-blob-type"] = "BlockBlob", ["Transfer-Encoding"] = "chunked", ["Content-Length"] = "5" };
        RawAnswer both = await Attacker.SendAsync("PUT", path[..^1] + "z", headers, "0\r\n\r\n" + hidden);
        Assert.InRange(both.Status, 400, 499);

        headers.Remove("Content-Length");
        RawAnswer chunked = await Attacker.SendAsync("PUT", path[..^1] + "z", headers, "5\r\nabcde\r\n0\r\n\r\n" + hidden);
        Assert.InRange(chunked.Status, 400, 499);

        RawAnswer inBody = await Attacker.SendAsync("PUT", path[..^1] + "z", new Dictionary<string, string> { ["x-ms-blob-type"] = "BlockBlob" }, hidden);
        Assert.Equal(201, inBody.Status);
    }

    [Fact]
    public async Task The_emulator_behind_the_layer_does_not_know_the_account_s_key()
    {
        RawStorage around = new(_storage.EmulatorUrl, _storage.Account);
        RawAnswer answer = await around.SendAsync("DELETE", $"/devstoreaccount1/packs/{_name.Path}");
        Assert.Equal(403, answer.Status);
        const string wellKnown = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
        answer = await new RawStorage(_storage.EmulatorUrl, new StorageAccount(StorageAccount.Emulator.Name, wellKnown)).SendAsync("DELETE", $"/devstoreaccount1/packs/{_name.Path}");
        Assert.Equal(403, answer.Status);
        answer = await around.SendUnsignedAsync("DELETE", $"/devstoreaccount1/packs/{_name.Path}", new Dictionary<string, string>());
        Assert.InRange(answer.Status, 400, 404);
    }
}
