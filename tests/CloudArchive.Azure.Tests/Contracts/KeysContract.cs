using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Contracts;

/// <summary>What every key store guarantees.</summary>
public abstract class KeysContract
{
    private static int s_clinics;

    // The run's own names: a real vault keeps what earlier runs left.
    private static readonly string s_run = RandomNumberGenerator.GetHexString(8, lowercase: true);

    private static readonly byte[] s_data = Encoding.UTF8.GetBytes("what is signed");

    private readonly ClinicId _clinic = ClinicId.Parse(string.Create(CultureInfo.InvariantCulture, $"test-{s_run}-{Interlocked.Increment(ref s_clinics)}"));

    protected ClinicId Clinic => _clinic;

    protected abstract IWrappingKeys Wrapping { get; }

    protected abstract IKeyUnwrapper Unwrapper { get; }

    protected abstract ISigner Signer { get; }

    protected abstract ITokenSigner Tokens { get; }

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Makes a new version of the clinic's key, and lets it be known.</summary>
    protected abstract Task RotateAsync(ClinicId clinic);

    /// <summary>Makes a new version of the signing key, and lets it be known.</summary>
    protected abstract Task RotateSigningKeyAsync();

    /// <summary>Makes a new version of the key of tokens, and lets it be known.</summary>
    protected abstract Task RotateTokenKeyAsync();

    /// <summary>Takes a version out of use.</summary>
    protected abstract Task DisableAsync(string keyId);

    private static byte[] NewSecret()
    {
        using ContentKey key = ContentKey.Create();
        return key.ToWrapInput();
    }

    private static byte[] Wrap(Jwk key, byte[] secret)
    {
        using RSA rsa = JwkKeys.ToRsa(key);
        return rsa.Encrypt(secret, RSAEncryptionPadding.OaepSHA256);
    }

    [Fact]
    public async Task A_clinic_without_a_key_has_none()
    {
        await Assert.ThrowsAsync<KeyUnavailableException>(() => Wrapping.GetCurrentAsync(_clinic, Cancel));
    }

    [Fact]
    public async Task Ensuring_a_key_makes_one_and_then_leaves_it()
    {
        Jwk made = await Wrapping.EnsureAsync(_clinic, Cancel);
        Assert.Equal(made, await Wrapping.EnsureAsync(_clinic, Cancel));
        Assert.Equal(made, await Wrapping.GetCurrentAsync(_clinic, Cancel));
        using RSA rsa = JwkKeys.ToRsa(made);
        Assert.Equal(3072, rsa.KeySize);
        Assert.Contains($"/keys/kek-{_clinic}/", made.Kid, StringComparison.Ordinal);
        Assert.Null(typeof(Jwk).GetProperty("D"));
    }

    [Fact]
    public async Task A_content_key_that_an_agent_wraps_with_the_public_half_unwraps()
    {
        Jwk key = await Wrapping.EnsureAsync(_clinic, Cancel);
        using ContentKey content = ContentKey.Create();
        WrappedContentKey wrapped = KeyWrapping.Wrap(content, key);
        byte[] unwrapped = await Unwrapper.UnwrapAsync(wrapped.KeyId, wrapped.Algorithm, wrapped.EncryptedKey, Cancel);
        Assert.Equal(content.ToWrapInput(), unwrapped);
    }

    [Fact]
    public async Task After_a_rotation_the_new_version_wraps_and_the_old_one_still_unwraps()
    {
        Jwk old = await Wrapping.EnsureAsync(_clinic, Cancel);
        byte[] secret = NewSecret();
        byte[] wrapped = Wrap(old, secret);
        await RotateAsync(_clinic);
        Jwk current = await Wrapping.GetCurrentAsync(_clinic, Cancel);
        Assert.NotEqual(old.Kid, current.Kid);
        Assert.NotEqual(old.N, current.N);
        Assert.Equal(secret, await Unwrapper.UnwrapAsync(old.Kid!, KeyWrapping.Algorithm, wrapped, Cancel));
        Assert.Equal(secret, await Unwrapper.UnwrapAsync(current.Kid!, KeyWrapping.Algorithm, Wrap(current, secret), Cancel));
    }

    [Fact]
    public async Task What_was_wrapped_for_another_key_or_altered_does_not_unwrap()
    {
        Jwk key = await Wrapping.EnsureAsync(_clinic, Cancel);
        await RotateAsync(_clinic);
        Jwk other = await Wrapping.GetCurrentAsync(_clinic, Cancel);
        byte[] wrapped = Wrap(key, NewSecret());
        PackException e = await Assert.ThrowsAsync<PackException>(() => Unwrapper.UnwrapAsync(other.Kid!, KeyWrapping.Algorithm, wrapped, Cancel));
        Assert.Equal(PackFault.WrongKey, e.Fault);
        wrapped[17] ^= 1;
        e = await Assert.ThrowsAsync<PackException>(() => Unwrapper.UnwrapAsync(key.Kid!, KeyWrapping.Algorithm, wrapped, Cancel));
        Assert.Equal(PackFault.WrongKey, e.Fault);
    }

    [Fact]
    public async Task Only_the_one_algorithm_unwraps()
    {
        Jwk key = await Wrapping.EnsureAsync(_clinic, Cancel);
        byte[] wrapped = Wrap(key, NewSecret());
        foreach (string algorithm in (string[])["RSA1_5", "RSA-OAEP", "rsa-oaep-256", ""])
        {
            PackException e = await Assert.ThrowsAsync<PackException>(() => Unwrapper.UnwrapAsync(key.Kid!, algorithm, wrapped, Cancel));
            Assert.Equal(PackFault.EncryptionDataInvalid, e.Fault);
        }
    }

    [Fact]
    public async Task A_version_out_of_use_does_not_unwrap()
    {
        Jwk key = await Wrapping.EnsureAsync(_clinic, Cancel);
        byte[] wrapped = Wrap(key, NewSecret());
        await RotateAsync(_clinic);
        await DisableAsync(key.Kid!);
        KeyUnavailableException e = await Assert.ThrowsAsync<KeyUnavailableException>(() => Unwrapper.UnwrapAsync(key.Kid!, KeyWrapping.Algorithm, wrapped, Cancel));
        Assert.Equal(key.Kid, e.KeyId);
    }

    [Fact]
    public async Task An_id_that_names_no_version_of_this_store_is_unavailable()
    {
        Jwk key = await Wrapping.EnsureAsync(_clinic, Cancel);
        byte[] wrapped = Wrap(key, NewSecret());
        string kid = key.Kid!;
        string withoutVersion = kid[..kid.LastIndexOf('/')];
        string unknown = withoutVersion + "/" + new string('0', 32);
        string elsewhere = "https://vault.example" + new Uri(kid).AbsolutePath;
        string signing = await Signer.GetCurrentKeyIdAsync(Cancel);
        foreach (string id in (string[])[withoutVersion, unknown, elsewhere, signing, "", "x", kid + "/../../x", $"{withoutVersion}/../signing/{signing[^32..]}"])
        {
            await Assert.ThrowsAsync<KeyUnavailableException>(() => Unwrapper.UnwrapAsync(id, KeyWrapping.Algorithm, wrapped, Cancel));
            if (id != signing)
            {
                await Assert.ThrowsAsync<KeyUnavailableException>(() => Signer.SignAsync(id, s_data, Cancel));
            }
        }
    }

    [Fact]
    public async Task A_signature_is_by_the_version_that_was_named_and_verifies_with_its_public_half()
    {
        string kid = await Signer.GetCurrentKeyIdAsync(Cancel);
        byte[] signature = await Signer.SignAsync(kid, s_data, Cancel);
        Assert.Equal(64, signature.Length);
        JwkSet keys = await Signer.GetPublicKeysAsync(Cancel);
        Assert.Equal(kid, keys.Keys[0].Kid);
        using ECDsa key = JwkKeys.ToEcdsa(keys.Keys[0]);
        Assert.True(key.VerifyData(s_data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
        signature[3] ^= 1;
        Assert.False(key.VerifyData(s_data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
    }

    [Fact]
    public async Task After_a_rotation_the_new_version_signs_and_all_that_ever_signed_are_public()
    {
        string old = await Signer.GetCurrentKeyIdAsync(Cancel);
        byte[] signature = await Signer.SignAsync(old, s_data, Cancel);
        await RotateSigningKeyAsync();
        string current = await Signer.GetCurrentKeyIdAsync(Cancel);
        Assert.NotEqual(old, current);

        // Between the two calls of one signature the key may be rotated: the version that the header names still signs.
        byte[] late = await Signer.SignAsync(old, s_data, Cancel);
        JwkSet keys = await Signer.GetPublicKeysAsync(Cancel);
        Assert.Equal(current, keys.Keys[0].Kid);
        using ECDsa key = JwkKeys.ToEcdsa(keys.Keys.Single(k => k.Kid == old));
        Assert.All((byte[][])[signature, late], s => Assert.True(key.VerifyData(s_data, s, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)));
    }

    [Fact]
    public async Task A_version_that_signed_statements_is_public_for_ever_and_shown_when_it_is_disabled()
    {
        string old = await Signer.GetCurrentKeyIdAsync(Cancel);
        await RotateSigningKeyAsync();
        Assert.DoesNotContain(old, await Signer.GetDisabledAsync(Cancel));
        await DisableAsync(old);
        await RotateSigningKeyAsync();
        await Assert.ThrowsAsync<KeyUnavailableException>(() => Signer.SignAsync(old, s_data, Cancel));
        Assert.Contains(old, (await Signer.GetPublicKeysAsync(Cancel)).Keys.Select(key => key.Kid));
        Assert.Contains(old, await Signer.GetDisabledAsync(Cancel));
        Assert.DoesNotContain(await Signer.GetCurrentKeyIdAsync(Cancel), await Signer.GetDisabledAsync(Cancel));
    }

    [Fact]
    public async Task Tokens_are_signed_with_a_key_of_their_own()
    {
        string token = await Tokens.GetCurrentKeyIdAsync(Cancel), statement = await Signer.GetCurrentKeyIdAsync(Cancel);
        await Assert.ThrowsAsync<KeyUnavailableException>(() => Signer.SignAsync(token, s_data, Cancel));
        await Assert.ThrowsAsync<KeyUnavailableException>(() => Tokens.SignAsync(statement, s_data, Cancel));
        Assert.DoesNotContain(token, (await Signer.GetPublicKeysAsync(Cancel)).Keys.Select(key => key.Kid));
        Assert.DoesNotContain(statement, (await Tokens.GetAcceptedKeysAsync(Cancel)).Keys.Select(key => key.Kid));
        string jws = await Jws.SignAsync("at+jwt", s_data, token, (input, cancel) => Tokens.SignAsync(token, input, cancel), Cancel);
        Assert.Equal(s_data, Jws.Verify(jws, "at+jwt", await Tokens.GetAcceptedKeysAsync(Cancel)).Payload);
    }

    [Fact]
    public async Task Of_the_key_of_tokens_the_latest_two_versions_are_accepted_and_none_that_is_disabled()
    {
        string first = await Tokens.GetCurrentKeyIdAsync(Cancel);
        await RotateTokenKeyAsync();
        string second = await Tokens.GetCurrentKeyIdAsync(Cancel);
        Assert.Equal([second, first], await AcceptedAsync());
        await RotateTokenKeyAsync();
        string third = await Tokens.GetCurrentKeyIdAsync(Cancel);
        Assert.Equal([third, second], await AcceptedAsync());
        await DisableAsync(second);
        Assert.Equal([third], await AcceptedAsync());
        await RotateTokenKeyAsync();
        Assert.Equal([await Tokens.GetCurrentKeyIdAsync(Cancel), third], await AcceptedAsync());
        Assert.Contains(second, await Tokens.GetDisabledAsync(Cancel));

        async Task<string[]> AcceptedAsync() => [.. (await Tokens.GetAcceptedKeysAsync(Cancel)).Keys.Select(key => key.Kid!)];
    }

    [Fact]
    public async Task A_jws_signed_with_it_verifies()
    {
        string kid = await Signer.GetCurrentKeyIdAsync(Cancel);
        string jws = await Jws.SignAsync("cloudarchive-test", s_data, kid, (input, cancel) => Signer.SignAsync(kid, input, cancel), Cancel);
        Assert.Equal(s_data, Jws.Verify(jws, "cloudarchive-test", await Signer.GetPublicKeysAsync(Cancel)).Payload);
    }
}
