using System.Buffers;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Packs;

/// <summary>
/// A pack whose length or SHA-256 is not what was committed is refused whatever its content. Why it differs is what the engineer on call
/// needs to know: damaged media, a cut-off copy and a swapped blob call for different acts.
/// </summary>
internal static class PackDiagnosis
{
    /// <summary>Compares length and hash; null where all that is known fits.</summary>
    public static async Task<PackException?> FindMismatchAsync(Stream ciphertext, PackIdentity expected, CancellationToken cancellationToken)
    {
        if (expected.Length is { } length && ciphertext.Length != length)
        {
            return new PackException(PackFault.LengthMismatch, $"The pack has {ciphertext.Length} bytes; {length} were committed.");
        }

        if (expected.Sha256 is { } sha256)
        {
            ciphertext.Position = 0;
            try
            {
                await PackVerifier.CheckCiphertextAsync(ciphertext, ciphertext.Length, sha256, cancellationToken);
            }
            catch (PackException e)
            {
                return e;
            }
        }

        return null;
    }

    /// <summary>The cause of a mismatch as far as the bytes show it, or the mismatch itself.</summary>
    public static async Task<PackException> ExplainAsync(PackException mismatch, Stream ciphertext, ContentKey key, PackIdentity expected, CancellationToken cancellationToken)
    {
        try
        {
            await using PackReader reader = await PackReader.OpenUncheckedAsync(ciphertext, key, expected, cancellationToken);
        }
        catch (PackException e) when (e.Fault == PackFault.WrongBlob)
        {
            return e;
        }
        catch (PackException)
        {
            // It does not open; the regions tell why.
        }

        bool lengthFits = expected.Length is not { } length || ciphertext.Length == length;
        try
        {
            await ReadRegionsAsync(ciphertext, key, cancellationToken);
        }
        catch (PackException e) when (lengthFits || e.Fault is PackFault.FirstRegionMissing or PackFault.RegionsReordered)
        {
            return e;
        }
        catch (PackException)
        {
            // Cut off or continued within a region, whose tag then fails: the length says it better.
        }

        return ciphertext.Length < expected.Length ? new PackException(PackFault.Truncated, mismatch.Message, mismatch) : mismatch;
    }

    /// <summary>One byte of each region: enough to authenticate all of it and to see whether it is in its place.</summary>
    private static async Task ReadRegionsAsync(Stream ciphertext, ContentKey key, CancellationToken cancellationToken)
    {
        await using UnsealingStream plaintext = new(ciphertext, key);
        byte[] one = new byte[1];
        for (long at = 0; at < plaintext.Length; at += Regions.DataLength)
        {
            plaintext.Position = at;
            await plaintext.ReadExactlyAsync(one, cancellationToken);
        }
    }
}
