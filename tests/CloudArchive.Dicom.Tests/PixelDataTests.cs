using CloudArchive.Testing;

namespace CloudArchive.Dicom.Tests;

/// <summary>Where native pixel data lies: found for certain, or not at all.</summary>
public sealed class PixelDataTests
{
    /// <summary>File; offset, length, rows, columns, samples, bits, planar configuration, frames, big endian. As dcmdump shows them.</summary>
    public static TheoryData<string, string> Samples => new()
    {
        { "CT_small", "6300 32768 128 128 1 16 0 1 False" },
        { "MR_small", "1500 8192 64 64 1 16 0 1 False" },
        { "MR_small_bigendian", "1516 8192 64 64 1 16 0 1 True" },
        { "MR_small_implicit", "1510 8192 64 64 1 16 0 1 False" },
        { "no_meta", "5965 32768 128 128 1 16 0 1 False" },
        { "badVR", "" },
        { "liver_1frame", "" },
        { "MR_small_RLE", "" },
        { "MR_small_jp2klossless", "" },
        { "SC_rgb_jpeg_dcmtk", "" },
        { "image_dfl", "" },
        { "MR_truncated", "" },
        { "waveform_ecg", "" },
        { "test-SR", "" },
    };

    [Theory]
    [MemberData(nameof(Samples))]
    public void Of_a_sample_it_is_found_where_it_lies(string name, string expected) => Assert.Equal(expected, Text(Find(SampleFileTests.Sample(name))));

    internal static PixelDataLayout? Find(byte[] file, int head = PixelData.HeadLength) => PixelData.Find(file.AsMemory(0, Math.Min(head, file.Length)), file.Length);

    private static string Text(PixelDataLayout? p) =>
        p is null ? "" : $"{p.Offset} {p.Length} {p.Rows} {p.Columns} {p.SamplesPerPixel} {p.BitsAllocated} {p.PlanarConfiguration} {p.NumberOfFrames} {p.BigEndian}";
}
