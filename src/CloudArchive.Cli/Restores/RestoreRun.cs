using System.Net;
using System.Security.Cryptography;
using System.Threading.Channels;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary>Brings down and unpacks what a restore that is ready holds: one pack is unpacked while the next comes down.</summary>
public sealed class RestoreRun(ArchiveClient client, CliEnvironment environment, RestoreResponse restore, RSA key, IProgressView view)
{
    private static readonly TimeSpan RenewBefore = TimeSpan.FromMinutes(2);
    private string ResultPath => $"v1/clinics/{restore.Clinic}/restores/{Uri.EscapeDataString(restore.Id)}/result";

    /// <summary>Restores into the folder.</summary>
    public async Task<RestoreTally> RunAsync(TargetFolder target, CancellationToken cancellationToken)
    {
        RestoreTally tally = new(view);
        List<Listed> packs = await ListAsync(cancellationToken);
        using IProgressStep step = view.Begin($"Restoring {Texts.Count(restore.Instances, "file")}", ProgressUnit.Bytes, packs.Sum(p => p.Pack.Length));
        using RangedDownload download = new(environment);
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

    private async Task<List<Listed>> ListAsync(CancellationToken cancellationToken)
    {
        List<Listed> packs = [];
        string? after = null;
        do
        {
            Page<RestorePack> page = await PageAsync(after, cancellationToken);
            packs.AddRange(page.Items.Select(pack => new Listed(pack, after)));
            after = page.Next;
        }
        while (after is not null);

        // Newest first: the newest version of a file has the plain name (TargetFolder). Ids sort by time (UUIDv7).
        packs.Sort((a, b) => string.CompareOrdinal(b.Pack.Pack.ToString(), a.Pack.Pack.ToString()));
        return packs;
    }

    private Task<Page<RestorePack>> PageAsync(string? after, CancellationToken cancellationToken) =>
        client.GetAsync<Page<RestorePack>>(after is null ? ResultPath : $"{ResultPath}?after={Uri.EscapeDataString(after)}", cancellationToken);

    private async Task DownloadAsync(List<Listed> packs, RangedDownload download, TargetFolder target, ChannelWriter<(RestorePack Pack, FileStream? File, string? Why)> ready, CancellationToken cancellationToken)
    {
        try
        {
            foreach (Listed listed in packs)
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
    private async Task<Uri> UrlAsync(Listed listed, bool refused, CancellationToken cancellationToken)
    {
        await listed.Gate.WaitAsync(cancellationToken);
        try
        {
            DateTimeOffset now = environment.Clock.GetUtcNow();
            bool justRenewed = listed.RenewedAt is { } at && now - at < TimeSpan.FromMinutes(1);
            if ((refused || listed.UrlExpiresAt - now < RenewBefore) && !justRenewed)
            {
                Page<RestorePack> page = await PageAsync(listed.After, cancellationToken);
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

    /// <summary>A pack of the result and the page that listed it.</summary>
    private sealed class Listed(RestorePack pack, string? after)
    {
        public RestorePack Pack { get; } = pack;

        public string? After { get; } = after;

        public string Url { get; set; } = pack.Url;

        public DateTimeOffset UrlExpiresAt { get; set; } = pack.UrlExpiresAt;

        public DateTimeOffset? RenewedAt { get; set; }

        public SemaphoreSlim Gate { get; } = new(1, 1);
    }
}
