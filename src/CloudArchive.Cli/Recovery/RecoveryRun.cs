using System.Security.Cryptography;
using CloudArchive.Cli.Restores;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Cli.Recovery;

/// <summary>Opens every pack of a source with the escrow key. One pack that cannot be opened does not keep the others from it.</summary>
public sealed class RecoveryRun(IRecoverySource source, RSA key, IReadOnlySet<Uid> studies, TargetFolder target, IProgressView view)
{
    private readonly RestoreTally _tally = new(view);

    /// <summary>Recovers. An empty set of studies means all.</summary>
    public async Task<RestoreTally> RunAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<FoundPack> packs = await source.ListAsync(cancellationToken);
        if (packs.Count == 0) throw new UsageException("No pack was found there: packs are files named by a UUID, with a .sidecar.json beside each.");
        using IProgressStep step = view.Begin($"Recovering {Texts.Count(packs.Count, "pack")}", ProgressUnit.Bytes, packs.Sum(p => p.Length));
        foreach (FoundPack pack in packs)
        {
            try
            {
                await RecoverAsync(pack, cancellationToken);
            }
            catch (PackException error)
            {
                PackUnpacking.Fail(pack.Pack, 1, $"{error.Fault}: {error.Message}", _tally);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or DownloadRefusedException)
            {
                PackUnpacking.Fail(pack.Pack, 1, error.Message, _tally, integrity: false);
            }

            step.Add(pack.Length);
        }

        return _tally;
    }

    private async Task RecoverAsync(FoundPack pack, CancellationToken cancellationToken)
    {
        Sidecar? sidecar = pack.SidecarName is null ? null : await ReadSidecarAsync(pack, cancellationToken);
        if (sidecar is not null && studies.Count > 0 && !studies.Contains(sidecar.Study)) return;
        if (!pack.HasBlob)
        {
            PackUnpacking.Fail(pack.Pack, sidecar?.Instances.Count ?? 1, "its sidecar is there, and the pack itself is missing", _tally);
            return;
        }

        WrappedContentKey? wrapped = sidecar?.Escrow;
        if (wrapped is null && await source.ReadEscrowMetadataAsync(pack, cancellationToken) is { } metadata)
        {
            wrapped = BlobEncryption.Parse(metadata).WrappedContentKey;
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
