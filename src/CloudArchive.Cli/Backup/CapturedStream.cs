using System.IO.Pipelines;
using CloudArchive.Dicom;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Backup;

/// <summary>A file on its way into a pack, parsed as it is read: in one pass, and in bounded memory.</summary>
public sealed class CapturedStream : Stream
{
    private readonly Stream _inner;
    private readonly Pipe _pipe = new();
    private readonly Task<CaptureVerdict> _verdict;
    private bool _parserIsDone;

    public CapturedStream(Stream inner)
    {
        _inner = inner;
        _verdict = ParseAsync(_pipe.Reader);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => _inner.Length;

    public override long Position { get => _inner.Position; set => throw new NotSupportedException(); }

    /// <summary>What the bytes are that were read. To be asked when they are all read.</summary>
    public async Task<CaptureVerdict> VerdictAsync()
    {
        await _pipe.Writer.CompleteAsync();
        return await _verdict;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int count = await _inner.ReadAsync(buffer, cancellationToken);
        if (count > 0 && !_parserIsDone)
        {
            _parserIsDone = (await _pipe.Writer.WriteAsync(buffer[..count], cancellationToken)).IsCompleted;
        }

        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _pipe.Writer.Complete();
            _inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private static async Task<CaptureVerdict> ParseAsync(PipeReader bytes)
    {
        try
        {
            await DicomReader.WalkAsync(bytes.AsStream(leaveOpen: true));
            return CaptureVerdict.Whole;
        }
        catch (DicomException)
        {
            return CaptureVerdict.Damaged;
        }
        finally
        {
            await bytes.CompleteAsync();
        }
    }
}
