using CloudArchive.Format.Packs.Pixels;

namespace CloudArchive.Format.Packs;

/// <summary>A piece of a file that is to be packed by itself.</summary>
/// <param name="Length">Its bytes.</param>
/// <param name="Pack">Makes of a buffer of the shared pool, which it takes over, and so many bytes in it what goes into the ZIP.</param>
internal readonly record struct EntryPiece(int Length, Func<byte[], int, PackedPiece> Pack)
{
    private const int MostLength = 1024 * 1024;

    /// <summary>The pieces of a file, in order. They follow from the file alone: a pack that is sealed again must be the same.</summary>
    public static IEnumerable<EntryPiece> Split(long length, bool deflate, PixelLayout? pixels)
    {
        Func<byte[], int, PackedPiece> plain = deflate ? PackedPiece.Deflate : PackedPiece.Store;
        if (pixels is null)
        {
            return Cut(length, plain);
        }

        PixelChunks chunks = PixelFilter.Plan(pixels, length);
        return Cut(chunks.PrefixLength, plain)
            .Concat(Enumerable.Range(0, chunks.Count).Select(chunk => new EntryPiece(chunks[chunk].Length, (buffer, count) => PackedPiece.Filter(pixels, buffer, count))))
            .Concat(Cut(chunks.SuffixLength, plain));
    }

    private static IEnumerable<EntryPiece> Cut(long length, Func<byte[], int, PackedPiece> pack)
    {
        for (long at = 0; at < length; at += MostLength)
        {
            yield return new EntryPiece((int)Math.Min(MostLength, length - at), pack);
        }
    }
}
