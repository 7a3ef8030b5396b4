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

    protected override ISigner Signer => Keys.Statements;

    protected override ITokenSigner Tokens => Keys.Tokens;

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

    protected override Task RotateSigningKeyAsync() => RotateAsync("signing");

    protected override Task RotateTokenKeyAsync() => RotateAsync("tokens");

    private async Task RotateAsync(string name)
    {
        await Administrator.CreateEcKeyAsync(new CreateEcKeyOptions(name) { CurveName = KeyCurveName.P256 }, Cancel);
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
        _vault.ClientRequestIds.Clear();
        Assert.True(await Keys.MayUnwrapAsync(key.Kid!, Cancel));
        Assert.All(_vault.ClientRequestIds, id => Assert.StartsWith("d0c7041e-", id, StringComparison.Ordinal));
        Assert.NotEmpty(_vault.ClientRequestIds);

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
    public async Task A_current_version_that_is_disabled_signs_nothing_and_what_was_signed_verifies()
    {
        string current = await Signer.GetCurrentKeyIdAsync(Cancel), token = await Tokens.GetCurrentKeyIdAsync(Cancel);
        await DisableAsync(current);
        await DisableAsync(token);
        Clock.Advance(TimeSpan.FromMinutes(6));
        await Assert.ThrowsAsync<KeyUnavailableException>(() => Signer.GetCurrentKeyIdAsync(Cancel));
        await Assert.ThrowsAsync<KeyUnavailableException>(() => Tokens.GetCurrentKeyIdAsync(Cancel));
        Assert.Contains(current, (await Signer.GetPublicKeysAsync(Cancel)).Keys.Select(key => key.Kid));
        Assert.Empty((await Tokens.GetAcceptedKeysAsync(Cancel)).Keys);
    }

    [Fact]
    public async Task A_disabled_version_that_the_vault_keeps_back_is_shown_and_holds_up_no_other()
    {
        string old = await Signer.GetCurrentKeyIdAsync(Cancel);
        await RotateSigningKeyAsync();
        await DisableAsync(old);
        string current = await Signer.GetCurrentKeyIdAsync(Cancel);
        _vault.Withheld = old;
        Assert.Equal(current, Assert.Single((await Signer.GetPublicKeysAsync(Cancel)).Keys).Kid);
        Assert.Equal(old, Assert.Single(await Signer.GetDisabledAsync(Cancel)));
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
