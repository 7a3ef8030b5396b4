using System.Security.Cryptography;
using CloudArchive.Format.Packs;

namespace CloudArchive.Format.Sealing;

/// <summary>
/// The AES-256 key of one pack. It seals once: two streams under one key would repeat nonces, and AES-GCM does not survive that. The one way
/// around is <see cref="ToSealAgain"/>, for the very same bytes.
/// </summary>
public sealed class ContentKey : IDisposable
{
    private const int Length = 32;
    private const int VersionLength = 8;
    private readonly byte[] _key;
    private int _maySeal;
    private bool _disposed;

    private ContentKey(ReadOnlySpan<byte> key, bool maySeal)
    {
        // Pinned, so that the collector leaves no copies behind; cleared by Dispose.
        _key = GC.AllocateUninitializedArray<byte>(Length, pinned: true);
        key.CopyTo(_key);
        _maySeal = maySeal ? 1 : 0;
    }

    /// <summary>UTF-8 "2.0", padded with NUL: the SDK binds the protocol's version to the key this way.</summary>
    private static ReadOnlySpan<byte> Version => "2.0\0\0\0\0\0"u8;

    /// <summary>A fresh key, for one pack.</summary>
    public static ContentKey Create()
    {
        Span<byte> key = stackalloc byte[Length];
        RandomNumberGenerator.Fill(key);
        ContentKey created = new(key, maySeal: true);
        CryptographicOperations.ZeroMemory(key);
        return created;
    }

    /// <summary>The key in an unwrapped <see cref="WrappedContentKey"/>. It opens; it cannot seal again.</summary>
    /// <exception cref="PackException"><see cref="PackFault.WrongKey"/>: these are not the 40 bytes of a content key, version 2.0.</exception>
    public static ContentKey FromWrapInput(ReadOnlySpan<byte> wrapInput) =>
        wrapInput.Length == VersionLength + Length && wrapInput.StartsWith(Version)
            ? new(wrapInput[VersionLength..], maySeal: false)
            : throw new PackException(PackFault.WrongKey, "What was unwrapped is no content key of client-side encryption 2.0.");

    /// <summary>
    /// The key of a pack whose sealing was cut off, to seal the very same plaintext again. Whoever calls this must hold the hashes of all sealed bytes that
    /// ever left this computer under the key, and stop before the first that differs is sent: a second plaintext under a nonce gives both away.
    /// </summary>
    /// <exception cref="PackException"><see cref="PackFault.WrongKey"/>: these are not the 40 bytes of <see cref="ToWrapInput"/>.</exception>
    public static ContentKey ToSealAgain(ReadOnlySpan<byte> wrapInput) =>
        wrapInput.Length == VersionLength + Length && wrapInput.StartsWith(Version)
            ? new(wrapInput[VersionLength..], maySeal: true)
            : throw new PackException(PackFault.WrongKey, "What was kept is no content key of client-side encryption 2.0.");

    /// <summary>The 40 bytes to wrap: "2.0" padded with NUL to 8, then the key. Clear them after use.</summary>
    public byte[] ToWrapInput() => [.. Version, .. Key()];

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        CryptographicOperations.ZeroMemory(_key);
    }

    /// <inheritdoc/>
    public override string ToString() => "**redacted**";

    /// <summary>A known key for golden vectors.</summary>
    internal static ContentKey ForVectors(ReadOnlySpan<byte> key) => new(key, maySeal: true);

    internal AesGcm CreateCipher() => new(Key(), Regions.TagLength);

    internal AesGcm CreateSealingCipher() =>
        Interlocked.Exchange(ref _maySeal, 0) == 1
            ? CreateCipher()
            : throw new InvalidOperationException("A content key seals once, and only where it was made: make a new one.");

    /// <summary>Never the zeros that a disposed key is.</summary>
    private ReadOnlySpan<byte> Key()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _key;
    }
}
