using System.Buffers;
using System.Security.Cryptography;

namespace CloudArchive.Format.Packs;

/// <summary>Checks a pack from outside its seal.</summary>
public static class PackVerifier
{
    private const int BufferLength = 1024 * 1024;

    /// <summary>Reads the ciphertext to its end and compares it with what was committed: what everyone must do before trusting a byte.</summary>
    /// <exception cref="PackException"><see cref="PackFault.LengthMismatch"/> or <see cref="PackFault.HashMismatch"/>.</exception>
    public static async Task CheckCiphertextAsync(Stream ciphertext, long length, Sha256Digest sha256, CancellationToken cancellationToken)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
        try
        {
            long total = 0;
            int read;
            while (total <= length && (read = await ciphertext.ReadAsync(buffer, cancellationToken)) > 0)
            {
                hash.AppendData(buffer, 0, read);
                total += read;
            }

            if (total != length)
            {
                throw new PackException(PackFault.LengthMismatch, $"The pack has {(total > length ? "more than" : "only")} {Math.Min(total, length)} bytes; {length} were committed.");
            }

            if (Sha256Digest.FromBytes(hash.GetCurrentHash()) != sha256)
            {
                throw new PackException(PackFault.HashMismatch, "The pack's SHA-256 is not the one that was committed.");
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
