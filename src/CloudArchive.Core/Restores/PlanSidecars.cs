using CloudArchive.Core.Catalog;
using CloudArchive.Core.Packs;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Restores;

/// <summary>A snapshot as a restore needs it.</summary>
/// <param name="Packs">Its pack and those that it goes on from, the whole list first.</param>
/// <param name="Needs">The packs whose files all of these name.</param>
/// <param name="IsComplete">Whether it can be restored, or is a part of a list.</param>
/// <param name="IsWhole">Whether it is known of all of <paramref name="Packs"/> what they need.</param>
public sealed record SnapshotParts(IReadOnlyList<PackId> Packs, IReadOnlyCollection<PackId> Needs, bool IsComplete, bool IsWhole);

/// <summary>Reads what lies beside packs, where a plan has to know more than the catalogue says or can say. One that cannot be read is told and keeps no other from it.</summary>
public sealed partial class PlanSidecars(PackStatements statements, SnapshotCatalog snapshots, LoggedPacks log, ILogger<PlanSidecars> logger)
{
    private const int AtOnce = 8;

    /// <summary>The sidecar; null where there is none, or it cannot be read.</summary>
    public async Task<Sidecar?> TryReadAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken)
    {
        try
        {
            return await statements.FindSidecarAsync(clinic, pack, cancellationToken) is { } sidecar && (sidecar.Clinic, sidecar.Pack) == (clinic, pack) ? sidecar : null;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogUnreadable(logger, e, pack, clinic);
            return null;
        }
    }

    /// <summary>What a snapshot is made of and needs: of each pack its sidecar says it, or the catalogue where that is gone. Null where the pack is no snapshot.</summary>
    public async Task<SnapshotParts?> FindSnapshotAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken)
    {
        (Uid Set, SnapshotNeeds Needs)? asked = await TryReadAsync(clinic, pack, cancellationToken) is { } sidecar
            ? sidecar.Snapshot is { } snapshot ? (sidecar.Study, new SnapshotNeeds(snapshot.Chain, snapshot.Needs, snapshot.IsComplete)) : null
            : await snapshots.FindAsync(clinic, pack, cancellationToken);
        if (asked is not { } found)
        {
            return null;
        }

        HashSet<PackId> needs = [.. found.Needs.Needs];
        bool whole = true;
        foreach (PackId[] some in found.Needs.Chain.Chunk(AtOnce))
        {
            foreach (IReadOnlyList<PackId>? named in await Task.WhenAll(some.Select(before => NeedsOfAsync(clinic, found.Set, before, cancellationToken))))
            {
                needs.UnionWith(named ?? []);
                whole &= named is not null;
            }
        }

        return new SnapshotParts([.. found.Needs.Chain, pack], needs, found.Needs.IsComplete, whole);
    }

    /// <summary>
    /// Of packs that are not in the archive any more, what the log has: of a pack whose set is known it is found out at once whether it was destroyed in its time.
    /// Nothing where the log cannot be read, which keeps nothing from being restored.
    /// </summary>
    public async Task<IReadOnlyDictionary<PackId, LoggedPack>> FindGoneAsync(ClinicId clinic, IReadOnlySet<PackId> packs, CancellationToken cancellationToken)
    {
        try
        {
            return packs.Count == 0 ? new Dictionary<PackId, LoggedPack>() : await log.FindAsync(clinic, packs, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogLogUnreadable(logger, e, clinic);
            return new Dictionary<PackId, LoggedPack>();
        }
    }

    private async Task<IReadOnlyList<PackId>?> NeedsOfAsync(ClinicId clinic, Uid set, PackId pack, CancellationToken cancellationToken) =>
        (await TryReadAsync(clinic, pack, cancellationToken))?.Snapshot?.Needs ?? (await snapshots.FindNeedsAsync(clinic, set, pack, cancellationToken))?.Needs;

    [LoggerMessage(318, LogLevel.Error, "Of which sets packs of clinic {Clinic} were that are not in the archive any more could not be read in its log.")]
    private static partial void LogLogUnreadable(ILogger logger, Exception exception, ClinicId clinic);

    [LoggerMessage(312, LogLevel.Error, "The sidecar of pack {Pack} of clinic {Clinic} cannot be read: what it alone tells is not known.")]
    private static partial void LogUnreadable(ILogger logger, Exception exception, PackId pack, ClinicId clinic);
}
