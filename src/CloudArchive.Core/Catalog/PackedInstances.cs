using System.IO.Compression;
using System.Text.Json;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.Catalog;

/// <summary>
/// A pack's instances in few properties: their JSON as in the sidecar, Brotli, in pieces of 60 KiB (a property holds 64). About 60 bytes an instance, of
/// which 32 are its SHA-256. What is compared is what it says, not its bytes: another version of the compressor may write others.
/// </summary>
internal static class PackedInstances
{
    /// <summary>So many go into one row: with the longest UIDs there are, they stay below its limit of 1 MiB.</summary>
    public const int PerRow = 4000;

    private const int PieceBytes = 60 * 1024;
    private const int MostPieces = 16;
    private const int MostBytes = 8 * 1024 * 1024;

    /// <summary>Adds the properties <c>i00</c>, <c>i01</c> and so on.</summary>
    public static void Write(Dictionary<string, object> values, IReadOnlyList<SidecarInstance> instances)
    {
        using MemoryStream packed = new();
        using (BrotliStream brotli = new(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            JsonSerializer.Serialize(brotli, instances, FormatJson.Options);
        }

        int piece = 0;
        foreach (byte[] bytes in packed.ToArray().Chunk(PieceBytes))
        {
            values[Name(piece++)] = bytes;
        }

        if (piece > MostPieces)
        {
            throw new ArgumentException($"{instances.Count} instances do not go into one row.", nameof(instances));
        }
    }

    /// <summary>What <see cref="Write"/> wrote; nothing where the row has none.</summary>
    /// <exception cref="InvalidOperationException">It is none of what this writes.</exception>
    public static IReadOnlyList<SidecarInstance> Read(Row row)
    {
        using MemoryStream packed = new();
        for (int piece = 0; piece < MostPieces && row.Bytes(Name(piece)) is { } bytes; piece++)
        {
            packed.Write(bytes);
        }

        if (packed.Length == 0)
        {
            return [];
        }

        packed.Position = 0;
        try
        {
            using BrotliStream brotli = new(packed, CompressionMode.Decompress);
            using MemoryStream json = new();
            byte[] buffer = new byte[64 * 1024];
            int read;
            while ((read = brotli.Read(buffer)) > 0)
            {
                json.Write(buffer, 0, read);
                if (json.Length > MostBytes)
                {
                    throw new InvalidOperationException("A row of instances unpacks to more than it can have been made of.");
                }
            }

            return JsonSerializer.Deserialize<IReadOnlyList<SidecarInstance>>(json.GetBuffer().AsSpan(0, (int)json.Length), FormatJson.Options) ?? [];
        }
        catch (Exception e) when (e is InvalidDataException or JsonException)
        {
            throw new InvalidOperationException("A row of instances does not unpack.", e);
        }
    }

    private static string Name(int piece) => $"i{piece:d2}";
}
