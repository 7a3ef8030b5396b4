using System.Collections.Concurrent;
using Azure;
using Azure.Core;
using Azure.Security.KeyVault.Keys;
using Azure.Security.KeyVault.Keys.Cryptography;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Azure.Keys;

/// <summary>
/// Key Vault: <c>kek-{clinic}</c> (RSA 3072) for each clinic, <c>signing</c> (P-256) for the archive. Private halves never leave it.
/// </summary>
/// <remarks>Throttling (429) is waited out as Retry-After says, by the SDK; what outlasts that is a <see cref="RequestFailedException"/>, and no verdict on a key.</remarks>
public sealed class KeyVaultKeys : IWrappingKeys, IKeyUnwrapper, ISigner, IKeyRights
{
    private const string SigningKey = "signing";
    private const string WrappingPrefix = "kek-";
    private const int RsaBits = 3072;

    // A rotated key is used this much later by a process that knew the one before, which still works.
    private static readonly TimeSpan CurrentFor = TimeSpan.FromMinutes(5);

    private readonly KeyClient _vault;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<string, (KeyVaultKey Key, DateTimeOffset Until)> _current = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, CryptographyClient> _versions = new(StringComparer.Ordinal);
    private JwkSet? _published;

    /// <param name="vault">The vault's URL.</param>
    /// <param name="identity">Who asks.</param>
    /// <param name="clock">How long what is known of a key stays so.</param>
    /// <param name="options">For tests; else null.</param>
    public KeyVaultKeys(Uri vault, TokenCredential identity, TimeProvider clock, KeyClientOptions? options = null)
    {
        options ??= new KeyClientOptions();
        options.Retry.MaxRetries = 6;
        _vault = new KeyClient(vault, identity, options);
        _clock = clock;
    }

    /// <summary>Makes the signing key where there is none.</summary>
    public async Task EnsureReadyAsync(CancellationToken cancellationToken)
    {
        if (await FindAsync(SigningKey, cancellationToken) is null)
        {
            await CreateAsync(SigningKey, () => _vault.CreateEcKeyAsync(new CreateEcKeyOptions(SigningKey) { CurveName = KeyCurveName.P256, KeyOperations = { KeyOperation.Sign, KeyOperation.Verify } }, cancellationToken));
        }
    }

    /// <inheritdoc/>
    public async Task<Jwk> EnsureAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        // Two that find none each make a version. Both are the clinic's and stay; the later one is current.
        string name = WrappingKey(clinic);
        if (await FindAsync(name, cancellationToken) is null)
        {
            await CreateAsync(name, () => _vault.CreateRsaKeyAsync(new CreateRsaKeyOptions(name) { KeySize = RsaBits, KeyOperations = { KeyOperation.WrapKey, KeyOperation.UnwrapKey } }, cancellationToken));
        }

        return await GetCurrentAsync(clinic, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<Jwk> GetCurrentAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        KeyVaultKey key = await CurrentAsync(WrappingKey(clinic), cancellationToken);
        using System.Security.Cryptography.RSA rsa = key.Key.ToRSA();
        return JwkKeys.FromRsa(rsa, key.Id.AbsoluteUri);
    }

    /// <inheritdoc/>
    public async Task<byte[]> UnwrapAsync(string keyId, string algorithm, ReadOnlyMemory<byte> wrapped, CancellationToken cancellationToken)
    {
        CryptographyClient version = Version(keyId, name => name.StartsWith(WrappingPrefix, StringComparison.Ordinal));
        if (algorithm != KeyWrapping.Algorithm)
        {
            throw new PackException(PackFault.EncryptionDataInvalid, $"The content key is wrapped with an algorithm other than {KeyWrapping.Algorithm}.");
        }

        try
        {
            UnwrapResult result = await version.UnwrapKeyAsync(KeyWrapAlgorithm.RsaOaep256, wrapped.ToArray(), cancellationToken);
            return result.Key;
        }
        catch (RequestFailedException e) when (e.Status == 400)
        {
            // Nothing is wrong with the key: it was asked to unwrap what is not wrapped for it.
            throw new PackException(PackFault.WrongKey, $"The content key does not unwrap with key {keyId}.", e);
        }
        catch (RequestFailedException e) when (e.Status is 403 or 404 or 409)
        {
            throw Unavailable(keyId, e);
        }
    }

    /// <inheritdoc/>
    public async Task<bool> MayUnwrapAsync(string keyId, CancellationToken cancellationToken)
    {
        try
        {
            await UnwrapAsync(keyId, KeyWrapping.Algorithm, new byte[RsaBits / 8], cancellationToken);
            return true;
        }
        catch (PackException)
        {
            // It tried.
            return true;
        }
        catch (KeyUnavailableException e) when (e.InnerException is RequestFailedException { Status: 403 })
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public async Task<string> GetCurrentKeyIdAsync(CancellationToken cancellationToken) => (await CurrentAsync(SigningKey, cancellationToken)).Id.AbsoluteUri;

    /// <inheritdoc/>
    public async Task<byte[]> SignAsync(string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        CryptographyClient version = Version(keyId, name => name == SigningKey);
        try
        {
            // Hashed here; the vault signs the digest and answers r || s (RFC 7518 §3.4).
            SignResult result = await version.SignDataAsync(SignatureAlgorithm.ES256, data.ToArray(), cancellationToken);
            return result.Signature;
        }
        catch (RequestFailedException e) when (e.Status is 403 or 404 or 409)
        {
            throw Unavailable(keyId, e);
        }
    }

    /// <inheritdoc/>
    public async Task<JwkSet> GetPublicKeysAsync(CancellationToken cancellationToken)
    {
        // Anyone may ask for these: the vault must not be asked each time. What signs now is always among them.
        KeyVaultKey current = await CurrentAsync(SigningKey, cancellationToken);
        string currentId = current.Id.AbsoluteUri;
        if (_published is { } published && published.Keys[0].Kid == currentId)
        {
            return published;
        }

        List<KeyProperties> versions = [];
        await foreach (KeyProperties properties in _vault.GetPropertiesOfKeyVersionsAsync(SigningKey, cancellationToken))
        {
            versions.Add(properties);
        }

        List<Jwk> keys = [ToJwk(current)];
        foreach (KeyProperties properties in versions.Where(version => version.Version != current.Properties.Version).OrderByDescending(version => version.CreatedOn))
        {
            keys.Add(ToJwk(await GetAsync(SigningKey, properties.Version, cancellationToken)));
        }

        return _published = new JwkSet(keys);
    }

    private static Jwk ToJwk(KeyVaultKey key)
    {
        using System.Security.Cryptography.ECDsa ecdsa = key.Key.ToECDsa();
        return JwkKeys.FromEcdsa(ecdsa, key.Id.AbsoluteUri);
    }

    private static string WrappingKey(ClinicId clinic) => WrappingPrefix + clinic.Value;

    private static KeyUnavailableException Unavailable(string keyId, RequestFailedException e) => new(
        keyId,
        e.Status switch
        {
            403 => "the vault forbids it: the key is disabled or expired, or this identity lacks the right",
            404 => "there is no such key or version",
            _ => "it is deleted; recover it in the vault",
        },
        e);

    private async Task<KeyVaultKey> CurrentAsync(string name, CancellationToken cancellationToken)
    {
        DateTimeOffset now = _clock.GetUtcNow();
        if (_current.TryGetValue(name, out (KeyVaultKey Key, DateTimeOffset Until) known) && known.Until > now)
        {
            return known.Key;
        }

        KeyVaultKey key = await GetAsync(name, null, cancellationToken);
        if (key.Properties.Enabled == false || key.Properties.ExpiresOn <= now || key.Properties.NotBefore > now)
        {
            throw new KeyUnavailableException(key.Id.AbsoluteUri, "its current version is disabled, expired or not valid yet");
        }

        _current[name] = (key, now + CurrentFor);
        return key;
    }

    private async Task<KeyVaultKey?> FindAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await _vault.GetKeyAsync(name, cancellationToken: cancellationToken);
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            return null;
        }
        catch (RequestFailedException e) when (e.Status is 403 or 409)
        {
            throw Unavailable(name, e);
        }
    }

    private async Task<KeyVaultKey> GetAsync(string name, string? version, CancellationToken cancellationToken)
    {
        try
        {
            return await _vault.GetKeyAsync(name, version, cancellationToken);
        }
        catch (RequestFailedException e) when (e.Status is 403 or 404 or 409)
        {
            throw Unavailable(version is null ? name : $"{name}/{version}", e);
        }
    }

    private static async Task CreateAsync(string name, Func<Task<Response<KeyVaultKey>>> create)
    {
        try
        {
            await create();
        }
        catch (RequestFailedException e) when (e.Status is 403 or 409)
        {
            throw Unavailable(name, e);
        }
    }

    // The id comes from a pack's metadata. It must name a version in this vault: our token goes nowhere else.
    private CryptographyClient Version(string keyId, Func<string, bool> isRightKind)
    {
        if (!Uri.TryCreate(keyId, UriKind.Absolute, out Uri? uri)
            || uri.AbsoluteUri != keyId
            || !KeyVaultKeyIdentifier.TryCreate(uri, out KeyVaultKeyIdentifier id)
            || id.VaultUri.Host != _vault.VaultUri.Host
            || id.VaultUri.Port != _vault.VaultUri.Port
            || string.IsNullOrEmpty(id.Version)
            || !isRightKind(id.Name))
        {
            throw new KeyUnavailableException(keyId, "it is not a key version of this vault for this purpose");
        }

        // A few for each clinic. Each fetches its public half once.
        return _versions.GetOrAdd($"{id.Name}/{id.Version}", _ => _vault.GetCryptographyClient(id.Name, id.Version));
    }
}
