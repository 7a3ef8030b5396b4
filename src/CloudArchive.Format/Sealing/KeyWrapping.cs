using System.Security.Cryptography;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Sealing;

/// <summary>Wraps content keys with RSA-OAEP-256 (RFC 7518 §4.3; SHA-256, MGF1 with SHA-256): whoever wraps needs the public half only.</summary>
public static class KeyWrapping
{
    /// <summary>The one algorithm.</summary>
    public const string Algorithm = "RSA-OAEP-256";

    /// <summary>Wraps a content key; <see cref="WrappedContentKey.KeyId"/> is the key's <c>kid</c>, or its thumbprint where it has none.</summary>
    public static WrappedContentKey Wrap(ContentKey key, Jwk publicKey)
    {
        using RSA rsa = JwkKeys.ToRsa(publicKey);
        byte[] input = key.ToWrapInput();
        try
        {
            return new WrappedContentKey(publicKey.Kid ?? JwkKeys.Thumbprint(publicKey), rsa.Encrypt(input, RSAEncryptionPadding.OaepSHA256), Algorithm);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(input);
        }
    }

    /// <summary>Unwraps a content key with the private half.</summary>
    /// <exception cref="PackException"><see cref="PackFault.WrongKey"/>: wrapped for another key, or altered; OAEP cannot tell which.</exception>
    public static ContentKey Unwrap(WrappedContentKey wrapped, RSA privateKey)
    {
        if (wrapped.Algorithm != Algorithm)
        {
            throw new PackException(PackFault.EncryptionDataInvalid, "The content key is wrapped with an algorithm other than RSA-OAEP-256.");
        }

        byte[] input;
        try
        {
            input = privateKey.Decrypt(wrapped.EncryptedKey, RSAEncryptionPadding.OaepSHA256);
        }
        catch (CryptographicException e)
        {
            throw new PackException(PackFault.WrongKey, $"The content key does not unwrap with this key. It was wrapped for key {wrapped.KeyId}.", e);
        }

        try
        {
            return ContentKey.FromWrapInput(input);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(input);
        }
    }
}
