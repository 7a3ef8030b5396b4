using System.Security.Cryptography;
using CloudArchive.Cli.Restores;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Recovery;

/// <summary>
/// Opens every pack of a source with the escrow key. One pack that cannot be opened does not keep the others from it. A pack that is sealed for another escrow
/// key is not fetched: a container holds many clinics' packs.
/// </summary>
public sealed class RecoveryRun(IRecoverySource source, RSA key, IReadOnlySet<Uid> studies, TargetFolder target, IProgressView view)
{
    private const int UnreachableInARow = 4;
    private readonly RestoreTally _tally = new(view);
    private readonly string _keyId = JwkKeys.Thumbprint(JwkKeys.FromRsa(key));
    private readonly HashSet<ClinicId> _clinics = [];
    private readonly List<(FoundPack Pack, ClinicId? Clinic, string KeyId)> _others = [];
    private bool _opened;

    /// <summary>Packs of others that were left alone.</summary>
    public int LeftAlone { get; private set; }

    /// <summary>Recovers. An empty set of studies means all.</summary>
    public async Task<RestoreTally> RunAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<FoundPack> packs = await source.ListAsync(cancellationToken);
        if (packs.Count == 0)
        {
            throw new UsageException("No pack was found there: packs are files named by a UUID, with a .sidecar.json beside each.");
        }

        using IProgressStep step = view.Begin($"Recovering {Texts.Count(packs.Count, "pack")}", ProgressUnit.Bytes, packs.Sum(p => p.Length));
        int unreachable = 0;
        foreach (FoundPack pack in packs)
        {
            try
            {
                await RecoverAsync(pack, cancellationToken);
                unreachable = 0;
            }
            catch (PackException error)
            {
                PackUnpacking.Fail(pack.Pack, 1, $"{error.Fault}: {error.Message}", _tally);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or DownloadRefusedException && !TargetFolder.IsFull(error))
            {
                PackUnpacking.Fail(pack.Pack, 1, error.Message, _tally, integrity: false);
            }
            catch (ServiceUnreachableException error) when (++unreachable < UnreachableInARow && packs.Count > 1)
            {
                PackUnpacking.Fail(pack.Pack, 1, error.Message, _tally, integrity: false);
            }

            step.Add(pack.Length);
        }

        TellOthers();
        return _tally;
    }

    private async Task RecoverAsync(FoundPack pack, CancellationToken cancellationToken)
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
            PackUnpacking.Fail(pack.Pack, sidecar?.Instances.Count ?? 1, "its sidecar is there, and the pack itself is missing", _tally);
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
            PackUnpacking.Fail(pack.Pack, 1, "there is no sidecar beside it and no metadata: its content key is not here", _tally);
            return;
        }

        PackIdentity expected = sidecar is null ? new PackIdentity(Pack: pack.Pack) : PackIdentity.Of(sidecar) with { Pack = pack.Pack };
        IReadOnlyList<Sha256Digest>? wanted = sidecar is null ? null : [.. sidecar.Instances.Select(i => i.Sha256)];
        await using Stream ciphertext = await source.OpenAsync(pack, target, cancellationToken);
        await PackUnpacking.RunAsync(ciphertext, () => KeyWrapping.Unwrap(wrapped, key), expected, wanted, target, _tally, cancellationToken);
    }

    /// <summary>Whether a pack is sealed for another escrow key than this: then nothing of it is fetched.</summary>
    private bool IsOfAnother(FoundPack pack, ClinicId? clinic, WrappedContentKey wrapped)
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
