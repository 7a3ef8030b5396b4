namespace CloudArchive.Format.Packs;

/// <summary>What kind of plain file it is, by its name alone: all that stands of it outside the seal besides its length and SHA-256.</summary>
public enum FileKind
{
    /// <summary>DICOM that cannot be filed under a study: no UIDs, a DICOMDIR, or damaged before they are known.</summary>
    Dicom,

    /// <summary>A photo or scanned image.</summary>
    Photo,

    /// <summary>A film or sound.</summary>
    Video,

    /// <summary>A surface scan: a mesh.</summary>
    Surface,

    /// <summary>Text for people: PDF, office documents, reports.</summary>
    Document,

    /// <summary>Files in a file: ZIP and its like.</summary>
    Archive,

    /// <summary>Anything else: vendors' stores, databases, programs.</summary>
    Other,

    /// <summary>A part of a <see cref="Snapshot"/>.</summary>
    Snapshot,
}

/// <summary>What the names and beginnings of plain files say.</summary>
public static class FileKinds
{
    /// <summary>How much of a file's beginning <see cref="SignatureOf"/> is given: at capture and in restore tests the same, or they could not be compared.</summary>
    public const int SignatureLength = 256;

    private static readonly Dictionary<string, FileKind> s_byExtension = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>What holds nothing that deflate makes smaller: it is stored as it is.</summary>
    private static readonly HashSet<string> s_compressed = new(StringComparer.OrdinalIgnoreCase)
    {
        ".jpg", ".jpeg", ".jpe", ".jp2", ".j2k", ".jxl", ".png", ".gif", ".webp", ".heic", ".heif", ".avif", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".mp3", ".m4a",
        ".aac", ".ogg", ".zip", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".cab", ".docx", ".xlsx", ".pptx", ".3mf",
    };

    static FileKinds()
    {
        Add(FileKind.Dicom, ".dcm .dicom .dic .ima .acr");
        Add(FileKind.Photo, ".jpg .jpeg .jpe .jp2 .j2k .jxl .png .gif .webp .heic .heif .avif .tif .tiff .bmp .raw .cr2 .cr3 .nef .arw .dng .svg");
        Add(FileKind.Video, ".mp4 .m4v .mov .mkv .webm .mpg .mpeg .avi .wmv .mp3 .m4a .aac .ogg .wav");
        Add(FileKind.Surface, ".stl .ply .obj .mtl .3mf .off .xyz");
        Add(FileKind.Document, ".pdf .txt .rtf .doc .docx .xls .xlsx .ppt .pptx .odt .ods .htm .html .xml .json .csv .md .log");
        Add(FileKind.Archive, ".zip .7z .rar .gz .tgz .bz2 .xz .zst .cab .tar .iso .bak");
    }

    /// <summary>The kind of a plain file.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="isDicom">Whether it begins as DICOM does, whatever its name.</param>
    public static FileKind Of(string name, bool isDicom = false) => isDicom ? FileKind.Dicom : s_byExtension.GetValueOrDefault(Path.GetExtension(name), FileKind.Other);

    /// <summary>Whether deflate would only cost time.</summary>
    public static bool IsCompressed(string name) => s_compressed.Contains(Path.GetExtension(name));

    /// <summary>What a file begins as; null where that says nothing.</summary>
    /// <param name="head">Its first <see cref="SignatureLength"/> bytes, or all where it has fewer.</param>
    /// <param name="length">All of its bytes, where the format's header says how many there must be.</param>
    public static FileSignature? SignatureOf(ReadOnlySpan<byte> head, long length) =>
        head.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ? FileSignature.Jpeg
        : head.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10]) ? FileSignature.Png
        : head.StartsWith("II*\0"u8) || head.StartsWith("MM\0*"u8) ? FileSignature.Tiff
        : head.StartsWith("%PDF-"u8) ? FileSignature.Pdf
        : head.StartsWith("PK\x03\x04"u8) || head.StartsWith("PK\x05\x06"u8) ? FileSignature.Zip
        : IsBinaryStl(head, length) || head.StartsWith("solid "u8) ? FileSignature.Stl
        : head.Length >= 132 && head[128..132].SequenceEqual("DICM"u8) ? FileSignature.Dicom
        : null;

    /// <summary>Binary STL: 80 bytes of anything, the number of triangles, 50 bytes each.</summary>
    private static bool IsBinaryStl(ReadOnlySpan<byte> head, long length) =>
        head.Length >= 84 && length >= 84 && length == 84 + (50L * System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(head[80..]));

    private static void Add(FileKind kind, string extensions)
    {
        foreach (string extension in extensions.Split(' '))
        {
            s_byExtension[extension] = kind;
        }
    }
}

/// <summary>What a plain file begins as. A file whose header was valid when it was captured is looked at again by restore tests.</summary>
public enum FileSignature
{
    /// <summary>JPEG (ISO/IEC 10918-1), from SOI.</summary>
    Jpeg,

    /// <summary>PNG (ISO/IEC 15948).</summary>
    Png,

    /// <summary>TIFF 6.0, either byte order.</summary>
    Tiff,

    /// <summary>PDF (ISO 32000).</summary>
    Pdf,

    /// <summary>ZIP, and what is built on it.</summary>
    Zip,

    /// <summary>STL: binary with the right length, or text.</summary>
    Stl,

    /// <summary>DICOM Part 10.</summary>
    Dicom,
}
