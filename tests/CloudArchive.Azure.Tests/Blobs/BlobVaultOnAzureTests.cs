using System.Web;
using Azure;
using CloudArchive.Azure.Blobs;
using CloudArchive.Core.Storage;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Azure.Tests.Blobs;

/// <summary>What the vault does differently on Azure than on the emulator; the contract itself runs in CloudArchive.LocalHost.Tests.</summary>
public sealed class BlobVaultOnAzureTests : IAsyncLifetime
{
    private static readonly BlobName s_name = new(VaultArea.Packs, "clinic/x");

    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());
    private AccountStandIn _account = null!;
    private BlobVault _vault = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private DateTimeOffset InDays(int days) => new(_clock.GetUtcNow().UtcDateTime.Date.AddDays(days), TimeSpan.Zero);

    private IEnumerable<string> Changes => _account.Requests.Where(r => !r.StartsWith("HEAD", StringComparison.Ordinal));

    public async ValueTask InitializeAsync()
    {
        _account = await AccountStandIn.StartAsync();
        _vault = BlobVault.Connect(_account.Url, new HttpsStandIn.Identity("https://storage.azure.com/.default"), _clock, _account.Options());
    }

    public ValueTask DisposeAsync() => _account.DisposeAsync();

    [Fact]
    public async Task Containers_that_lock_versions_are_left_as_they_are()
    {
        await _vault.EnsureReadyAsync(Cancel);
        Assert.All(_account.Requests, r => Assert.StartsWith("GET ?restype=container", r, StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_account_that_cannot_lock_versions_is_an_error_that_says_what_to_do()
    {
        _account.Immutability = false;
        ImmutabilityUnavailableException e = await Assert.ThrowsAsync<ImmutabilityUnavailableException>(() => _vault.EnsureReadyAsync(Cancel));
        Assert.Contains("/packs has no version-level immutability", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_current_version_is_deleted_along_with_the_blob()
    {
        _account.Write("v1");
        await _vault.DeleteAsync(s_name, "v1", Cancel);
        Assert.Null(_account.Current);
        Assert.Empty(_account.Versions);
    }

    [Fact]
    public async Task A_previous_version_is_deleted_and_the_current_one_stays()
    {
        _account.Write("v1");
        _account.Write("v2");
        await _vault.DeleteAsync(s_name, "v1", Cancel);
        Assert.Equal("v2", _account.Current);
        Assert.Equal(["v2"], _account.Versions);
    }

    [Fact]
    public async Task A_protected_version_stays_the_current_one()
    {
        _account.Write("v1");
        (_account["v1"].Until, _account["v1"].Locked) = (InDays(2), true);
        await Assert.ThrowsAsync<BlobProtectedException>(() => _vault.DeleteAsync(s_name, "v1", Cancel));
        (_account["v1"].Until, _account["v1"].LegalHold) = (InDays(-2), true);
        await Assert.ThrowsAsync<BlobProtectedException>(() => _vault.DeleteAsync(s_name, "v1", Cancel));
        Assert.Equal("v1", _account.Current);
        Assert.Empty(Changes);
    }

    [Fact]
    public async Task A_protection_that_comes_between_is_told()
    {
        _account.Write("v1");
        _account.Before = ("DELETE ?versionid=v1", () => _account["v1"].LegalHold = true);
        await Assert.ThrowsAsync<BlobProtectedException>(() => _vault.DeleteAsync(s_name, "v1", Cancel));
        Assert.Equal(["v1"], _account.Versions);
    }

    [Fact]
    public async Task A_version_that_is_overwritten_meanwhile_is_deleted_and_the_new_one_stays()
    {
        _account.Write("v1");
        _account.Before = ("DELETE", () => _account.Write("v2"));
        await _vault.DeleteAsync(s_name, "v1", Cancel);
        Assert.Equal("v2", _account.Current);
        Assert.Equal(["v2"], _account.Versions);
    }

    [Fact]
    public async Task A_lock_is_set_unlocked_first_then_locked()
    {
        _account.Write("v1");
        await _vault.LockAsync(s_name, "v1", InDays(3), Cancel);
        Assert.Equal(["PUT ?versionid=v1&comp=immutabilityPolicies Unlocked", "PUT ?versionid=v1&comp=immutabilityPolicies Locked"], Changes.Select(Normal));
        Assert.Equal((InDays(3), true), (_account["v1"].Until, _account["v1"].Locked));
    }

    [Fact]
    public async Task An_unlocked_policy_with_a_later_date_is_locked_with_that_date()
    {
        _account.Write("v1");
        _account["v1"].Until = InDays(9);
        await _vault.LockAsync(s_name, "v1", InDays(3), Cancel);
        Assert.Equal((InDays(9), true), (_account["v1"].Until, _account["v1"].Locked));
    }

    [Fact]
    public async Task A_lock_with_a_later_date_is_not_touched_and_one_with_an_earlier_date_is_extended_in_one_step()
    {
        _account.Write("v1");
        (_account["v1"].Until, _account["v1"].Locked) = (InDays(5), true);
        await _vault.LockAsync(s_name, "v1", InDays(3), Cancel);
        Assert.Empty(Changes);
        await _vault.LockAsync(s_name, "v1", InDays(7), Cancel);
        Assert.Equal(["PUT ?versionid=v1&comp=immutabilityPolicies Locked"], Changes.Select(Normal));
        Assert.Equal(InDays(7), _account["v1"].Until);
    }

    [Fact]
    public async Task A_lock_that_another_sets_meanwhile_is_extended_or_left()
    {
        foreach ((string version, int other, int expected) in ((string, int, int)[])[("v1", 9, 9), ("v2", 2, 3)])
        {
            _account.Write(version);
            _account.Before = ("PUT", () => (_account[version].Until, _account[version].Locked) = (InDays(other), true));
            await _vault.LockAsync(s_name, version, InDays(3), Cancel);
            Assert.Equal((InDays(expected), true), (_account[version].Until, _account[version].Locked));
        }
    }

    [Fact]
    public async Task A_write_grant_is_for_one_blob_one_purpose_and_TLS()
    {
        BlobGrant grant = await _vault.GrantWriteAsync(s_name, TimeSpan.FromHours(1), Cancel);
        Assert.Equal($"{_account.Url}/packs/clinic/x", grant.Url.GetLeftPart(UriPartial.Path));
        System.Collections.Specialized.NameValueCollection terms = HttpUtility.ParseQueryString(grant.Url.Query);
        Assert.Equal(("w", "b", "https", "oid", null), (terms["sp"], terms["sr"], terms["spr"], terms["skoid"], terms["versionid"]));
        Assert.InRange(grant.ExpiresAt, _clock.GetUtcNow().AddMinutes(59), _clock.GetUtcNow().AddMinutes(60));
    }

    [Fact]
    public async Task A_read_grant_is_for_one_version()
    {
        BlobGrant grant = await _vault.GrantReadAsync(s_name, "2026-01-01T00:00:00.0000000Z", TimeSpan.FromHours(1), Cancel);
        System.Collections.Specialized.NameValueCollection terms = HttpUtility.ParseQueryString(grant.Url.Query);
        Assert.Equal(("r", "bv", "https", "2026-01-01T00:00:00.0000000Z"), (terms["sp"], terms["sr"], terms["spr"], terms["versionid"]));
    }

    [Fact]
    public async Task One_delegation_key_signs_until_a_grant_would_outlive_it()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _vault.GrantWriteAsync(s_name, TimeSpan.FromHours(1), Cancel)));
        Assert.Single(_account.Requests);
        _clock.Advance(TimeSpan.FromHours(22));
        await _vault.GrantWriteAsync(s_name, TimeSpan.FromHours(1), Cancel);
        Assert.Single(_account.Requests);
        _clock.Advance(TimeSpan.FromHours(1.5));
        await _vault.GrantWriteAsync(s_name, TimeSpan.FromHours(1), Cancel);
        Assert.Equal(2, _account.Requests.Count);
        await _vault.GrantReadAsync(s_name, "v", TimeSpan.FromDays(6), Cancel);
        await Assert.ThrowsAsync<RequestFailedException>(() => _vault.GrantReadAsync(s_name, "v", TimeSpan.FromDays(8), Cancel));
    }

    [Fact]
    public async Task After_the_accounts_keys_were_revoked_who_asks_again_gets_a_grant_by_a_new_key()
    {
        await _vault.GrantWriteAsync(s_name, TimeSpan.FromHours(1), Cancel);
        await _vault.GrantWriteAsync(s_name, TimeSpan.FromHours(1), Cancel);
        Assert.Single(_account.Requests); // anyone may ask twice

        // A grant of a key that is a while old, refused by storage, and asked for again at once.
        _clock.Advance(TimeSpan.FromHours(2));
        await _vault.GrantWriteAsync(s_name, TimeSpan.FromHours(1), Cancel);
        Assert.Single(_account.Requests);
        await _vault.GrantWriteAsync(s_name, TimeSpan.FromHours(1), Cancel);
        Assert.Equal(2, _account.Requests.Count);
        await _vault.GrantWriteAsync(s_name, TimeSpan.FromHours(1), Cancel);
        Assert.Equal(2, _account.Requests.Count);
    }

    [Fact]
    public async Task A_blob_that_somebody_leased_is_deleted_all_the_same()
    {
        _account.Write("v1");
        _account.Leased = true;
        await _vault.DeleteAsync(s_name, "v1", Cancel);
        Assert.Empty(_account.Versions);
        Assert.Single(_account.Requests, request => request == "PUT ?comp=lease");
    }

    [Fact]
    public async Task What_the_account_forbids_is_not_taken_for_a_missing_blob()
    {
        await using AccountStandIn other = await AccountStandIn.StartAsync();
        BlobVault stranger = BlobVault.Connect(other.Url, "devstoreaccount1", Convert.ToBase64String(new byte[64]), _clock);
        await Assert.ThrowsAnyAsync<Exception>(() => stranger.FindAsync(s_name, Cancel));
    }

    [Fact]
    public async Task A_right_is_there_or_not_and_asking_changes_nothing()
    {
        _account.Write("v1");
        Assert.True(await _vault.Rights.MayDeleteAsync(VaultArea.Packs, Cancel));
        Assert.True(await _vault.Rights.MayOverwriteAsync(VaultArea.Packs, Cancel));
        Assert.Equal("v1", _account.Current);
        _account.Forbids = request => request.Method is "DELETE" or "PUT" && !request.Query.ContainsKey("versionid");

        // Deleting a version is a right of its own.
        Assert.True(await _vault.Rights.MayDeleteAsync(VaultArea.Packs, Cancel));
        Assert.False(await _vault.Rights.MayOverwriteAsync(VaultArea.Packs, Cancel));
        _account.Forbids = request => request.Method is "DELETE" or "PUT";
        Assert.False(await _vault.Rights.MayDeleteAsync(VaultArea.Packs, Cancel));
        Assert.Equal("v1", _account.Current);

        // The alerts of infra/alerts.json go by the mark; what comes after a probe has none.
        Assert.All(_account.ClientRequestIds, id => Assert.StartsWith("d0c7041e-", id, StringComparison.Ordinal));
        Assert.All(_account.ClientRequestIds, id => Assert.True(Guid.TryParse(id, out _)));
        await _vault.FindAsync(s_name, Cancel);
        Assert.DoesNotContain("d0c7041e-", _account.ClientRequestIds[^1], StringComparison.Ordinal);
        Assert.All(_account.Requests.Where(r => r.StartsWith("DELETE", StringComparison.Ordinal)), r => Assert.DoesNotContain("v1", r, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("UnauthorizedBlobOverwrite")]
    [InlineData("AuthorizationPermissionMismatch")]
    public async Task A_write_that_is_refused_where_the_blob_is_there_says_that_it_is_there(string code)
    {
        // An identity that may only add: the right is decided on before the condition.
        (_account.Forbids, _account.ForbiddenCode) = (request => request.Method == "PUT", code);
        RequestFailedException e = await Assert.ThrowsAsync<RequestFailedException>(() => _vault.WriteNewAsync(s_name, new byte[1], "text/plain", Cancel));
        Assert.Equal((403, code), (e.Status, e.ErrorCode));
        _account.Write("v1");
        await Assert.ThrowsAsync<BlobExistsException>(() => _vault.WriteNewAsync(s_name, new byte[1], "text/plain", Cancel));
        Assert.False(await _vault.Rights.MayOverwriteAsync(VaultArea.Packs, Cancel));
    }

    // The order of the parameters is the SDK's.
    private static string Normal(string request) => request.Replace("?comp=immutabilityPolicies&versionid=v1", "?versionid=v1&comp=immutabilityPolicies", StringComparison.Ordinal);
}
