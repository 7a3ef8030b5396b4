using System.Buffers.Binary;

namespace CloudArchive.Dicom;

/// <summary>How a data set is written down (PS3.5 §7.1). Implicit VR big endian never was one.</summary>
internal readonly record struct DataSetEncoding(bool ExplicitVr, bool BigEndian)
{
    public static readonly DataSetEncoding ImplicitLittle = new(false, false);
    public static readonly DataSetEncoding ExplicitLittle = new(true, false);
    public static readonly DataSetEncoding ExplicitBig = new(true, true);

    public ushort ReadUInt16(ReadOnlySpan<byte> bytes) =>
        BigEndian ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : BinaryPrimitives.ReadUInt16LittleEndian(bytes);

    public uint ReadUInt32(ReadOnlySpan<byte> bytes) =>
        BigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes);

    /// <summary>The UID that says so.</summary>
    public string Uid => this switch
    {
        { ExplicitVr: false } => TransferSyntaxes.ImplicitVrLittleEndian,
        { BigEndian: true } => TransferSyntaxes.ExplicitVrBigEndian,
        _ => TransferSyntaxes.ExplicitVrLittleEndian,
    };
}

/// <summary>Value representations, as the two letters that stand in the file.</summary>
internal static class Vr
{
    public const ushort None = 0;
    public const ushort SQ = ('S' << 8) | 'Q';
    public const ushort UN = ('U' << 8) | 'N';
    public const ushort OB = ('O' << 8) | 'B';
    public const ushort OW = ('O' << 8) | 'W';

    /// <summary>Two capital letters: a VR, known or to come.</summary>
    public static bool IsWellFormed(ReadOnlySpan<byte> letters) =>
        letters[0] is >= (byte)'A' and <= (byte)'Z' && letters[1] is >= (byte)'A' and <= (byte)'Z';

    /// <summary>One that PS3.5 §6.2 defines.</summary>
    public static bool IsKnown(ushort vr) => HasShortLength(vr) || IsOther(vr) ||
        vr is SQ or UN or (('S' << 8) | 'V') or (('U' << 8) | 'C') or (('U' << 8) | 'R') or (('U' << 8) | 'T') or (('U' << 8) | 'V');

    /// <summary>Those with a 16-bit length in explicit VR (PS3.5 table 7.1-2); all others, also future ones, have 32 bits.</summary>
    public static bool HasShortLength(ushort vr) => vr is
        (('A' << 8) | 'E') or (('A' << 8) | 'S') or (('A' << 8) | 'T') or (('C' << 8) | 'S') or (('D' << 8) | 'A') or (('D' << 8) | 'S') or
        (('D' << 8) | 'T') or (('F' << 8) | 'D') or (('F' << 8) | 'L') or (('I' << 8) | 'S') or (('L' << 8) | 'O') or (('L' << 8) | 'T') or
        (('P' << 8) | 'N') or (('S' << 8) | 'H') or (('S' << 8) | 'L') or (('S' << 8) | 'S') or (('S' << 8) | 'T') or (('T' << 8) | 'M') or
        (('U' << 8) | 'I') or (('U' << 8) | 'L') or (('U' << 8) | 'S');

    /// <summary>OB, OD, OF, OL, OV, OW: with an undefined length, the value is fragments.</summary>
    public static bool IsOther(ushort vr) => vr >> 8 == 'O' && (byte)vr is (byte)'B' or (byte)'D' or (byte)'F' or (byte)'L' or (byte)'V' or (byte)'W';
}

/// <summary>Tag, VR and length of an element, item or delimiter.</summary>
internal readonly record struct ElementHeader(uint Tag, ushort Vr, uint Length, int Size)
{
    public const uint Item = 0xFFFE_E000;
    public const uint ItemDelimiter = 0xFFFE_E00D;
    public const uint SequenceDelimiter = 0xFFFE_E0DD;
    public const uint PixelData = 0x7FE0_0010;
    public const uint UndefinedLength = uint.MaxValue;

    /// <summary>The longest header: explicit VR with a 32-bit length.</summary>
    public const int MaxSize = 12;

    public bool IsUndefinedLength => Length == UndefinedLength;

    /// <summary>Private elements have an odd group (PS3.5 §7.8).</summary>
    public bool IsPrivate => (Tag & 0x0001_0000) != 0;

    public static string Name(uint tag) => $"({tag >> 16:X4},{tag & 0xFFFF:X4})";

    /// <summary>
    /// Reads the header at the start of <paramref name="bytes"/>, of which there must be 8. Returns 0 when it is read, the number of bytes
    /// that it takes when there are too few, and -1 when an explicit VR is none.
    /// </summary>
    public static int Read(ReadOnlySpan<byte> bytes, DataSetEncoding encoding, out ElementHeader header)
    {
        uint tag = ((uint)encoding.ReadUInt16(bytes) << 16) | encoding.ReadUInt16(bytes[2..]);
        // Items and delimiters have no VR in any encoding (PS3.5 §7.5).
        if (!encoding.ExplicitVr || tag >> 16 == 0xFFFE)
        {
            header = new(tag, Dicom.Vr.None, encoding.ReadUInt32(bytes[4..]), 8);
            return 0;
        }

        header = new(tag, Dicom.Vr.None, 0, 0);
        if (!Dicom.Vr.IsWellFormed(bytes[4..]))
        {
            return -1;
        }

        ushort vr = BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]);
        if (Dicom.Vr.HasShortLength(vr))
        {
            header = new(tag, vr, encoding.ReadUInt16(bytes[6..]), 8);
            return 0;
        }

        if (bytes.Length < MaxSize)
        {
            return MaxSize;
        }

        header = new(tag, vr, encoding.ReadUInt32(bytes[8..]), MaxSize);
        return 0;
    }
}
