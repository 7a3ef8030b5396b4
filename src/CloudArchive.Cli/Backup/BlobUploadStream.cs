using System.Globalization;
using System.Text;

namespace CloudArchive.Cli.Backup;

/// <summary>
/// What is written becomes blocks that are staged side by side. Takes synchronous writes as well: a library above it may
/// call either form.
/// </summary>
public sealed class BlobUploadStream : Stream
{
    private readonly BlobUpload _blob;
    private readonly BlockBuffers _buffers;
    private readonly Func<int, int> _nextLength;
    private readonly UploadJournal? _journal;
    private readonly CancellationTokenSource _stop;
    private readonly List<Task> _underWay = [];
    private readonly List<string> _blocks = [];
    private byte[]? _block;
    private int _wanted;
    private int _filled;

    /// <param name="blob">The blob.</param>
    /// <param name="buffers">The blocks' memory.</param>
    /// <param name="nextLength">How long the block of that index is to be, where the journal does not know it.</param>
    /// <param name="journal">Remembers what was sent.</param>
    /// <param name="cancellationToken">Ends what is under way.</param>
    public BlobUploadStream(BlobUpload blob, BlockBuffers buffers, Func<int, int> nextLength, UploadJournal? journal, CancellationToken cancellationToken)
    {
        _blob = blob;
        _buffers = buffers;
        _nextLength = nextLength;
        _journal = journal;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    }

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Stages what is left, unless it is all there is, and waits until all of it is.</summary>
    public async Task CompleteAsync()
    {
        if (_filled > 0 && _blocks.Count > 0)
        {
            SendBlock();
        }

        await Task.WhenAll(_underWay);
    }

    /// <summary>Makes the blob: of what was staged, or in one request of what fits in one block.</summary>
    public Task CommitAsync(IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken) => _blocks.Count == 0
        ? _blob.PutAsync(_block.AsMemory(0, _filled), metadata, cancellationToken)
        : _blob.CommitAsync(_blocks, metadata, cancellationToken);

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            _block ??= await TakeAsync(cancellationToken);
            int count = Math.Min(buffer.Length, _wanted - _filled);
            buffer[..count].CopyTo(_block.AsMemory(_filled));
            _filled += count;
            buffer = buffer[count..];
            if (_filled == _wanted)
            {
                SendBlock();
            }
        }
    }

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    /// <summary>Does nothing: a block goes when it is full, or at the end.</summary>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Ends what is under way and waits for its end, so that no buffer is in use by two, and gives the rest back.</summary>
    public override async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_underWay).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        if (_block is { } block)
        {
            _buffers.Return(block);
        }

        _block = null;
        _stop.Dispose();
        await base.DisposeAsync();
    }

    private async ValueTask<byte[]> TakeAsync(CancellationToken cancellationToken)
    {
        // A block that failed ends the pack here rather than at its end.
        for (int i = _underWay.Count - 1; i >= 0; i--)
        {
            if (_underWay[i].IsCompleted)
            {
                await _underWay[i];
                _underWay.RemoveAt(i);
            }
        }

        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, cancellationToken);
        byte[] block = await _buffers.TakeAsync(either.Token);
        _wanted = Math.Min(_journal?.LengthOf(_blocks.Count) ?? _nextLength(_blocks.Count), block.Length);
        return block;
    }

    private void SendBlock()
    {
        int index = _blocks.Count;
        byte[] block = _block!;
        int length = _filled;
        (_block, _filled) = (null, 0);
        _blocks.Add(Convert.ToBase64String(Encoding.ASCII.GetBytes(index.ToString("D6", CultureInfo.InvariantCulture))));
        bool isStaged;
        try
        {
            isStaged = _journal is not null && _journal.NoteSealed(index, block.AsSpan(0, length));
        }
        catch
        {
            _buffers.Return(block);
            throw;
        }

        if (isStaged)
        {
            _buffers.Return(block);
        }
        else
        {
            _underWay.Add(StageAsync(index, block, length));
        }
    }

    private async Task StageAsync(int index, byte[] block, int length)
    {
        try
        {
            await _blob.StageAsync(_blocks[index], block.AsMemory(0, length), _stop.Token);
            _journal?.NoteStaged(index);
        }
        finally
        {
            _buffers.Return(block);
        }
    }
}
