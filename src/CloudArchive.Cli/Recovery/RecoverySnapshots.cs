using System.Security.Cryptography;
using CloudArchive.Cli.Restores;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Cli.Recovery;

/// <summary>The snapshots among packs that were found without the service, as their sidecars tell of them.</summary>
internal sealed class RecoverySnapshots
{
    private readonly IRecoverySource _source;
    private readonly IReadOnlyList<Sidecar> _sidecars;

    private RecoverySnapshots(IRecoverySource source, IReadOnlyList<Sidecar> sidecars) => (_source, _sidecars) = (source, sidecars);

    /// <summary>How many folders the newest snapshots of all computers have.</summary>
    public int Roots => Newest(DateTimeOffset.MaxValue).Sum(sidecar => sidecar.Snapshot!.Roots);

    /// <summary>Reads every sidecar, and keeps those of snapshots that the key opens.</summary>
    public static async Task<RecoverySnapshots> FindAsync(IRecoverySource source, IReadOnlyList<FoundPack> packs, string keyId, IProgressView view, CancellationToken cancellationToken)
    {
        using IProgressStep step = view.Begin("Looking for snapshots", ProgressUnit.Count, packs.Count);
        List<Sidecar> snapshots = [];
        foreach (FoundPack pack in packs)
        {
            step.Add(1);
            try
            {
                if (pack is { SidecarName: not null, HasBlob: true }
                    && Sidecars.Parse(await source.ReadSidecarAsync(pack, cancellationToken)) is { Snapshot: not null } sidecar && sidecar.Escrow.KeyId == keyId && sidecar.Pack == pack.Pack)
                {
                    snapshots.Add(sidecar);
                }
            }
            catch (Exception error) when (error is PackException or IOException or UnauthorizedAccessException or CliException)
            {
                // Told where the pack itself is opened.
            }
        }

        return new RecoverySnapshots(source, snapshots);
    }

    /// <summary>Of each computer the newest snapshot that was taken by a time; throws where there is none.</summary>
    public IReadOnlyList<Sidecar> At(DateTimeOffset time) => Newest(time) is { Count: > 0 } chosen
        ? chosen
        : throw new UsageException(_sidecars.Count == 0
            ? "There is no snapshot among these packs, or none that this key opens. Without --as-of every file is recovered."
            : $"The oldest snapshot is of {_sidecars.Min(s => s.Snapshot!.TakenAt).ToLocalTime():yyyy-MM-dd HH:mm}: name that time or a later one.");

    /// <summary>A computer's newest snapshot that was taken by a time; null: there is none.</summary>
    public Sidecar? Of(ClinicId clinic, Uid set, DateTimeOffset time) => Newest(time).FirstOrDefault(snapshot => snapshot.Clinic == clinic && snapshot.Study == set);

    /// <summary>Reads a snapshot with its chain.</summary>
    /// <exception cref="IntegrityException">A part of it is missing or not what was archived.</exception>
    public async Task<SnapshotReader> ReadAsync(Sidecar snapshot, IReadOnlyDictionary<PackId, FoundPack> packs, RSA key, TargetFolder target, CancellationToken cancellationToken)
    {
        SnapshotReader reader = new();
        foreach (PackId id in (IEnumerable<PackId>)[.. snapshot.Snapshot!.Chain, snapshot.Pack])
        {
            if (!packs.TryGetValue(id, out FoundPack? pack) || !pack.HasBlob || pack.SidecarName is null)
            {
                throw new IntegrityException($"Pack {id}, a part of the snapshot, is not there. Recover an earlier one, or everything (without --as-of).");
            }

            try
            {
                Sidecar sidecar = Sidecars.Parse(await _source.ReadSidecarAsync(pack, cancellationToken));
                await using Stream ciphertext = await _source.OpenAsync(pack, target, cancellationToken);
                using ContentKey content = KeyWrapping.Unwrap(sidecar.Escrow, key);
                await using PackReader opened = await PackReader.OpenAsync(ciphertext, content, PackIdentity.Of(sidecar) with { Pack = id }, cancellationToken);
                await reader.AddAsync(opened, cancellationToken);
            }
            catch (PackException error)
            {
                throw new IntegrityException($"Pack {id}, a part of the snapshot, cannot be read: {error.Message} Recover an earlier one, or everything (without --as-of).", error);
            }
        }

        return reader.IsWhole ? reader : throw new IntegrityException("The snapshot lists another number of files than it says. Recover an earlier one, or everything (without --as-of).");
    }

    private List<Sidecar> Newest(DateTimeOffset time) =>
        [.. _sidecars.Where(s => s.Snapshot!.IsComplete && s.Snapshot.TakenAt <= time).GroupBy(s => (s.Clinic, s.Study)).Select(computer => computer.MaxBy(s => s.Snapshot!.TakenAt)!)];
}
