using System.Threading.Channels;

namespace CloudArchive.Cli.Backup;

/// <summary>
/// The blocks that may be in memory at once, shared by all packs of a run: this bounds both memory and how many blocks are under way.
/// A pack waits for a buffer while others' blocks are on the wire; those end without needing another, so it never waits for ever.
/// </summary>
public sealed class BlockBuffers
{
    /// <summary>Bytes of a block. A shorter block fills less of it.</summary>
    public const int BlockLength = Transport.Uplink.LongestBlock;

    private readonly Channel<byte[]> _free = Channel.CreateUnbounded<byte[]>();
    private int _unmade;

    /// <param name="count">At least one more than the packs that share them.</param>
    public BlockBuffers(int count) => _unmade = count;

    /// <summary>A free buffer, made where the bound allows another, else as soon as one is given back.</summary>
    public ValueTask<byte[]> TakeAsync(CancellationToken cancellationToken)
    {
        if (_free.Reader.TryRead(out byte[]? buffer)) return ValueTask.FromResult(buffer);
        return Interlocked.Decrement(ref _unmade) >= 0 ? ValueTask.FromResult(GC.AllocateUninitializedArray<byte>(BlockLength)) : _free.Reader.ReadAsync(cancellationToken);
    }

    /// <summary>Gives a buffer back.</summary>
    public void Return(byte[] buffer) => _free.Writer.TryWrite(buffer);
}
