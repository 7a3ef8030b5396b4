namespace CloudArchive.Dicom;

/// <summary>Where a file's native pixel data lies, and how its data set lays it out.</summary>
/// <param name="Offset">Of the value of (7FE0,0010), from the file's first byte.</param>
/// <param name="Length">Bytes of that value: all frames, and the byte that makes an odd length even.</param>
/// <param name="Rows">(0028,0010).</param>
/// <param name="Columns">(0028,0011).</param>
/// <param name="SamplesPerPixel">(0028,0002).</param>
/// <param name="BitsAllocated">(0028,0100): 8 or 16.</param>
/// <param name="PlanarConfiguration">(0028,0006); 0 where there is one sample a pixel.</param>
/// <param name="NumberOfFrames">(0028,0008), 1 where it does not stand there.</param>
/// <param name="BigEndian">Words of 16 bits have their high byte first.</param>
public sealed record PixelDataLayout(long Offset, long Length, int Rows, int Columns, int SamplesPerPixel, int BitsAllocated, int PlanarConfiguration, int NumberOfFrames, bool BigEndian);

/// <summary>Finds native pixel data that is as long as its data set says; nothing else.</summary>
public static class PixelData
{
    private const int Window = 8 << 10;

    /// <summary>
    /// Null where there is none, or where anything is in doubt: encapsulated, deflated, float or single-bit pixels, a length that is not that of
    /// the frames, a header that is longer than <paramref name="head"/>, damage. Never throws for what the bytes are.
    /// </summary>
    /// <param name="head">The file's first bytes.</param>
    /// <param name="fileLength">Bytes of the whole file.</param>
    public static PixelDataLayout? Find(ReadOnlyMemory<byte> head, long fileLength)
    {
        if (fileLength <= 0)
        {
            return null;
        }

        using HeadStream stream = new(head[..(int)Math.Min(head.Length, fileLength)], fileLength);
        using DicomWindow window = new(stream, Window, seek: true);
        try
        {
            // From memory nothing waits: the task is complete.
            return FindAsync(window, fileLength).GetAwaiter().GetResult();
        }
        catch (DicomException)
        {
            return null;
        }
    }

    private static async Task<PixelDataLayout?> FindAsync(DicomWindow window, long fileLength)
    {
        Findings findings = new();
        await FileStart.ReadAsync(window, findings, CancellationToken.None);
        if (findings.TransferSyntax is { } syntax && TransferSyntaxes.IsDeflated(syntax))
        {
            return null;
        }

        DataSetEncoding encoding = await FileStart.ResolveEncodingAsync(window, findings, CancellationToken.None);
        bool native = findings.TransferSyntax is TransferSyntaxes.ImplicitVrLittleEndian or TransferSyntaxes.ExplicitVrLittleEndian or TransferSyntaxes.ExplicitVrBigEndian;
        if (!native)
        {
            return null;
        }

        DataSetWalk walk = new(window, findings, encoding, WalkKind.ToPixelData);
        await DicomReader.WalkAsync(window, walk, long.MaxValue, CancellationToken.None);
        if (walk.PixelData is not { Tag: ElementHeader.PixelData, IsUndefinedLength: false, Vr: Vr.None or Vr.OB or Vr.OW } element)
        {
            return null;
        }

        PixelDataLayout? layout = findings.ToPixelDataLayout(walk.PixelDataOffset, element.Length, encoding.BigEndian);
        return layout is not null && layout.Offset + layout.Length <= fileLength ? layout : null;
    }

    /// <summary>The first bytes of a file, and how long it is. Seeks to where it has nothing to read.</summary>
    private sealed class HeadStream(ReadOnlyMemory<byte> head, long fileLength) : Stream
    {
        private long _position;

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => fileLength;

        public override long Position { get => _position; set => _position = value; }

        public override int Read(Span<byte> buffer)
        {
            if (_position >= head.Length)
            {
                return 0;
            }

            ReadOnlySpan<byte> rest = head.Span[(int)_position..];
            int count = Math.Min(rest.Length, buffer.Length);
            rest[..count].CopyTo(buffer);
            _position += count;
            return count;
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.FromResult(Read(buffer.Span));

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            Task.FromResult(Read(buffer.AsSpan(offset, count)));

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override long Seek(long offset, SeekOrigin origin) => _position = origin switch
        {
            SeekOrigin.Begin => offset,
            SeekOrigin.Current => _position + offset,
            _ => fileLength + offset,
        };

        public override void Flush()
        {
        }

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
