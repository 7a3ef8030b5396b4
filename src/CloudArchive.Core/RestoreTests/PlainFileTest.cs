using System.Buffers;
using System.IO.Pipelines;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// Reads a pack's plain files along with their extraction, in bounded memory: how each begins; and of a snapshot, that its list can be read to its end and names no
/// pack that the sidecar does not, so that a restore of it would ask for all that it needs.
/// </summary>
internal sealed class PlainFileTest(Sidecar sidecar)
{
    /// <summary>A line has a path, and some 200 bytes beside it.</summary>
    private const int LongestLine = 256 * 1024;

    /// <summary>The document names 10,000 packs at most, and roots.</summary>
    private const int LargestDocument = 4 * 1024 * 1024;

    private Snapshot? _snapshot;
    private HashSet<long> _roots = [];

    /// <summary>Reads the file to its end; its first bytes.</summary>
    public async Task<byte[]> ReadAsync(ManifestInstance file, PipeReader content, CancellationToken cancellationToken)
    {
        try
        {
            return sidecar.Snapshot is null ? await ReadHeadAsync(content, cancellationToken)
                : _snapshot is null ? await ReadDocumentAsync(file, content, cancellationToken)
                : await ReadLinesAsync(content, cancellationToken);
        }
        finally
        {
            // What comes after a failure is discarded, so that the hash is computed to its end all the same.
            await content.CompleteAsync();
        }
    }

    /// <summary>Whether the file begins as it did when it was captured. What stands in the place of its UID, the sidecar was read with.</summary>
    public static void CheckSignature(ManifestInstance file, byte[] head)
    {
        if (file.Signature is { } signature && FileKinds.SignatureOf(head, file.Instance.Length) != signature)
        {
            throw new PackFailedException(PackFailure.CatalogueMismatch, "signature");
        }
    }

    private static async Task<byte[]> ReadHeadAsync(PipeReader content, CancellationToken cancellationToken)
    {
        byte[] head = [];
        while (true)
        {
            ReadResult read = await content.ReadAsync(cancellationToken);
            if (head.Length < FileKinds.SignatureLength)
            {
                head = [.. head, .. read.Buffer.Slice(0, Math.Min(FileKinds.SignatureLength - head.Length, read.Buffer.Length)).ToArray()];
            }

            content.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return head;
            }
        }
    }

    private async Task<byte[]> ReadDocumentAsync(ManifestInstance file, PipeReader content, CancellationToken cancellationToken)
    {
        Require("snapshot", file.Entry == Snapshot.DocumentName && file.Instance.Length <= LargestDocument);
        using MemoryStream json = new();
        await content.CopyToAsync(json, cancellationToken);
        byte[] bytes = json.ToArray();
        SidecarSnapshot stated = sidecar.Snapshot!;
        Snapshot snapshot = Snapshots.Parse(bytes);
        Require("snapshot", (snapshot.Clinic, snapshot.TakenAt, snapshot.Roots.Count, snapshot.Files, snapshot.Bytes, snapshot.IsComplete)
            == (sidecar.Clinic, stated.TakenAt, stated.Roots, stated.Files, stated.Bytes, stated.IsComplete));
        Require("needs", snapshot.Packs.ToHashSet().IsSubsetOf(stated.Needs));
        _roots = [.. snapshot.Roots.Select(root => root.Id)];
        _snapshot = snapshot;
        return bytes[..Math.Min(FileKinds.SignatureLength, bytes.Length)];
    }

    private async Task<byte[]> ReadLinesAsync(PipeReader content, CancellationToken cancellationToken)
    {
        while (true)
        {
            ReadResult read = await content.ReadAsync(cancellationToken);
            ReadOnlySequence<byte> left = read.Buffer;
            while (left.PositionOf((byte)'\n') is { } end)
            {
                CheckLine(left.Slice(0, end));
                left = left.Slice(left.GetPosition(1, end));
            }

            Require("snapshot", left.Length <= LongestLine && (left.IsEmpty || !read.IsCompleted)); // each line ends
            if (read.IsCompleted)
            {
                return [];
            }

            content.AdvanceTo(left.Start, left.End);
        }
    }

    private void CheckLine(ReadOnlySequence<byte> line) =>
        Require("snapshot", line.Length is > 0 and <= LongestLine && _roots.Contains(Snapshots.ParseLine(line.ToArray(), _snapshot!.Packs.Count).Root));

    private static void Require(string what, bool holds)
    {
        if (!holds)
        {
            throw new PackFailedException(PackFailure.CatalogueMismatch, what);
        }
    }
}
