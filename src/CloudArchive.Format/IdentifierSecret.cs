using System.Security.Cryptography;
using System.Text;

namespace CloudArchive.Format;

/// <summary>
/// A clinic's secret for looking up patients and visits without storing their identifiers: 32 random bytes. The catalogue holds only
/// HMAC-SHA256 under it; whoever lacks it cannot try out the few million identifiers that a clinic may have.
/// </summary>
public sealed class IdentifierSecret : IDisposable
{
    private const int Length = 32;
    private const int NonceLength = 12;
    private const int TagLength = 16;
    private const byte Version = 1;
    private readonly byte[] _secret;
    private bool _disposed;

    private IdentifierSecret(ReadOnlySpan<byte> secret)
    {
        _secret = GC.AllocateUninitializedArray<byte>(Length, pinned: true);
        secret.CopyTo(_secret);
    }

    /// <summary>A new one.</summary>
    public static IdentifierSecret Create()
    {
        Span<byte> secret = stackalloc byte[Length];
        RandomNumberGenerator.Fill(secret);
        IdentifierSecret created = new(secret);
        CryptographicOperations.ZeroMemory(secret);
        return created;
    }

    /// <summary>The opposite of <see cref="ToBytes"/>.</summary>
    public static IdentifierSecret FromBytes(ReadOnlySpan<byte> secret) =>
        secret.Length == Length ? new(secret) : throw new ArgumentException("An identifier secret has 32 bytes.", nameof(secret));

    /// <summary>Opens what <see cref="SealUnder"/> made. <see cref="CryptographicException"/> for another code or altered bytes.</summary>
    public static IdentifierSecret Open(ReadOnlySpan<byte> sealedSecret, string enrollmentCode)
    {
        if (sealedSecret.Length != 1 + NonceLength + Length + TagLength || sealedSecret[0] != Version)
        {
            throw new CryptographicException("This is no sealed identifier secret of version 1.");
        }

        Span<byte> secret = stackalloc byte[Length];
        using AesGcm cipher = CipherFor(enrollmentCode);
        cipher.Decrypt(sealedSecret.Slice(1, NonceLength), sealedSecret.Slice(1 + NonceLength, Length), sealedSecret[^TagLength..], secret, sealedSecret[..1]);
        IdentifierSecret opened = new(secret);
        CryptographicOperations.ZeroMemory(secret);
        return opened;
    }

    /// <summary>
    /// The secret under a key that only the bearer of the code can derive; the archive keeps the code's hash alone. The code must carry
    /// 128 random bits and is taken as it is: bring it to its one spelling first.
    /// </summary>
    public byte[] SealUnder(string enrollmentCode)
    {
        byte[] result = new byte[1 + NonceLength + Length + TagLength];
        result[0] = Version;

        // The nonce is random: a code is used for one agent, so its key sees a handful of messages at the very most.
        Span<byte> nonce = result.AsSpan(1, NonceLength);
        RandomNumberGenerator.Fill(nonce);
        using AesGcm cipher = CipherFor(enrollmentCode);
        cipher.Encrypt(nonce, Secret(), result.AsSpan(1 + NonceLength, Length), result.AsSpan(1 + NonceLength + Length), result.AsSpan(0, 1));
        return result;
    }

    /// <summary>
    /// HMAC-SHA256 of an identifier's text in UTF-8, or null where there is none. Spaces and NULs around it are DICOM's padding (PS3.5 §6.2)
    /// and do not count.
    /// </summary>
    public Sha256Digest? Hmac(ReadOnlySpan<byte> identifier)
    {
        ReadOnlySpan<byte> trimmed = identifier.Trim(" \0"u8);
        return trimmed.IsEmpty ? null : Sha256Digest.FromBytes(HMACSHA256.HashData(Secret(), trimmed));
    }

    /// <inheritdoc cref="Hmac(ReadOnlySpan{byte})"/>
    public Sha256Digest? Hmac(string? identifier) => Hmac(Encoding.UTF8.GetBytes(identifier ?? ""));

    /// <summary>What other spellings of an identifier share; null where there is none.</summary>
    public IdentifierForms? Forms(string? identifier) => identifier is not null && Form(identifier, IdentifierMatch.Spelling) is { } spelling && Form(identifier, IdentifierMatch.Zeros) is { } zeros
        ? new IdentifierForms(spelling, zeros)
        : null;

    /// <summary>One of <see cref="Forms"/>; null where there is none, or where only the same is the same.</summary>
    public Sha256Digest? Form(string identifier, IdentifierMatch match)
    {
        string text = match == IdentifierMatch.Exact ? "" : IdentifierForms.Text(identifier, match);
        string kind = match == IdentifierMatch.Zeros ? "zeros" : "spelling";
        return text.Length == 0 ? null : Hmac($"cloudarchive/identifier/1/{kind}\n{text}");
    }

    /// <summary>The 32 bytes, for the caller to protect and to clear.</summary>
    public byte[] ToBytes() => Secret().ToArray();

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        CryptographicOperations.ZeroMemory(_secret);
    }

    /// <inheritdoc/>
    public override string ToString() => "**redacted**";

    /// <summary>Never the zeros that a disposed secret is.</summary>
    private ReadOnlySpan<byte> Secret()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _secret;
    }

    /// <summary>HKDF-SHA256 (RFC 5869) without salt: the code is uniformly random already. <c>info</c> keeps the key apart from every other use of the code.</summary>
    private static AesGcm CipherFor(string enrollmentCode)
    {
        if (enrollmentCode.Length < 16)
        {
            throw new ArgumentException("An enrollment code of 128 bits has more characters.", nameof(enrollmentCode));
        }

        Span<byte> key = stackalloc byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(enrollmentCode), key, [], "cloudarchive/identifier-secret/1"u8);
        AesGcm cipher = new(key, TagLength);
        CryptographicOperations.ZeroMemory(key);
        return cipher;
    }
}
