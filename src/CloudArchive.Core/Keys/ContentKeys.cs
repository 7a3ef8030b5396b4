using System.Security.Cryptography;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Keys;

/// <summary>Opens wrapped content keys. Only the recovery role can: without an <see cref="IKeyUnwrapper"/> every call is <see cref="Refusal.RecoveryOnly"/>.</summary>
public sealed class ContentKeys(IKeyUnwrapper? unwrapper = null)
{
    /// <summary>The content key; the caller disposes it.</summary>
    /// <exception cref="KeyUnavailableException">The key version that wraps it cannot be used.</exception>
    /// <exception cref="Format.Packs.PackException">What was unwrapped is no content key.</exception>
    public async Task<ContentKey> UnwrapAsync(WrappedContentKey wrapped, CancellationToken cancellationToken)
    {
        if (unwrapper is null)
        {
            throw new RefusedException(Refusal.RecoveryOnly, "This host cannot unwrap keys. Ask the recovery host.");
        }

        byte[] input = await unwrapper.UnwrapAsync(wrapped.KeyId, wrapped.Algorithm, wrapped.EncryptedKey, cancellationToken);
        try
        {
            return ContentKey.FromWrapInput(input);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(input);
        }
    }

    /// <summary>The same content key, wrapped to somebody else.</summary>
    public async Task<WrappedContentKey> RewrapAsync(WrappedContentKey wrapped, Jwk to, CancellationToken cancellationToken)
    {
        using ContentKey key = await UnwrapAsync(wrapped, cancellationToken);
        return KeyWrapping.Wrap(key, to);
    }
}
