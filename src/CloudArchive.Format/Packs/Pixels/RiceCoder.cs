using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CloudArchive.Format.Packs.Pixels;

/// <summary>
/// Rice codes in blocks of 16 values, in two streams: the low bits of a block's values, packed, and one vector of bits in which each quotient is
/// a run of zeros before a one. So neither stream has to be read before the other can be, and a decoder finds the ones instead of shifting.
/// </summary>
/// <remarks>Block parameter p: 0 all values are zero; 1 to bits: p - 1 low bits and quotients; bits + 1: the values as they are, no quotients.
/// It stands in the vector before the block's quotients, as the zigzag of its difference to the last block's.</remarks>
internal static class Rice
{
    /// <summary>Values of a block. The last block of a chunk is filled with zeros.</summary>
    public const int Block = 16;

    /// <summary>Bytes that may be written or read behind the last low bits.</summary>
    public const int Slack = 16;

    /// <summary>Bits of a block without its parameter, and the parameter that makes it so short.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Cost(Vector256<ushort> values, int bits, out int parameter)
    {
        uint sum = Sum(values);
        if (sum == 0)
        {
            parameter = 0;
            return 0;
        }

        // The best k is log2 of the mean, or one less: the search for more costs time and gains nothing that can be seen.
        int k = BitOperations.Log2((sum / Block) | 1);
        int below = Math.Max(0, k - 1);
        uint best = (uint)(Block * (k + 1)) + Sum(values >>> k);
        uint other = (uint)(Block * (below + 1)) + Sum(values >>> below);
        (best, k) = other < best ? (other, below) : (best, k);
        if (best >= (uint)(Block * bits))
        {
            parameter = bits + 1;
            return Block * bits;
        }

        parameter = k + 1;
        return (int)best;
    }

    /// <summary>The low k bits of the 16-bit lanes of each 64, side by side: 4k bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Pack(Vector256<ulong> lanes, int k)
    {
        (Vector256<ulong> low, Vector256<ulong> two) = Masks(k);
        Vector256<ulong> pairs = (lanes & low) | ((lanes >>> (16 - k)) & (low << k));
        return (pairs & two) | ((pairs >>> (32 - (2 * k))) & (two << (2 * k)));
    }

    /// <summary>The inverse of <see cref="Pack"/>; what stands above 4k bits is ignored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Unpack(Vector256<ulong> packed, int k)
    {
        (Vector256<ulong> low, Vector256<ulong> two) = Masks(k);
        Vector256<ulong> pairs = (packed & two) | ((packed & (two << (2 * k))) << (32 - (2 * k)));
        return (pairs & low) | ((pairs & (low << k)) << (16 - k));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<ulong> One, Vector256<ulong> Two) Masks(int k)
    {
        ulong one = (1UL << k) - 1;
        return (Vector256.Create(one | (one << 32)), Vector256.Create((1UL << (2 * k)) - 1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Sum(Vector256<ushort> values)
    {
        Vector256<uint> pairs = (values & Vector256.Create(0x0000_FFFFu).AsUInt16()).AsUInt32() + (values.AsUInt32() >>> 16);
        return Vector128.Sum(pairs.GetLower() + pairs.GetUpper());
    }
}

/// <summary>Writes blocks. What does not fit ends in <see cref="IsFull"/>.</summary>
internal ref struct RiceEncoder
{
    private readonly Span<byte> _lows;
    private readonly Span<byte> _ones;
    private readonly int _bits;
    private readonly int _limit;
    private int _low;
    private int _word;
    private ulong _pending;
    private int _bit;
    private int _last;

    /// <param name="lows">Takes the low bits.</param>
    /// <param name="ones">Takes the vector of bits.</param>
    /// <param name="bits">Of a value: 8 or 16.</param>
    /// <param name="limit">Bytes of both, with what a block can take to spare: each span has <paramref name="limit"/> and <see cref="MaxBlock"/>.</param>
    public RiceEncoder(Span<byte> lows, Span<byte> ones, int bits, int limit)
    {
        _lows = lows[..(limit + MaxBlock)];
        _ones = ones[..(limit + MaxBlock)];
        (_bits, _limit) = (bits, limit);
    }

    /// <summary>Bytes that one block can take of either span.</summary>
    public const int MaxBlock = 64;

    /// <summary>Whether more than the limit would be needed; what was written is of no use then.</summary>
    public readonly bool IsFull => _low + _word > _limit;

    public readonly int LowsLength => _low;

    /// <summary>Bytes of the vector, when it is finished.</summary>
    public int Finish()
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_ones[_word..], _pending);
        return _word + ((_bit + 7) / 8);
    }

    /// <summary>Whole blocks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Write(ReadOnlySpan<ushort> values)
    {
        for (; values.Length >= Rice.Block && !IsFull; values = values[Rice.Block..])
        {
            Vector256<ushort> block = Vector256.Create(values);
            Rice.Cost(block, _bits, out int parameter);
            int change = parameter - _last;
            _last = parameter;
            One((change << 1) ^ (change >> 31));
            if (parameter == 0)
            {
                continue;
            }

            int k = parameter - 1;
            if (k > 0)
            {
                PutLows(block, k);
            }

            if (k < _bits)
            {
                PutQuotients(block >>> k);
            }
        }
    }

    /// <summary>Two bytes for each bit of k.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void PutLows(Vector256<ushort> block, int k)
    {
        Vector256<ulong> packed = Rice.Pack(block.AsUInt64(), k);
        Span<byte> to = _lows.Slice(_low, 2 * Rice.Slack);
        PutLows(to, packed[0], packed[1], k);
        PutLows(to[k..], packed[2], packed[3], k);
        _low += 2 * k;
    }

    /// <summary>Eight values: k bytes. The second four may begin in the middle of a byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PutLows(Span<byte> to, ulong a, ulong b, int k)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(to, a);
        BinaryPrimitives.WriteUInt64LittleEndian(to[(k >> 1)..], (k & 1) == 0 ? b : (b << 4) | (a >> ((4 * k) - 4)));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PutQuotients(Vector256<ushort> quotients)
    {
        Span<ushort> zeros = stackalloc ushort[Rice.Block];
        quotients.CopyTo(zeros);
        // Copies of the fields stay in registers.
        (ulong pending, int bit) = (_pending, _bit);
        foreach (ushort count in zeros)
        {
            bit += count;
            while (bit >= 64)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(_ones[_word..], pending);
                _word += 8;
                pending = 0;
                bit -= 64;
            }

            pending |= 1UL << bit;
            bit++;
        }

        (_pending, _bit) = (pending, bit);
    }

    /// <summary>So many zeros, then a one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void One(int zeros)
    {
        _bit += zeros;
        while (_bit >= 64)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(_ones[_word..], _pending);
            _word += 8;
            _pending = 0;
            _bit -= 64;
        }

        _pending |= 1UL << _bit;
        _bit++;
    }
}

/// <summary>Reads blocks; any bytes give values or an <see cref="InvalidDataException"/>.</summary>
internal ref struct RiceDecoder
{
    /// <summary>Elements of the array that a decoder needs.</summary>
    public const int Room = Wanted + (2 * BitsOfWord);

    private const int Wanted = 1024;
    private const int BitsOfWord = 64;
    private const int Unrolled = 8;

    private readonly ReadOnlySpan<byte> _payload;
    private readonly Span<int> _ones;
    private readonly int _lowsEnd;
    private readonly int _bits;
    private int _low;
    private int _next;
    private int _start;
    private int _end;
    private int _parameter;

    /// <param name="payload">The length of the low bits in four bytes, the low bits, the vector of bits.</param>
    /// <param name="bits">Of a value: 8 or 16.</param>
    /// <param name="ones">Room to work in: <see cref="Room"/> elements.</param>
    public RiceDecoder(ReadOnlySpan<byte> payload, int bits, Span<int> ones)
    {
        _payload = payload;
        _ones = ones[..Room];
        _bits = bits;
        uint lows = payload.Length < sizeof(uint) ? uint.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(payload);
        if (lows > payload.Length - sizeof(uint))
        {
            throw new InvalidDataException("A chunk of pixels is shorter than its low bits.");
        }

        _low = sizeof(uint);
        _next = _lowsEnd = sizeof(uint) + (int)lows;
        // The place of the last one is always there; before the first that is the bit before the vector.
        _ones[0] = -1;
        _end = 1;
    }

    /// <summary>Whole blocks, as residuals: what the zigzag was of, modulo 2^bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Read(Span<ushort> residuals)
    {
        Vector256<ushort> mask = Vector256.Create((ushort)((1 << _bits) - 1));
        Vector256<int> tooLarge = default;
        for (; residuals.Length >= Rice.Block; residuals = residuals[Rice.Block..])
        {
            if (_end - _start < Rice.Block + 2)
            {
                FindOnes();
            }

            ReadOnlySpan<int> ones = _ones[_start..];
            int zigzag = ones[1] - ones[0] - 1;
            _parameter += (zigzag >> 1) ^ -(zigzag & 1);
            Take(1);
            if ((uint)_parameter > (uint)(_bits + 1))
            {
                throw new InvalidDataException("A block of pixels has a parameter that there is not.");
            }

            if (_parameter == 0)
            {
                residuals[..Rice.Block].Clear();
                continue;
            }

            int k = _parameter - 1;
            Vector256<ushort> values = GetLows(k).AsUInt16();
            if (k < _bits)
            {
                // As many zeros as lie between two ones.
                Vector256<int> first = Vector256.Create(ones[2..]) - Vector256.Create(ones[1..]) - Vector256<int>.One;
                Vector256<int> second = Vector256.Create(ones[10..]) - Vector256.Create(ones[9..]) - Vector256<int>.One;
                tooLarge |= (first | second) >>> (_bits - k);
                values |= Vector256.Narrow(first, second).AsUInt16() << k;
                Take(Rice.Block);
            }

            (((values >>> 1) ^ (Vector256<ushort>.Zero - (values & Vector256<ushort>.One))) & mask).CopyTo(residuals);
        }

        if (tooLarge != Vector256<int>.Zero)
        {
            throw new InvalidDataException("A pixel has more bits than there are.");
        }
    }

    /// <summary>Everything must have been read.</summary>
    public readonly void Finish()
    {
        if (_low != _lowsEnd || _next != _payload.Length || _end - _start != 1)
        {
            throw new InvalidDataException("A chunk of pixels has bits left over.");
        }
    }

    private void Take(int ones)
    {
        _start += ones;
        if (_start >= _end)
        {
            throw new InvalidDataException("A chunk of pixels ends too early.");
        }
    }

    /// <summary>Puts the places of more ones behind those that are left, as far as there are any.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FindOnes()
    {
        _ones[_start.._end].CopyTo(_ones);
        (_start, _end) = (0, _end - _start);
        Span<byte> last = stackalloc byte[sizeof(ulong)];
        while (_end < Wanted && _next < _payload.Length)
        {
            scoped ReadOnlySpan<byte> rest = _payload[_next..];
            if (rest.Length < sizeof(ulong))
            {
                rest.CopyTo(last);
                rest = last;
            }

            ulong word = BinaryPrimitives.ReadUInt64LittleEndian(rest);
            int place = (_next - _lowsEnd) * 8;
            int count = BitOperations.PopCount(word);
            // Eight at a time without asking; what is too much is overwritten by the next word's.
            ref int to = ref _ones.Slice(_end, BitsOfWord + Unrolled)[0];
            for (int i = 0; i < count; i += Unrolled)
            {
                for (int j = 0; j < Unrolled; j++)
                {
                    Unsafe.Add(ref to, i + j) = place + BitOperations.TrailingZeroCount(word);
                    word &= word - 1;
                }
            }

            _end += count;
            _next = Math.Min(_next + sizeof(ulong), _payload.Length);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<ulong> GetLows(int k)
    {
        if (2 * k > _lowsEnd - _low)
        {
            throw new InvalidDataException("A chunk of pixels has too few low bits.");
        }

        ReadOnlySpan<byte> from = _payload[_low..];
        _low += 2 * k;
        if (from.Length >= (2 * k) + Rice.Slack)
        {
            return Unpack(from, k);
        }

        return GetLastLows(from, k);
    }

    /// <summary>Near the end: eight bytes at a time would reach beyond it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector256<ulong> GetLastLows(ReadOnlySpan<byte> from, int k)
    {
        Span<byte> rest = stackalloc byte[32 + Rice.Slack];
        from[..(2 * k)].CopyTo(rest);
        return Unpack(rest, k);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Unpack(ReadOnlySpan<byte> from, int k)
    {
        // The second and the fourth four may begin in the middle of a byte.
        (int half, int shift) = (k >> 1, (k & 1) << 2);
        return Rice.Unpack(
            Vector256.Create(
                BinaryPrimitives.ReadUInt64LittleEndian(from),
                BinaryPrimitives.ReadUInt64LittleEndian(from[half..]) >> shift,
                BinaryPrimitives.ReadUInt64LittleEndian(from[k..]),
                BinaryPrimitives.ReadUInt64LittleEndian(from[(k + half)..]) >> shift),
            k);
    }
}
