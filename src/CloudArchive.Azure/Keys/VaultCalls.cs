using Azure;
using Azure.Security.KeyVault.Keys;
using Azure.Security.KeyVault.Keys.Cryptography;
using CloudArchive.Core.Keys;

namespace CloudArchive.Azure.Keys;

/// <summary>Calls to a vault, with what it refuses as <see cref="KeyUnavailableException"/>.</summary>
internal static class VaultCalls
{
    public static KeyUnavailableException Unavailable(string keyId, RequestFailedException e) => new(
        keyId,
        e.Status switch
        {
            403 => "the vault forbids it: the key is disabled or expired, or this identity lacks the right",
            404 => "there is no such key or version",
            _ => "it is deleted; recover it in the vault",
        },
        e);

    /// <summary>Whether a version can be used now.</summary>
    public static bool IsUsable(KeyProperties version, DateTimeOffset now) => version.Enabled != false && !(version.ExpiresOn <= now) && !(version.NotBefore > now);

    public static async Task<KeyVaultKey> GetCurrentAsync(KeyClient vault, string name, DateTimeOffset now, CancellationToken cancellationToken)
    {
        KeyVaultKey key = await GetAsync(vault, name, null, cancellationToken);
        return IsUsable(key.Properties, now) ? key : throw new KeyUnavailableException(key.Id.AbsoluteUri, "its current version is disabled, expired or not valid yet");
    }

    public static async Task<KeyVaultKey?> FindAsync(KeyClient vault, string name, CancellationToken cancellationToken)
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

    public static async Task<KeyVaultKey> GetAsync(KeyClient vault, string name, string? version, CancellationToken cancellationToken)
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

    public static async Task CreateAsync(string name, Func<Task<Response<KeyVaultKey>>> create)
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

    /// <summary>The id may come from a pack's metadata. It must name a version in one of these vaults: our token goes nowhere else.</summary>
    public static CryptographyClient Version(string keyId, IEnumerable<KeyClient> vaults, Func<string, bool> isRightKind) =>
        Uri.TryCreate(keyId, UriKind.Absolute, out Uri? uri)
            && uri.AbsoluteUri == keyId
            && KeyVaultKeyIdentifier.TryCreate(uri, out KeyVaultKeyIdentifier id)
            && vaults.FirstOrDefault(v => v.VaultUri.Host == id.VaultUri.Host && v.VaultUri.Port == id.VaultUri.Port) is { } vault
            && !string.IsNullOrEmpty(id.Version)
            && isRightKind(id.Name)
            ? vault.GetCryptographyClient(id.Name, id.Version)
            : throw new KeyUnavailableException(keyId, "it is not a key version of this archive's vaults for this purpose");
}
