using CloudArchive.Dicom;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Packs.Pixels;

namespace CloudArchive.Cli.Backup;

/// <summary>How a file goes into its pack: decided by the file alone, never by how fast the link is. A pack that is sealed again must be the same.</summary>
public static class PackEntries
{
    /// <summary>Stored where the image is compressed already; else its pixels are filtered, where they can be, and the rest is deflated.</summary>
    public static PackEntry Of(PendingFile file, ManifestRoot root)
    {
        if (file.Instance.Kind is not null)
        {
            return new PackEntry(file.ManifestPath, new DateTimeOffset(file.ModifiedTicks, TimeSpan.Zero), file.Instance, Deflate: !FileKinds.IsCompressed(file.Path), Root: root);
        }

        bool isCompressed = TransferSyntaxes.IsCompressed(file.Instance.TransferSyntax?.Value ?? "");
        return new PackEntry(
            file.ManifestPath,
            new DateTimeOffset(file.ModifiedTicks, TimeSpan.Zero),
            file.Instance,
            Deflate: !isCompressed,
            FindPixels: isCompressed ? null : head => PixelData.Find(head, file.Length) is { } found ? Layout(found) : null,
            Root: root);
    }

    private static PixelLayout Layout(PixelDataLayout found) =>
        new(found.Offset, found.Length, found.Rows, found.Columns, found.SamplesPerPixel, found.BitsAllocated, found.PlanarConfiguration, found.BigEndian);
}
