namespace CloudArchive.Format.Packs;

/// <summary>A file that a snapshot names.</summary>
/// <param name="Length">Bytes.</param>
/// <param name="ModifiedAt">Its last write time, UTC.</param>
/// <param name="Sha256">SHA-256 of its bytes.</param>
/// <param name="Pack">The pack that had them when the snapshot was taken.</param>
public readonly record struct SnapshotFile(long Length, DateTimeOffset ModifiedAt, Sha256Digest Sha256, PackId Pack);

/// <summary>
/// What stood where, from a chain of snapshots' packs: read them with <see cref="AddAsync"/> in the chain's order, the snapshot itself last. Memory: some 200
/// bytes a file.
/// </summary>
public sealed class SnapshotReader
{
    private readonly Dictionary<(long Root, string Path), SnapshotFile> _files = [];

    /// <summary>The newest document that was read; null: none was.</summary>
    public Snapshot? Document { get; private set; }

    /// <summary>The files.</summary>
    public IReadOnlyDictionary<(long Root, string Path), SnapshotFile> Files => _files;

    /// <summary>Whether what was read is a snapshot: the last of it says that the list ends there, and it has as many files as it says.</summary>
    public bool IsWhole => Document is { IsComplete: true } document && document.Files == _files.Count;

    /// <summary>Reads the next pack of the chain.</summary>
    /// <exception cref="PackException">It is none, or not what was archived.</exception>
    public async Task AddAsync(PackReader pack, CancellationToken cancellationToken)
    {
        Snapshot? document = null;
        foreach (ManifestInstance file in pack.Manifest.Instances)
        {
            if (file.Instance.Kind != FileKind.Snapshot || file.Instance.Length > PackLimits.ManifestLength)
            {
                throw Invalid("holds other files than a snapshot's");
            }

            using MemoryStream content = new();
            await pack.ExtractAsync(file, content, cancellationToken);
            ReadOnlyMemory<byte> bytes = content.GetBuffer().AsMemory(0, (int)content.Length);
            if (document is null)
            {
                document = file.Entry == Snapshot.DocumentName ? Snapshots.Parse(bytes.Span) : throw Invalid($"does not begin with {Snapshot.DocumentName}");
                if (document.Clinic != pack.Manifest.Clinic || (Document is { } before && (before.Computer != document.Computer || before.TakenAt > document.TakenAt)))
                {
                    throw Invalid("is of another clinic or computer than the chain that it is in, or older");
                }
            }
            else
            {
                Apply(document, bytes.Span);
            }
        }

        Document = document ?? throw Invalid("has no document");
    }

    private void Apply(Snapshot document, ReadOnlySpan<byte> lines)
    {
        while (!lines.IsEmpty)
        {
            int end = lines.IndexOf((byte)'\n');
            if (end < 0)
            {
                throw Invalid("ends in the middle of a line");
            }

            SnapshotLine line = Snapshots.ParseLine(lines[..end], document.Packs.Count);
            lines = lines[(end + 1)..];
            if (line.IsGone)
            {
                _files.Remove((line.Root, line.Path));
            }
            else
            {
                _files[(line.Root, line.Path)] = new SnapshotFile(line.Length!.Value, line.ModifiedAt!.Value, line.Sha256!.Value, document.Packs[line.Pack!.Value]);
            }
        }
    }

    private static PackException Invalid(string problem) => new(PackFault.ManifestInvalid, $"A snapshot's pack {problem}.");
}
