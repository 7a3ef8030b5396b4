using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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

        // The best k lies at or just below log2 of the mean.
        int k = Math.Max(0, BitOperations.Log2(sum / Block));
        uint best = (uint)(Block * (k + 1)) + Sum(values >>> k);
        while (k > 0)
        {
            uint next = (uint)(Block * k) + Sum(values >>> (k - 1));
            if (next >= best)
            {
                break;
            }

            (best, k) = (next, k - 1);
        }

        if (best >= (uint)(Block * bits))
        {
            parameter = bits + 1;
            return Block * bits;
        }

        parameter = k + 1;
        return (int)best;
    }

    /// <summary>The low k bits of 16-bit lanes, side by side: 4k bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Pack(ulong lanes, int k)
    {
        ulong one = (1UL << k) - 1;
        ulong low = one | (one << 32);
        ulong pairs = (lanes & low) | ((lanes >> (16 - k)) & (low << k));
        ulong two = (1UL << (2 * k)) - 1;
        return (pairs & two) | ((pairs >> (32 - (2 * k))) & (two << (2 * k)));
    }

    /// <summary>The inverse of <see cref="Pack"/>; what stands above 4k bits is ignored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Unpack(ulong packed, int k)
    {
        ulong two = (1UL << (2 * k)) - 1;
        ulong pairs = (packed & two) | ((packed & (two << (2 * k))) << (32 - (2 * k)));
        ulong one = (1UL << k) - 1;
        ulong low = one | (one << 32);
        return (pairs & low) | ((pairs & (low << k)) << (16 - k));
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
                for (int i = 0; i < Rice.Block; i++)
                {
                    One(values[i] >> k);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void PutLows(Vector256<ushort> block, int k)
    {
        Vector256<ulong> lanes = block.AsUInt64();
        PutLows(lanes[0], lanes[1], k);
        PutLows(lanes[2], lanes[3], k);
    }

    /// <summary>Eight values: k bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void PutLows(ulong first, ulong second, int k)
    {
        (ulong a, ulong b) = (Rice.Pack(first, k), Rice.Pack(second, k));
        Span<byte> to = _lows.Slice(_low, 16);
        BinaryPrimitives.WriteUInt64LittleEndian(to, a);
        BinaryPrimitives.WriteUInt64LittleEndian(to[(k >> 1)..], (k & 1) == 0 ? b : (b << 4) | (a >> ((4 * k) - 4)));
        _low += k;
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
    private readonly ReadOnlySpan<byte> _payload;
    private readonly int _lowsEnd;
    private readonly int _bits;
    private int _low;
    private int _next;
    private ulong _word;
    private int _wordStart;
    private int _lastOne;
    private int _last;

    /// <param name="payload">The length of the low bits in four bytes, the low bits, the vector of bits.</param>
    /// <param name="bits">Of a value: 8 or 16.</param>
    public RiceDecoder(ReadOnlySpan<byte> payload, int bits)
    {
        _payload = payload;
        _bits = bits;
        uint lows = payload.Length < sizeof(uint) ? uint.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(payload);
        if (lows > payload.Length - sizeof(uint))
        {
            throw new InvalidDataException("A chunk of pixels is shorter than its low bits.");
        }

        _low = sizeof(uint);
        _next = _lowsEnd = sizeof(uint) + (int)lows;
        _wordStart = -64;
        _lastOne = -1;
    }

    /// <summary>Whole blocks.</summary>
    public void Read(Span<ushort> values)
    {
        for (; values.Length >= Rice.Block; values = values[Rice.Block..])
        {
            int zigzag = Zeros();
            int parameter = _last + ((zigzag >> 1) ^ -(zigzag & 1));
            if ((uint)parameter > (uint)(_bits + 1))
            {
                throw new InvalidDataException("A block of pixels has a parameter that there is not.");
            }

            _last = parameter;
            if (parameter == 0)
            {
                values[..Rice.Block].Clear();
                continue;
            }

            int k = parameter - 1;
            Span<ulong> lanes = MemoryMarshal.Cast<ushort, ulong>(values[..Rice.Block]);
            GetLows(lanes, k);
            if (k < _bits)
            {
                AddQuotients(values[..Rice.Block], k);
            }
        }
    }

    /// <summary>Everything must have been read.</summary>
    public readonly void Finish()
    {
        if (_low != _lowsEnd || _next != _payload.Length || _word != 0)
        {
            throw new InvalidDataException("A chunk of pixels has bits left over.");
        }
    }

    private void GetLows(Span<ulong> lanes, int k)
    {
        if (2 * k > _lowsEnd - _low)
        {
            throw new InvalidDataException("A chunk of pixels has too few low bits.");
        }

        ReadOnlySpan<byte> from = _payload[_low..];
        _low += 2 * k;
        if (from.Length < (2 * k) + Rice.Slack)
        {
            // Near the end: eight bytes at a time would reach beyond it.
            Span<byte> rest = stackalloc byte[32 + Rice.Slack];
            from[..(2 * k)].CopyTo(rest);
            Unpack(rest, lanes, k);
            return;
        }

        Unpack(from, lanes, k);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Unpack(ReadOnlySpan<byte> from, Span<ulong> lanes, int k)
    {
        int half = k >> 1, shift = (k & 1) << 2;
        lanes[0] = Rice.Unpack(BinaryPrimitives.ReadUInt64LittleEndian(from), k);
        lanes[1] = Rice.Unpack(BinaryPrimitives.ReadUInt64LittleEndian(from[half..]) >> shift, k);
        lanes[2] = Rice.Unpack(BinaryPrimitives.ReadUInt64LittleEndian(from[k..]), k);
        lanes[3] = Rice.Unpack(BinaryPrimitives.ReadUInt64LittleEndian(from[(k + half)..]) >> shift, k);
    }

    private void AddQuotients(Span<ushort> values, int k)
    {
        uint all = 0;
        for (int i = 0; i < values.Length; i++)
        {
            uint quotient = (uint)Zeros();
            all |= quotient;
            values[i] |= (ushort)(quotient << k);
        }

        if (all >> (_bits - k) != 0)
        {
            throw new InvalidDataException("A pixel has more bits than there are.");
        }
    }

    /// <summary>Zeros before the next one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Zeros()
    {
        while (_word == 0)
        {
            NextWord();
        }

        int one = _wordStart + BitOperations.TrailingZeroCount(_word);
        _word &= _word - 1;
        int zeros = one - _lastOne - 1;
        _lastOne = one;
        return zeros;
    }

    private void NextWord()
    {
        ReadOnlySpan<byte> rest = _payload[_next..];
        _wordStart += 64;
        if (rest.Length >= 8)
        {
            _word = BinaryPrimitives.ReadUInt64LittleEndian(rest);
            _next += 8;
            return;
        }

        if (rest.IsEmpty)
        {
            throw new InvalidDataException("A chunk of pixels ends too early.");
        }

        Span<byte> last = stackalloc byte[8];
        rest.CopyTo(last);
        _word = BinaryPrimitives.ReadUInt64LittleEndian(last);
        _next = _payload.Length;
    }
}
