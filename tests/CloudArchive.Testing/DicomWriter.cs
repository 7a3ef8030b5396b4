using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using CloudArchive.Dicom;

namespace CloudArchive.Testing;

/// <summary>
/// Writes DICOM Part 10 files element by element, in any transfer syntax. It writes what it is told, in the order in which it is told:
/// also what no device should. Pixel data streams, so a volume takes no memory. Dispose finishes the file; the stream stays open.
/// </summary>
/// <example>
/// <code>
/// using DicomWriter file = new(stream, TransferSyntaxes.ExplicitVrLittleEndian);
/// file.Meta(sopClass, sopInstance);
/// file.Text(0x0008_0018, "UI", sopInstance);
/// file.Sequence(0x0008_1140, false, item => item.Text(0x0008_1155, "UI", other));
/// file.PixelData("OW", length, pixels => pixels.Write(frame));
/// </code>
/// </example>
public sealed class DicomWriter : IDisposable
{
    private const uint Undefined = uint.MaxValue;
    private const uint Item = 0xFFFE_E000;
    private const uint ItemDelimiter = 0xFFFE_E00D;
    private const uint SequenceDelimiter = 0xFFFE_E0DD;

    private readonly string _transferSyntax;
    private readonly bool _explicitVr;
    private readonly bool _bigEndian;
    private Stream _output;
    private DeflateStream? _deflate;

    public DicomWriter(Stream output, string transferSyntax)
        : this(output, transferSyntax, transferSyntax != TransferSyntaxes.ImplicitVrLittleEndian, transferSyntax == TransferSyntaxes.ExplicitVrBigEndian)
    {
    }

    private DicomWriter(Stream output, string transferSyntax, bool explicitVr, bool bigEndian) =>
        (_output, _transferSyntax, _explicitVr, _bigEndian) = (output, transferSyntax, explicitVr, bigEndian);

    /// <summary>Preamble, prefix and group 0002; from here on a deflated data set deflates. A file may go without all that.</summary>
    public void Meta(string sopClass, string sopInstance, bool preamble = true)
    {
        using MemoryStream group = new();
        DicomWriter meta = new(group, _transferSyntax, explicitVr: true, bigEndian: false);
        meta.Bytes(0x0002_0001, "OB", [0, 1]);
        meta.Text(0x0002_0002, "UI", sopClass);
        meta.Text(0x0002_0003, "UI", sopInstance);
        meta.Text(0x0002_0010, "UI", _transferSyntax);
        meta.Text(0x0002_0012, "UI", "1.2.826.0.1.3680043.8.498.1");
        if (preamble)
        {
            _output.Write(new byte[128]);
            _output.Write("DICM"u8);
        }

        DicomWriter length = new(_output, _transferSyntax, explicitVr: true, bigEndian: false);
        length.UInt32(0x0002_0000, (uint)group.Length);
        _output.Write(group.GetBuffer().AsSpan(0, (int)group.Length));
        if (_transferSyntax == TransferSyntaxes.DeflatedExplicitVrLittleEndian)
        {
            _output = _deflate = new DeflateStream(_output, CompressionLevel.Fastest, leaveOpen: true);
        }
    }

    /// <summary>Text in Latin-1, which is ASCII as long as the text is; padded to an even length as its VR wants.</summary>
    public void Text(uint tag, string vr, string value) => Bytes(tag, vr, Encoding.Latin1.GetBytes(value));

    public void UInt16(uint tag, ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        WriteUInt16(bytes, value);
        Bytes(tag, "US", bytes);
    }

    public void UInt32(uint tag, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        WriteUInt32(bytes, value);
        Bytes(tag, "UL", bytes);
    }

    /// <summary>A value in the file's byte order; padded to an even length.</summary>
    public void Bytes(uint tag, string vr, ReadOnlySpan<byte> value)
    {
        Header(tag, vr, (uint)(value.Length + (value.Length & 1)));
        _output.Write(value);
        if ((value.Length & 1) != 0)
        {
            _output.WriteByte((byte)(vr is "UI" or "UN" or "OB" or "OW" ? 0 : ' '));
        }
    }

    /// <summary>A sequence with defined lengths, or with undefined ones and delimiters.</summary>
    public void Sequence(uint tag, bool undefinedLength, params ReadOnlySpan<Action<DicomWriter>> items) => Sequence(tag, "SQ", undefinedLength, items);

    /// <summary>As UN with undefined length, as a gateway writes a private sequence that it does not know: its items are in implicit VR little endian.</summary>
    public void UnknownSequence(uint tag, params ReadOnlySpan<Action<DicomWriter>> items) => Sequence(tag, "UN", true, items);

    /// <summary>Native pixel data: <paramref name="write"/> must write exactly <paramref name="length"/> bytes, which is even.</summary>
    public void PixelData(string vr, uint length, Action<Stream> write)
    {
        Header(0x7FE0_0010, vr, length);
        write(_output);
    }

    /// <summary>Encapsulated pixel data (PS3.5 A.4) with an empty offset table.</summary>
    public void EncapsulatedPixelData(IEnumerable<ReadOnlyMemory<byte>> fragments)
    {
        Header(0x7FE0_0010, "OB", Undefined);
        Header(Item, "", 0);
        foreach (ReadOnlyMemory<byte> fragment in fragments)
        {
            Header(Item, "", (uint)(fragment.Length + (fragment.Length & 1)));
            _output.Write(fragment.Span);
            _output.Write(new byte[fragment.Length & 1]);
        }

        Header(SequenceDelimiter, "", 0);
    }

    /// <summary>Tag, VR and length alone, for what must be wrong.</summary>
    public void Header(uint tag, string vr, uint length)
    {
        Span<byte> header = stackalloc byte[12];
        WriteUInt16(header, (ushort)(tag >> 16));
        WriteUInt16(header[2..], (ushort)tag);
        if (!_explicitVr || tag >> 16 == 0xFFFE)
        {
            WriteUInt32(header[4..], length);
            _output.Write(header[..8]);
            return;
        }

        Encoding.ASCII.GetBytes(vr, header[4..6]);
        if (vr is "OB" or "OD" or "OF" or "OL" or "OV" or "OW" or "SQ" or "SV" or "UC" or "UN" or "UR" or "UT" or "UV")
        {
            header[6..8].Clear();
            WriteUInt32(header[8..], length);
            _output.Write(header);
            return;
        }

        WriteUInt16(header[6..], checked((ushort)length));
        _output.Write(header[..8]);
    }

    /// <summary>Bytes as they are.</summary>
    public void Raw(ReadOnlySpan<byte> bytes) => _output.Write(bytes);

    public void Dispose() => _deflate?.Dispose();

    private void Sequence(uint tag, string vr, bool undefinedLength, ReadOnlySpan<Action<DicomWriter>> items)
    {
        bool unknown = vr == "UN";
        using MemoryStream content = new();
        DicomWriter inner = new(content, _transferSyntax, _explicitVr && !unknown, _bigEndian && !unknown);
        foreach (Action<DicomWriter> write in items)
        {
            using MemoryStream itemContent = new();
            write(new DicomWriter(itemContent, _transferSyntax, inner._explicitVr, inner._bigEndian));
            inner.Header(Item, "", undefinedLength ? Undefined : (uint)itemContent.Length);
            inner.Raw(itemContent.GetBuffer().AsSpan(0, (int)itemContent.Length));
            if (undefinedLength)
            {
                inner.Header(ItemDelimiter, "", 0);
            }
        }

        if (undefinedLength)
        {
            inner.Header(SequenceDelimiter, "", 0);
        }

        Header(tag, vr, undefinedLength ? Undefined : (uint)content.Length);
        _output.Write(content.GetBuffer().AsSpan(0, (int)content.Length));
    }

    private void WriteUInt16(Span<byte> bytes, ushort value)
    {
        if (_bigEndian)
        {
            BinaryPrimitives.WriteUInt16BigEndian(bytes, value);
        }
        else
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
        }
    }

    private void WriteUInt32(Span<byte> bytes, uint value)
    {
        if (_bigEndian)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        }
    }
}
