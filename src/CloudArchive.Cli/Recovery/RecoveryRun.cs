using System.Collections.Concurrent;
using System.Security.Cryptography;
using CloudArchive.Cli.Restores;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Recovery;

/// <summary>
/// Opens every pack of a source with the escrow key, several at once. One pack that cannot be opened does not keep the others from it. A pack that is sealed
/// for another escrow key is not fetched: a container holds many clinics' packs.
/// </summary>
/// <param name="source">Where the packs lie.</param>
/// <param name="key">The escrow key.</param>
/// <param name="studies">Only these; empty: all.</param>
/// <param name="target">Where to.</param>
/// <param name="view">Told of each file.</param>
public sealed class RecoveryRun(IRecoverySource source, RSA key, IReadOnlySet<Uid> studies, TargetFolder target, IProgressView view)
{
    private const int UnreachableInARow = 4;
    private readonly RestoreTally _tally = new(view);
    private readonly string _keyId = JwkKeys.Thumbprint(JwkKeys.FromRsa(key));
    private readonly HashSet<ClinicId> _clinics = [];
    private readonly List<(FoundPack Pack, ClinicId? Clinic, string KeyId)> _others = [];
    private readonly Lock _noting = new();
    private bool _opened;
    private int _unreachable;

    /// <summary>Packs of others that were left alone.</summary>
    public int LeftAlone { get; private set; }

    /// <summary>Recovers.</summary>
    /// <param name="asOf">The folders as they stood then; null: every file of every pack.</param>
    /// <param name="filter">What of a snapshot is wanted.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<RestoreTally> RunAsync(DateTimeOffset? asOf, SnapshotFilter filter, CancellationToken cancellationToken)
    {
        IReadOnlyList<FoundPack> packs = await source.ListAsync(cancellationToken);
        if (packs.Count == 0)
        {
            throw new UsageException("No pack was found there: packs are files named by a UUID, with a .sidecar.json beside each.");
        }

        RecoverySnapshots snapshots = await RecoverySnapshots.FindAsync(source, packs, _keyId, view, cancellationToken);
        if (asOf is { } then)
        {
            IReadOnlyList<Sidecar> chosen = snapshots.At(then);
            Dictionary<PackId, FoundPack> byId = packs.ToDictionary(pack => pack.Pack);
            foreach (Sidecar snapshot in chosen)
            {
                SnapshotPlacement placement = new(await snapshots.ReadAsync(snapshot, byId, key, target, cancellationToken), filter, target, byRoot: chosen.Count > 1, view);
                await RecoverAsync([.. placement.Packs.Select(byId.GetValueOrDefault).OfType<FoundPack>()], placement, cancellationToken);
                if (placement.Missing().Any())
                {
                    // What a lost pack held was uploaded again, if it was, into another, which the snapshot does not name.
                    await RecoverAsync([.. packs.Where(pack => !placement.Wants(pack.Pack) && pack is { HasBlob: true, SidecarName: not null })], placement, cancellationToken);
                }

                _tally.Add(placement.Missing());
            }

            return _tally;
        }

        await RecoverAsync(packs, Placement.AsFound(target, snapshots.Roots > 1), cancellationToken);
        TellOthers();
        return _tally;
    }

    private async Task RecoverAsync(IReadOnlyList<FoundPack> packs, Placement placement, CancellationToken cancellationToken)
    {
        using IProgressStep step = view.Begin($"Recovering {Texts.Count(packs.Count, "pack")}", ProgressUnit.Bytes, packs.Sum(p => p.Length));
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        ConcurrentQueue<FoundPack> left = new(packs);
        await FirstFailure.WhenAllAsync([.. Enumerable.Range(0, RestoreRun.UnpackedAtOnce).Select(_ => Task.Run(RecoverLeftAsync, stop.Token))], stop);

        async Task RecoverLeftAsync()
        {
            while (left.TryDequeue(out FoundPack? pack))
            {
                stop.Token.ThrowIfCancellationRequested();
                await TryRecoverAsync(pack, placement, onlyOne: packs.Count == 1, stop.Token);
                step.Add(pack.Length);
            }
        }
    }

    private async Task TryRecoverAsync(FoundPack pack, Placement placement, bool onlyOne, CancellationToken cancellationToken)
    {
        try
        {
            await RecoverAsync(pack, placement, cancellationToken);
            Interlocked.Exchange(ref _unreachable, 0);
        }
        catch (PackException error)
        {
            Fail(pack, placement, 1, $"{error.Fault}: {error.Message}", integrity: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or DownloadRefusedException && !TargetFolder.IsFull(error))
        {
            Fail(pack, placement, 1, error.Message, integrity: false);
        }
        catch (ServiceUnreachableException error) when (Interlocked.Increment(ref _unreachable) < UnreachableInARow && !onlyOne)
        {
            Fail(pack, placement, 1, error.Message, integrity: false);
        }
    }

    private void Fail(FoundPack pack, Placement placement, int files, string why, bool integrity)
    {
        if (!placement.NoteFailed(pack.Pack, why, integrity))
        {
            PackUnpacking.Fail(pack.Pack, files, why, _tally, integrity);
        }
    }

    private async Task RecoverAsync(FoundPack pack, Placement placement, CancellationToken cancellationToken)
    {
        Sidecar? sidecar = pack.SidecarName is null ? null : await ReadSidecarAsync(pack, cancellationToken);
        if (sidecar is not null && studies.Count > 0 && !studies.Contains(sidecar.Study))
        {
            return;
        }

        WrappedContentKey? wrapped = sidecar?.Escrow;
        if (wrapped is not null && IsOfAnother(pack, sidecar?.Clinic, wrapped))
        {
            return;
        }

        if (!pack.HasBlob)
        {
            if (sidecar?.Set != SetKind.Snapshot)
            {
                Fail(pack, placement, sidecar?.Instances.Count ?? 1, "its sidecar is there, and the pack itself is missing", integrity: true);
            }

            return;
        }

        if (wrapped is null && await source.ReadEscrowMetadataAsync(pack, cancellationToken) is { } metadata)
        {
            wrapped = BlobEncryption.Parse(metadata).WrappedContentKey;
            if (IsOfAnother(pack, null, wrapped))
            {
                return;
            }

            view.Note($"pack {pack.Pack} has no sidecar: its length and SHA-256 cannot be checked; each file's own SHA-256 is");
        }

        if (wrapped is null)
        {
            Fail(pack, placement, 1, "there is no sidecar beside it and no metadata: its content key is not here", integrity: true);
            return;
        }

        if (sidecar?.Set == SetKind.Snapshot || sidecar?.Instances.Any(file => placement.Wants(file.Sha256)) == false)
        {
            return; // a list of files and no file; or nothing that is wanted
        }

        PackIdentity expected = sidecar is null ? new PackIdentity(Pack: pack.Pack) : PackIdentity.Of(sidecar) with { Pack = pack.Pack };
        IReadOnlyList<Sha256Digest>? wanted = sidecar is null ? null : [.. sidecar.Instances.Select(i => i.Sha256)];
        await using Stream ciphertext = await source.OpenAsync(pack, target, cancellationToken);
        await PackUnpacking.RunAsync(ciphertext, () => Unwrap(wrapped), expected, wanted, target, placement, _tally, cancellationToken);
    }

    private ContentKey Unwrap(WrappedContentKey wrapped)
    {
        lock (_noting)
        {
            return KeyWrapping.Unwrap(wrapped, key);
        }
    }

    /// <summary>Whether a pack is sealed for another escrow key than this: then nothing of it is fetched.</summary>
    private bool IsOfAnother(FoundPack pack, ClinicId? clinic, WrappedContentKey wrapped)
    {
        lock (_noting)
        {
            if (wrapped.KeyId != _keyId)
            {
                _others.Add((pack, clinic, wrapped.KeyId));
                return true;
            }

            _opened = true;
            if (clinic is { } ours)
            {
                _clinics.Add(ours);
            }

            return false;
        }
    }

    /// <summary>Other clinics' packs are left alone. One of this clinic that says another key is a fault; and where no pack is this key's, it is the wrong key.</summary>
    private void TellOthers()
    {
        foreach ((FoundPack pack, ClinicId? clinic, string keyId) in _others)
        {
            if (!_opened || (clinic is { } named && _clinics.Contains(named)))
            {
                PackUnpacking.Fail(pack.Pack, 1, $"it is sealed for the escrow key {keyId}, and this is {_keyId}", _tally);
            }
            else
            {
                LeftAlone++;
            }
        }

        if (LeftAlone > 0)
        {
            view.Note($"{Texts.Count(LeftAlone, "pack")} sealed for other escrow keys, of other clinics, were left alone");
        }
    }

    /// <summary>The sidecar; null, and told, where it is damaged: the blob's metadata may do instead.</summary>
    private async Task<Sidecar?> ReadSidecarAsync(FoundPack pack, CancellationToken cancellationToken)
    {
        try
        {
            return Sidecars.Parse(await source.ReadSidecarAsync(pack, cancellationToken));
        }
        catch (PackException error)
        {
            view.Note($"pack {pack.Pack}: {error.Message} It is ignored.");
            return null;
        }
    }
}
