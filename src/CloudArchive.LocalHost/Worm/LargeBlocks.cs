using System.Buffers;
using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;

namespace CloudArchive.LocalHost.Worm;

/// <summary>
/// Memory for a server through which gigabytes pass: Kestrel's own blocks have 4 KB, and each is a system call, a hand-over from thread to thread and a small
/// write to whoever is behind. A block of 64 KB is as much as loopback gives at a time.
/// </summary>
internal sealed class LargeBlocks : MemoryPool<byte>, IMemoryPoolFactory<byte>
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockLength = 64 * 1024;

    private const int MostKept = 64;
    private readonly ConcurrentQueue<Block> _free = new();

    public override int MaxBufferSize => BlockLength;

    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => this;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockLength);
        return _free.TryDequeue(out Block? block) ? block : new Block(this);
    }

    /// <summary>Nothing: it lives as long as the process, and the blocks are memory of the runtime's.</summary>
    protected override void Dispose(bool disposing)
    {
    }

    private sealed class Block(LargeBlocks pool) : IMemoryOwner<byte>
    {
        public Memory<byte> Memory { get; } = GC.AllocateUninitializedArray<byte>(BlockLength, pinned: true);

        public void Dispose()
        {
            if (pool._free.Count < MostKept)
            {
                pool._free.Enqueue(this);
            }
        }
    }
}
