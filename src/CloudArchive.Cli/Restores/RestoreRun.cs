using System.Net;
using System.Security.Cryptography;
using System.Threading.Channels;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary>Brings down and unpacks what a restore that is ready holds: one pack is unpacked while the next comes down.</summary>
internal sealed class RestoreRun(RestoreListing listing, CliEnvironment environment, RestoreResponse restore, RSA key, IProgressView view)
{
    private static readonly TimeSpan RenewBefore = TimeSpan.FromMinutes(2);

    /// <summary>Restores into the folder.</summary>
    public async Task<RestoreTally> RunAsync(IReadOnlyList<ListedPack> packs, TargetFolder target, CancellationToken cancellationToken)
    {
        RestoreTally tally = new(view);
        using IProgressStep step = view.Begin($"Restoring {Texts.Count(restore.Instances, "file")}", ProgressUnit.Bytes, packs.Sum(p => p.Pack.Length));
        using Network network = new(environment, environment.Network.RunPatience);
        RangedDownload download = new(network);
        Channel<(RestorePack Pack, FileStream? File, string? Why)> ready = Channel.CreateBounded<(RestorePack, FileStream?, string?)>(1);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task downloading = DownloadAsync(packs, download, target, ready.Writer, stop.Token);
        try
        {
            await foreach ((RestorePack pack, FileStream? file, string? why) in ready.Reader.ReadAllAsync(cancellationToken))
            {
                if (file is null)
                {
                    PackUnpacking.Fail(pack.Pack, pack.Wanted?.Count ?? 1, why!, tally);
                    continue;
                }

                await using (file)
                {
                    PackIdentity expected = new(restore.Clinic, pack.Pack, pack.Study, pack.Length, pack.Sha256);
                    await PackUnpacking.RunAsync(file, () => KeyWrapping.Unwrap(pack.ContentKey, key), expected, pack.Wanted, target, tally, cancellationToken);
                }

                step.Add(pack.Length);
            }

            await downloading;
        }
        finally
        {
            await stop.CancelAsync();
            while (ready.Reader.TryRead(out (RestorePack Pack, FileStream? File, string? Why) left)) left.File?.Dispose();
            await downloading.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            while (ready.Reader.TryRead(out (RestorePack Pack, FileStream? File, string? Why) left)) left.File?.Dispose();
        }

        return tally;
    }

    private async Task DownloadAsync(IReadOnlyList<ListedPack> packs, RangedDownload download, TargetFolder target, ChannelWriter<(RestorePack Pack, FileStream? File, string? Why)> ready, CancellationToken cancellationToken)
    {
        try
        {
            foreach (ListedPack listed in packs)
            {
                FileStream file = target.CreateTemporary();
                try
                {
                    await download.RunAsync((refused, cancellation) => UrlAsync(listed, refused, cancellation), listed.Pack.Length, file.SafeFileHandle, cancellationToken);
                    await ready.WriteAsync((listed.Pack, file, null), cancellationToken);
                }
                catch (DownloadRefusedException error)
                {
                    await file.DisposeAsync();
                    await ready.WriteAsync((listed.Pack, null, error.Status == HttpStatusCode.NotFound ? "the pack is missing from storage" : error.Message), cancellationToken);
                }
                catch
                {
                    await file.DisposeAsync();
                    throw;
                }
            }

            ready.Complete();
        }
        catch (Exception error)
        {
            ready.Complete(error);
            throw;
        }
    }

    /// <summary>The pack's URL; where it has run out or was refused, a fresh one from the page that listed it.</summary>
    private async Task<Uri> UrlAsync(ListedPack listed, bool refused, CancellationToken cancellationToken)
    {
        await listed.Gate.WaitAsync(cancellationToken);
        try
        {
            DateTimeOffset now = environment.Clock.GetUtcNow();
            bool justRenewed = listed.RenewedAt is { } at && now - at < TimeSpan.FromMinutes(1);
            if ((refused || listed.UrlExpiresAt - now < RenewBefore) && !justRenewed)
            {
                Page<RestorePack> page = await listing.PageAsync(listed.After, cancellationToken);
                RestorePack? fresh = page.Items.FirstOrDefault(p => p.Pack == listed.Pack.Pack);
                if (fresh is not null) (listed.Url, listed.UrlExpiresAt) = (fresh.Url, fresh.UrlExpiresAt);
                listed.RenewedAt = now;
            }

            return Uri.TryCreate(listed.Url, UriKind.Absolute, out Uri? url) && (url.Scheme == "https" || url.IsLoopback) ? url : throw new IntegrityException("The service named a download URL that is not https.");
        }
        finally
        {
            listed.Gate.Release();
        }
    }
}
