using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CloudArchive.Format.Packs.Pixels;

/// <summary>
/// The reversible filter for native pixel data: prediction and Rice codes, in chunks that know nothing of each other. docs/formats.md has
/// the layout and the inverse in Python. Stateless; chunks may be encoded and decoded side by side.
/// </summary>
/// <remarks>A filtered file is its bytes before the pixels, a record for each chunk, its bytes after them. A record is a mode (one byte),
/// the length of what follows (four bytes, little-endian), and that: the chunk's bytes as they are (mode 0), or Rice codes.</remarks>
public static class PixelFilter
{
    /// <summary>Its name: in manifests, and the extension of filtered entries.</summary>
    public const string Name = "f1";

    /// <summary>Bytes of a record before its payload.</summary>
    public const int RecordHeader = 5;

    /// <summary>Below this, pixels are not worth a filter.</summary>
    internal const int MinLength = 4096;

    private const int SampledRows = 8;

    /// <summary>Whether a file of <paramref name="fileLength"/> bytes can be filtered, and is large enough. False for whatever makes no sense.</summary>
    public static bool CanFilter(PixelLayout layout, long fileLength) => layout.IsValid(fileLength) && layout.Length >= MinLength;

    /// <summary>How the file is cut: the same for the same layout, always.</summary>
    /// <exception cref="InvalidDataException">The layout describes no pixels in such a file.</exception>
    public static PixelChunks Plan(PixelLayout layout, long fileLength) =>
        layout.IsValid(fileLength) ? new(layout, fileLength) : throw new InvalidDataException("The layout of the pixels is none, or not one of this file.");

    /// <summary>Bytes of a chunk's record, at most.</summary>
    public static int MaxEncodedLength(int chunkLength) => RecordHeader + chunkLength;

    /// <summary>Writes a chunk's record and returns its length.</summary>
    /// <param name="layout">One for which <see cref="CanFilter"/> holds.</param>
    /// <param name="source">The chunk's bytes.</param>
    /// <param name="destination">At least <see cref="MaxEncodedLength"/> bytes.</param>
    public static int Encode(PixelLayout layout, ReadOnlySpan<byte> source, Span<byte> destination)
    {
        destination = destination[..MaxEncodedLength(source.Length)];
        int rows = RowsOf(layout, source.Length);
        PixelMode mode = Choose(layout, source, rows);
        int length = EncodeRows(layout, mode, source, rows, destination[RecordHeader..]);
        if (length == 0)
        {
            return CopyRaw(source, destination);
        }

        destination[0] = mode.ToByte();
        BinaryPrimitives.WriteInt32LittleEndian(destination[1..], length);
        return RecordHeader + length;
    }

    /// <summary>Writes the record of a chunk that is not filtered, and returns its length.</summary>
    public static int CopyRaw(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        destination[0] = PixelMode.Raw;
        BinaryPrimitives.WriteInt32LittleEndian(destination[1..], source.Length);
        source.CopyTo(destination[RecordHeader..]);
        return RecordHeader + source.Length;
    }

    /// <summary>Whether a record holds its chunk's bytes as they are.</summary>
    public static bool IsRaw(ReadOnlySpan<byte> record) => record[0] == PixelMode.Raw;

    /// <summary>Writes a chunk's bytes.</summary>
    /// <param name="layout">As it was encoded with.</param>
    /// <param name="record">The whole record.</param>
    /// <param name="destination">As long as the chunk.</param>
    /// <exception cref="InvalidDataException">This is no record of such a chunk.</exception>
    public static void Decode(PixelLayout layout, ReadOnlySpan<byte> record, Span<byte> destination)
    {
        if (record.Length < RecordHeader || PayloadLength(record, destination.Length) != record.Length - RecordHeader)
        {
            throw new InvalidDataException("A chunk of pixels has another length than it says.");
        }

        ReadOnlySpan<byte> payload = record[RecordHeader..];
        if (record[0] == PixelMode.Raw)
        {
            if (payload.Length != destination.Length)
            {
                throw new InvalidDataException("A chunk of pixels is longer or shorter than its rows.");
            }

            payload.CopyTo(destination);
            return;
        }

        PixelMode mode = PixelMode.Parse(record[0], layout) ?? throw new InvalidDataException($"A chunk of pixels has mode {record[0]}, which there is not.");
        DecodeRows(layout, mode, payload, destination);
    }

    /// <summary>What a record's header says of its payload, if such a chunk can have it.</summary>
    internal static int PayloadLength(ReadOnlySpan<byte> header, int chunkLength)
    {
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(header[1..]);
        return length <= (uint)chunkLength ? (int)length : throw new InvalidDataException("A chunk of pixels is longer than its rows.");
    }

    /// <summary>Payload bytes, or 0 where it would not be smaller than the source.</summary>
    private static int EncodeRows(PixelLayout layout, PixelMode mode, ReadOnlySpan<byte> source, int rows, Span<byte> payload)
    {
        int limit = source.Length - RiceEncoder.MaxBlock - sizeof(uint);
        if (limit <= 0)
        {
            return 0;
        }

        byte[] ones = ArrayPool<byte>.Shared.Rent(source.Length);
        int room = PixelRows.Room(layout) + Rice.Block;
        ushort[] residuals = ArrayPool<ushort>.Shared.Rent(room);
        try
        {
            using PixelRows prediction = new(layout, mode);
            RiceEncoder rice = new(payload[sizeof(uint)..], ones, layout.BitsAllocated, limit);
            int waiting = 0;
            for (int row = 0; row < rows && !rice.IsFull; row++)
            {
                prediction.Predict(source, row, residuals.AsSpan(waiting));
                waiting += layout.RowSamples;
                int whole = waiting - (waiting % Rice.Block);
                rice.Write(residuals.AsSpan(0, whole));
                residuals.AsSpan(whole, waiting - whole).CopyTo(residuals);
                waiting -= whole;
            }

            if (waiting > 0)
            {
                residuals.AsSpan(waiting, Rice.Block - waiting).Clear();
                rice.Write(residuals.AsSpan(0, Rice.Block));
            }

            if (rice.IsFull)
            {
                return 0;
            }

            int onesLength = rice.Finish();
            BinaryPrimitives.WriteInt32LittleEndian(payload, rice.LowsLength);
            ones.AsSpan(0, onesLength).CopyTo(payload[(sizeof(uint) + rice.LowsLength)..]);
            return sizeof(uint) + rice.LowsLength + onesLength;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(ones, clearArray: true);
            ArrayPool<ushort>.Shared.Return(residuals, clearArray: true);
        }
    }

    private static void DecodeRows(PixelLayout layout, PixelMode mode, ReadOnlySpan<byte> payload, Span<byte> chunk)
    {
        int rows = RowsOf(layout, chunk.Length);
        ushort[] residuals = ArrayPool<ushort>.Shared.Rent(PixelRows.Room(layout) + Rice.Block);
        int[] ones = ArrayPool<int>.Shared.Rent(RiceDecoder.Room);
        try
        {
            using PixelRows prediction = new(layout, mode);
            RiceDecoder rice = new(payload, layout.BitsAllocated, ones);
            int waiting = 0;
            for (int row = 0; row < rows; row++)
            {
                int missing = Math.Max(0, layout.RowSamples - waiting);
                int read = (missing + Rice.Block - 1) / Rice.Block * Rice.Block;
                rice.Read(residuals.AsSpan(waiting, read));
                waiting += read;
                // What is left over of the last block must not be touched by whole vectors.
                int over = waiting - layout.RowSamples;
                Vector256<ushort> rest = Vector256.LoadUnsafe(ref residuals[layout.RowSamples]);
                prediction.Restore(residuals, row, chunk);
                rest.StoreUnsafe(ref residuals[0]);
                waiting = over;
            }

            rice.Finish();
        }
        finally
        {
            ArrayPool<int>.Shared.Return(ones, clearArray: true);
            ArrayPool<ushort>.Shared.Return(residuals, clearArray: true);
        }
    }

    private static int RowsOf(PixelLayout layout, int chunkLength)
    {
        int rows = chunkLength / layout.RowLength;
        return rows > 0 && rows * layout.RowLength == chunkLength ? rows : throw new InvalidDataException("A chunk of pixels is not whole rows.");
    }

    /// <summary>The cheapest mode for a few rows of the chunk.</summary>
    private static PixelMode Choose(PixelLayout layout, ReadOnlySpan<byte> source, int rows)
    {
        bool framed = rows > layout.RowsOfFrame;
        (PixelMode Mode, long Cost) best = (new(Predictor.Median), long.MaxValue);
        void Try(PixelMode mode, ReadOnlySpan<byte> chunk)
        {
            long cost = Measure(layout, mode, chunk, rows);
            best = cost < best.Cost ? (mode, cost) : best;
        }

        // How the values are to be read first, then what predicts them.
        Try(best.Mode, source);
        if (layout.BitsAllocated == 16)
        {
            Try(new(Predictor.Median, Flip: true), source);
        }

        if (layout.Step == 3)
        {
            Try(best.Mode with { Green = true }, source);
        }

        PixelMode values = best.Mode;
        Try(values with { Predictor = Predictor.Left }, source);
        Try(values with { Predictor = Predictor.Mean }, source);
        if (framed)
        {
            PixelMode within = best.Mode;
            Try(within with { Frames = FrameUse.Blend }, source);
            for (Predictor predictor = Predictor.None; predictor <= Predictor.Mean; predictor++)
            {
                Try(values with { Predictor = predictor, Frames = FrameUse.Difference }, source);
            }
        }

        return best.Mode;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long Measure(PixelLayout layout, PixelMode mode, ReadOnlySpan<byte> source, int rows)
    {
        ushort[] residuals = ArrayPool<ushort>.Shared.Rent(PixelRows.Room(layout));
        try
        {
            using PixelRows prediction = new(layout, mode);
            long bits = 0;
            int sampled = Math.Min(SampledRows, rows);
            for (int i = 0; i < sampled; i++)
            {
                // In the middle of each part; never the first row of a frame where there are others.
                int row = (int)(((2L * i) + 1) * rows / (2 * sampled));
                if (row % layout.RowsOfFrame == 0 && row + 1 < rows && layout.RowsOfFrame > 1)
                {
                    row++;
                }

                if (row % layout.RowsOfFrame != 0)
                {
                    prediction.Skip(source, row - 1);
                }

                prediction.Predict(source, row, residuals);
                Span<ushort> values = residuals.AsSpan(0, layout.RowSamples);
                for (; values.Length >= Rice.Block; values = values[Rice.Block..])
                {
                    bits += 1 + Rice.Cost(Vector256.Create((ReadOnlySpan<ushort>)values), layout.BitsAllocated, out _);
                }

                foreach (ushort value in values)
                {
                    bits += 1 + (2 * System.Numerics.BitOperations.Log2((uint)value + 1));
                }
            }

            return bits;
        }
        finally
        {
            ArrayPool<ushort>.Shared.Return(residuals, clearArray: true);
        }
    }
}
