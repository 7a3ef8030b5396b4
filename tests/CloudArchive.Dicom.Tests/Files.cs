using CloudArchive.Testing;

namespace CloudArchive.Dicom.Tests;

/// <summary>Small files for tests.</summary>
internal static class Files
{
    public const string SecondaryCapture = "1.2.840.10008.5.1.4.1.1.7";
    public const string Instance = "1.2.826.0.1.3680043.8.498.1.3";
    public const string Study = "1.2.826.0.1.3680043.8.498.1.1";
    public const string Series = "1.2.826.0.1.3680043.8.498.1.2";

    /// <summary>Those that PS3.5 has, and one that compresses.</summary>
    public static readonly string[] Syntaxes =
    [
        TransferSyntaxes.ImplicitVrLittleEndian,
        TransferSyntaxes.ExplicitVrLittleEndian,
        TransferSyntaxes.ExplicitVrBigEndian,
        TransferSyntaxes.DeflatedExplicitVrLittleEndian,
        TransferSyntaxes.RleLossless,
    ];

    public static byte[] Write(string syntax, Action<DicomWriter> dataSet, bool meta = true, bool preamble = true)
    {
        using MemoryStream bytes = new();
        using (DicomWriter file = new(bytes, syntax))
        {
            if (meta)
            {
                file.Meta(SecondaryCapture, Instance, preamble);
            }

            dataSet(file);
        }

        return bytes.ToArray();
    }

    /// <summary>A whole instance: identity, sequences of every kind, pixel data.</summary>
    public static byte[] Whole(string syntax, bool meta = true, bool preamble = true) => Write(syntax, file =>
    {
        Identity(file);
        file.Sequence(0x0020_9116, true, item => item.Text(0x0020_9153, "FD", "12345678"), item => { });
        file.UInt16(0x0028_0002, 1);
        file.UInt16(0x0028_0010, 4);
        file.UInt16(0x0028_0011, 6);
        file.UInt16(0x0028_0100, 16);
        file.Text(0x0029_0010, "LO", "ACME 1.0");
        file.Sequence(0x0029_1010, true, item => item.Sequence(0x0029_1011, true, inner => inner.Text(0x0029_1012, "LO", "private")));
        if (syntax != TransferSyntaxes.ImplicitVrLittleEndian)
        {
            file.UnknownSequence(0x0029_1020, item => item.UnknownSequence(0x0029_1021, inner => inner.Text(0x0029_1022, "LO", "unknown")));
        }

        PixelData(file, syntax);
    }, meta, preamble);

    public static void Identity(DicomWriter file)
    {
        file.Text(0x0008_0005, "CS", "ISO_IR 100");
        file.Text(0x0008_0016, "UI", SecondaryCapture);
        file.Text(0x0008_0018, "UI", Instance);
        file.Text(0x0008_0020, "DA", "20260105");
        file.Text(0x0008_0050, "SH", "A-17");
        file.Text(0x0008_0060, "CS", "IO");
        file.Sequence(0x0008_1140, false, item => item.Text(0x0008_1155, "UI", "1.2.3"));
        file.Text(0x0010_0010, "PN", "M\u00FCller^J\u00F6rg");
        file.Text(0x0010_0020, "LO", "P-0042");
        file.Text(0x0010_0030, "DA", "19700131");
        file.Text(0x0020_000D, "UI", Study);
        file.Text(0x0020_000E, "UI", Series);
    }

    public static void PixelData(DicomWriter file, string syntax)
    {
        if (syntax == TransferSyntaxes.RleLossless)
        {
            file.EncapsulatedPixelData([new byte[30], new byte[21]]);
        }
        else
        {
            file.PixelData("OW", 48, pixels => pixels.Write(new byte[48]));
        }
    }

    public static async Task<DicomSummary> WalkAsync(byte[] file) => await DicomReader.WalkAsync(new MemoryStream(file), TestContext.Current.CancellationToken);

    public static async Task<DicomHeader> ReadHeaderAsync(byte[] file) => await DicomReader.ReadHeaderAsync(new MemoryStream(file), TestContext.Current.CancellationToken);

    public static async Task<DicomFault> WalkFaultAsync(byte[] file) => (await Assert.ThrowsAsync<DicomException>(() => WalkAsync(file))).Fault;
}

/// <summary>A stream that cannot seek, hands out a few bytes at a time, and counts them.</summary>
internal sealed class Trickle(Stream inner, int atATime = int.MaxValue) : Stream
{
    public long BytesRead { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int read = await inner.ReadAsync(buffer[..Math.Min(buffer.Length, atATime)], cancellationToken);
        BytesRead += read;
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
