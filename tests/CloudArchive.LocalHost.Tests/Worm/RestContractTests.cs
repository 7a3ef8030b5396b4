using System.Globalization;
using System.Text.RegularExpressions;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using CloudArchive.Azure.Blobs;
using CloudArchive.Core.Storage;
using CloudArchive.LocalHost.Tests.Storage;

namespace CloudArchive.LocalHost.Tests.Worm;

/// <summary>
/// What the product's adapter really sends to write, lock, extend, hold, release, bring back and delete, through the WORM layer, compared word for word with
/// what the service documents. A member that begins to send something else fails here, whatever the emulator makes of it.
/// </summary>
/// <remarks>
/// The table is from learn.microsoft.com/rest/api/storageservices: put-blob, set-blob-immutability-policy, set-blob-legal-hold, set-blob-tier, set-blob-tags, delete-blob
/// (and Azure/azure-rest-api-specs, Microsoft.BlobStorage/stable/2025-01-05/blob.json: BlockBlob_Upload, Blob_SetImmutabilityPolicy, Blob_SetLegalHold, Blob_SetTier, Blob_SetTags, Blob_Delete).
/// </remarks>
public sealed partial class RestContractTests : IDisposable
{
    private const string Version = "x-ms-version";
    private const string Until = "x-ms-immutability-policy-until-date";
    private const string Mode = "x-ms-immutability-policy-mode";

    // Sent with everything: who asks, when, in which version of the protocol, and for the logs.
    private static readonly string[] s_always = ["Authorization", "x-ms-date", "Date", Version, "x-ms-client-request-id", "x-ms-return-client-request-id", "User-Agent", "Accept", "traceparent", "Content-Length", "Content-Type"];

    private static int s_blobs;
    private readonly SharedStorage _shared;
    private readonly Recorder _recorder = new();
    private readonly BlobVault _vault;
    private readonly BlobName _name = new(VaultArea.Packs, $"rest/{Interlocked.Increment(ref s_blobs)}");

    public RestContractTests(SharedStorage shared)
    {
        _shared = shared;
        BlobClientOptions options = new();
        options.AddPolicy(_recorder, HttpPipelinePosition.PerRetry);
        _vault = BlobVault.Connect(shared.Storage.BlobUrl, shared.Storage.Account.Name, shared.Storage.Account.Key, TimeProvider.System, options);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _recorder.Clear();

    [Fact]
    public async Task A_new_blob_is_one_Put_Blob_that_never_overwrites()
    {
        await WriteAsync();
        Sent sent = Assert.Single(_recorder.Changes);
        Check(sent, "PUT", [], 201, ("x-ms-blob-type", "BlockBlob"), ("If-None-Match", "*"), ("x-ms-blob-content-type", "text/plain"));

        _recorder.Clear();
        await Assert.ThrowsAsync<BlobExistsException>(WriteAsync);
        Check(Assert.Single(_recorder.Changes), "PUT", [], 409, ("x-ms-blob-type", "BlockBlob"), ("If-None-Match", "*"), ("x-ms-blob-content-type", "text/plain"));
    }

    [Fact]
    public async Task A_lock_is_two_requests_on_the_version_first_unlocked_then_locked()
    {
        string version = await WriteAsync();
        _recorder.Clear();
        await _vault.LockAsync(_name, version, InDays(3), Cancel);
        Assert.Equal(2, _recorder.Changes.Count);
        Check(_recorder.Changes[0], "PUT", [("comp", "immutabilityPolicies"), ("versionid", version)], 200, (Until, Rfc1123(3)), (Mode, "Unlocked"));
        Check(_recorder.Changes[1], "PUT", [("comp", "immutabilityPolicies"), ("versionid", version)], 200, (Until, Rfc1123(3)), (Mode, "Locked"));
    }

    [Fact]
    public async Task An_extension_is_one_locked_request_with_the_later_date_and_a_shorter_one_sends_nothing()
    {
        string version = await WriteAsync();
        await _vault.LockAsync(_name, version, InDays(3), Cancel);
        _recorder.Clear();
        await _vault.LockAsync(_name, version, InDays(9), Cancel);
        Check(Assert.Single(_recorder.Changes), "PUT", [("comp", "immutabilityPolicies"), ("versionid", version)], 200, (Until, Rfc1123(9)), (Mode, "Locked"));

        _recorder.Clear();
        await _vault.LockAsync(_name, version, InDays(5), Cancel);
        Assert.Empty(_recorder.Changes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_legal_hold_is_set_and_cleared_on_the_version(bool hold)
    {
        string version = await WriteAsync();
        await _vault.SetLegalHoldAsync(_name, version, !hold, Cancel);
        _recorder.Clear();
        await _vault.SetLegalHoldAsync(_name, version, hold, Cancel);
        Check(Assert.Single(_recorder.Changes), "PUT", [("comp", "legalhold"), ("versionid", version)], 200, ("x-ms-legal-hold", hold ? "true" : "false"));
        await _vault.SetLegalHoldAsync(_name, version, false, Cancel);
    }

    [Fact]
    public async Task Bringing_back_from_the_archive_tier_is_one_Set_Blob_Tier_on_the_version_and_of_what_is_online_none()
    {
        string version = await WriteAsync();
        await _vault.LockAsync(_name, version, InDays(2), Cancel);
        _recorder.Clear();
        await _vault.RehydrateAsync(_name, version, Cancel);
        Assert.Empty(_recorder.Changes);

        // As a lifecycle rule does, which no lock stops.
        BlobServiceClient storage = new(_shared.Storage.BlobUrl, new StorageSharedKeyCredential(_shared.Storage.Account.Name, _shared.Storage.Account.Key));
        await storage.GetBlobContainerClient("packs").GetBlobClient(_name.Path).SetAccessTierAsync(AccessTier.Archive, cancellationToken: Cancel);
        Assert.True((await _vault.FindAsync(_name, version, Cancel))!.Archived);
        _recorder.Clear();
        await _vault.RehydrateAsync(_name, version, Cancel);
        Check(Assert.Single(_recorder.Changes), "PUT", [("comp", "tier"), ("versionid", version)], null, ("x-ms-access-tier", "Hot"), ("x-ms-rehydrate-priority", "Standard"));
        Assert.InRange(_recorder.Changes[0].Status, 200, 202); // 202 where it takes hours, as on Azure
    }

    [Fact]
    public async Task Index_tags_are_one_Set_Blob_Tags_on_the_version()
    {
        string version = await WriteAsync();
        await _vault.LockAsync(_name, version, InDays(2), Cancel);
        _recorder.Clear();
        await _vault.SetTagsAsync(_name, version, new Dictionary<string, string> { ["archive_after_years"] = "2" }, Cancel);
        Check(Assert.Single(_recorder.Changes), "PUT", [("comp", "tags"), ("versionid", version)], 204);
    }

    [Fact]
    public async Task A_delete_names_the_version_or_the_ETag_of_the_content_that_was_looked_at()
    {
        string version = await WriteAsync();
        _recorder.Clear();
        await _vault.DeleteAsync(_name, version, Cancel);

        // No version that is current is deleted by its id (delete-blob, "Remarks"): the blob first, if it is still that content, then the version.
        Sent look = _recorder.All[0];
        Assert.Equal(("HEAD", version), (look.Method, look.Query["versionid"]));
        Check(_recorder.Changes[0], "DELETE", [], 202, ("If-Match", look.Answered["ETag"]));
        Check(_recorder.Changes[1], "DELETE", [("versionid", version)], null);
        Assert.Equal(2, _recorder.Changes.Count);
    }

    [Theory]
    [InlineData("policy")]
    [InlineData("hold")]
    public async Task Of_what_is_protected_no_delete_is_even_sent(string by)
    {
        string version = await WriteAsync();
        await (by == "policy" ? _vault.LockAsync(_name, version, InDays(2), Cancel) : _vault.SetLegalHoldAsync(_name, version, true, Cancel));
        _recorder.Clear();
        await Assert.ThrowsAsync<BlobProtectedException>(() => _vault.DeleteAsync(_name, version, Cancel));
        Assert.Empty(_recorder.Changes);
    }

    [Fact]
    public async Task Nothing_that_these_send_takes_a_policy_off_or_deletes_more_than_one_version()
    {
        string version = await WriteAsync();
        await _vault.SetLegalHoldAsync(_name, version, true, Cancel);
        await _vault.SetLegalHoldAsync(_name, version, false, Cancel);
        await _vault.LockAsync(_name, version, InDays(2), Cancel);
        await Assert.ThrowsAsync<BlobProtectedException>(() => _vault.DeleteAsync(_name, version, Cancel));
        string other = await _vault.WriteNewAsync(_name with { Path = _name.Path + "-other" }, "x"u8.ToArray(), "text/plain", Cancel);
        await _vault.DeleteAsync(_name with { Path = _name.Path + "-other" }, other, Cancel);
        Assert.True(_recorder.Changes.Count >= 7);
        foreach (Sent sent in _recorder.Changes)
        {
            Assert.DoesNotContain("x-ms-delete-snapshots", sent.Headers.Keys);
            Assert.DoesNotContain(sent.Headers.Keys, name => name.Contains("bypass", StringComparison.OrdinalIgnoreCase));
            Assert.DoesNotContain("deletetype", sent.Query.Keys);
            Assert.False(sent.Method == "DELETE" && sent.Query.ContainsKey("comp"), "a policy is never removed");
            Assert.False(sent.Query.ContainsKey("restype"), "no container is changed");
        }
    }

    private static DateTimeOffset InDays(int days) => new(TimeProvider.System.GetUtcNow().UtcDateTime.Date.AddDays(days), TimeSpan.Zero);

    private static string Rfc1123(int days) => InDays(days).ToString("R", CultureInfo.InvariantCulture);

    /// <summary>Method, query and headers are these: all of them, and none besides what every request has.</summary>
    private static void Check(Sent sent, string method, (string Name, string Value)[] query, int? status, params (string Name, string Value)[] headers)
    {
        Assert.Equal(method, sent.Method);
        Assert.Equal(query.OrderBy(q => q.Name, StringComparer.Ordinal), sent.Query.Select(q => (q.Key, q.Value)).OrderBy(q => q.Key, StringComparer.Ordinal));
        foreach ((string name, string value) in headers)
        {
            Assert.Equal((name, value), (name, sent.Headers.GetValueOrDefault(name)));
        }

        Assert.Empty(sent.Headers.Keys.Except(s_always, StringComparer.OrdinalIgnoreCase).Except(headers.Select(h => h.Name), StringComparer.OrdinalIgnoreCase));

        // 2020-06-12 is the first with policies and holds of versions.
        Assert.Matches(DatedVersion(), sent.Headers[Version]);
        Assert.True(string.CompareOrdinal(sent.Headers[Version], "2020-06-12") >= 0);
        if (status is { } expected)
        {
            Assert.Equal(expected, sent.Status);
        }
    }

    private Task<string> WriteAsync() => _vault.WriteNewAsync(_name, "content"u8.ToArray(), "text/plain", Cancel);

    [GeneratedRegex("^20[0-9]{2}-[0-9]{2}-[0-9]{2}$", RegexOptions.None, matchTimeoutMilliseconds: 5000)]
    private static partial Regex DatedVersion();

    /// <summary>A request as it left, and how it was answered.</summary>
    private sealed record Sent(string Method, IReadOnlyDictionary<string, string> Query, IReadOnlyDictionary<string, string> Headers, int Status, IReadOnlyDictionary<string, string> Answered);

    private sealed class Recorder : HttpPipelinePolicy
    {
        private readonly List<Sent> _sent = [];

        public IReadOnlyList<Sent> All => _sent;

        public IReadOnlyList<Sent> Changes => [.. _sent.Where(s => s.Method is not ("GET" or "HEAD"))];

        public void Clear() => _sent.Clear();

        public override void Process(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
        {
            ProcessNext(message, pipeline);
            Record(message);
        }

        public override async ValueTask ProcessAsync(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
        {
            await ProcessNextAsync(message, pipeline);
            Record(message);
        }

        private void Record(HttpMessage message) => _sent.Add(new Sent(
            message.Request.Method.Method,
            message.Request.Uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('=', 2)).ToDictionary(p => p[0], p => Uri.UnescapeDataString(p[1]), StringComparer.Ordinal),
            message.Request.Headers.ToDictionary(h => h.Name, h => h.Value, StringComparer.OrdinalIgnoreCase),
            message.Response.Status,
            message.Response.Headers.GroupBy(h => h.Name, StringComparer.OrdinalIgnoreCase).ToDictionary(g => g.Key, g => g.First().Value, StringComparer.OrdinalIgnoreCase)));
    }
}
