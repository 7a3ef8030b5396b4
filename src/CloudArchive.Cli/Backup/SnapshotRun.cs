using System.Text.Json;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Backup;

/// <summary>A snapshot that the archive gave receipts for.</summary>
/// <param name="Pack">The last of its packs: what it is called by.</param>
/// <param name="TakenAt">When.</param>
/// <param name="Files">Files that stand there.</param>
/// <param name="Changes">Lines in which it differs from the one before; all of them where it is the whole list.</param>
public sealed record TakenSnapshot(PackId Pack, DateTimeOffset TakenAt, long Files, long Changes);

/// <summary>
/// After a complete backup with a change: seals what stands where on this computer, and archives it like any pack. A crash costs making it again. What it
/// names is archived already, so nothing waits for it.
/// </summary>
public sealed class SnapshotRun(AgentSession session, Uplink uplink)
{
    private readonly BlockBuffers _buffers = new(Uplink.MostInFlight + 1);

    private AgentState State => session.State;

    /// <summary>Takes one; null where nothing differs from the last, or there is nothing.</summary>
    public async Task<TakenSnapshot?> TakeAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset takenAt = session.Network.Clock.GetUtcNow().ToUniversalTime();
        SnapshotPlan plan = State.LineUpSnapshot(Snapshots.LongestChain);
        if (plan.Lines == 0)
        {
            State.NoteSnapshot(plan with { IsWhole = false }, []);
            return null;
        }

        List<PackId> packs = [];
        long after = 0;
        while (after < plan.Lines)
        {
            long last = State.LastLineOfPack(after, Snapshots.LinesPerPack, Snapshots.NeedsPerPack);
            packs.Add(await UploadAsync(plan, [.. plan.Chain, .. packs], takenAt, after, last, cancellationToken));
            after = last;
        }

        State.NoteSnapshot(plan, packs);
        return new TakenSnapshot(packs[^1], takenAt, plan.Files, plan.Lines);
    }

    private async Task<PackId> UploadAsync(SnapshotPlan plan, IReadOnlyList<PackId> chain, DateTimeOffset takenAt, long after, long last, CancellationToken cancellationToken)
    {
        SnapshotRoot[] roots = [.. State.FolderRecords().Select(folder => new SnapshotRoot(folder.Id, folder.Label, folder.Path, folder.Volume))];
        IReadOnlyList<PackId> needs = State.PacksOfLines(after, last);
        bool isComplete = last == plan.Lines;
        Snapshot document = new(Snapshot.CurrentFormat, session.Identity.Clinic, session.Identity.Computer, takenAt, roots, needs, plan.Files, plan.Bytes, isComplete);

        Uid set = Sets.SnapshotsOf(session.Secret, session.Identity.Computer);
        OpenPackResponse open = await PackUpload.OpenAsync(session, set, (last - after) * 64, cancellationToken);
        using ContentKey key = ContentKey.Create();
        PackHeader header = new(session.Identity.Clinic, open.Pack, set, session.Network.Clock.GetUtcNow(), SetKind.Snapshot);
        WrappedContentKey wrapped = KeyWrapping.Wrap(key, open.WrappingKey), escrow = KeyWrapping.Wrap(key, open.EscrowKey);
        using BlobUpload blob = new(
            session.Network, uplink, new UploadUrlResponse(open.UploadUrl, open.UploadUrlExpiresAt), cancellation => PackUpload.RenewAsync(session, open.Pack, cancellation));
        await using BlobUploadStream stream = new(blob, _buffers, _ => uplink.BlockLength((last - after) * 64), journal: null, cancellationToken);
        PackSummary summary = await SealAsync(stream, header, key, document, after, last, cancellationToken);

        // Kept as long as the longest of what it names: a list without files is of no use, and files without their places are of less.
        DateTimeOffset own = open.Retention?.Until(null, header.CreatedAt) ?? header.CreatedAt;
        DateTimeOffset until = State.LongestLock is { } longest && longest > own ? longest : own;
        DateTimeOffset? latest = open.Retention?.Latest(header.CreatedAt);
        SidecarRetention? retention = open.Retention is { } policy ? new SidecarRetention(policy.Version, until > latest ? latest.Value : until) : null;
        Sidecar sidecar = Sidecars.For(header, summary, wrapped, escrow, retention) with
        {
            Snapshot = new SidecarSnapshot(takenAt, chain, needs, roots.Length, plan.Files, plan.Bytes, isComplete),
        };
        await stream.CompleteAsync();
        await stream.CommitAsync(PackUpload.MetadataOf(sidecar), cancellationToken);
        _ = await PackUpload.CommitAsync(session, sidecar, cancellationToken) ?? throw new UploadLostException("the archive did not find what was sent; the next backup takes the snapshot anew");
        return open.Pack;
    }

    private async Task<PackSummary> SealAsync(Stream output, PackHeader header, ContentKey key, Snapshot document, long after, long last, CancellationToken cancellationToken)
    {
        await using PackWriter writer = new(output, header, key);
        await AddAsync(writer, Snapshot.DocumentName, JsonSerializer.SerializeToUtf8Bytes(document, FormatJson.Options), document.TakenAt, cancellationToken);
        Dictionary<PackId, int> numbers = document.Packs.Index().ToDictionary(p => p.Item, p => p.Index);
        int part = 0;
        using MemoryStream lines = new();
        foreach (ListedFile file in State.Lines(after, last))
        {
            SnapshotLine line = file.Pack is { } pack
                ? new SnapshotLine(file.Root, file.Path, file.Length, new DateTimeOffset(file.ModifiedTicks, TimeSpan.Zero), file.Sha256, numbers[pack])
                : new SnapshotLine(file.Root, file.Path);
            JsonSerializer.Serialize(lines, line, FormatJson.Options);
            lines.WriteByte((byte)'\n');
            if (lines.Length >= Snapshots.PartBytes)
            {
                await AddAsync(writer, Snapshot.PartName(++part), lines.ToArray(), document.TakenAt, cancellationToken);
                lines.SetLength(0);
            }
        }

        if (lines.Length > 0)
        {
            await AddAsync(writer, Snapshot.PartName(++part), lines.ToArray(), document.TakenAt, cancellationToken);
        }

        return await writer.CompleteAsync(cancellationToken);
    }

    private static async Task AddAsync(PackWriter writer, string name, byte[] content, DateTimeOffset takenAt, CancellationToken cancellationToken)
    {
        using MemoryStream source = new(content);
        await writer.AddAsync(new PackEntry(name, takenAt, SidecarInstance.Plain(FileKind.Snapshot, content.Length, Sha256Digest.Of(content)), Deflate: true), source, cancellationToken);
    }
}
