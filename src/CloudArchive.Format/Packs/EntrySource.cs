using System.Buffers;
using System.Security.Cryptography;

namespace CloudArchive.Format.Packs;

/// <summary>A file on its way into a pack: its bytes are hashed as they are taken, and must be those that were found when it was scanned.</summary>
/// <param name="content">Its bytes.</param>
/// <param name="length">How many there must be.</param>
/// <param name="sha256">What they must hash to.</param>
/// <param name="changed">What to say where they are not those.</param>
internal sealed class EntrySource(Stream content, long length, Sha256Digest sha256, Func<Exception> changed) : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private byte[]? _head;
    private int _headLength;
    private int _headTaken;

    /// <summary>How many bytes there are.</summary>
    public long Length => length;

    /// <summary>The file's start, which <see cref="TakeAsync"/> gives once more.</summary>
    public async Task<ReadOnlyMemory<byte>> PeekAsync(int most, CancellationToken cancellationToken)
    {
        _headLength = (int)Math.Min(most, length);
        _head = ArrayPool<byte>.Shared.Rent(_headLength);
        await FillAsync(_head.AsMemory(0, _headLength), cancellationToken);
        return _head.AsMemory(0, _headLength);
    }

    /// <summary>The next bytes; throws where there are not so many.</summary>
    public async Task TakeAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        int fromHead = Math.Min(destination.Length, _headLength - _headTaken);
        _head.AsMemory(_headTaken, fromHead).CopyTo(destination);
        _headTaken += fromHead;
        await FillAsync(destination[fromHead..], cancellationToken);
        _hash.AppendData(destination.Span);
    }

    /// <summary>All was taken: throws where that is not the file which was scanned.</summary>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        if (await content.ReadAsync(new byte[1], cancellationToken) > 0 || Sha256Digest.FromBytes(_hash.GetCurrentHash()) != sha256)
        {
            throw changed();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_head is { } head)
        {
            _head = null;
            CryptographicOperations.ZeroMemory(head.AsSpan(0, _headLength));
            ArrayPool<byte>.Shared.Return(head);
        }

        _hash.Dispose();
    }

    private async Task FillAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        if (await content.ReadAtLeastAsync(destination, destination.Length, throwOnEndOfStream: false, cancellationToken) < destination.Length)
        {
            throw changed();
        }
    }
}
