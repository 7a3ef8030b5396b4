using CloudArchive.Format.Packs.Pixels;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Packs;

/// <summary>What a pack is of, known before its first byte.</summary>
/// <param name="Clinic">Whose it is.</param>
/// <param name="Pack">Its id.</param>
/// <param name="Study">The one set of all its files.</param>
/// <param name="CreatedAt">Now.</param>
/// <param name="Set">What kind of set; null: a study.</param>
public sealed record PackHeader(ClinicId Clinic, PackId Pack, Uid Study, DateTimeOffset CreatedAt, SetKind? Set = null);

/// <summary>A file to put into a pack.</summary>
/// <param name="Path">Relative to the backed-up folder, with '/' between names.</param>
/// <param name="ModifiedAt">Its last write time.</param>
/// <param name="Expected">What was found when the file was scanned; its bytes must still be those.</param>
/// <param name="Deflate">Whether to compress it: all but what is compressed already.</param>
/// <param name="FindPixels">Finds native pixel data in the file's start, which is then filtered. It must follow from the bytes alone: a pack that is sealed again must be the same.</param>
/// <param name="Root">The folder that <paramref name="Path"/> is relative to.</param>
public sealed record PackEntry(
    string Path, DateTimeOffset ModifiedAt, SidecarInstance Expected, bool Deflate, Func<ReadOnlyMemory<byte>, PixelLayout?>? FindPixels = null, ManifestRoot? Root = null);

/// <summary>A finished pack, as its sidecar will say it.</summary>
/// <param name="Length">Bytes of ciphertext.</param>
/// <param name="Sha256">SHA-256 of the ciphertext.</param>
/// <param name="PlaintextLength">Bytes of the ZIP inside.</param>
/// <param name="Instances">In order.</param>
/// <param name="InstancesRoot">Their root.</param>
public sealed record PackSummary(long Length, Sha256Digest Sha256, long PlaintextLength, IReadOnlyList<SidecarInstance> Instances, Sha256Digest InstancesRoot);

/// <summary>
/// Writes a pack in one pass: files are hashed while they are read; filtered and deflated in pieces, side by side and ahead of what is sealed and sent;
/// none of it touches a disk, and memory is bounded. Until <see cref="CompleteAsync"/> returns there is no pack: what went out before opens nowhere.
/// </summary>
public sealed class PackWriter : IAsyncDisposable
{
    /// <summary>How much of a file's start is looked at for its pixel data.</summary>
    private const int HeadLength = 256 * 1024;

    private readonly PackHeader _header;
    private readonly SealingStream _sealing;
    private readonly PackPipeline _pipeline;
    private readonly EntryNames _names = new();
    private readonly List<ManifestInstance> _instances = [];
    private readonly List<ManifestRoot> _roots = [];
    private long _manifestLength;
    private bool _usable = true;

    /// <param name="output">Where the ciphertext goes; need not seek; stays open.</param>
    /// <param name="header">What the pack is of.</param>
    /// <param name="key">A fresh key: it can seal nothing else after this.</param>
    public PackWriter(Stream output, PackHeader header, ContentKey key)
    {
        _header = header with { CreatedAt = header.CreatedAt.ToUniversalTime() };
        _sealing = new SealingStream(output, key, leaveOpen: true);
        _pipeline = new PackPipeline(_sealing);
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
        Begin();
        using EntrySource source = new(content, entry.Expected.Length, entry.Expected.Sha256, () => new SourceChangedException(entry.Expected));
        bool isPlain = entry.Expected.Kind is not null;
        ReadOnlyMemory<byte> head = entry.FindPixels is not null ? await source.PeekAsync(HeadLength, cancellationToken) : isPlain ? await source.PeekAsync(FileKinds.SignatureLength, cancellationToken) : default;
        PixelLayout? pixels = entry.FindPixels?.Invoke(head);
        string name = _names.Add(entry.Path);
        if (pixels is not null && !(PixelFilter.CanFilter(pixels, entry.Expected.Length) && _names.TryReserve(EntryFilter.EntryName(name))))
        {
            pixels = null;
        }

        EntryFilter? filter = pixels is null ? null : new EntryFilter(PixelFilter.Name, pixels);
        ManifestInstance instance = new(name, entry.Path, entry.ModifiedAt.ToUniversalTime(), entry.Expected, Filter: filter, Root: RootOf(entry), Signature: isPlain ? FileKinds.SignatureOf(head.Span, entry.Expected.Length) : null);
        _manifestLength += CanonicalJson.Serialize(captured is null ? instance : instance with { Captured = CaptureVerdict.Damaged }).Length + 1;
        if (_instances.Count == PackLimits.Instances || _manifestLength > PackLimits.ManifestLength - 1024)
        {
            _usable = true; // nothing of it was written
            throw new InvalidOperationException($"A pack holds {PackLimits.Instances} instances at most: complete this one and open another.");
        }

        IEnumerable<EntryPiece> pieces = EntryPiece.Split(entry.Expected.Length, entry.Deflate, pixels);
        await _pipeline.AddAsync(instance.ZipEntry, instance.ModifiedAt, entry.Deflate, source, pieces, cancellationToken);
        _instances.Add(captured is null ? instance : instance with { Captured = await captured() });
        _usable = true;
    }

    /// <summary>Writes the manifest, the ZIP's directory and the last region.</summary>
    public async Task<PackSummary> CompleteAsync(CancellationToken cancellationToken)
    {
        Begin();
        if (_instances.Count == 0)
        {
            throw new InvalidOperationException("A pack holds at least one instance.");
        }

        byte[] manifest = CanonicalJson.Serialize(new Manifest(Manifest.CurrentFormat, _header.Clinic, _header.Pack, _header.Study, _header.CreatedAt, _instances, _header.Set, _roots.Count == 0 ? null : _roots));
        using EntrySource source = new(new MemoryStream(manifest), manifest.Length, Sha256Digest.Of(manifest), () => new InvalidOperationException("The manifest changed in memory."));
        IEnumerable<EntryPiece> pieces = EntryPiece.Split(manifest.Length, deflate: true, null);
        await _pipeline.AddAsync(Manifest.EntryName, _header.CreatedAt, deflate: true, source, pieces, cancellationToken);
        await _pipeline.CompleteAsync(cancellationToken);
        SealedBytes sealedBytes = await _sealing.CompleteAsync(cancellationToken);
        SidecarInstance[] instances = [.. _instances.Select(i => i.Instance)];
        return new PackSummary(sealedBytes.Length, sealedBytes.Sha256, sealedBytes.PlaintextLength, instances, InstancesRoot.Of(instances));
    }

    /// <summary>Frees the buffers. Without <see cref="CompleteAsync"/> nothing more is written.</summary>
    public async ValueTask DisposeAsync()
    {
        await _pipeline.DisposeAsync();
        await _sealing.DisposeAsync();
    }

    private int? RootOf(PackEntry entry)
    {
        if (entry.Root is not { } root)
        {
            return null;
        }

        if (!_roots.Contains(root))
        {
            _roots.Add(root);
            _manifestLength += CanonicalJson.Serialize(root).Length + 1;
        }

        return _roots.IndexOf(root);
    }

    private void Begin()
    {
        if (!_usable)
        {
            throw new InvalidOperationException("This pack is complete, or an entry of it failed: start a new one.");
        }

        _usable = false;
    }
}
