using System.Text;
using CloudArchive.Testing;

namespace CloudArchive.Dicom.Tests;

public sealed class HeaderTests
{
    public static TheoryData<string, bool, bool> EveryForm()
    {
        TheoryData<string, bool, bool> forms = [];
        foreach (string syntax in Files.Syntaxes)
        {
            forms.Add(syntax, true, true);
            forms.Add(syntax, true, false);
            if (syntax is TransferSyntaxes.ImplicitVrLittleEndian or TransferSyntaxes.ExplicitVrLittleEndian or TransferSyntaxes.ExplicitVrBigEndian)
            {
                forms.Add(syntax, false, false);
            }
        }

        return forms;
    }

    [Theory]
    [MemberData(nameof(EveryForm))]
    public async Task What_the_catalogue_wants_is_read_in_every_syntax_with_and_without_preamble_and_meta_header(string syntax, bool meta, bool preamble)
    {
        byte[] file = Files.Whole(syntax, meta, preamble);

        DicomHeader header = await Files.ReadHeaderAsync(file);

        Assert.Equal(syntax, header.TransferSyntaxUid);
        Assert.Equal(Files.Instance, header.SopInstanceUid);
        Assert.Equal(Files.SecondaryCapture, header.SopClassUid);
        Assert.Equal(Files.Study, header.StudyInstanceUid);
        Assert.Equal(Files.Series, header.SeriesInstanceUid);
        Assert.Equal("20260105", header.StudyDate);
        Assert.Equal("IO", header.Modality);
        Assert.Equal("A-17", header.AccessionNumber!.Value.Decode());
        Assert.Equal("P-0042", header.PatientId!.Value.Decode());
        Assert.Equal("M\u00FCller^J\u00F6rg", header.PatientName!.Value.Decode());
        Assert.Equal("19700131", header.PatientBirthDate!.Value.Decode());
        Assert.Equal((meta && preamble, meta), (header.HasPreamble, header.HasMetaHeader));
        Assert.Null(header.Damage);
        Assert.True(DicomReader.LooksLikeDicom(file));
        Assert.Equal(header, (await Files.WalkAsync(file)).Header);
    }

    [Fact]
    public async Task Reading_a_header_stops_before_pixel_data_and_reads_no_more_than_a_buffer_past_what_it_needs()
    {
        byte[] file = Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, dataSet =>
        {
            Files.Identity(dataSet);
            dataSet.PixelData("OW", 1 << 20, pixels => pixels.Write(new byte[1 << 20]));
        });
        Trickle stream = new(new MemoryStream(file));

        await DicomReader.ReadHeaderAsync(stream, TestContext.Current.CancellationToken);

        Assert.InRange(stream.BytesRead, 1, 8 << 10);
    }

    [Fact]
    public async Task Without_a_series_the_search_goes_on_and_still_stops_before_pixel_data()
    {
        byte[] file = Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, dataSet =>
        {
            dataSet.Text(0x0008_0018, "UI", Files.Instance);
            dataSet.Text(0x0020_000D, "UI", Files.Study);
            dataSet.PixelData("OW", 1 << 20, pixels => pixels.Write(new byte[1 << 20]));
        });
        Trickle stream = new(new MemoryStream(file));

        DicomHeader header = await DicomReader.ReadHeaderAsync(stream, TestContext.Current.CancellationToken);

        Assert.Null(header.SeriesInstanceUid);
        Assert.InRange(stream.BytesRead, 1, 8 << 10);
    }

    [Fact]
    public async Task A_big_value_before_the_identity_is_seeked_over_where_the_stream_can()
    {
        byte[] file = Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, dataSet =>
        {
            dataSet.Text(0x0008_0018, "UI", Files.Instance);
            dataSet.Bytes(0x0009_1001, "OB", new byte[1 << 20]);
            dataSet.Text(0x0020_000D, "UI", Files.Study);
        });
        using SeekCounter stream = new(file);

        DicomHeader header = await DicomReader.ReadHeaderAsync(stream, TestContext.Current.CancellationToken);

        Assert.Equal(Files.Study, header.StudyInstanceUid);
        Assert.InRange(stream.BytesRead, 1, 32 << 10);
    }

    /// <summary>A scan must not cost what the images weigh: issue 14 allows 64 KB for a file of 500 MB.</summary>
    [Theory]
    [InlineData(200)]
    [InlineData(1000)]
    public async Task Of_a_file_of_500_MB_no_more_than_64_KB_are_read_for_its_header(int elements)
    {
        byte[] start = Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, dataSet =>
        {
            dataSet.Text(0x0008_0018, "UI", Files.Instance);
            for (uint i = 0; i < elements; i++)
            {
                dataSet.Text(0x0009_1000 + i, "LO", "a private value");
            }

            dataSet.Text(0x0020_000D, "UI", Files.Study);
            dataSet.Text(0x0020_000E, "UI", "1.2.3.1");
            dataSet.Bytes(0x7FE0_0010, "OW", new byte[16]);
        });
        using TemporaryFolder folder = new();
        using (FileStream whole = File.Create(folder["volume.dcm"]))
        {
            // The pixels are a hole; their length is the last four bytes before the 16.
            whole.Write(start.AsSpan(0, start.Length - 20));
            whole.Write(BitConverter.GetBytes(500_000_000));
            whole.SetLength(start.Length - 16 + 500_000_000L);
        }

        using CountedFile file = new(folder["volume.dcm"]);
        DicomHeader header = await DicomReader.ReadHeaderAsync(file, TestContext.Current.CancellationToken);

        Assert.Equal((Files.Study, null), (header.StudyInstanceUid, header.Damage));
        Assert.InRange(file.BytesRead, 1, 64 << 10);
    }

    [Fact]
    public async Task Reading_begins_where_the_stream_stands_and_leaves_it_open()
    {
        byte[] file = Files.Whole(TransferSyntaxes.ExplicitVrLittleEndian);
        using MemoryStream stream = new([.. new byte[77], .. file]);
        stream.Position = 77;

        DicomSummary summary = await DicomReader.WalkAsync(stream, TestContext.Current.CancellationToken);

        Assert.Equal(file.Length, summary.Length);
        Assert.True(stream.CanRead);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    public async Task A_stream_that_gives_a_few_bytes_at_a_time_reads_the_same(int atATime)
    {
        foreach (string syntax in Files.Syntaxes)
        {
            byte[] file = Files.Whole(syntax);
            DicomSummary expected = await Files.WalkAsync(file);

            DicomSummary summary = await DicomReader.WalkAsync(new Trickle(new MemoryStream(file), atATime), TestContext.Current.CancellationToken);

            Assert.Equal(expected with { Oddities = [] }, summary with { Oddities = [] });
        }
    }

    [Fact]
    public async Task A_file_that_is_damaged_after_its_identity_has_a_header_that_says_so()
    {
        byte[] file = Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, dataSet =>
        {
            dataSet.Text(0x0008_0018, "UI", Files.Instance);
            dataSet.Text(0x0020_000D, "UI", Files.Study);
            dataSet.Raw([0x28, 0, 0x10, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        });

        DicomHeader header = await Files.ReadHeaderAsync(file);

        Assert.Equal(DicomFault.BadVr, header.Damage);
        Assert.Equal(Files.Study, header.StudyInstanceUid);
        Assert.Equal(DicomFault.BadVr, await Files.WalkFaultAsync(file));
    }

    [Fact]
    public async Task A_file_that_is_damaged_before_its_identity_is_refused()
    {
        byte[] whole = Files.Whole(TransferSyntaxes.ExplicitVrLittleEndian);

        DicomException e = await Assert.ThrowsAsync<DicomException>(() => Files.ReadHeaderAsync(whole[..(whole.AsSpan().IndexOf("P-0042"u8))]));

        Assert.Equal(DicomFault.Truncated, e.Fault);
    }

    [Fact]
    public async Task Identity_that_the_data_set_lacks_comes_from_the_meta_header_and_the_data_sets_own_wins()
    {
        DicomHeader fallback = await Files.ReadHeaderAsync(Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, d => d.Text(0x0020_000D, "UI", Files.Study)));
        DicomSummary own = await Files.WalkAsync(Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, d => d.Text(0x0008_0018, "UI", "1.2.3")));

        Assert.Equal((Files.Instance, Files.SecondaryCapture), (fallback.SopInstanceUid, fallback.SopClassUid));
        Assert.Equal("1.2.3", own.Header.SopInstanceUid);
        Assert.Equal(DicomOddityKind.MetaDiffers, Assert.Single(own.Oddities).Kind);
    }

    [Fact]
    public async Task Values_that_are_too_long_or_not_of_their_kind_are_left_out_and_noted()
    {
        DicomSummary summary = await Files.WalkAsync(Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, file =>
        {
            file.Text(0x0008_0018, "UI", new string('1', 65));
            file.Text(0x0008_0020, "DA", "20261301");
            file.Text(0x0008_0060, "CS", "<script>");
            file.Text(0x0010_0010, "PN", new string('x', Findings.MaxKeptLength + 1));
            file.Text(0x0020_000D, "UI", "not a uid");
        }));

        Assert.Equal([0x0008_0018u, 0x0008_0020, 0x0008_0060, 0x0010_0010, 0x0020_000D], summary.Oddities.Select(oddity => oddity.Tag));
        Assert.All(summary.Oddities, oddity => Assert.Equal(DicomOddityKind.InvalidValue, oddity.Kind));
        Assert.Equal((null, null, null, null), (summary.Header.StudyDate, summary.Header.Modality, summary.Header.PatientName, summary.Header.StudyInstanceUid));
        Assert.Equal(Files.Instance, summary.Header.SopInstanceUid);
    }

    [Fact]
    public async Task Empty_values_and_values_of_padding_alone_are_null()
    {
        DicomHeader header = await Files.ReadHeaderAsync(Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, file =>
        {
            file.Text(0x0008_0020, "DA", "");
            file.Text(0x0008_0050, "SH", "    ");
            file.Text(0x0010_0010, "PN", "");
            file.Text(0x0010_0020, "LO", " 17 \0");
        }));

        Assert.Equal((null, null, null), (header.StudyDate, header.AccessionNumber, header.PatientName));
        Assert.Equal("17"u8.ToArray(), header.PatientId!.Value.Bytes.ToArray());
    }

    [Fact]
    public async Task A_date_as_ACR_NEMA_wrote_it_is_a_date()
    {
        DicomHeader header = await Files.ReadHeaderAsync(Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, file => file.Text(0x0008_0020, "DA", "1999.12.31")));

        Assert.Equal("19991231", header.StudyDate);
    }

    [Fact]
    public async Task Values_of_a_sequences_items_are_not_taken_for_the_files_own()
    {
        DicomHeader header = await Files.ReadHeaderAsync(Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, file =>
        {
            file.Sequence(0x0008_1140, true, item => item.Text(0x0020_000D, "UI", "9.9.9"));
            file.Text(0x0020_000D, "UI", Files.Study);
        }));

        Assert.Equal(Files.Study, header.StudyInstanceUid);
    }

    [Fact]
    public async Task Of_an_identifier_that_is_there_twice_the_first_counts_for_header_and_walk_alike()
    {
        byte[] file = Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, dataSet =>
        {
            Files.Identity(dataSet);
            dataSet.Text(0x0028_0004, "CS", "MONOCHROME2");
            dataSet.Text(0x0020_000D, "UI", "9.9.9");
            dataSet.Text(0x0008_0018, "UI", "9.9.9");
        });

        Assert.Equal(Files.Study, (await Files.ReadHeaderAsync(file)).StudyInstanceUid);
        Assert.Equal(await Files.ReadHeaderAsync(file), (await Files.WalkAsync(file)).Header);
    }

    [Fact]
    public async Task Nothing_that_is_printed_shows_who_the_patient_is()
    {
        byte[] file = Files.Whole(TransferSyntaxes.ExplicitVrLittleEndian);
        DicomSummary summary = await Files.WalkAsync(file);

        string printed = $"{summary} {summary.Header} {summary.Header.PatientName} {summary.Header.PatientId}";

        foreach (string phi in (string[])["ller", "0042", "1970", "A-17", "20260105"])
        {
            Assert.DoesNotContain(phi, printed, StringComparison.Ordinal);
        }

        Assert.Equal("**redacted**", summary.Header.PatientName.ToString());
    }

    [Fact]
    public async Task No_exception_shows_who_the_patient_is()
    {
        byte[] file = Files.Whole(TransferSyntaxes.ExplicitVrLittleEndian);
        for (int length = 0; length < file.Length; length++)
        {
            try
            {
                await Files.WalkAsync(file[..length]);
            }
            catch (DicomException e)
            {
                Assert.DoesNotContain("ller", e.Message, StringComparison.Ordinal);
                Assert.DoesNotContain("P-0042", e.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void What_is_no_DICOM_does_not_look_like_it()
    {
        byte[] noise = new byte[4096];
        new Random(1).NextBytes(noise);
        foreach (byte[] bytes in (byte[][])[[], [8], new byte[4096], noise, Encoding.ASCII.GetBytes(new string('a', 500)), "%PDF-1.7\n"u8.ToArray(), [0x89, 0x50, 0x4E, 0x47, 0xD, 0xA, 0x1A, 0xA, 0, 0, 0, 0xD]])
        {
            Assert.False(DicomReader.LooksLikeDicom(bytes));
        }
    }

    [Fact]
    public async Task A_cancelled_read_ends()
    {
        using CancellationTokenSource source = new();
        await source.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            DicomReader.WalkAsync(new MemoryStream(Files.Whole(TransferSyntaxes.ExplicitVrLittleEndian)), source.Token).AsTask());
    }

    private sealed class CountedFile(string path) : FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, useAsync: true)
    {
        public long BytesRead { get; private set; }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int read = await base.ReadAsync(buffer, cancellationToken);
            BytesRead += read;
            return read;
        }
    }

    private sealed class SeekCounter(byte[] bytes) : MemoryStream(bytes)
    {
        public long BytesRead { get; private set; }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int read = await base.ReadAsync(buffer, cancellationToken);
            BytesRead += read;
            return read;
        }
    }
}
