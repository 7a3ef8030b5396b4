using System.Security.Cryptography;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary>Brings down a snapshot's own packs, which the service lists before those that it needs, and reads them.</summary>
internal sealed class SnapshotFetch(RestoreListing listing, Network network, RestoreResponse restore, RSA key, IProgressView view)
{
    /// <summary>The snapshot, all of its chain.</summary>
    /// <exception cref="IntegrityException">A part of it is not there or not what was archived.</exception>
    public async Task<SnapshotReader> ReadAsync(TargetFolder target, Func<CancellationToken, Task<bool>> waits, CancellationToken cancellationToken)
    {
        using IProgressStep step = view.Begin("Reading what stood where", ProgressUnit.Count, null);
        SnapshotReader snapshot = new();
        foreach ((ListedPage page, RestorePack pack) in await ChainAsync(waits, cancellationToken))
        {
            await using FileStream file = target.CreateTemporary();
            try
            {
                await new RangedDownload(network).RunAsync((refused, cancellation) => page.UrlAsync(pack.Pack, refused, cancellation), pack.Length, file.SafeFileHandle, cancellationToken);
                using ContentKey content = KeyWrapping.Unwrap(pack.ContentKey, key);
                await using PackReader reader = await PackReader.OpenAsync(file, content, new PackIdentity(restore.Clinic, pack.Pack, pack.Study, pack.Length, pack.Sha256), cancellationToken);
                await snapshot.AddAsync(reader, cancellationToken);
                step.Add(1);
            }
            catch (Exception error) when (error is PackException or DownloadRefusedException)
            {
                throw Unreadable(pack.Pack, error.Message, error);
            }
        }

        return snapshot.IsWhole ? snapshot : throw new IntegrityException("The snapshot lists another number of files than it says, or its list is not complete. Restore an earlier one: cloudarchive snapshots");
    }

    /// <summary>The snapshot's packs, oldest first: all of one set, before any of another.</summary>
    private async Task<IReadOnlyList<(ListedPage Page, RestorePack Pack)>> ChainAsync(Func<CancellationToken, Task<bool>> waits, CancellationToken cancellationToken)
    {
        List<(ListedPage Page, RestorePack Pack)> chain = [];
        PackId wanted = restore.Snapshot ?? throw new IntegrityException($"Restore {restore.Id} is not of a snapshot.");
        Uid? set = null;
        string? after = null;
        do
        {
            ListedPage page = await listing.ReadAsync(after, waits, cancellationToken);
            set ??= page.Page.Items.FirstOrDefault(pack => pack.Pack == wanted)?.Study;
            chain.AddRange(page.Page.Items.Where(pack => pack.Study == set).Select(pack => (page, pack)));
            if (page.Page.Failed?.FirstOrDefault(failure => failure.Pack == wanted || (set is not null && failure.Study == set)) is { } failed)
            {
                throw Unreadable(failed.Pack, failed.Cause.ToString(), null);
            }

            bool isOver = chain.Count > 0 && page.Page.Items.Any(pack => pack.Study != set);
            after = isOver ? null : page.Page.Next;
        }
        while (after is not null);
        return chain.Count > 0
            ? [.. chain.OrderBy(one => one.Pack.Pack.ToString(), StringComparer.Ordinal)]
            : throw new IntegrityException($"The service does not list the snapshot of restore {restore.Id}. Tell your archive's operator.");
    }

    private static IntegrityException Unreadable(PackId pack, string why, Exception? inner) =>
        new($"Pack {pack}, a part of the snapshot, cannot be read: {why}. Restore an earlier one (cloudarchive snapshots), or everything without a snapshot (--everything).", inner);
}
