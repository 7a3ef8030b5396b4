using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
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
/// Key Vault: <c>signing</c> (P-256) in the archive's vault, <c>kek-{clinic}</c> (RSA 3072) for each clinic in one of the clinics'. Private halves never leave them.
/// </summary>
/// <remarks>Throttling (429) is waited out as Retry-After says, by the SDK; what outlasts that is a <see cref="RequestFailedException"/>, and no verdict on a key.</remarks>
public sealed class KeyVaultKeys : IWrappingKeys, IKeyUnwrapper, ISigner, IKeyRights
{
    private const string SigningKey = "signing";
    private const string WrappingPrefix = "kek-";
    private const int RsaBits = 3072;

    // A rotated key is used this much later by a process that knew the one before, which still works.
    private static readonly TimeSpan CurrentFor = TimeSpan.FromMinutes(5);

    /// <summary>How old a clinic's key becomes before the next version wraps.</summary>
    public static readonly TimeSpan RenewedAfter = TimeSpan.FromDays(730);

    private readonly KeyClient _vault;
    private readonly KeyClient[] _clinicVaults;
    private readonly bool _hsm;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<string, KeyClient> _homes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (KeyVaultKey Key, DateTimeOffset Until)> _current = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, CryptographyClient> _versions = new(StringComparer.Ordinal);
    private JwkSet? _published;

    /// <param name="places">The vaults.</param>
    /// <param name="identity">Who asks.</param>
    /// <param name="clock">How long what is known of a key stays so, and when a key is to be renewed.</param>
    /// <param name="options">For tests; else null.</param>
    public KeyVaultKeys(VaultPlaces places, TokenCredential identity, TimeProvider clock, KeyClientOptions? options = null)
    {
        options ??= new KeyClientOptions();
        options.Retry.MaxRetries = 6;
        _vault = new KeyClient(places.Signing, identity, options);
        _clinicVaults = [.. places.Clinics.Select(vault => new KeyClient(vault, identity, options))];
        _hsm = places.Hsm;
        _clock = clock;
    }

    /// <summary>Makes the signing key where there is none.</summary>
    public async Task EnsureReadyAsync(CancellationToken cancellationToken)
    {
        if (await FindAsync(_vault, SigningKey, cancellationToken) is null)
        {
            await CreateAsync(SigningKey, () => _vault.CreateEcKeyAsync(new CreateEcKeyOptions(SigningKey) { CurveName = KeyCurveName.P256, KeyOperations = { KeyOperation.Sign, KeyOperation.Verify } }, cancellationToken));
        }
    }

    /// <inheritdoc/>
    public async Task<Jwk> EnsureAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        // Two that find none each make a version. Both are the clinic's and stay; the later one is current.
        string name = WrappingKey(clinic);
        if (await FindHomeAsync(name, cancellationToken) is null)
        {
            await CreateWrappingAsync(InOrder(name).First(), name, cancellationToken);
        }

        return await GetCurrentAsync(clinic, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<Jwk> RenewAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        string name = WrappingKey(clinic);
        KeyClient home = await HomeAsync(name, cancellationToken);
        KeyVaultKey key = await GetAsync(home, name, null, cancellationToken);
        if (key.Properties.CreatedOn + RenewedAfter <= _clock.GetUtcNow())
        {
            await CreateWrappingAsync(home, name, cancellationToken);
        }

        return await GetCurrentAsync(clinic, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<Jwk> GetCurrentAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        string name = WrappingKey(clinic);
        KeyVaultKey key = Known(name) ?? await CurrentAsync(await HomeAsync(name, cancellationToken), name, cancellationToken);
        using RSA rsa = key.Key.ToRSA();
        return JwkKeys.FromRsa(rsa, key.Id.AbsoluteUri);
    }

    /// <inheritdoc/>
    public async Task<byte[]> UnwrapAsync(string keyId, string algorithm, ReadOnlyMemory<byte> wrapped, CancellationToken cancellationToken)
    {
        CryptographyClient version = Version(keyId, _clinicVaults, name => name.StartsWith(WrappingPrefix, StringComparison.Ordinal));
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
    public async Task<string> GetCurrentKeyIdAsync(CancellationToken cancellationToken) => (await SigningAsync(cancellationToken)).Id.AbsoluteUri;

    /// <inheritdoc/>
    public async Task<byte[]> SignAsync(string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        CryptographyClient version = Version(keyId, [_vault], name => name == SigningKey);
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
        KeyVaultKey current = await SigningAsync(cancellationToken);
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
            keys.Add(ToJwk(await GetAsync(_vault, SigningKey, properties.Version, cancellationToken)));
        }

        return _published = new JwkSet(keys);
    }

    private static Jwk ToJwk(KeyVaultKey key)
    {
        using ECDsa ecdsa = key.Key.ToECDsa();
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

    /// <summary>
    /// The vaults in the order in which a key is looked for. A new one is made in the first: names are spread evenly, and when vaults were added,
    /// a key that is in another is found there.
    /// </summary>
    private IEnumerable<KeyClient> InOrder(string name)
    {
        int first = (int)(BinaryPrimitives.ReadUInt32LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(name))) % (uint)_clinicVaults.Length);
        return _clinicVaults.Skip(first).Concat(_clinicVaults.Take(first));
    }

    /// <summary>The vault that a clinic's key is in; null where none has it. A vault that does not say so is no vault that has none: it throws.</summary>
    private async Task<KeyClient?> FindHomeAsync(string name, CancellationToken cancellationToken)
    {
        if (_homes.TryGetValue(name, out KeyClient? known))
        {
            return known;
        }

        foreach (KeyClient vault in InOrder(name))
        {
            if (await FindAsync(vault, name, cancellationToken) is not null)
            {
                return _homes[name] = vault;
            }
        }

        return null;
    }

    private async Task<KeyClient> HomeAsync(string name, CancellationToken cancellationToken) =>
        await FindHomeAsync(name, cancellationToken) ?? throw new KeyUnavailableException(name, "there is no such key or version");

    private async Task CreateWrappingAsync(KeyClient home, string name, CancellationToken cancellationToken)
    {
        CreateRsaKeyOptions options = new(name, _hsm) { KeySize = RsaBits, KeyOperations = { KeyOperation.WrapKey, KeyOperation.UnwrapKey } };
        await CreateAsync(name, () => home.CreateRsaKeyAsync(options, cancellationToken));
        _homes[name] = home;
        _current.TryRemove(name, out _);
    }

    private async Task<KeyVaultKey> SigningAsync(CancellationToken cancellationToken) => Known(SigningKey) ?? await CurrentAsync(_vault, SigningKey, cancellationToken);

    private KeyVaultKey? Known(string name) => _current.TryGetValue(name, out (KeyVaultKey Key, DateTimeOffset Until) known) && known.Until > _clock.GetUtcNow() ? known.Key : null;

    private async Task<KeyVaultKey> CurrentAsync(KeyClient vault, string name, CancellationToken cancellationToken)
    {
        DateTimeOffset now = _clock.GetUtcNow();
        KeyVaultKey key = await GetAsync(vault, name, null, cancellationToken);
        if (key.Properties.Enabled == false || key.Properties.ExpiresOn <= now || key.Properties.NotBefore > now)
        {
            throw new KeyUnavailableException(key.Id.AbsoluteUri, "its current version is disabled, expired or not valid yet");
        }

        _current[name] = (key, now + CurrentFor);
        return key;
    }

    private static async Task<KeyVaultKey?> FindAsync(KeyClient vault, string name, CancellationToken cancellationToken)
    {
        try
        {
            return await vault.GetKeyAsync(name, cancellationToken: cancellationToken);
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

    private static async Task<KeyVaultKey> GetAsync(KeyClient vault, string name, string? version, CancellationToken cancellationToken)
    {
        try
        {
            return await vault.GetKeyAsync(name, version, cancellationToken);
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

    // The id comes from a pack's metadata. It must name a version in one of these vaults: our token goes nowhere else.
    private CryptographyClient Version(string keyId, KeyClient[] vaults, Func<string, bool> isRightKind)
    {
        if (!Uri.TryCreate(keyId, UriKind.Absolute, out Uri? uri)
            || uri.AbsoluteUri != keyId
            || !KeyVaultKeyIdentifier.TryCreate(uri, out KeyVaultKeyIdentifier id)
            || vaults.FirstOrDefault(v => v.VaultUri.Host == id.VaultUri.Host && v.VaultUri.Port == id.VaultUri.Port) is not { } vault
            || string.IsNullOrEmpty(id.Version)
            || !isRightKind(id.Name))
        {
            throw new KeyUnavailableException(keyId, "it is not a key version of this archive's vaults for this purpose");
        }

        // A few for each clinic. Each fetches its public half once.
        return _versions.GetOrAdd(keyId, _ => vault.GetCryptographyClient(id.Name, id.Version));
    }
}
