namespace CloudArchive.Format.Packs.Pixels;

/// <summary>Where a file's native pixel data lies and how it is laid out, in DICOM's words. What <see cref="PixelFilter"/> must know to bring the file back.</summary>
/// <param name="Offset">Of the value of (7FE0,0010) in the file.</param>
/// <param name="Length">Bytes of that value.</param>
/// <param name="Rows">(0028,0010).</param>
/// <param name="Columns">(0028,0011).</param>
/// <param name="SamplesPerPixel">(0028,0002): 1 to 4.</param>
/// <param name="BitsAllocated">(0028,0100): 8 or 16. How many of them are used does not matter.</param>
/// <param name="PlanarConfiguration">(0028,0006): 0 where a pixel's samples stand together, 1 where each sample has a plane of its own.</param>
/// <param name="BigEndian">Whether words of 16 bits have their high byte first.</param>
public sealed record PixelLayout(long Offset, long Length, int Rows, int Columns, int SamplesPerPixel, int BitsAllocated, int PlanarConfiguration, bool BigEndian)
{
    private const int MaxSide = ushort.MaxValue;
    private const int MaxSamples = 4;

    /// <summary>From one sample of a row to the next of its kind.</summary>
    internal int Step => PlanarConfiguration == 0 ? SamplesPerPixel : 1;

    internal int BytesPerSample => BitsAllocated / 8;

    /// <summary>Samples of a row: of all kinds where they stand together, of one where they have planes.</summary>
    internal int RowSamples => Columns * Step;

    internal int RowLength => RowSamples * BytesPerSample;

    /// <summary>A frame's planes stand below each other.</summary>
    internal int RowsOfFrame => Rows * (SamplesPerPixel / Step);

    internal long FrameLength => (long)RowLength * RowsOfFrame;

    /// <summary>Whole frames; what is left of the value after them is not filtered.</summary>
    internal long Frames => Length / FrameLength;

    /// <summary>Whether this describes pixels in a file of <paramref name="fileLength"/> bytes. Only then do the members above mean anything.</summary>
    internal bool IsValid(long fileLength) =>
        fileLength >= 0 && Offset >= 0 && Length > 0 && Offset <= fileLength && Length <= fileLength - Offset
        && Rows is > 0 and <= MaxSide && Columns is > 0 and <= MaxSide && SamplesPerPixel is > 0 and <= MaxSamples
        && BitsAllocated is 8 or 16 && PlanarConfiguration is 0 or 1
        && (SamplesPerPixel > 1 || PlanarConfiguration == 0)
        && FrameLength <= Length;
}

/// <summary>How a file is cut: bytes before the pixel data, chunks of whole rows that know nothing of each other, bytes after them.</summary>
public sealed class PixelChunks
{
    /// <summary>Bytes of a part of a frame, about.</summary>
    internal const int BandLength = 1 << 20;

    /// <summary>Bytes of a chunk, at most.</summary>
    internal const int MaxLength = 4 << 20;

    private readonly PixelLayout _layout;
    private readonly long _frames;
    private readonly long _framesOfChunk;
    private readonly int _bandsOfFrame;
    private readonly int _rowsOfBand;

    internal PixelChunks(PixelLayout layout, long fileLength)
    {
        _layout = layout;
        FileLength = fileLength;
        _frames = layout.Frames;
        long frame = layout.FrameLength;
        if (_frames > 1 && frame <= MaxLength / 2)
        {
            // Many frames in a chunk: each but the first is predicted by the one before it.
            (_framesOfChunk, _bandsOfFrame, _rowsOfBand) = (MaxLength / frame, 1, layout.RowsOfFrame);
            Count = (int)((_frames + _framesOfChunk - 1) / _framesOfChunk);
        }
        else
        {
            // Bands of about the same height.
            _framesOfChunk = 1;
            long bands = Math.Min((frame + BandLength - 1) / BandLength, layout.RowsOfFrame);
            _rowsOfBand = (int)((layout.RowsOfFrame + bands - 1) / bands);
            _bandsOfFrame = (layout.RowsOfFrame + _rowsOfBand - 1) / _rowsOfBand;
            Count = checked((int)(_frames * _bandsOfFrame));
        }
    }

    /// <summary>Bytes of the original file.</summary>
    public long FileLength { get; }

    /// <summary>Bytes before the first chunk; they are not changed.</summary>
    public long PrefixLength => _layout.Offset;

    /// <summary>How many chunks there are: at least one.</summary>
    public int Count { get; }

    /// <summary>Where the bytes after the last chunk begin, which are not changed.</summary>
    public long SuffixOffset => _layout.Offset + (_frames * _layout.FrameLength);

    /// <summary>Bytes after the last chunk.</summary>
    public long SuffixLength => FileLength - SuffixOffset;

    /// <summary>The chunk's place in the original file. They follow one another without gaps.</summary>
    public PixelChunk this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            (long group, long band) = (index / _bandsOfFrame, index % _bandsOfFrame);
            long frame = group * _framesOfChunk;
            long frames = Math.Min(_framesOfChunk, _frames - frame);
            long row = band * _rowsOfBand;
            long rows = (frames - 1) * _layout.RowsOfFrame + Math.Min(_rowsOfBand, _layout.RowsOfFrame - row);
            return new(_layout.Offset + (frame * _layout.FrameLength) + (row * _layout.RowLength), (int)(rows * _layout.RowLength));
        }
    }
}

/// <summary>One chunk.</summary>
/// <param name="Offset">In the original file.</param>
/// <param name="Length">Bytes: at most 4 MiB.</param>
public readonly record struct PixelChunk(long Offset, int Length);
