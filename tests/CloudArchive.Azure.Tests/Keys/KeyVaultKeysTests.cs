using Azure;
using Azure.Core;
using Azure.Identity;
using Azure.Security.KeyVault.Keys;
using CloudArchive.Azure.Keys;
using CloudArchive.Contracts;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Azure.Tests.Keys;

/// <summary>The contract on a vault, which is managed as an administrator does: with the SDK's own client.</summary>
public abstract class VaultContract : KeysContract
{
    protected FakeTimeProvider Clock { get; } = new(TimeProvider.System.GetUtcNow());

    protected KeyVaultKeys Keys { get; set; } = null!;

    protected KeyClient Administrator { get; set; } = null!;

    protected override IWrappingKeys Wrapping => Keys;

    protected override IKeyUnwrapper Unwrapper => Keys;

    protected override ISigner Signer => Keys;

    protected async Task ConnectAsync(Uri vault, TokenCredential identity, Func<KeyClientOptions> options)
    {
        Administrator = new KeyClient(vault, identity, options());
        Keys = new KeyVaultKeys(new VaultPlaces(vault, [vault]), identity, Clock, options());
        await Keys.EnsureReadyAsync(Cancel);
    }

    protected override async Task RotateAsync(ClinicId clinic)
    {
        await Administrator.CreateRsaKeyAsync(new CreateRsaKeyOptions($"kek-{clinic}") { KeySize = 3072 }, Cancel);
        Clock.Advance(TimeSpan.FromMinutes(6));
    }

    protected override async Task RotateSigningKeyAsync()
    {
        await Administrator.CreateEcKeyAsync(new CreateEcKeyOptions("signing") { CurveName = KeyCurveName.P256 }, Cancel);
        Clock.Advance(TimeSpan.FromMinutes(6));
    }

    protected override async Task DisableAsync(string keyId)
    {
        KeyVaultKeyIdentifier id = new(new Uri(keyId));
        KeyVaultKey key = await Administrator.GetKeyAsync(id.Name, id.Version, Cancel);
        key.Properties.Enabled = false;
        await Administrator.UpdateKeyPropertiesAsync(key.Properties, cancellationToken: Cancel);
    }
}

/// <summary>Against the stand-in, always.</summary>
public sealed class KeyVaultKeysTests : VaultContract, IAsyncLifetime
{
    private VaultStandIn _vault = null!;

    public async ValueTask InitializeAsync()
    {
        _vault = await VaultStandIn.StartAsync();
        await ConnectAsync(_vault.Url, new HttpsStandIn.Identity("https://vault.azure.net/.default"), _vault.Options);
    }

    public ValueTask DisposeAsync() => _vault.DisposeAsync();

    [Fact]
    public async Task Throttling_is_waited_out()
    {
        Jwk key = await Wrapping.EnsureAsync(Clinic, Cancel);
        using ContentKey content = ContentKey.Create();
        WrappedContentKey wrapped = KeyWrapping.Wrap(content, key);
        _vault.Fail(5, 429, "Throttled");
        Assert.Equal(content.ToWrapInput(), await Unwrapper.UnwrapAsync(wrapped.KeyId, wrapped.Algorithm, wrapped.EncryptedKey, Cancel));
    }

    [Fact]
    public async Task Throttling_that_does_not_end_and_a_vault_that_is_down_say_nothing_of_the_key()
    {
        Jwk key = await Wrapping.EnsureAsync(Clinic, Cancel);
        foreach (int status in (int[])[429, 503])
        {
            _vault.Fail(20, status, "Busy");
            RequestFailedException e = await Assert.ThrowsAsync<RequestFailedException>(() => Unwrapper.UnwrapAsync(key.Kid!, KeyWrapping.Algorithm, new byte[384], Cancel));
            Assert.Equal(status, e.Status);
        }
    }

    [Theory]
    [InlineData(403, "Forbidden")]
    [InlineData(404, "KeyNotFound")]
    [InlineData(409, "Conflict")]
    public async Task What_the_vault_refuses_is_a_key_that_is_unavailable(int status, string code)
    {
        Jwk key = await Wrapping.EnsureAsync(Clinic, Cancel);
        string signing = await Signer.GetCurrentKeyIdAsync(Cancel);
        Clock.Advance(TimeSpan.FromMinutes(6));

        // Operations that ask twice (for the key, then with it) are refused both times.
        Func<Task>[] calls =
        [
            () => Unwrapper.UnwrapAsync(key.Kid!, KeyWrapping.Algorithm, new byte[384], Cancel),
            () => Signer.SignAsync(signing, new byte[1], Cancel),
            () => Signer.GetCurrentKeyIdAsync(Cancel),
            () => Signer.GetPublicKeysAsync(Cancel),
            () => Wrapping.GetCurrentAsync(Clinic, Cancel),
        ];
        foreach (Func<Task> call in calls)
        {
            _vault.Fail(2, status, code);
            await Assert.ThrowsAsync<KeyUnavailableException>(call);
        }
    }

    [Fact]
    public async Task A_deleted_name_that_cannot_be_made_again_is_unavailable()
    {
        _vault.Fail(1, 404, "KeyNotFound");
        _vault.FailThen(1, 409, "Conflict");
        KeyUnavailableException e = await Assert.ThrowsAsync<KeyUnavailableException>(() => Wrapping.EnsureAsync(Clinic, Cancel));
        Assert.Contains("recover it", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whether_it_may_unwrap_is_asked_with_what_no_key_wrapped()
    {
        ClinicId clinic = ClinicId.Parse("rights-clinic");
        Jwk key = await Keys.EnsureAsync(clinic, Cancel);
        Assert.True(await Keys.MayUnwrapAsync(key.Kid!, Cancel));

        // The vault answers a disabled key and a right that is missing alike: 403.
        await DisableAsync(key.Kid!);
        Assert.False(await Keys.MayUnwrapAsync(key.Kid!, Cancel));
    }

    [Fact]
    public async Task A_current_version_out_of_use_is_unavailable()
    {
        Jwk key = await Wrapping.EnsureAsync(Clinic, Cancel);
        await DisableAsync(key.Kid!);
        Assert.Equal(key, await Wrapping.GetCurrentAsync(Clinic, Cancel));
        Clock.Advance(TimeSpan.FromMinutes(6));
        await Assert.ThrowsAsync<KeyUnavailableException>(() => Wrapping.GetCurrentAsync(Clinic, Cancel));
    }

    [Fact]
    public async Task Public_keys_are_asked_for_once_and_not_by_every_caller()
    {
        await Signer.GetPublicKeysAsync(Cancel);
        int before = _vault.Requests;
        for (int i = 0; i < 10; i++)
        {
            await Signer.GetPublicKeysAsync(Cancel);
            await Signer.GetCurrentKeyIdAsync(Cancel);
        }

        Assert.Equal(before, _vault.Requests);
    }

    [Fact]
    public async Task A_token_goes_to_the_vault_and_nowhere_else()
    {
        await using VaultStandIn other = await VaultStandIn.StartAsync();
        string kid = (await Wrapping.EnsureAsync(Clinic, Cancel)).Kid!;
        string elsewhere = kid.Replace(_vault.Url.AbsoluteUri, other.Url.AbsoluteUri, StringComparison.Ordinal);
        Assert.NotEqual(kid, elsewhere);
        await Assert.ThrowsAsync<KeyUnavailableException>(() => Unwrapper.UnwrapAsync(elsewhere, KeyWrapping.Algorithm, new byte[384], Cancel));
        Assert.Equal(0, other.Requests);
    }
}

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

        Assert.Equal([_first.Url.Authority, _second.Url.Authority], vaults.Order(StringComparer.Ordinal).OrderBy(v => v == _second.Url.Authority));
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
        string signing = await keys.GetCurrentKeyIdAsync(Cancel);
        string kek = (await keys.EnsureAsync(ClinicId.Parse("clinic-0"), Cancel)).Kid!;
        string Moved(string id, VaultStandIn from, VaultStandIn to) => id.Replace(from.Url.AbsoluteUri, to.Url.AbsoluteUri, StringComparison.Ordinal);
        await Assert.ThrowsAsync<KeyUnavailableException>(() => keys.SignAsync(Moved(signing, _signing, _first), new byte[1], Cancel));
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

/// <summary>Against a real vault, where CLOUDARCHIVE_TEST_VAULT names one: its URL. It is left with keys named kek-test-*.</summary>
public sealed class RealVaultTests : VaultContract, IAsyncLifetime
{
    public async ValueTask InitializeAsync()
    {
        string? vault = Environment.GetEnvironmentVariable("CLOUDARCHIVE_TEST_VAULT");
        Assert.SkipWhen(string.IsNullOrEmpty(vault), "CLOUDARCHIVE_TEST_VAULT names no vault.");
        await ConnectAsync(new Uri(vault!), new DefaultAzureCredential(), () => new KeyClientOptions());
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
