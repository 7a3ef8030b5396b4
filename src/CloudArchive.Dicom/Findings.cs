using System.Buffers;
using System.Buffers.Text;

namespace CloudArchive.Dicom;

/// <summary>What a reader has found so far: the values that the catalogue wants, and oddities.</summary>
internal sealed class Findings
{
    /// <summary>The longest value that is kept. A person name has at most 5 * 64 characters (PS3.5 §6.2), with code extensions some 1,300 bytes; nobody's has.</summary>
    public const int MaxKeptLength = 2048;

    private static readonly SearchValues<byte> s_uidCharacters = SearchValues.Create("0123456789."u8);
    private static readonly SearchValues<byte> s_codeCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _"u8);

    private readonly List<DicomOddity> _oddities = [];
    private readonly HashSet<uint> _taken = [];
    private string? _metaSopClass;
    private string? _metaSopInstance;
    private string? _sopClass;
    private string? _sopInstance;
    private string? _study;
    private string? _series;
    private string? _studyDate;
    private string? _modality;
    private string _characterSet = "";
    private byte[]? _accession;
    private byte[]? _patientId;
    private byte[]? _patientName;
    private byte[]? _birthDate;
    private byte[]? _studyDescription;
    private byte[]? _seriesDescription;
    private bool _is422;
    private long _samples = 1;
    private long _rows;
    private long _columns;
    private long _bits;
    private long _planar;

    public string? TransferSyntax { get; set; }

    public bool HasPreamble { get; set; }

    public bool HasMetaHeader { get; set; }

    public long MetaLength { get; private set; } = -1;

    public long Frames { get; private set; } = 1;

    public bool HasRows => _rows > 0;

    public IReadOnlyList<DicomOddity> Oddities => _oddities;

    public long OddityCount { get; private set; }

    /// <summary>Whether the file can be filed: its instance and study are known.</summary>
    public bool HasIdentity => (_sopInstance ?? _metaSopInstance) is not null && _study is not null;

    /// <summary>Whether nothing after (0020,000E) can be of interest to the catalogue.</summary>
    public bool IsComplete => _sopInstance is not null && _study is not null && _series is not null;

    public void Odd(DicomOddityKind kind, uint tag, long offset)
    {
        OddityCount++;
        if (_oddities.Count < DicomReader.MaxOddities)
        {
            _oddities.Add(new(kind, tag, offset));
        }
    }

    /// <summary>Whether <see cref="Take"/> has a use for this element of group 0002 or of the outermost data set.</summary>
    public static bool Wants(uint tag) => tag is 0x0002_0000 or 0x0002_0002 or 0x0002_0003 or 0x0002_0010
        or 0x0008_0005 or 0x0008_0016 or 0x0008_0018 or 0x0008_0020 or 0x0008_0050 or 0x0008_0060 or 0x0008_1030 or 0x0008_103E
        or 0x0010_0010 or 0x0010_0020 or 0x0010_0030 or 0x0020_000D or 0x0020_000E
        or 0x0028_0002 or 0x0028_0004 or 0x0028_0006 or 0x0028_0008 or 0x0028_0010 or 0x0028_0011 or 0x0028_0100;

    /// <summary>
    /// Keeps a value of at most <see cref="MaxKeptLength"/> bytes. Of two elements with one tag the first counts: a reader that has what it
    /// wants stops before the second.
    /// </summary>
    public void Take(uint tag, ReadOnlySpan<byte> value, DataSetEncoding encoding, long offset)
    {
        if (!_taken.Add(tag))
        {
            return;
        }

        ReadOnlySpan<byte> text = Trim(value);
        bool valid = true;
        switch (tag)
        {
            case 0x0002_0000:
                valid = value.Length == 4;
                MetaLength = valid ? encoding.ReadUInt32(value) : -1;
                break;
            case 0x0002_0002: valid = Uid(text, ref _metaSopClass); break;
            case 0x0002_0003: valid = Uid(text, ref _metaSopInstance); break;
            case 0x0002_0010:
                string? syntax = null;
                valid = Uid(text, ref syntax);
                TransferSyntax = syntax;
                break;
            case 0x0008_0005: _characterSet = System.Text.Encoding.ASCII.GetString(text); break;
            case 0x0008_0016: valid = Uid(text, ref _sopClass); break;
            case 0x0008_0018: valid = Uid(text, ref _sopInstance); break;
            case 0x0008_0020: valid = Date(text, ref _studyDate); break;
            case 0x0008_0050: _accession = Keep(text); break;
            case 0x0008_0060: valid = Code(text, ref _modality); break;
            case 0x0008_1030: _studyDescription = Keep(text); break;
            case 0x0008_103E: _seriesDescription = Keep(text); break;
            case 0x0010_0010: _patientName = Keep(text); break;
            case 0x0010_0020: _patientId = Keep(text); break;
            case 0x0010_0030: _birthDate = Keep(text); break;
            case 0x0020_000D: valid = Uid(text, ref _study); break;
            case 0x0020_000E: valid = Uid(text, ref _series); break;
            case 0x0028_0002: valid = Number(value, encoding, ref _samples); break;
            case 0x0028_0004: _is422 = text.EndsWith("_422"u8); break;
            case 0x0028_0006: valid = Number(value, encoding, ref _planar); break;
            case 0x0028_0008:
                valid = text.IsEmpty || (Utf8Parser.TryParse(text, out int frames, out int used) && used == text.Length && frames > 0);
                Frames = valid && Utf8Parser.TryParse(text, out int count, out _) ? count : 1;
                break;
            case 0x0028_0010: valid = Number(value, encoding, ref _rows); break;
            case 0x0028_0011: valid = Number(value, encoding, ref _columns); break;
            case 0x0028_0100: valid = Number(value, encoding, ref _bits); break;
        }

        if (!valid)
        {
            Odd(DicomOddityKind.InvalidValue, tag, offset);
        }
    }

    /// <summary>Bytes of native pixel data by rows, columns, samples, bits and frames (PS3.5 §8.1.1, PS3.3 C.7.6.3.1.2), or null where the file does not say.</summary>
    public UInt128? ExpectedPixelDataLength()
    {
        if (_rows == 0 || _columns == 0 || _bits == 0)
        {
            return null;
        }

        UInt128 bits = (UInt128)_rows * (UInt128)_columns * (UInt128)_samples * (UInt128)_bits * (UInt128)Frames;
        // 4:2:2 has one pair of colour samples for two pixels.
        bits = _is422 ? bits * 2 / 3 : bits;
        return (bits + 7) / 8;
    }

    /// <summary>The layout of native pixel data of this length, or null where it is none of 8 or 16 bits, or not as long as it must be.</summary>
    public PixelDataLayout? ToPixelDataLayout(long offset, long length, bool bigEndian)
    {
        bool whole = length > 0 && ExpectedPixelDataLength() is { } expected && ((UInt128)length == expected || (UInt128)length == expected + (expected & 1));
        return whole && !_is422 && _bits is 8 or 16 && _samples > 0 && _planar is 0 or 1
            ? new(offset, length, (int)_rows, (int)_columns, (int)_samples, (int)_bits, _samples == 1 ? 0 : (int)_planar, (int)Frames, bigEndian && _bits == 16)
            : null;
    }

    /// <summary>What is known by now.</summary>
    public DicomHeader ToHeader(DicomFault? damage = null) => new(
        TransferSyntax!,
        _sopInstance ?? _metaSopInstance,
        _sopClass ?? _metaSopClass,
        _study,
        _series,
        _studyDate,
        _modality,
        Text(_accession),
        Text(_patientId),
        Text(_patientName),
        Text(_birthDate),
        HasPreamble,
        HasMetaHeader,
        damage)
    {
        StudyDescription = Text(_studyDescription),
        SeriesDescription = Text(_seriesDescription),
    };

    /// <summary>The two headers of a file should name the same class and instance.</summary>
    public bool MetaDiffers =>
        (_metaSopInstance is not null && _sopInstance is not null && _metaSopInstance != _sopInstance) ||
        (_metaSopClass is not null && _sopClass is not null && _metaSopClass != _sopClass);

    private DicomText? Text(byte[]? value) => value is null ? null : new DicomText(value, _characterSet);

    private static byte[]? Keep(ReadOnlySpan<byte> text) => text.IsEmpty ? null : text.ToArray();

    /// <summary>Spaces pad text, a NUL pads UIDs (PS3.5 §6.2); the field mixes them up.</summary>
    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> value) => value.Trim(" \0"u8);

    private static bool Uid(ReadOnlySpan<byte> text, ref string? field)
    {
        if (text.IsEmpty)
        {
            return true;
        }

        bool valid = text.Length <= 64 && !text.ContainsAnyExcept(s_uidCharacters) && text[0] != (byte)'.' && text[^1] != (byte)'.';
        field = valid ? System.Text.Encoding.ASCII.GetString(text) : null;
        return valid;
    }

    /// <summary><c>yyyyMMdd</c>; <c>yyyy.MM.dd</c> is what ACR-NEMA wrote (PS3.5 §6.2).</summary>
    private static bool Date(ReadOnlySpan<byte> text, ref string? field)
    {
        if (text.IsEmpty)
        {
            return true;
        }

        string date = System.Text.Encoding.ASCII.GetString(text);
        date = date.Length == 10 && date[4] == '.' && date[7] == '.' ? date.Replace(".", "", StringComparison.Ordinal) : date;
        bool valid = DateOnly.TryParseExact(date, "yyyyMMdd", out _);
        field = valid ? date : null;
        return valid;
    }

    private static bool Code(ReadOnlySpan<byte> text, ref string? field)
    {
        if (text.IsEmpty)
        {
            return true;
        }

        bool valid = text.Length <= 16 && !text.ContainsAnyExcept(s_codeCharacters);
        field = valid ? System.Text.Encoding.ASCII.GetString(text) : null;
        return valid;
    }

    private static bool Number(ReadOnlySpan<byte> value, DataSetEncoding encoding, ref long field)
    {
        bool valid = value.Length == 2;
        field = valid ? encoding.ReadUInt16(value) : field;
        return valid || value.IsEmpty;
    }
}
