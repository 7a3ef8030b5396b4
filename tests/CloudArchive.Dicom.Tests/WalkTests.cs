using CloudArchive.Testing;

namespace CloudArchive.Dicom.Tests;

public sealed class WalkTests
{
    private const string Explicit = TransferSyntaxes.ExplicitVrLittleEndian;
    private const string Implicit = TransferSyntaxes.ImplicitVrLittleEndian;

    public static TheoryData<string> Syntaxes => new(Files.Syntaxes);

    [Theory]
    [MemberData(nameof(Syntaxes))]
    public async Task A_whole_file_is_counted_to_its_last_byte(string syntax)
    {
        byte[] file = Files.Whole(syntax);

        DicomSummary summary = await Files.WalkAsync(file);

        bool isImplicit = syntax == Implicit;
        bool encapsulated = syntax == TransferSyntaxes.RleLossless;
        Assert.Equal(file.Length, summary.Length);
        Assert.Equal(isImplicit ? 24 : 27, summary.Elements);
        Assert.Equal(isImplicit ? 4 : 6, summary.Sequences);
        Assert.Equal(isImplicit ? 5 : 7, summary.Items);
        Assert.Equal(2, summary.Depth);
        Assert.Equal((1, encapsulated ? 2 : 0, encapsulated ? 52 : 48), (summary.Frames, summary.Fragments, summary.PixelDataLength));
        Assert.Empty(summary.Oddities);
    }

    [Fact]
    public async Task Delimiters_inside_fragments_are_pixel_data()
    {
        byte[] fragment = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF];

        DicomSummary summary = await Files.WalkAsync(Files.Write(TransferSyntaxes.Jpeg2000, file => file.EncapsulatedPixelData([fragment, fragment])));

        Assert.Equal((2, 32), (summary.Fragments, summary.PixelDataLength));
    }

    [Fact]
    public async Task Frames_are_what_the_file_declares()
    {
        DicomSummary summary = await Files.WalkAsync(Files.Write(Explicit, file =>
        {
            file.Text(0x0028_0008, "IS", "12");
            file.PixelData("OB", 12, pixels => pixels.Write(new byte[12]));
        }));

        Assert.Equal(12, summary.Frames);
    }

    [Fact]
    public async Task Sequences_nest_to_the_limit_and_no_further()
    {
        Assert.Equal(DicomReader.MaxNesting, (await Files.WalkAsync(Files.Write(Explicit, file => Nest(file, DicomReader.MaxNesting)))).Depth);
        Assert.Equal(DicomFault.NestingTooDeep, await Files.WalkFaultAsync(Files.Write(Explicit, file => Nest(file, DicomReader.MaxNesting + 1))));
    }

    [Fact]
    public async Task A_hundred_thousand_open_sequences_are_refused_at_the_limit()
    {
        DicomException e = await Assert.ThrowsAsync<DicomException>(() => Files.WalkAsync(Files.Write(Implicit, file =>
        {
            for (int i = 0; i < 100_000; i++)
            {
                file.Header(0x0008_1140, "SQ", uint.MaxValue);
                file.Header(0xFFFE_E000, "", uint.MaxValue);
            }
        })));

        Assert.Equal(DicomFault.NestingTooDeep, e.Fault);
        Assert.InRange(e.Offset, 1, 2000);
    }

    [Fact]
    public async Task Sequences_beside_each_other_are_not_nesting()
    {
        DicomSummary summary = await Files.WalkAsync(Files.Write(Explicit, file =>
        {
            for (uint i = 0; i < 1000; i++)
            {
                file.Sequence(0x0009_1000 + i, (i & 1) == 0, item => item.Text(0x0009_2000, "LO", "x"));
            }
        }));

        Assert.Equal((1, 1000), (summary.Depth, summary.Sequences));
    }

    public static TheoryData<string, DicomFault, Action<DicomWriter>> Faults => new()
    {
        { "a value past the file's end", DicomFault.Truncated, file => file.Header(0x0010_0010, "PN", 100) },
        { "four gigabytes declared", DicomFault.Truncated, file => file.Header(0x7FE0_0010, "OW", 0xFFFF_FFFE) },
        { "a header cut off", DicomFault.Truncated, file => file.Raw([0x10, 0, 0x10, 0, (byte)'P']) },
        { "a sequence that never ends", DicomFault.Truncated, file => file.Header(0x0008_1140, "SQ", uint.MaxValue) },
        { "fragments that never end", DicomFault.Truncated, file => { file.Header(0x7FE0_0010, "OB", uint.MaxValue); file.Header(0xFFFE_E000, "", 0); } },
        { "a value past its item", DicomFault.LengthPastEnd, file => { Open(file, 20, 12); file.Header(0x0008_1155, "UI", 100); file.Raw(new byte[200]); } },
        { "an item past its sequence", DicomFault.LengthPastEnd, file => { Open(file, 20, 100); file.Raw(new byte[200]); } },
        { "a header past its item", DicomFault.LengthPastEnd, file => { Open(file, 12, 4); file.Raw(new byte[200]); } },
        { "a long header past its item", DicomFault.LengthPastEnd, file => { Open(file, 18, 10); file.Header(0x0009_1010, "SQ", uint.MaxValue); file.Raw(new byte[200]); } },
        { "an undefined sequence past the item around it", DicomFault.LengthPastEnd, file => { Open(file, 20, 12); file.Header(0x0008_1140, "SQ", uint.MaxValue); file.Raw(new byte[200]); } },
        { "no VR", DicomFault.BadVr, file => file.Raw([0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0]) },
        { "a VR in small letters", DicomFault.BadVr, file => file.Raw([0x10, 0, 0x10, 0, (byte)'p', (byte)'n', 0, 0]) },
        { "an element where an item must be", DicomFault.BadSequence, file => { file.Header(0x0008_1140, "SQ", uint.MaxValue); file.Text(0x0010_0010, "PN", "A"); } },
        { "an item where an element must be", DicomFault.BadSequence, file => file.Header(0xFFFE_E000, "", 0) },
        { "an item that ends as a sequence", DicomFault.BadSequence, file => { file.Header(0x0008_1140, "SQ", uint.MaxValue); file.Header(0xFFFE_E000, "", uint.MaxValue); file.Header(0xFFFE_E0DD, "", 0); } },
        { "a sequence that ends as an item", DicomFault.BadSequence, file => { file.Header(0x0008_1140, "SQ", uint.MaxValue); file.Header(0xFFFE_E00D, "", 0); } },
        { "an element among fragments", DicomFault.BadSequence, file => { file.Header(0x7FE0_0010, "OB", uint.MaxValue); file.Text(0x0010_0010, "PN", "A"); } },
        { "a fragment without length", DicomFault.BadSequence, file => { file.Header(0x7FE0_0010, "OB", uint.MaxValue); file.Header(0xFFFE_E000, "", uint.MaxValue); } },
        { "text of undefined length", DicomFault.BadSequence, file => { file.Header(0x0040_A160, "UT", uint.MaxValue); file.Raw(new byte[16]); } },
        { "a delimiter that nobody defined", DicomFault.BadSequence, file => file.Header(0xFFFE_1234, "", 0) },
        { "zeros and then something", DicomFault.TrailingGarbage, file => { file.Text(0x0010_0010, "PN", "A"); file.Raw(new byte[300]); file.Raw([1]); } },
        { "zeros alone", DicomFault.TrailingGarbage, file => file.Raw(new byte[300]) },
        { "nothing", DicomFault.Truncated, file => { } },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Damage_has_its_fault(string what, DicomFault fault, Action<DicomWriter> dataSet)
    {
        byte[] file = Files.Write(Explicit, dataSet);

        DicomException seekable = await Assert.ThrowsAsync<DicomException>(() => Files.WalkAsync(file));
        DicomException streamed = await Assert.ThrowsAsync<DicomException>(() => DicomReader.WalkAsync(new Trickle(new MemoryStream(file)), TestContext.Current.CancellationToken).AsTask());

        Assert.True(fault == seekable.Fault, $"{what}: {seekable.Message}");
        Assert.True(fault == streamed.Fault, $"{what}, streamed: {streamed.Message}");
        Assert.InRange(seekable.Offset, 0, file.Length);
    }

    public static TheoryData<string, string, DicomOddityKind, Action<DicomWriter>> Oddities => new()
    {
        { Explicit, "odd length", DicomOddityKind.OddLength, file => { file.Header(0x0010_0010, "PN", 3); file.Raw("A^B"u8); } },
        { Explicit, "odd fragment", DicomOddityKind.OddLength, file => { file.Header(0x7FE0_0010, "OB", uint.MaxValue); file.Header(0xFFFE_E000, "", 0); file.Header(0xFFFE_E000, "", 3); file.Raw(new byte[3]); file.Header(0xFFFE_E0DD, "", 0); } },
        { Explicit, "a VR to come", DicomOddityKind.UnknownVr, file => { file.Raw([0x10, 0, 0x10, 0, (byte)'Z', (byte)'Z', 0, 0, 2, 0, 0, 0]); file.Raw("AB"u8); } },
        { Explicit, "tags that descend", DicomOddityKind.TagOrder, file => { file.Text(0x0010_0020, "LO", "1"); file.Text(0x0010_0010, "PN", "A"); } },
        { Explicit, "a tag twice", DicomOddityKind.TagOrder, file => { file.Text(0x0010_0010, "PN", "A"); file.Text(0x0010_0010, "PN", "A"); } },
        { Explicit, "a delimiter too many", DicomOddityKind.StrayDelimiter, file => { file.Sequence(0x0008_1140, false, item => item.Text(0x0008_1155, "UI", "1.2")); file.Header(0xFFFE_E0DD, "", 0); } },
        { Explicit, "a delimiter inside a defined length", DicomOddityKind.StrayDelimiter, file => { file.Header(0x0008_1140, "SQ", 8); file.Header(0xFFFE_E0DD, "", 0); } },
        { Explicit, "a delimiter with a length", DicomOddityKind.DelimiterLength, file => { file.Header(0x0008_1140, "SQ", uint.MaxValue); file.Header(0xFFFE_E0DD, "", 6); } },
        { Explicit, "an implicit item", DicomOddityKind.ImplicitItem, file => { Open(file, 18, 10); file.Raw([8, 0, 0x55, 0x11, 2, 0, 0, 0, (byte)'1', 0]); } },
        { Explicit, "zeros at the end", DicomOddityKind.TrailingPadding, file => { file.Text(0x0010_0010, "PN", "A"); file.Raw(new byte[1000]); } },
        { Explicit, "a few zeros at the end", DicomOddityKind.TrailingPadding, file => { file.Text(0x0010_0010, "PN", "A"); file.Raw(new byte[5]); } },
        { Explicit, "rows without pixels", DicomOddityKind.NoPixelData, file => file.UInt16(0x0028_0010, 512) },
        { Explicit, "too few pixels", DicomOddityKind.PixelDataLength, file => { Geometry(file); file.PixelData("OW", 14, pixels => pixels.Write(new byte[14])); } },
        { Explicit, "too many pixels", DicomOddityKind.PixelDataLength, file => { Geometry(file); file.PixelData("OW", 18, pixels => pixels.Write(new byte[18])); } },
        { Explicit, "frames that are no number", DicomOddityKind.InvalidValue, file => file.Text(0x0028_0008, "IS", "1A") },
        { Explicit, "the other encoding", DicomOddityKind.EncodingDiffers, file => file.Raw([8, 0, 0x60, 0, 2, 0, 0, 0, (byte)'I', (byte)'O', 0x10, 0, 0x10, 0, 0, 0, 0, 0]) },
        { Implicit, "the other encoding", DicomOddityKind.EncodingDiffers, file => file.Raw([8, 0, 0x60, 0, (byte)'C', (byte)'S', 2, 0, (byte)'I', (byte)'O']) },
        { Implicit, "a private value that begins like a sequence", DicomOddityKind.OpaqueValue, file => { file.Header(0x0009_1010, "", 20); file.Raw([0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0x7F]); file.Raw(new byte[12]); file.Text(0x0010_0010, "PN", "A"); } },
        { "1.2.3.4", "an unknown syntax", DicomOddityKind.UnknownTransferSyntax, file => file.Text(0x0008_0060, "CS", "IO") },
    };

    [Theory]
    [MemberData(nameof(Oddities))]
    public async Task What_is_tolerated_is_noted(string syntax, string what, DicomOddityKind oddity, Action<DicomWriter> dataSet)
    {
        byte[] file = Files.Write(syntax, dataSet);

        DicomSummary summary = await Files.WalkAsync(file);

        Assert.True(summary.Oddities is [{ } only] && only.Kind == oddity, $"{what}: {string.Join(", ", summary.Oddities)}");
        Assert.Equal(file.Length, summary.Length);
    }

    [Fact]
    public async Task The_pixel_data_length_that_rows_and_columns_make_is_no_oddity()
    {
        DicomSummary exact = await Files.WalkAsync(Files.Write(Explicit, file => { Geometry(file); file.PixelData("OW", 16, pixels => pixels.Write(new byte[16])); }));
        DicomSummary subsampled = await Files.WalkAsync(Files.Write(Explicit, file =>
        {
            file.UInt16(0x0028_0002, 3);
            file.Text(0x0028_0004, "CS", "YBR_FULL_422");
            Geometry(file, bits: 8);
            file.PixelData("OB", 16, pixels => pixels.Write(new byte[16]));
        }));
        DicomSummary bits = await Files.WalkAsync(Files.Write(Explicit, file =>
        {
            Geometry(file, bits: 1);
            file.PixelData("OB", 2, pixels => pixels.Write(new byte[2]));
        }));

        Assert.Empty(exact.Oddities);
        Assert.Empty(subsampled.Oddities);
        Assert.Empty(bits.Oddities);
    }

    [Fact]
    public async Task Oddities_are_all_counted_and_only_the_first_are_listed()
    {
        DicomSummary summary = await Files.WalkAsync(Files.Write(Explicit, file =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                file.Text(0x0010_0010, "PN", "A");
            }
        }));

        Assert.Equal(9_999, summary.OddityCount);
        Assert.Equal(DicomReader.MaxOddities, summary.Oddities.Count);
    }

    [Fact]
    public async Task In_implicit_VR_a_sequence_of_defined_length_is_known_by_its_first_item_and_checked()
    {
        DicomSummary summary = await Files.WalkAsync(Files.Write(Implicit, file => file.Sequence(0x0008_1140, false, item => item.Sequence(0x0009_1010, false, inner => inner.Text(0x0009_1011, "", "x")))));
        DicomFault fault = await Files.WalkFaultAsync(Files.Write(Implicit, file => { Open(file, 20, 12); file.Header(0x0008_1155, "", 100); file.Raw(new byte[200]); }));

        Assert.Equal((2, 2), (summary.Sequences, summary.Depth));
        Assert.Equal(DicomFault.LengthPastEnd, fault);
    }

    [Fact]
    public async Task After_a_hundred_private_values_that_only_look_like_sequences_no_more_are_tried()
    {
        DicomSummary summary = await Files.WalkAsync(Files.Write(Implicit, file =>
        {
            for (uint i = 0; i < 1_000; i++)
            {
                file.Bytes(0x0009_1000 + i, "", [0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0x7F, 1, 2]);
            }
        }));

        Assert.Equal((1_000, 100, 0), (summary.Elements, summary.OddityCount, summary.Items));
        Assert.All(summary.Oddities, oddity => Assert.Equal(DicomOddityKind.OpaqueValue, oddity.Kind));
    }

    [Fact]
    public async Task Bulk_data_may_begin_as_a_sequence_would()
    {
        byte[] bulk = [0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0x7F, 1, 2];

        DicomSummary summary = await Files.WalkAsync(Files.Write(Implicit, file =>
        {
            file.Bytes(0x0042_0011, "", bulk);
            file.Bytes(0x5400_1010, "", bulk);
            file.Bytes(0x6000_3000, "", bulk);
            file.Bytes(0x7FE0_0010, "", bulk);
        }));

        Assert.Equal((4, 0, 10), (summary.Elements, summary.Sequences, summary.PixelDataLength));
        Assert.Empty(summary.Oddities);
    }

    [Fact]
    public async Task A_meta_header_with_a_wrong_group_length_or_none_is_read_to_where_it_ends()
    {
        byte[] file = Files.Whole(Explicit);
        byte[] wrong = [.. file];
        wrong[128 + 4 + 8] += 10;
        byte[] none = [.. file.AsSpan(0, 132), .. file.AsSpan(144)];

        foreach (byte[] bytes in (byte[][])[wrong, none])
        {
            DicomSummary summary = await Files.WalkAsync(bytes);
            Assert.Equal(DicomOddityKind.MetaGroupLength, Assert.Single(summary.Oddities).Kind);
            Assert.Equal(Files.Instance, summary.Header.SopInstanceUid);
        }
    }

    [Fact]
    public async Task A_meta_header_in_another_encoding_is_read_and_noted()
    {
        using MemoryStream bytes = new();
        bytes.Write(new byte[128]);
        bytes.Write("DICM"u8);
        bytes.Write([2, 0, 0, 0, 4, 0, 0, 0, 28, 0, 0, 0]);
        bytes.Write([2, 0, 0x10, 0, 20, 0, 0, 0]);
        bytes.Write("1.2.840.10008.1.2.1\0"u8);
        bytes.Write(Files.Write(Explicit, file => file.Text(0x0008_0060, "CS", "IO"), meta: false));

        DicomSummary summary = await Files.WalkAsync(bytes.ToArray());

        Assert.Equal(DicomOddityKind.MetaEncoding, Assert.Single(summary.Oddities).Kind);
        Assert.Equal((Explicit, "IO"), (summary.Header.TransferSyntaxUid, summary.Header.Modality));
    }

    [Fact]
    public async Task Without_a_transfer_syntax_the_encoding_is_recognised_or_the_file_refused()
    {
        byte[] meta = [.. new byte[128], .. "DICM"u8, 2, 0, 1, 0, (byte)'O', (byte)'B', 0, 0, 2, 0, 0, 0, 0, 1];
        byte[] dataSet = Files.Write(TransferSyntaxes.ExplicitVrBigEndian, file => file.Text(0x0008_0060, "CS", "IO"), meta: false);

        DicomSummary summary = await Files.WalkAsync([.. meta, .. dataSet]);

        Assert.Equal(TransferSyntaxes.ExplicitVrBigEndian, summary.Header.TransferSyntaxUid);
        Assert.Contains(summary.Oddities, oddity => oddity.Kind == DicomOddityKind.NoTransferSyntax);
        Assert.Equal(DicomFault.BadTransferSyntax, await Files.WalkFaultAsync([.. meta, .. Enumerable.Repeat((byte)0xEE, 64)]));
    }

    [Fact]
    public async Task A_meta_header_that_cannot_be_read_is_refused()
    {
        byte[] start = [.. new byte[128], .. "DICM"u8, 2, 0, 1, 0, (byte)'O', (byte)'B', 0, 0, 2, 0, 0, 0, 0, 1];

        Assert.Equal(DicomFault.BadMetaHeader, await Files.WalkFaultAsync([.. start, 2, 0, 0x10, 0, 0, 0, 0, 0]));
        Assert.Equal(DicomFault.BadMetaHeader, await Files.WalkFaultAsync([.. start, 2, 0, 2, 1, (byte)'O', (byte)'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]));
        Assert.Equal(DicomFault.Truncated, await Files.WalkFaultAsync([.. start, 2, 0, 2, 1, (byte)'O', (byte)'B', 0, 0, 0xFE, 0xFF, 0xFF, 0xFF]));
        Assert.Equal(DicomFault.Truncated, await Files.WalkFaultAsync(start));
        Assert.Equal(DicomFault.Truncated, await Files.WalkFaultAsync(start[..132]));
    }

    [Fact]
    public async Task A_byte_of_padding_before_a_bare_data_set_is_stepped_over()
    {
        byte[] bare = Files.Whole(Explicit, meta: false);

        DicomSummary summary = await Files.WalkAsync([(byte)' ', .. bare]);

        Assert.Equal(Files.Instance, summary.Header.SopInstanceUid);
        Assert.Equal([DicomOddityKind.StrayFirstByte, DicomOddityKind.NoMetaHeader], summary.Oddities.Select(oddity => oddity.Kind));
        Assert.Equal(DicomFault.NotDicom, await Files.WalkFaultAsync([(byte)'!', .. bare]));
    }

    [Fact]
    public async Task Deflated_bytes_that_are_none_or_too_many_are_refused()
    {
        byte[] file = Files.Whole(TransferSyntaxes.DeflatedExplicitVrLittleEndian);
        int dataSet = 132 + 12 + file[140];
        byte[] broken = [.. file.AsSpan(0, dataSet), .. Enumerable.Repeat((byte)0xFF, 100)];
        byte[] volume = Files.Write(TransferSyntaxes.DeflatedExplicitVrLittleEndian, dataSet => dataSet.PixelData("OW", 1 << 20, pixels => pixels.Write(new byte[1 << 20])));
        byte[] elements = Files.Write(TransferSyntaxes.DeflatedExplicitVrLittleEndian, dataSet =>
        {
            for (int i = 0; i < 200_000; i++)
            {
                dataSet.Text(0x0009_1001, "LO", "");
            }
        });

        Assert.Equal(DicomFault.BadDeflate, await Files.WalkFaultAsync(broken));
        Assert.Equal(1 << 20, (await Files.WalkAsync(volume)).PixelDataLength);
        foreach (byte[] bomb in (byte[][])[volume, elements])
        {
            DicomException e = await Assert.ThrowsAsync<DicomException>(() => DicomReader.WalkAsync(new MemoryStream(bomb), 1_000_000, TestContext.Current.CancellationToken).AsTask());
            Assert.Equal(DicomFault.BadDeflate, e.Fault);
            Assert.InRange(e.Offset, 0, 1_200_000);
        }
    }

    /// <summary>A sequence of <paramref name="length"/> bytes with an item of <paramref name="itemLength"/>.</summary>
    private static void Open(DicomWriter file, uint length, uint itemLength)
    {
        file.Header(0x0008_1140, "SQ", length);
        file.Header(0xFFFE_E000, "", itemLength);
    }

    private static void Geometry(DicomWriter file, ushort bits = 16)
    {
        file.UInt16(0x0028_0010, 4);
        file.UInt16(0x0028_0011, 2);
        file.UInt16(0x0028_0100, bits);
    }

    private static void Nest(DicomWriter file, int levels)
    {
        if (levels > 0)
        {
            file.Sequence(0x0008_1140, (levels & 1) == 0, item => Nest(item, levels - 1));
        }
    }
}
