using System.Buffers;
using System.IO.Compression;
using CloudArchive.Format.Packs;

namespace CloudArchive.Format.Binders;

/// <summary>Writes a binder's ZIP to a stream that need not seek, one file after the other, and keeps what the index says of them.</summary>
/// <param name="output">Where it goes; stays open.</param>
/// <param name="time">The files' time.</param>
public sealed class BinderWriter(Stream output, DateTimeOffset time)
{
    private readonly ZipWriter _zip = new(output);
    private readonly List<BinderFile> _files = [];

    /// <summary>What was written, in the order of the paths.</summary>
    public IReadOnlyList<BinderFile> Files => [.. _files.OrderBy(file => file.Path, StringComparer.Ordinal)];

    /// <summary>What belongs into it and could not be read.</summary>
    public IList<BinderGap> Gaps { get; } = [];

    /// <summary>Writes a file.</summary>
    public async Task AddAsync(string path, byte[] content, CancellationToken cancellationToken)
    {
        (byte[] Buffer, int Length)? deflated = ZipDeflate.Deflate(content, CompressionLevel.Fastest);
        try
        {
            await _zip.WriteAsync(path, time, [new ZipPiece(content, deflated is { } shorter ? shorter.Buffer.AsMemory(0, shorter.Length) : (ReadOnlyMemory<byte>?)null)], cancellationToken);
        }
        finally
        {
            if (deflated is { } rented)
            {
                ArrayPool<byte>.Shared.Return(rented.Buffer);
            }
        }

        _files.Add(new BinderFile(path, content.Length, Sha256Digest.Of(content)));
    }

    /// <summary>Writes the directory. A ZIP without it cannot pass for a whole one.</summary>
    public Task CompleteAsync(CancellationToken cancellationToken) => _zip.CompleteAsync(cancellationToken);
}
