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
/// Key Vault: <c>signing</c> and <c>tokens</c> (P-256) in the archive's vault, <c>kek-{clinic}</c> (RSA 3072) for each clinic in one of the clinics'. Private halves never leave them.
/// </summary>
/// <remarks>Throttling (429) is waited out as Retry-After says, by the SDK; what outlasts that is a <see cref="RequestFailedException"/>, and no verdict on a key.</remarks>
public sealed class KeyVaultKeys : IWrappingKeys, IKeyUnwrapper, IKeyRights
{
    private const string WrappingPrefix = "kek-";
    private const int RsaBits = 3072;

    // A rotated key is used this much later by a process that knew the one before, which still works.
    internal static readonly TimeSpan CurrentFor = TimeSpan.FromMinutes(5);

    /// <summary>How old a clinic's key becomes before the next version wraps.</summary>
    public static readonly TimeSpan RenewedAfter = TimeSpan.FromDays(730);

    private readonly VaultSigner _statements;
    private readonly VaultSigner _tokens;
    private readonly KeyClient[] _clinicVaults;
    private readonly bool _hsm;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<string, KeyClient> _homes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (KeyVaultKey Key, DateTimeOffset Until)> _current = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, CryptographyClient> _versions = new(StringComparer.Ordinal);

    /// <param name="places">The vaults.</param>
    /// <param name="identity">Who asks.</param>
    /// <param name="clock">How long what is known of a key stays so, and when a key is to be renewed.</param>
    /// <param name="options">For tests; else null.</param>
    public KeyVaultKeys(VaultPlaces places, TokenCredential identity, TimeProvider clock, KeyClientOptions? options = null)
    {
        options ??= new KeyClientOptions();
        options.Retry.MaxRetries = 6;
        KeyClient vault = new(places.Signing, identity, options);
        _statements = new VaultSigner(vault, "signing", clock);
        _tokens = new VaultSigner(vault, "tokens", clock);
        _clinicVaults = [.. places.Clinics.Select(vault => new KeyClient(vault, identity, options))];
        _hsm = places.Hsm;
        _clock = clock;
    }

    /// <summary>Signs what is to verify for ever.</summary>
    public ISigner Statements => _statements;

    /// <summary>Signs tokens and sessions, with a key of its own.</summary>
    public ITokenSigner Tokens => _tokens;

    /// <summary>Makes the keys that sign where there are none. On Azure the deployment makes them: no app may.</summary>
    public async Task EnsureReadyAsync(CancellationToken cancellationToken)
    {
        await _statements.EnsureAsync(cancellationToken);
        await _tokens.EnsureAsync(cancellationToken);
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
        KeyVaultKey key = await VaultCalls.GetAsync(home, name, null, cancellationToken);
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
        CryptographyClient version = Version(keyId);
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
            throw VaultCalls.Unavailable(keyId, e);
        }
    }

    /// <inheritdoc/>
    public async Task<bool> MayUnwrapAsync(string keyId, CancellationToken cancellationToken)
    {
        using IDisposable marked = DoctorProbe.Begin();
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

    private static string WrappingKey(ClinicId clinic) => WrappingPrefix + clinic.Value;

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
            if (await VaultCalls.FindAsync(vault, name, cancellationToken) is not null)
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
        await VaultCalls.CreateAsync(name, () => home.CreateRsaKeyAsync(options, cancellationToken));
        _homes[name] = home;
        _current.TryRemove(name, out _);
    }

    private KeyVaultKey? Known(string name) => _current.TryGetValue(name, out (KeyVaultKey Key, DateTimeOffset Until) known) && known.Until > _clock.GetUtcNow() ? known.Key : null;

    private async Task<KeyVaultKey> CurrentAsync(KeyClient vault, string name, CancellationToken cancellationToken)
    {
        DateTimeOffset now = _clock.GetUtcNow();
        KeyVaultKey key = await VaultCalls.GetCurrentAsync(vault, name, now, cancellationToken);
        _current[name] = (key, now + CurrentFor);
        return key;
    }

    // A few for each clinic. Each fetches its public half once.
    private CryptographyClient Version(string keyId) =>
        _versions.GetOrAdd(keyId, id => VaultCalls.Version(id, _clinicVaults, name => name.StartsWith(WrappingPrefix, StringComparison.Ordinal)));
}
