using System.Buffers;
using System.IO.Compression;
using System.Security.Cryptography;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Packs;

/// <summary>What a pack is of, known before its first byte.</summary>
/// <param name="Clinic">Whose it is.</param>
/// <param name="Pack">Its id.</param>
/// <param name="Study">The one study of all its instances.</param>
/// <param name="CreatedAt">Now.</param>
public sealed record PackHeader(ClinicId Clinic, PackId Pack, Uid Study, DateTimeOffset CreatedAt);

/// <summary>A file to put into a pack.</summary>
/// <param name="Path">Relative to the backed-up folder, with '/' between names.</param>
/// <param name="ModifiedAt">Its last write time.</param>
/// <param name="Expected">What was found when the file was scanned; its bytes must still be those.</param>
/// <param name="Deflate">Whether to compress it: pays where the uplink is slower than some 40 MB/s and the image is not compressed already.</param>
public sealed record PackEntry(string Path, DateTimeOffset ModifiedAt, SidecarInstance Expected, bool Deflate);

/// <summary>A finished pack, as its sidecar will say it.</summary>
/// <param name="Length">Bytes of ciphertext.</param>
/// <param name="Sha256">SHA-256 of the ciphertext.</param>
/// <param name="PlaintextLength">Bytes of the ZIP inside.</param>
/// <param name="Instances">In order.</param>
/// <param name="InstancesRoot">Their root.</param>
public sealed record PackSummary(long Length, Sha256Digest Sha256, long PlaintextLength, IReadOnlyList<SidecarInstance> Instances, Sha256Digest InstancesRoot);

/// <summary>
/// Writes a pack in one pass: files are hashed while they are zipped, sealed and sent, none of it touches a disk, and memory is bounded by
/// one region and the manifest. Until <see cref="CompleteAsync"/> returns there is no pack: what went out before opens nowhere.
/// </summary>
public sealed class PackWriter : IAsyncDisposable
{
    private const int BufferLength = 128 * 1024;
    private static readonly DateTimeOffset FirstZipTime = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset LastZipTime = new(2107, 12, 31, 23, 59, 58, TimeSpan.Zero);

    private readonly PackHeader _header;
    private readonly SealingStream _sealing;
    private readonly ZipArchive _zip;
    private readonly EntryNames _names = new();
    private readonly List<ManifestInstance> _instances = [];
    private long _manifestLength;
    private bool _usable = true;

    /// <param name="output">Where the ciphertext goes; need not seek; stays open.</param>
    /// <param name="header">What the pack is of.</param>
    /// <param name="key">A fresh key: it can seal nothing else after this.</param>
    public PackWriter(Stream output, PackHeader header, ContentKey key)
    {
        _header = header with { CreatedAt = header.CreatedAt.ToUniversalTime() };
        _sealing = new SealingStream(output, key, leaveOpen: true);
        _zip = new ZipArchive(_sealing, ZipArchiveMode.Create, leaveOpen: true);
    }

    /// <summary>Adds a file. After any exception this writer is of no more use: start a new pack.</summary>
    /// <exception cref="SourceChangedException">The bytes are not <see cref="PackEntry.Expected"/>.</exception>
    public Task AddAsync(PackEntry entry, Stream content, CancellationToken cancellationToken) => AddAsync(entry, content, null, cancellationToken);

    /// <inheritdoc cref="AddAsync(PackEntry, Stream, CancellationToken)"/>
    /// <param name="entry">The file.</param>
    /// <param name="content">Its bytes.</param>
    /// <param name="captured">What was found in them, asked once they are read. It must follow from the bytes alone: a pack that is sealed again must be the same.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task AddAsync(PackEntry entry, Stream content, Func<Task<CaptureVerdict>>? captured, CancellationToken cancellationToken)
    {
        ManifestInstance instance = new(_names.Add(entry.Path), entry.Path, entry.ModifiedAt.ToUniversalTime(), entry.Expected);
        _manifestLength += CanonicalJson.Serialize(captured is null ? instance : instance with { Captured = CaptureVerdict.Damaged }).Length + 1;
        if (_instances.Count == PackLimits.Instances || _manifestLength > PackLimits.ManifestLength - 1024)
        {
            throw new InvalidOperationException($"A pack holds {PackLimits.Instances} instances at most: complete this one and open another.");
        }

        await WriteEntryAsync(instance.Entry, instance.ModifiedAt, entry.Deflate, destination => CopyAsync(content, destination, entry.Expected, cancellationToken), cancellationToken);
        _instances.Add(captured is null ? instance : instance with { Captured = await captured() });
    }

    /// <summary>Writes the manifest, the ZIP's directory and the last region.</summary>
    public async Task<PackSummary> CompleteAsync(CancellationToken cancellationToken)
    {
        if (_instances.Count == 0)
        {
            throw new InvalidOperationException("A pack holds at least one instance.");
        }

        byte[] manifest = CanonicalJson.Serialize(new Manifest(Manifest.CurrentFormat, _header.Clinic, _header.Pack, _header.Study, _header.CreatedAt, _instances));
        await WriteEntryAsync(Manifest.EntryName, _header.CreatedAt, deflate: true, destination => destination.WriteAsync(manifest, cancellationToken).AsTask(), cancellationToken);
        _usable = false;
        await _zip.DisposeAsync();
        SealedBytes sealedBytes = await _sealing.CompleteAsync(cancellationToken);
        SidecarInstance[] instances = [.. _instances.Select(i => i.Instance)];
        return new PackSummary(sealedBytes.Length, sealedBytes.Sha256, sealedBytes.PlaintextLength, instances, InstancesRoot.Of(instances));
    }

    /// <summary>Frees the buffers. Without <see cref="CompleteAsync"/> nothing more is written.</summary>
    public async ValueTask DisposeAsync()
    {
        _sealing.Discard();
        await _zip.DisposeAsync();
        await _sealing.DisposeAsync();
    }

    private async Task WriteEntryAsync(string name, DateTimeOffset time, bool deflate, Func<Stream, Task> write, CancellationToken cancellationToken)
    {
        if (!_usable)
        {
            throw new InvalidOperationException("This pack is complete, or an entry of it failed: start a new one.");
        }

        _usable = false;

        // Optimal: 40 MB/s at 1.9 is still faster than the uplinks that deflating is for.
        ZipArchiveEntry entry = _zip.CreateEntry(name, deflate ? CompressionLevel.Optimal : CompressionLevel.NoCompression);
        entry.LastWriteTime = time < FirstZipTime ? FirstZipTime : time > LastZipTime ? LastZipTime : time; // the manifest has the exact one
        await using (Stream destination = await entry.OpenAsync(cancellationToken))
        {
            try
            {
                await write(destination);
            }
            catch
            {
                // Disposing the entry writes its end, which is to go nowhere and must not fail in this failure's place.
                _sealing.Discard();
                throw;
            }
        }

        _usable = true;
    }

    private static async Task CopyAsync(Stream source, Stream destination, SidecarInstance expected, CancellationToken cancellationToken)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
        try
        {
            long length = 0;
            int read;
            while (length <= expected.Length && (read = await source.ReadAsync(buffer, cancellationToken)) > 0)
            {
                length += read;
                hash.AppendData(buffer, 0, read);
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }

            if (length != expected.Length || Sha256Digest.FromBytes(hash.GetCurrentHash()) != expected.Sha256)
            {
                throw new SourceChangedException(expected);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }
}
