using CloudArchive.Testing;

namespace CloudArchive.Dicom.Tests;

/// <summary>Every sample file, where a clone has them beside it: what exactly is to be read from it, as dcmdump shows it too.</summary>
public sealed class SampleFileTests
{
    private const string Mr = "1.3.6.1.4.1.5962.1.1.4.1.1.20040826185059.5457|1.3.6.1.4.1.5962.1.2.4.20040826185059.5457|1.3.6.1.4.1.5962.1.3.4.1.20040826185059.5457|20040826|MR||4MR1|CompressedSamples^MR1|";
    private const string Ct = "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322|1.3.6.1.4.1.5962.1.2.1.20040119072730.12322|1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322|20040119|CT||1CT1|CompressedSamples^CT1|";
    private const string Secondary = "1.2.826.0.1.3680043.8.498.12406831542731051035295345080039845114|1.2.826.0.1.3680043.8.498.16157229083793556332623330502397121062|20170101|OT||ID1|Lestrade^G|";

    /// <summary>File; transfer syntax; instance, study, series, study date, modality, accession number, patient id, name, birth date.</summary>
    public static TheoryData<string, string, string> Headers => new()
    {
        { "CT_small", "1.2.840.10008.1.2.1", Ct },
        { "JPEG2000-embedded-sequence-delimiter", "1.2.840.10008.1.2.4.91", "1.3.6.1.4.1.5962.1.1.8.1.3.20040826185059.5457|1.3.6.1.4.1.5962.1.2.8.20040826185059.5457|1.3.6.1.4.1.5962.1.3.8.1.20040826185059.5457|20040826|NM||8NM1|CompressedSamples^NM1|" },
        { "MR_small", "1.2.840.10008.1.2.1", Mr },
        { "MR_small_RLE", "1.2.840.10008.1.2.5", Mr },
        { "MR_small_bigendian", "1.2.840.10008.1.2.2", Mr },
        { "MR_small_implicit", "1.2.840.10008.1.2", Mr },
        { "MR_small_jp2klossless", "1.2.840.10008.1.2.4.90", Mr },
        { "MR_small_jpeg_ls_lossless", "1.2.840.10008.1.2.4.80", Mr },
        { "MR_truncated", "1.2.840.10008.1.2.1", Mr },
        { "SC_rgb_jpeg_dcmtk", "1.2.840.10008.1.2.4.50", "1.2.276.0.7230010.3.1.4.8323329.15150.1506363677.126194|" + Secondary },
        { "SC_rgb_rle_2frame", "1.2.840.10008.1.2.5", "1.2.826.0.1.3680043.8.498.49043964482360854182530167603505525116|" + Secondary },
        { "UN_sequence", "1.2.840.10008.1.2.4.70", "2.16.840.1.113786.1.329.501.670121457.163||||||||" },
        { "badVR", "1.2.840.10008.1.2.1", "1.9.999.999.99.9.9999.9999.20030818153516|1.2.999.999.99.9.9999.8888|1.2.777.777.77.7.7777.7777|20030805|RTDOSE||id11111|Lastname^Firstname|" },
        { "chrFren", "1.2.840.10008.1.2.1", "1.3.6.1.4.1.5962.1.1.0.1.1.1175775772.5720.0|1.3.6.1.4.1.5962.1.2.0.1175775772.5720.0|1.3.6.1.4.1.5962.1.3.0.1.1175775772.5720.0||OT||SCSFREN|Buc^Jérôme|" },
        { "chrJapMulti", "1.2.840.10008.1.2.1", "1.3.51.0.7.11267079384.54094.16836.47802.41082.29308.17462|1.3.51.0.7.11986030739.15242.20106.39861.48967.23056.44420|1.3.51.5156.11871.20080504.1104919|20080504|CR|2008050417172310|2008-4|やまだ^たろう|18000101" },
        { "image_dfl", "1.2.840.10008.1.2.1.99", "1.3.6.1.4.1.5962.1.1.0.0.0.977067309.6001.0|1.3.6.1.4.1.5962.1.2.0.977067310.6001.0|1.3.6.1.4.1.5962.1.3.0.0.977067310.6001.0||OT|||^^^^|" },
        { "liver_1frame", "1.2.840.10008.1.2.1", "1.2.276.0.7230010.3.1.4.0.42154.1458337731.665796|1.2.392.200103.20080913.113635.0.2009.6.22.21.43.10.22941.1|1.2.276.0.7230010.3.1.3.0.42154.1458337731.665795|20030417|SEG|03086212|99000|JANCT000|" },
        { "nested_priv_SQ", "1.2.840.10008.1.2", "||||||||" },
        { "no_meta", "1.2.840.10008.1.2.1", Ct },
        { "reportsi", "1.2.840.10008.1.2.1", "1.2.276.0.7230010.3.1.4.1787205428.166.1117461927.10|1.2.276.0.7230010.3.1.2.1787205428.166.1117461927.5|1.2.276.0.7230010.3.1.3.1787205428.166.1117461927.11||SR|||Last Name^First Name|" },
        { "rtplan_truncated", "1.2.840.10008.1.2", "1.2.777.777.77.7.7777.7777.20030903150023|1.22.333.4.555555.6.7777777777777777777777777777|1.2.333.444.55.6.7777.8888|20030716|RTPLAN||id00001|Last^First^mid^pre|" },
        { "test-SR", "1.2.840.10008.1.2.1", "1.2.276.0.7230010.3.1.4.2139363186.7819.982086466.4|1.2.276.0.7230010.3.1.4.2139363186.7819.982086466.2|1.2.276.0.7230010.3.1.4.2139363186.7819.982086466.3||SR|||Test^S R|" },
        { "waveform_ecg", "1.2.840.10008.1.2.1", "1.3.6.1.4.1.20029.40.20130125105919.5407.1.1|1.3.76.13.65829.2.20130125082826.1072139.2|1.3.6.1.4.1.20029.40.20130125105919.5407.1|20130125|ECG|03028041970546|642341|Anonymous|19710123" },
    };

    /// <summary>File; elements, sequences, items, depth, frames, fragments, bytes of pixel data; oddities.</summary>
    public static TheoryData<string, string, DicomOddityKind[]> Walks => new()
    {
        { "CT_small", "262 1 2 1 1 0 32768", [] },
        { "JPEG2000-embedded-sequence-delimiter", "160 3 3 2 1 1 250", [] },
        { "MR_small", "73 0 0 0 1 0 8192", [] },
        { "MR_small_RLE", "73 0 0 0 1 1 6108", [] },
        { "MR_small_bigendian", "72 0 0 0 1 0 8192", [] },
        { "MR_small_implicit", "72 0 0 0 1 0 8192", [] },
        { "MR_small_jp2klossless", "73 0 0 0 1 1 4314", [] },
        { "MR_small_jpeg_ls_lossless", "73 0 0 0 1 1 4430", [] },
        { "SC_rgb_jpeg_dcmtk", "53 3 3 2 1 1 1724", [] },
        { "SC_rgb_rle_2frame", "41 0 0 0 2 2 1328", [] },
        { "UN_sequence", "7 3 3 3 0 0 0", [] },
        { "badVR", "51 3 3 3 1 0 6000", [DicomOddityKind.InvalidValue, DicomOddityKind.PixelDataLength, DicomOddityKind.MetaDiffers] },
        { "chrFren", "33 0 0 0 1 0 1024", [] },
        { "chrJapMulti", "96 0 0 0 0 0 0", [DicomOddityKind.MetaDiffers, DicomOddityKind.NoPixelData] },
        { "image_dfl", "29 0 0 0 1 0 262144", [] },
        { "liver_1frame", "142 32 37 4 1 0 32768", [] },
        { "nested_priv_SQ", "5 2 2 2 1 0 2", [DicomOddityKind.OddLength] },
        { "no_meta", "262 1 2 1 1 0 32768", [DicomOddityKind.StrayFirstByte, DicomOddityKind.NoMetaHeader] },
        { "reportsi", "109 19 22 4 0 0 0", [] },
        { "test-SR", "305 56 70 5 0 0 0", [] },
        { "waveform_ecg", "1246 139 238 3 0 0 0", [] },
    };

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task A_samples_header_is_read(string name, string syntax, string expected)
    {
        DicomHeader header = await Files.ReadHeaderAsync(Sample(name));

        string?[] values =
        [
            header.SopInstanceUid, header.StudyInstanceUid, header.SeriesInstanceUid, header.StudyDate, header.Modality, header.AccessionNumber?.Decode(),
            header.PatientId?.Decode(), header.PatientName?.Decode(), header.PatientBirthDate?.Decode(),
        ];
        Assert.Equal(syntax, header.TransferSyntaxUid);
        Assert.Equal(expected, string.Join('|', values));
        Assert.Equal(name != "no_meta", header.HasPreamble && header.HasMetaHeader);
        Assert.Null(header.Damage);
    }

    [Theory]
    [MemberData(nameof(Walks))]
    public async Task A_sample_is_walked_to_its_end(string name, string expected, DicomOddityKind[] oddities)
    {
        byte[] file = Sample(name);

        DicomSummary summary = await Files.WalkAsync(file);

        Assert.Equal(expected, $"{summary.Elements} {summary.Sequences} {summary.Items} {summary.Depth} {summary.Frames} {summary.Fragments} {summary.PixelDataLength}");
        Assert.Equal(oddities, summary.Oddities.Select(oddity => oddity.Kind));
        Assert.Equal(file.Length, summary.Length);
        Assert.Equal(await Files.ReadHeaderAsync(file), summary.Header);
    }

    [Theory]
    [InlineData("MR_truncated", 1488)]
    [InlineData("rtplan_truncated", 1410)]
    public async Task A_truncated_sample_is_found_out_and_can_still_be_filed(string name, int offset)
    {
        byte[] file = Sample(name);

        DicomException e = await Assert.ThrowsAsync<DicomException>(() => Files.WalkAsync(file));
        DicomException streamed = await Assert.ThrowsAsync<DicomException>(() => DicomReader.WalkAsync(new Trickle(new MemoryStream(file)), TestContext.Current.CancellationToken).AsTask());

        Assert.Equal((DicomFault.Truncated, offset), (e.Fault, e.Offset));
        Assert.Equal(DicomFault.Truncated, streamed.Fault);
        Assert.NotNull((await Files.ReadHeaderAsync(file)).StudyInstanceUid);
    }

    [Fact]
    public void Every_sample_has_an_expectation()
    {
        Assert.SkipWhen(Repository.DicomSamples is null, "No sample files beside this clone.");

        IEnumerable<string?> files = Directory.EnumerateFiles(Repository.DicomSamples, "*.dcm").Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal);

        Assert.Equal(files, Headers.Select(row => row.Data.Item1).Order(StringComparer.Ordinal));
    }

    internal static byte[] Sample(string name)
    {
        Assert.SkipWhen(Repository.DicomSamples is null, "No sample files beside this clone.");
        return File.ReadAllBytes(Path.Combine(Repository.DicomSamples, name + ".dcm"));
    }
}
