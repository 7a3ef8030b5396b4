using System.Collections.Concurrent;
using System.Security.Cryptography;
using Azure;
using Azure.Security.KeyVault.Keys;
using Azure.Security.KeyVault.Keys.Cryptography;
using CloudArchive.Core.Keys;
using CloudArchive.Format.Signing;

namespace CloudArchive.Azure.Keys;

/// <summary>A P-256 key of the archive's vault that signs, with its versions.</summary>
internal sealed class VaultSigner(KeyClient vault, string name, TimeProvider clock) : ISigner, ITokenSigner
{
    // A version's public half never changes: it is asked for once. Whether the version is enabled is not remembered here.
    private readonly ConcurrentDictionary<string, Jwk> _public = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, CryptographyClient> _versions = new(StringComparer.Ordinal);
    private (KeyVaultKey Key, DateTimeOffset Until)? _current;
    private (JwkSet Keys, IReadOnlyList<string> Disabled, DateTimeOffset Until)? _published;

    /// <summary>Makes the key where there is none.</summary>
    public async Task EnsureAsync(CancellationToken cancellationToken)
    {
        if (await VaultCalls.FindAsync(vault, name, cancellationToken) is null)
        {
            CreateEcKeyOptions options = new(name) { CurveName = KeyCurveName.P256, KeyOperations = { KeyOperation.Sign, KeyOperation.Verify } };
            await VaultCalls.CreateAsync(name, () => vault.CreateEcKeyAsync(options, cancellationToken));
        }
    }

    /// <inheritdoc/>
    public async Task<string> GetCurrentKeyIdAsync(CancellationToken cancellationToken) => (await CurrentAsync(cancellationToken)).Id.AbsoluteUri;

    /// <inheritdoc/>
    public async Task<byte[]> SignAsync(string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        CryptographyClient version = _versions.GetOrAdd(keyId, id => VaultCalls.Version(id, [vault], asked => asked == name));
        try
        {
            // Hashed here; the vault signs the digest and answers r || s (RFC 7518 §3.4).
            SignResult result = await version.SignDataAsync(SignatureAlgorithm.ES256, data.ToArray(), cancellationToken);
            return result.Signature;
        }
        catch (RequestFailedException e) when (e.Status is 403 or 404 or 409)
        {
            throw VaultCalls.Unavailable(keyId, e);
        }
    }

    /// <inheritdoc/>
    public async Task<JwkSet> GetPublicKeysAsync(CancellationToken cancellationToken) => (await PublishedAsync(cancellationToken)).Keys;

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> GetDisabledAsync(CancellationToken cancellationToken) => (await PublishedAsync(cancellationToken)).Disabled;

    /// <inheritdoc/>
    public async Task<JwkSet> GetAcceptedKeysAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        List<Jwk> keys = [];
        foreach (KeyProperties version in (await ListAsync(cancellationToken)).Take(2).Where(version => VaultCalls.IsUsable(version, now)))
        {
            keys.Add(await GetPublicAsync(version, cancellationToken));
        }

        return new JwkSet(keys);
    }

    private async Task<(JwkSet Keys, IReadOnlyList<string> Disabled)> PublishedAsync(CancellationToken cancellationToken)
    {
        // Anyone may ask for these: the vault must not be asked each time. What signs now is always among them.
        DateTimeOffset now = clock.GetUtcNow();
        string? current;
        try
        {
            current = (await CurrentAsync(cancellationToken)).Id.AbsoluteUri;
        }
        catch (KeyUnavailableException)
        {
            current = null; // Nothing is signed while it is out of use. What was signed verifies all the same.
        }

        if (_published is { } published && published.Until > now && (current is null || published.Keys.Keys[0].Kid == current))
        {
            return (published.Keys, published.Disabled);
        }

        List<Jwk> keys = [];
        List<string> disabled = [];
        foreach (KeyProperties version in await ListAsync(cancellationToken))
        {
            if (version.Enabled == false)
            {
                disabled.Add(version.Id.AbsoluteUri);
            }

            try
            {
                keys.Add(await GetPublicAsync(version, cancellationToken));
            }
            catch (KeyUnavailableException) when (version.Enabled == false)
            {
                // The vault keeps its public half back: it is shown as disabled, and holds up none of the others.
            }
        }

        JwkSet set = new([.. keys.Where(key => key.Kid == current), .. keys.Where(key => key.Kid != current)]);
        _published = (set, disabled, now + KeyVaultKeys.CurrentFor);
        return (set, disabled);
    }

    /// <summary>Every version, the latest first.</summary>
    private async Task<IReadOnlyList<KeyProperties>> ListAsync(CancellationToken cancellationToken)
    {
        try
        {
            List<KeyProperties> versions = [];
            await foreach (KeyProperties version in vault.GetPropertiesOfKeyVersionsAsync(name, cancellationToken))
            {
                versions.Add(version);
            }

            return [.. versions.OrderByDescending(version => version.CreatedOn)];
        }
        catch (RequestFailedException e) when (e.Status is 403 or 404 or 409)
        {
            throw VaultCalls.Unavailable(name, e);
        }
    }

    private async Task<Jwk> GetPublicAsync(KeyProperties version, CancellationToken cancellationToken)
    {
        string id = version.Id.AbsoluteUri;
        if (!_public.TryGetValue(id, out Jwk? known))
        {
            KeyVaultKey key = await VaultCalls.GetAsync(vault, name, version.Version, cancellationToken);
            using ECDsa ecdsa = key.Key.ToECDsa();
            known = _public[id] = JwkKeys.FromEcdsa(ecdsa, id);
        }

        return known;
    }

    private async Task<KeyVaultKey> CurrentAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        if (_current is { } known && known.Until > now)
        {
            return known.Key;
        }

        KeyVaultKey key = await VaultCalls.GetCurrentAsync(vault, name, now, cancellationToken);
        _current = (key, now + KeyVaultKeys.CurrentFor);
        return key;
    }
}
