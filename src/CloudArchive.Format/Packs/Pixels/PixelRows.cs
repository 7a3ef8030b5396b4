using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace CloudArchive.Format.Packs.Pixels;

/// <summary>What a pixel is predicted by.</summary>
internal enum Predictor : byte
{
    /// <summary>Where the frame before was subtracted, nothing: the middle of the range. Elsewhere as <see cref="Median"/>.</summary>
    None,

    /// <summary>The pixel on the left.</summary>
    Left,

    /// <summary>The median of left, above, and left + above - above left, as in JPEG-LS (ITU-T T.87 A.4.1).</summary>
    Median,

    /// <summary>The mean of left and (the mean of above and above right), each rounded down: less of the noise of neighbours than the median has.</summary>
    Mean,
}

/// <summary>What the frame before does for the second and all later frames of a chunk.</summary>
internal enum FrameUse : byte
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It is subtracted before anything else.</summary>
    Difference,

    /// <summary>The mean of its pixel and the prediction, rounded down, is the prediction.</summary>
    Blend,
}

/// <summary>How a chunk is predicted: the byte before it.</summary>
/// <param name="Predictor">Bits 0 to 2.</param>
/// <param name="Frames">Bits 3 and 4.</param>
/// <param name="Flip">Bit 5: the highest bit of each value is inverted, so that signed values have their order.</param>
/// <param name="Green">Bit 6: the second of three samples is subtracted from the first and the third.</param>
internal readonly record struct PixelMode(Predictor Predictor, FrameUse Frames = FrameUse.None, bool Flip = false, bool Green = false)
{
    /// <summary>No mode: the bytes as they are.</summary>
    public const byte Raw = 0;

    public byte ToByte() => (byte)(0x80 | (int)Predictor | ((int)Frames << 3) | (Flip ? 0x20 : 0) | (Green ? 0x40 : 0));

    public static PixelMode? Parse(byte value, PixelLayout layout)
    {
        PixelMode mode = new((Predictor)(value & 7), (FrameUse)((value >> 3) & 3), (value & 0x20) != 0, (value & 0x40) != 0);
        bool known = (value & 0x80) != 0 && mode.Predictor <= Predictor.Mean && mode.Frames <= FrameUse.Blend
            && (mode.Predictor != Predictor.None || mode.Frames == FrameUse.Difference) && (!mode.Green || layout.Step == 3);
        return known ? mode : null;
    }
}

/// <summary>
/// Turns rows of pixels into residuals and back, one after another. Bytes become values (byte order, <see cref="PixelMode.Green"/>,
/// <see cref="PixelMode.Flip"/>, difference of frames), values residuals (prediction, modulo 2^bits), residuals unsigned ones (zigzag).
/// </summary>
/// <remarks>
/// Loops over pixels are compiled for speed at once: code with wide vectors is not compiled ahead (ReadyToRun), and what the quick compiler makes of it, a call
/// for each operation, is what a short backup or restore would run on to its end.
/// </remarks>
internal sealed class PixelRows : IDisposable
{
    // Before a row, the pixel that is left of its first: the first of the row above. Behind it, what is right of the last pixel of the row above:
    // that pixel; and room to load whole vectors.
    private const int Before = 4;
    private const int Behind = 32;

    private static readonly Vector256<ushort>[] s_firsts = Lanes(0);
    private static readonly Vector256<ushort>[] s_thirds = Lanes(2);

    private readonly PixelLayout _layout;
    private readonly PixelMode _mode;
    private readonly ushort _mask;
    private readonly ushort _flip;
    private readonly int _samples;
    private readonly int _step;
    private readonly ushort[] _rented;
    private readonly int _size;
    private int _current;
    private int _above;

    public PixelRows(PixelLayout layout, PixelMode mode)
    {
        (_layout, _mode) = (layout, mode);
        _mask = layout.BitsAllocated == 8 ? (ushort)0x00FF : (ushort)0xFFFF;
        _flip = layout.BitsAllocated == 8 ? (ushort)0x0080 : (ushort)0x8000;
        (_samples, _step) = (layout.RowSamples, layout.Step);
        _size = Before + _samples + Behind;
        _rented = ArrayPool<ushort>.Shared.Rent(3 * _size);
        _rented.AsSpan(0, 3 * _size).Clear();
        (_current, _above) = (0, _size);
    }

    /// <summary>Values that a span for a row of residuals must have room for.</summary>
    public static int Room(PixelLayout layout) => layout.RowSamples + Behind;

    public void Dispose() => ArrayPool<ushort>.Shared.Return(_rented, clearArray: true);

    /// <summary>The residuals of row <paramref name="row"/> of a chunk. Rows come in order, or after <see cref="Skip"/>.</summary>
    /// <param name="chunk">The whole chunk.</param>
    /// <param name="row">Counted from the chunk's first.</param>
    /// <param name="residuals">With <see cref="Room"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Predict(ReadOnlySpan<byte> chunk, int row, Span<ushort> residuals)
    {
        (bool first, bool framed) = Begin(row);
        Span<ushort> other = Other;
        if (framed)
        {
            Load(chunk, row - _layout.RowsOfFrame, other);
        }

        LoadCurrent(chunk, row, framed);
        Predictor predictor = PredictorOf(first, framed);
        bool blend = framed && _mode.Frames == FrameUse.Blend;
        ref ushort current = ref _rented[_current + Before];
        ref ushort above = ref _rented[_above + Before];
        ref ushort before = ref MemoryMarshal.GetReference(other);
        ref ushort result = ref MemoryMarshal.GetReference(residuals[..(_samples + Behind)]);
        bool bytes = _layout.BitsAllocated == 8;
        for (int i = 0; i < _samples; i += Vector256<ushort>.Count)
        {
            Vector256<ushort> x = Vector256.LoadUnsafe(ref current, (nuint)i);
            Vector256<ushort> a = Vector256.LoadUnsafe(ref Unsafe.Add(ref current, i - _step));
            Vector256<ushort> prediction;
            if (predictor == Predictor.None)
            {
                prediction = Vector256.Create(_flip);
            }
            else if (predictor == Predictor.Left)
            {
                prediction = a;
            }
            else
            {
                Vector256<ushort> b = Vector256.LoadUnsafe(ref above, (nuint)i);
                if (predictor == Predictor.Mean)
                {
                    prediction = Mean(a, Mean(b, Vector256.LoadUnsafe(ref Unsafe.Add(ref above, i + _step))));
                }
                else
                {
                    Vector256<ushort> c = Vector256.LoadUnsafe(ref Unsafe.Add(ref above, i - _step));
                    prediction = a + b - Vector256.Min(Vector256.Max(c, Vector256.Min(a, b)), Vector256.Max(a, b));
                }
            }

            if (blend)
            {
                prediction = Mean(prediction, Vector256.LoadUnsafe(ref before, (nuint)i));
            }

            Vector256<short> r = (x - prediction).AsInt16();
            r = bytes ? (r << 8) >> 8 : r;
            ((r << 1) ^ (r >> 15)).AsUInt16().StoreUnsafe(ref result, (nuint)i);
        }

        End();
    }

    /// <summary>Makes <paramref name="row"/> the row above the next one.</summary>
    public void Skip(ReadOnlySpan<byte> chunk, int row)
    {
        (_, bool framed) = Begin(row);
        if (framed)
        {
            Load(chunk, row - _layout.RowsOfFrame, Other);
        }

        LoadCurrent(chunk, row, framed);
        End();
    }

    /// <summary>The inverse of <see cref="Predict"/>: writes row <paramref name="row"/> of the chunk, of which all before it are there.</summary>
    public void Restore(Span<ushort> residuals, int row, Span<byte> chunk)
    {
        (bool first, bool framed) = Begin(row);
        Span<ushort> other = Other;
        if (framed)
        {
            Load(chunk, row - _layout.RowsOfFrame, other);
        }

        Predictor predictor = PredictorOf(first, framed);
        bool bytes = _layout.BitsAllocated == 8;
        if (framed && _mode.Frames == FrameUse.Blend)
        {
            if (bytes)
            {
                RestoreBlended<byte>(residuals, predictor, other);
            }
            else
            {
                RestoreBlended<ushort>(residuals, predictor, other);
            }
        }
        else if (bytes)
        {
            RestoreValues<byte>(residuals, predictor);
        }
        else
        {
            RestoreValues<ushort>(residuals, predictor);
        }

        Store(chunk, row, framed);
        End();
    }

    private Span<ushort> Other => _rented.AsSpan((2 * _size) + Before, _samples + Behind);

    private (bool First, bool Framed) Begin(int row)
    {
        bool first = row % _layout.RowsOfFrame == 0;
        for (int i = 0; i < _step; i++)
        {
            _rented[_current + Before - _step + i] = first ? (ushort)0 : _rented[_above + Before + i];
            _rented[_above + Before + _samples + i] = _rented[_above + Before + _samples - _step + i];
        }

        return (first, row >= _layout.RowsOfFrame && _mode.Frames != FrameUse.None);
    }

    private Predictor PredictorOf(bool first, bool framed) => _mode.Predictor switch
    {
        Predictor.None when framed => Predictor.None,
        _ when first => Predictor.Left,
        Predictor.None => Predictor.Median,
        Predictor other => other,
    };

    private void End() => (_current, _above) = (_above, _current);

    /// <summary>Values of the current row; with a difference of frames, of that.</summary>
    private void LoadCurrent(ReadOnlySpan<byte> chunk, int row, bool framed)
    {
        Span<ushort> current = _rented.AsSpan(_current + Before, _samples + Behind);
        Load(chunk, row, current);
        if (framed && _mode.Frames == FrameUse.Difference)
        {
            Span<ushort> before = Other;
            for (int i = 0; i < _samples; i += Vector256<ushort>.Count)
            {
                Vector256<ushort> difference = Vector256.LoadUnsafe(ref current[i]) - Vector256.LoadUnsafe(ref before[i]);
                ((difference ^ Vector256.Create(_flip)) & Vector256.Create(_mask)).StoreUnsafe(ref current[i]);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Load(ReadOnlySpan<byte> chunk, int row, Span<ushort> values)
    {
        ReadOnlySpan<byte> bytes = chunk.Slice(row * _layout.RowLength, _layout.RowLength);
        if (_layout.BitsAllocated == 16)
        {
            ReadOnlySpan<ushort> words = MemoryMarshal.Cast<byte, ushort>(bytes);
            if (_layout.BigEndian == BitConverter.IsLittleEndian)
            {
                BinaryPrimitives.ReverseEndianness(words, values);
            }
            else
            {
                words.CopyTo(values);
            }
        }
        else
        {
            int i = 0;
            for (; i <= bytes.Length - Vector128<byte>.Count; i += Vector128<byte>.Count)
            {
                (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(Vector128.Create(bytes[i..]));
                low.CopyTo(values[i..]);
                high.CopyTo(values[(i + 8)..]);
            }

            for (; i < bytes.Length; i++)
            {
                values[i] = bytes[i];
            }
        }

        if (_mode.Green)
        {
            AddGreen(values, subtract: true);
        }

        if (_mode.Flip)
        {
            Flip(values);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Store(Span<byte> chunk, int row, bool framed)
    {
        Span<ushort> values = _rented.AsSpan(_current + Before, _samples + Behind);
        bool difference = framed && _mode.Frames == FrameUse.Difference;
        if (difference || _mode.Flip || _mode.Green)
        {
            // The row itself is the row above of the next one: it stays as it is.
            Span<ushort> other = Other;
            if (difference)
            {
                for (int i = 0; i < _samples; i += Vector256<ushort>.Count)
                {
                    Vector256<ushort> sum = (Vector256.LoadUnsafe(ref values[i]) ^ Vector256.Create(_flip)) + Vector256.LoadUnsafe(ref other[i]);
                    (sum & Vector256.Create(_mask)).StoreUnsafe(ref other[i]);
                }
            }
            else
            {
                values.CopyTo(other);
            }

            values = other;
            if (_mode.Flip)
            {
                Flip(values);
            }

            if (_mode.Green)
            {
                AddGreen(values, subtract: false);
            }
        }

        Span<byte> bytes = chunk.Slice(row * _layout.RowLength, _layout.RowLength);
        if (_layout.BitsAllocated == 16)
        {
            Span<ushort> words = MemoryMarshal.Cast<byte, ushort>(bytes);
            if (_layout.BigEndian == BitConverter.IsLittleEndian)
            {
                BinaryPrimitives.ReverseEndianness(values[.._samples], words);
            }
            else
            {
                values[.._samples].CopyTo(words);
            }

            return;
        }

        int at = 0;
        for (; at <= bytes.Length - Vector128<byte>.Count; at += Vector128<byte>.Count)
        {
            Vector128.Narrow(Vector128.LoadUnsafe(ref values[at]), Vector128.LoadUnsafe(ref values[at + 8])).CopyTo(bytes[at..]);
        }

        for (; at < bytes.Length; at++)
        {
            bytes[at] = (byte)values[at];
        }
    }

    /// <summary>
    /// Subtracts the second of three samples from the first and the third and inverts their highest bit, as differences lie around zero; or the inverse.
    /// The second stays, so that vectors may overlap.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddGreen(Span<ushort> values, bool subtract)
    {
        // The other buffers end with room for a vector; one before the first value there is the row's left pixel, which its mask leaves out.
        ref ushort at = ref MemoryMarshal.GetReference(values);
        (Vector256<ushort>[] firsts, Vector256<ushort>[] thirds) = (s_firsts, s_thirds);
        Vector256<ushort> mask = Vector256.Create(_mask);
        int phase = 0;
        for (int i = 0; i < _samples; i += Vector256<ushort>.Count)
        {
            Vector256<ushort> x = Vector256.LoadUnsafe(ref at, (nuint)i);
            Vector256<ushort> green = (Vector256.LoadUnsafe(ref at, (nuint)i + 1) & firsts[phase])
                | (Vector256.LoadUnsafe(ref Unsafe.Add(ref at, i - 1)) & thirds[phase]);
            Vector256<ushort> flip = Vector256.Create(_flip) & (firsts[phase] | thirds[phase]);
            ((subtract ? (x - green) ^ flip : (x ^ flip) + green) & mask).StoreUnsafe(ref at, (nuint)i);
            phase = phase == 2 ? 0 : phase + 1;
        }
    }

    /// <summary>For each of three vectors in a row, all ones where a value is the <paramref name="sample"/>-th of its pixel.</summary>
    private static Vector256<ushort>[] Lanes(int sample) =>
        [.. Enumerable.Range(0, 3).Select(vector => Vector256.Create([.. Enumerable.Range(0, 16).Select(lane => ((16 * vector) + lane) % 3 == sample ? ushort.MaxValue : (ushort)0)]))];

    private void Flip(Span<ushort> values)
    {
        for (int i = 0; i < _samples; i += Vector256<ushort>.Count)
        {
            (Vector256.LoadUnsafe(ref values[i]) ^ Vector256.Create(_flip)).StoreUnsafe(ref values[i]);
        }
    }

    /// <summary>
    /// A pixel at a time: its samples in the lanes of a vector, of which four are loaded and stored. What is too much is overwritten by the next pixel.
    /// Of 8 bits, lanes of bytes make the sums modulo 2^8; the high byte of each value is zero all the time.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RestoreValues<T>(Span<ushort> residuals, Predictor predictor)
    {
        ref ushort current = ref _rented[_current + Before];
        ref ushort above = ref _rented[_above + Before];
        ref ushort residual = ref MemoryMarshal.GetReference(residuals[..(_samples + Behind)]);
        int step = _step;
        Vector128<T> a = Load4<T>(ref Unsafe.Add(ref current, -step));
        switch (predictor)
        {
            case Predictor.None:
                for (int i = 0; i < _samples; i += Vector256<ushort>.Count)
                {
                    ((Vector256.LoadUnsafe(ref residual, (nuint)i) + Vector256.Create(_flip)) & Vector256.Create(_mask)).StoreUnsafe(ref current, (nuint)i);
                }

                break;
            case Predictor.Left:
                for (int i = 0; i < _samples; i += step)
                {
                    a += Load4<T>(ref Unsafe.Add(ref residual, i));
                    Store4(ref Unsafe.Add(ref current, i), a);
                }

                break;
            case Predictor.Mean:
                for (int i = 0; i < _samples; i += step)
                {
                    Vector128<T> b = Mean(Load4<T>(ref Unsafe.Add(ref above, i)), Load4<T>(ref Unsafe.Add(ref above, i + step)));
                    a = Half(a ^ b) + ((a & b) + Load4<T>(ref Unsafe.Add(ref residual, i)));
                    Store4(ref Unsafe.Add(ref current, i), a);
                }

                break;
            default:
                Vector128<T> c = a;
                for (int i = 0; i < _samples; i += step)
                {
                    Vector128<T> b = Load4<T>(ref Unsafe.Add(ref above, i));
                    Vector128<T> sum = a + (b + Load4<T>(ref Unsafe.Add(ref residual, i)));
                    a = sum - Vector128.Min(Vector128.Max(c, Vector128.Min(a, b)), Vector128.Max(a, b));
                    c = b;
                    Store4(ref Unsafe.Add(ref current, i), a);
                }

                break;
        }
    }

    /// <summary>With the mean of the prediction and the frame before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RestoreBlended<T>(Span<ushort> residuals, Predictor predictor, Span<ushort> frame)
    {
        ref ushort current = ref _rented[_current + Before];
        ref ushort above = ref _rented[_above + Before];
        ref ushort before = ref MemoryMarshal.GetReference(frame);
        ref ushort residual = ref MemoryMarshal.GetReference(residuals[..(_samples + Behind)]);
        int step = _step;
        Vector128<T> a = Load4<T>(ref Unsafe.Add(ref current, -step));
        Vector128<T> c = a;
        for (int i = 0; i < _samples; i += step)
        {
            Vector128<T> b = Load4<T>(ref Unsafe.Add(ref above, i));
            Vector128<T> prediction = predictor switch
            {
                Predictor.Left => a,
                Predictor.Mean => Mean(a, Mean(b, Load4<T>(ref Unsafe.Add(ref above, i + step)))),
                _ => a + b - Vector128.Min(Vector128.Max(c, Vector128.Min(a, b)), Vector128.Max(a, b)),
            };
            a = Mean(prediction, Load4<T>(ref Unsafe.Add(ref before, i))) + Load4<T>(ref Unsafe.Add(ref residual, i));
            c = b;
            Store4(ref Unsafe.Add(ref current, i), a);
        }
    }

    /// <summary>Rounded down, without the bit more that a sum would need.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<T> Mean<T>(Vector128<T> a, Vector128<T> b) => (a & b) + Half(a ^ b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Mean(Vector256<ushort> a, Vector256<ushort> b) => (a & b) + ((a ^ b) >>> 1);

    /// <summary>Of whole values: their high byte is zero where lanes are bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<T> Half<T>(Vector128<T> values) => (values.AsUInt16() >>> 1).As<ushort, T>();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<T> Load4<T>(ref ushort values) =>
        Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(ref Unsafe.As<ushort, byte>(ref values))).As<ulong, T>();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store4<T>(ref ushort values, Vector128<T> lanes) =>
        Unsafe.WriteUnaligned(ref Unsafe.As<ushort, byte>(ref values), lanes.AsUInt64().ToScalar());
}
