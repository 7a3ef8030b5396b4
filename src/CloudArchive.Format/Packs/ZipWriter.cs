using System.Buffers.Binary;
using System.Text;

namespace CloudArchive.Format.Packs;

/// <summary>How an entry's bytes lie in a ZIP (APPNOTE 6.3.10 §4.4.5).</summary>
internal enum ZipMethod : ushort
{
    /// <summary>As they are.</summary>
    Stored = 0,

    /// <summary>RFC 1951.</summary>
    Deflated = 8,
}

/// <summary>A piece of an entry.</summary>
/// <param name="Content">Its bytes, as a reader gets them.</param>
/// <param name="Deflated">The same, deflated and flushed to a whole byte (<see cref="ZipDeflate"/>). Null where that does not pay.</param>
internal readonly record struct ZipPiece(ReadOnlyMemory<byte> Content, ReadOnlyMemory<byte>? Deflated);

/// <summary>
/// Writes a ZIP in one pass to a stream that need not seek. Pieces of an entry are deflated by others, side by side, and joined here: what was flushed to a
/// whole byte can be followed by anything (RFC 1951 §3.2.4), so what does not shrink goes between as stored blocks. ZIP64 where it is needed.
/// </summary>
/// <param name="output">Where it goes; stays open.</param>
internal sealed class ZipWriter(Stream output)
{
    private const int StoredBlockLength = ushort.MaxValue;
    private const ushort Zip64Version = 45;
    private const ushort PlainVersion = 20;

    // Made by, §4.4.2: 4.5, on Unix. Info-ZIP takes names for an old PC's, UTF-8 or not, where it is told anything else.
    private const ushort UnixVersion = (3 << 8) | Zip64Version;

    // A file that its owner reads and writes, and nobody else: what unzip brings back of images is to be that, too.
    private const uint OwnersFile = 0x8180; // 0100600
    private const ushort DescriptorFlag = 1 << 3;
    private const ushort Utf8Flag = 1 << 11;
    private static readonly DateTimeOffset FirstTime = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset LastTime = new(2107, 12, 31, 23, 59, 58, TimeSpan.Zero);
    private static readonly byte[] LastBlock = [0x03, 0x00]; // a final block without content
    private readonly List<Entry> _entries = [];
    private readonly byte[] _blockHeader = new byte[5];
    private long _position;

    /// <summary>Writes an entry whose pieces are all there: its header says its sizes and CRC, and it is stored where nothing of it shrinks.</summary>
    public async Task WriteAsync(string name, DateTimeOffset time, IReadOnlyList<ZipPiece> pieces, CancellationToken cancellationToken)
    {
        ZipMethod method = pieces.Any(piece => piece.Deflated is not null) ? ZipMethod.Deflated : ZipMethod.Stored;
        Entry entry = new(name, time, method, _position, isStreamed: false);
        foreach (ZipPiece piece in pieces)
        {
            entry.Count(piece);
        }

        entry.End();
        await WriteAsync(LocalHeader(entry, mostLength: Math.Max(entry.Length, entry.CompressedLength)), cancellationToken);
        foreach (ZipPiece piece in pieces)
        {
            await WritePieceAsync(method, piece, cancellationToken);
        }

        await EndAsync(entry, cancellationToken);
    }

    /// <summary>Writes an entry whose pieces come one after the other: its sizes and CRC stand behind it, and in the directory.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="time">Its time.</param>
    /// <param name="method">How it lies.</param>
    /// <param name="mostLength">How long it may be, one way or the other.</param>
    /// <param name="pieces">Each is used no more when the next is asked for.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task WriteAsync(string name, DateTimeOffset time, ZipMethod method, long mostLength, IAsyncEnumerable<ZipPiece> pieces, CancellationToken cancellationToken)
    {
        Entry entry = new(name, time, method, _position, isStreamed: true);
        await WriteAsync(LocalHeader(entry, mostLength), cancellationToken);
        await foreach (ZipPiece piece in pieces.WithCancellation(cancellationToken))
        {
            entry.Count(piece);
            await WritePieceAsync(method, piece, cancellationToken);
        }

        entry.End();
        await EndAsync(entry, cancellationToken);
        await WriteAsync(Descriptor(entry, is64: mostLength >= uint.MaxValue), cancellationToken);
    }

    /// <summary>Writes the central directory. Nothing can be written after.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        long start = _position;
        foreach (Entry entry in _entries)
        {
            await WriteAsync(CentralHeader(entry), cancellationToken);
        }

        await WriteAsync(End(start, _position - start), cancellationToken);
    }

    private async Task EndAsync(Entry entry, CancellationToken cancellationToken)
    {
        if (entry.Method == ZipMethod.Deflated)
        {
            await WriteAsync(LastBlock, cancellationToken);
        }

        _entries.Add(entry);
    }

    private async Task WritePieceAsync(ZipMethod method, ZipPiece piece, CancellationToken cancellationToken)
    {
        if (method == ZipMethod.Stored || piece.Deflated is not null)
        {
            await WriteAsync(piece.Deflated ?? piece.Content, cancellationToken);
            return;
        }

        for (ReadOnlyMemory<byte> rest = piece.Content; !rest.IsEmpty;)
        {
            int length = Math.Min(rest.Length, StoredBlockLength);
            _blockHeader[0] = 0; // not the last, stored (RFC 1951 §3.2.4)
            BinaryPrimitives.WriteUInt16LittleEndian(_blockHeader.AsSpan(1), (ushort)length);
            BinaryPrimitives.WriteUInt16LittleEndian(_blockHeader.AsSpan(3), (ushort)~length);
            await WriteAsync(_blockHeader, cancellationToken);
            await WriteAsync(rest[..length], cancellationToken);
            rest = rest[length..];
        }
    }

    private async Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await output.WriteAsync(bytes, cancellationToken);
        _position += bytes.Length;
    }

    /// <summary>§4.3.7.</summary>
    private static byte[] LocalHeader(Entry entry, long mostLength)
    {
        bool is64 = mostLength >= uint.MaxValue;
        Record record = new();
        record.Add32(0x04034B50);
        record.Add16(is64 ? Zip64Version : PlainVersion);
        AddCommon(record, entry, is64);
        record.Add16((ushort)entry.Name.Length);
        record.Add16(is64 ? (ushort)20 : (ushort)0);
        record.Add(entry.Name);
        if (is64)
        {
            record.Add16(1); // ZIP64: both sizes, here unknown where they stand behind the entry (§4.5.3)
            record.Add16(16);
            record.Add64(entry.IsStreamed ? 0 : entry.Length);
            record.Add64(entry.IsStreamed ? 0 : entry.CompressedLength);
        }

        return record.ToArray();
    }

    /// <summary>§4.3.9: with its signature.</summary>
    private static byte[] Descriptor(Entry entry, bool is64)
    {
        Record record = new();
        record.Add32(0x08074B50);
        record.Add32(entry.Crc);
        if (is64)
        {
            record.Add64(entry.CompressedLength);
            record.Add64(entry.Length);
        }
        else
        {
            record.Add32(checked((uint)entry.CompressedLength));
            record.Add32(checked((uint)entry.Length));
        }

        return record.ToArray();
    }

    /// <summary>§4.3.12.</summary>
    private static byte[] CentralHeader(Entry entry)
    {
        Record extra = new();
        if (entry.Length >= uint.MaxValue)
        {
            extra.Add64(entry.Length);
        }

        if (entry.CompressedLength >= uint.MaxValue)
        {
            extra.Add64(entry.CompressedLength);
        }

        if (entry.Offset >= uint.MaxValue)
        {
            extra.Add64(entry.Offset);
        }

        byte[] large = extra.ToArray();
        Record record = new();
        record.Add32(0x02014B50);
        record.Add16(UnixVersion);
        record.Add16(large.Length > 0 ? Zip64Version : PlainVersion);
        AddCommon(record, entry, is64: false);
        record.Add16((ushort)entry.Name.Length);
        record.Add16(large.Length > 0 ? (ushort)(large.Length + 4) : (ushort)0);
        record.Add16(0); // comment
        record.Add16(0); // disk
        record.Add16(0); // internal attributes
        record.Add32(OwnersFile << 16); // external attributes
        record.Add32((uint)Math.Min(entry.Offset, uint.MaxValue));
        record.Add(entry.Name);
        if (large.Length > 0)
        {
            record.Add16(1);
            record.Add16((ushort)large.Length);
            record.Add(large);
        }

        return record.ToArray();
    }

    /// <summary>Flags to sizes, which local and central header have alike.</summary>
    private static void AddCommon(Record record, Entry entry, bool is64)
    {
        bool isUnknown = entry.IsStreamed && !entry.IsWritten;
        bool isUtf8 = entry.Name.Any(b => b > 127);
        record.Add16((ushort)((entry.IsStreamed ? DescriptorFlag : 0) | (isUtf8 ? Utf8Flag : 0)));
        record.Add16((ushort)entry.Method);
        DateTimeOffset time = entry.Time < FirstTime ? FirstTime : entry.Time > LastTime ? LastTime : entry.Time; // the manifest has the exact one
        record.Add16((ushort)((time.Hour << 11) | (time.Minute << 5) | (time.Second / 2)));
        record.Add16((ushort)(((time.Year - 1980) << 9) | (time.Month << 5) | time.Day));
        record.Add32(isUnknown ? 0 : entry.Crc);
        record.Add32(is64 ? uint.MaxValue : isUnknown ? 0 : (uint)Math.Min(entry.CompressedLength, uint.MaxValue));
        record.Add32(is64 ? uint.MaxValue : isUnknown ? 0 : (uint)Math.Min(entry.Length, uint.MaxValue));
    }

    /// <summary>§4.3.14 to §4.3.16.</summary>
    private byte[] End(long start, long length)
    {
        Record record = new();
        if (_entries.Count >= ushort.MaxValue || start >= uint.MaxValue || length >= uint.MaxValue)
        {
            record.Add32(0x06064B50);
            record.Add64(44); // what follows of this record
            record.Add16(Zip64Version);
            record.Add16(Zip64Version);
            record.Add32(0); // this disk
            record.Add32(0); // the directory's disk
            record.Add64(_entries.Count);
            record.Add64(_entries.Count);
            record.Add64(length);
            record.Add64(start);
            record.Add32(0x07064B50);
            record.Add32(0);
            record.Add64(start + length);
            record.Add32(1);
        }

        record.Add32(0x06054B50);
        record.Add16(0);
        record.Add16(0);
        record.Add16((ushort)Math.Min(_entries.Count, ushort.MaxValue));
        record.Add16((ushort)Math.Min(_entries.Count, ushort.MaxValue));
        record.Add32((uint)Math.Min(length, uint.MaxValue));
        record.Add32((uint)Math.Min(start, uint.MaxValue));
        record.Add16(0);
        return record.ToArray();
    }

    /// <summary>An entry, as far as it was written.</summary>
    private sealed class Entry(string name, DateTimeOffset time, ZipMethod method, long offset, bool isStreamed)
    {
        public byte[] Name { get; } = Encoding.UTF8.GetBytes(name);

        public DateTimeOffset Time { get; } = time;

        public ZipMethod Method { get; } = method;

        public long Offset { get; } = offset;

        public bool IsStreamed { get; } = isStreamed;

        public bool IsWritten { get; private set; }

        public uint Crc { get; private set; }

        public long Length { get; private set; }

        public long CompressedLength { get; private set; }

        public void Count(ZipPiece piece)
        {
            int content = piece.Content.Length;
            Crc = ZipChecks.Crc32(Crc, piece.Content.Span);
            Length += content;
            CompressedLength += Method == ZipMethod.Stored ? content
                : piece.Deflated?.Length ?? content + (5L * ((content + StoredBlockLength - 1) / StoredBlockLength));
        }

        public void End()
        {
            IsWritten = true;
            CompressedLength += Method == ZipMethod.Deflated ? LastBlock.Length : 0;
        }
    }

    /// <summary>Numbers as ZIP has them: little-endian.</summary>
    private sealed class Record
    {
        private readonly List<byte> _bytes = new(64);

        public void Add16(ushort value) => _bytes.AddRange([(byte)value, (byte)(value >> 8)]);

        public void Add32(uint value)
        {
            Add16((ushort)value);
            Add16((ushort)(value >> 16));
        }

        public void Add64(long value)
        {
            Add32((uint)value);
            Add32((uint)(value >> 32));
        }

        public void Add(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

        public byte[] ToArray() => [.. _bytes];
    }
}
