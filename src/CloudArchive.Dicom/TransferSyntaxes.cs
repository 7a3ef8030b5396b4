using System.Collections.Frozen;

namespace CloudArchive.Dicom;

/// <summary>The transfer syntaxes of PS3.6 table A-1, with the retired ones that old files are in.</summary>
public static class TransferSyntaxes
{
    public const string ImplicitVrLittleEndian = "1.2.840.10008.1.2";
    public const string ExplicitVrLittleEndian = "1.2.840.10008.1.2.1";
    public const string DeflatedExplicitVrLittleEndian = "1.2.840.10008.1.2.1.99";
    public const string ExplicitVrBigEndian = "1.2.840.10008.1.2.2";
    public const string JpegBaseline = "1.2.840.10008.1.2.4.50";
    public const string JpegLossless = "1.2.840.10008.1.2.4.70";
    public const string JpegLsLossless = "1.2.840.10008.1.2.4.80";
    public const string Jpeg2000Lossless = "1.2.840.10008.1.2.4.90";
    public const string Jpeg2000 = "1.2.840.10008.1.2.4.91";
    public const string RleLossless = "1.2.840.10008.1.2.5";

    // JPIP Referenced Deflate and JPIP HTJ2K Referenced Deflate deflate the data set as 1.2.1.99 does.
    private const string JpipDeflate = "1.2.840.10008.1.2.4.95";
    private const string JpipHtj2kDeflate = "1.2.840.10008.1.2.4.205";

    private static readonly FrozenDictionary<string, string> s_names = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        [ImplicitVrLittleEndian] = "Implicit VR Little Endian",
        [ExplicitVrLittleEndian] = "Explicit VR Little Endian",
        ["1.2.840.10008.1.2.1.98"] = "Encapsulated Uncompressed Explicit VR Little Endian",
        [DeflatedExplicitVrLittleEndian] = "Deflated Explicit VR Little Endian",
        [ExplicitVrBigEndian] = "Explicit VR Big Endian",
        [JpegBaseline] = "JPEG Baseline (Process 1)",
        ["1.2.840.10008.1.2.4.51"] = "JPEG Extended (Process 2 and 4)",
        ["1.2.840.10008.1.2.4.57"] = "JPEG Lossless (Process 14)",
        [JpegLossless] = "JPEG Lossless (Process 14, Selection Value 1)",
        [JpegLsLossless] = "JPEG-LS Lossless",
        ["1.2.840.10008.1.2.4.81"] = "JPEG-LS Near-Lossless",
        [Jpeg2000Lossless] = "JPEG 2000 Lossless",
        [Jpeg2000] = "JPEG 2000",
        ["1.2.840.10008.1.2.4.92"] = "JPEG 2000 Part 2 Multi-component Lossless",
        ["1.2.840.10008.1.2.4.93"] = "JPEG 2000 Part 2 Multi-component",
        ["1.2.840.10008.1.2.4.94"] = "JPIP Referenced",
        [JpipDeflate] = "JPIP Referenced Deflate",
        ["1.2.840.10008.1.2.4.100"] = "MPEG2 Main Profile / Main Level",
        ["1.2.840.10008.1.2.4.100.1"] = "Fragmentable MPEG2 Main Profile / Main Level",
        ["1.2.840.10008.1.2.4.101"] = "MPEG2 Main Profile / High Level",
        ["1.2.840.10008.1.2.4.101.1"] = "Fragmentable MPEG2 Main Profile / High Level",
        ["1.2.840.10008.1.2.4.102"] = "MPEG-4 AVC/H.264 High Profile / Level 4.1",
        ["1.2.840.10008.1.2.4.102.1"] = "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1",
        ["1.2.840.10008.1.2.4.103"] = "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1",
        ["1.2.840.10008.1.2.4.103.1"] = "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1",
        ["1.2.840.10008.1.2.4.104"] = "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video",
        ["1.2.840.10008.1.2.4.104.1"] = "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video",
        ["1.2.840.10008.1.2.4.105"] = "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video",
        ["1.2.840.10008.1.2.4.105.1"] = "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video",
        ["1.2.840.10008.1.2.4.106"] = "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2",
        ["1.2.840.10008.1.2.4.106.1"] = "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2",
        ["1.2.840.10008.1.2.4.107"] = "HEVC/H.265 Main Profile / Level 5.1",
        ["1.2.840.10008.1.2.4.108"] = "HEVC/H.265 Main 10 Profile / Level 5.1",
        ["1.2.840.10008.1.2.4.110"] = "JPEG XL Lossless",
        ["1.2.840.10008.1.2.4.111"] = "JPEG XL JPEG Recompression",
        ["1.2.840.10008.1.2.4.112"] = "JPEG XL",
        ["1.2.840.10008.1.2.4.201"] = "High-Throughput JPEG 2000 Lossless",
        ["1.2.840.10008.1.2.4.202"] = "High-Throughput JPEG 2000 with RPCL Options Lossless",
        ["1.2.840.10008.1.2.4.203"] = "High-Throughput JPEG 2000",
        ["1.2.840.10008.1.2.4.204"] = "JPIP HTJ2K Referenced",
        [JpipHtj2kDeflate] = "JPIP HTJ2K Referenced Deflate",
        [RleLossless] = "RLE Lossless",
        ["1.2.840.10008.1.2.7.1"] = "SMPTE ST 2110-20 Uncompressed Progressive Active Video",
        ["1.2.840.10008.1.2.7.2"] = "SMPTE ST 2110-20 Uncompressed Interlaced Active Video",
        ["1.2.840.10008.1.2.7.3"] = "SMPTE ST 2110-30 PCM Digital Audio",
        ["1.2.840.10008.1.2.8.1"] = "Deflated Image Frame Compression",
        ["1.2.840.113619.5.2"] = "GE Private Implicit VR Big Endian",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Whether the UID is one of the above.</summary>
    public static bool IsKnown(string uid) => s_names.ContainsKey(uid);

    /// <summary>Its name in PS3.6, or null.</summary>
    public static string? NameOf(string uid) => s_names.GetValueOrDefault(uid);

    /// <summary>Whether compressing the file again would gain nothing: the data set is deflated or the pixel data encapsulated. True for what is not known.</summary>
    public static bool IsCompressed(string uid) => uid is not (ImplicitVrLittleEndian or ExplicitVrLittleEndian or ExplicitVrBigEndian
        or "1.2.840.10008.1.2.1.98" or "1.2.840.113619.5.2");

    /// <summary>Whether the data set as a whole is deflated (PS3.5 A.5).</summary>
    internal static bool IsDeflated(string uid) => uid is DeflatedExplicitVrLittleEndian or JpipDeflate or JpipHtj2kDeflate;

    /// <summary>How the data set is encoded. GE's private syntax is big endian in its pixel data only.</summary>
    internal static DataSetEncoding EncodingOf(string uid) => uid switch
    {
        ImplicitVrLittleEndian or "1.2.840.113619.5.2" => DataSetEncoding.ImplicitLittle,
        ExplicitVrBigEndian => DataSetEncoding.ExplicitBig,
        _ => DataSetEncoding.ExplicitLittle,
    };
}
