using Azure;
using CloudArchive.Azure.Keys;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Azure.Tests.Keys;

/// <summary>The clinics' keys in vaults of their own.</summary>
public sealed class ClinicVaultsTests : IAsyncLifetime
{
    private static readonly HttpsStandIn.Identity s_identity = new("https://vault.azure.net/.default");

    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());
    private VaultStandIn _signing = null!;
    private VaultStandIn _first = null!;
    private VaultStandIn _second = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => (_signing, _first, _second) = (await VaultStandIn.StartAsync(), await VaultStandIn.StartAsync(), await VaultStandIn.StartAsync());

    public async ValueTask DisposeAsync()
    {
        await _signing.DisposeAsync();
        await _first.DisposeAsync();
        await _second.DisposeAsync();
    }

    [Fact]
    public async Task Keys_are_spread_over_the_vaults_and_found_again_by_whoever_asks()
    {
        KeyVaultKeys keys = Connect(_first, _second);
        HashSet<string> vaults = [];
        for (int i = 0; i < 12; i++)
        {
            ClinicId clinic = ClinicId.Parse($"clinic-{i}");
            Jwk key = await keys.EnsureAsync(clinic, Cancel);
            vaults.Add(new Uri(key.Kid!).Authority);
            Assert.Equal(key, await Connect(_first, _second).GetCurrentAsync(clinic, Cancel));
        }

        Assert.True(vaults.SetEquals([_first.Url.Authority, _second.Url.Authority]));
        Assert.Equal(0, _signing.Requests);
    }

    [Fact]
    public async Task When_a_vault_is_added_every_clinic_keeps_its_key_and_opens_what_it_wrapped()
    {
        KeyVaultKeys before = Connect(_first);
        Dictionary<ClinicId, Jwk> made = [];
        for (int i = 0; i < 6; i++)
        {
            ClinicId clinic = ClinicId.Parse($"clinic-{i}");
            made[clinic] = await before.EnsureAsync(clinic, Cancel);
        }

        KeyVaultKeys after = Connect(_first, _second);
        using ContentKey content = ContentKey.Create();
        foreach ((ClinicId clinic, Jwk key) in made)
        {
            Assert.Equal(key, await after.EnsureAsync(clinic, Cancel));
            WrappedContentKey wrapped = KeyWrapping.Wrap(content, key);
            Assert.Equal(content.ToWrapInput(), await after.UnwrapAsync(wrapped.KeyId, wrapped.Algorithm, wrapped.EncryptedKey, Cancel));
        }
    }

    [Fact]
    public async Task A_vault_that_does_not_answer_is_none_without_the_key_and_no_second_one_is_made()
    {
        // Of these one at least has its place in the second vault: asked for with the first one added, it is looked for there in vain first.
        KeyVaultKeys before = Connect(_second);
        ClinicId[] clinics = [.. Enumerable.Range(0, 12).Select(i => ClinicId.Parse($"clinic-{i}"))];
        foreach (ClinicId clinic in clinics)
        {
            await before.EnsureAsync(clinic, Cancel);
        }

        int made = _first.Requests;
        foreach (ClinicId clinic in clinics)
        {
            _second.Fail(20, 503, "Busy");
            await Assert.ThrowsAsync<RequestFailedException>(() => Connect(_first, _second).EnsureAsync(clinic, Cancel));
            _second.Fail(0, 503, "Busy");
            Assert.StartsWith(_second.Url.AbsoluteUri, (await Connect(_first, _second).EnsureAsync(clinic, Cancel)).Kid!);
        }

        Assert.True(_first.Requests > made);
    }

    [Fact]
    public async Task A_key_that_signs_is_believed_of_its_own_vault_alone_and_a_clinics_of_the_clinics()
    {
        KeyVaultKeys keys = Connect(_first);
        await keys.EnsureReadyAsync(Cancel);
        string signing = await keys.Statements.GetCurrentKeyIdAsync(Cancel);
        string kek = (await keys.EnsureAsync(ClinicId.Parse("clinic-0"), Cancel)).Kid!;
        string Moved(string id, VaultStandIn from, VaultStandIn to) => id.Replace(from.Url.AbsoluteUri, to.Url.AbsoluteUri, StringComparison.Ordinal);
        await Assert.ThrowsAsync<KeyUnavailableException>(() => keys.Statements.SignAsync(Moved(signing, _signing, _first), new byte[1], Cancel));
        await Assert.ThrowsAsync<KeyUnavailableException>(() => keys.UnwrapAsync(Moved(kek, _first, _signing), KeyWrapping.Algorithm, new byte[384], Cancel));
    }

    [Fact]
    public async Task A_key_of_two_years_gets_its_next_version_where_it_is_and_a_younger_one_none()
    {
        ClinicId clinic = ClinicId.Parse("clinic-0");
        KeyVaultKeys keys = Connect(_first, _second);
        Jwk first = await keys.EnsureAsync(clinic, Cancel);
        _clock.Advance(KeyVaultKeys.RenewedAfter - TimeSpan.FromDays(1));
        Assert.Equal(first, await keys.RenewAsync(clinic, Cancel));
        _clock.Advance(TimeSpan.FromDays(2));
        Jwk next = await keys.RenewAsync(clinic, Cancel);
        Assert.NotEqual(first.Kid, next.Kid);
        Assert.Equal(first.Kid![..first.Kid!.LastIndexOf('/')], next.Kid![..next.Kid!.LastIndexOf('/')]);
        Assert.Equal(next, await keys.GetCurrentAsync(clinic, Cancel));
        using ContentKey content = ContentKey.Create();
        WrappedContentKey wrapped = KeyWrapping.Wrap(content, first);
        Assert.Equal(content.ToWrapInput(), await keys.UnwrapAsync(wrapped.KeyId, wrapped.Algorithm, wrapped.EncryptedKey, Cancel));
    }

    [Fact]
    public async Task Renewing_makes_no_first_key()
    {
        await Assert.ThrowsAsync<KeyUnavailableException>(() => Connect(_first, _second).RenewAsync(ClinicId.Parse("clinic-0"), Cancel));
    }

    private KeyVaultKeys Connect(params VaultStandIn[] clinics) =>
        new(new VaultPlaces(_signing.Url, [.. clinics.Select(v => v.Url)]), s_identity, _clock, _signing.Options());
}
