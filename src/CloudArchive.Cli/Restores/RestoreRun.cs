using System.Net;
using System.Security.Cryptography;
using System.Threading.Channels;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary>How a run ended.</summary>
/// <param name="Tally">Its files, and those of the runs before.</param>
/// <param name="Packs">Packs that are accounted for: done, in this run or before, or failed.</param>
/// <param name="MayPass">Whether a failure may be none the next time.</param>
/// <param name="Damaged">Packs that storage gave no more, or not as they were committed.</param>
internal sealed record RestoreEnd(RestoreTally Tally, int Packs, bool MayPass, IReadOnlyList<PackId> Damaged);

/// <summary>
/// Brings down and unpacks what a restore that is ready holds, page by page: several packs come down at once, several are unpacked meanwhile, and each is noted
/// when its files are on the disk. A pack that fails is its own failure.
/// </summary>
internal sealed class RestoreRun(RestoreListing listing, Network network, RestoreResponse restore, RSA key, RestoreJournal journal, Placement placement, IProgressView view)
{
    /// <summary>Packs that come down at once.</summary>
    private const int PacksAtOnce = 4;

    /// <summary>
    /// Packs that are unpacked at once: a core each, and one that waits for the disk meanwhile. Each holds two regions and a chunk of pixels, some 20 MB.
    /// </summary>
    public static int UnpackedAtOnce { get; } = Math.Min(Environment.ProcessorCount + 1, 5);

    /// <summary>Sealed bytes that lie in the target at once, but for one pack that is larger.</summary>
    public const long SealedAtOnce = 256L * 1024 * 1024;

    // Where so many packs in a row cannot be reached, storage cannot.
    private const int UnreachableInARow = PacksAtOnce;
    private readonly ByteBudget _budget = new(SealedAtOnce);
    private readonly RestoreTally _tally = new(view) { Earlier = journal.Earlier };
    private int _accounted = journal.Earlier.Packs;
    private int _unreachable;
    private int _fetched;
    private ServiceUnreachableException? _lastUnreachable;
    private bool _mayPass;
    private readonly List<PackId> _damaged = [];
    private readonly Lock _noting = new();

    /// <summary>Restores into the folder.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="waits">Whether to wait for packs that come back from the archive tier.</param>
    /// <param name="cancellationToken">Stops; what is done stays noted.</param>
    public async Task<RestoreEnd> RunAsync(TargetFolder target, Func<CancellationToken, Task<bool>> waits, CancellationToken cancellationToken)
    {
        using IProgressStep step = view.Begin($"Restoring {Texts.Count(restore.Instances, "file")}", ProgressUnit.Bytes, Math.Max(restore.Bytes - journal.Earlier.Sealed, 0));
        RangedDownload download = new(network);
        Channel<Listed> listed = Channel.CreateBounded<Listed>(PacksAtOnce);
        Channel<Fetched> fetched = Channel.CreateBounded<Fetched>(1);
        // What is fetched is unpacked, also where a later pack stops the fetching; a full disk stops both.
        using CancellationTokenSource unpacking = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using CancellationTokenSource fetching = CancellationTokenSource.CreateLinkedTokenSource(unpacking.Token);
        Task handedOver = HandOverAsync(
            [ListAsync(listed.Writer, fetched.Writer, waits, fetching.Token), .. Enumerable.Range(0, PacksAtOnce).Select(_ => FetchAsync(listed.Reader, download, target, fetched.Writer, fetching.Token))],
            fetched.Writer,
            fetching);
        try
        {
            await FirstFailure.WhenAllAsync([.. Enumerable.Range(0, UnpackedAtOnce).Select(_ => UnpackAsync(fetched.Reader, target, step, unpacking.Token))], unpacking);
            await handedOver;
            _tally.Add(placement.Missing());
            if (_fetched == 0 && _lastUnreachable is { } nothing)
            {
                throw nothing; // Not a pack's fault: storage gave none.
            }
        }
        finally
        {
            await fetching.CancelAsync();
            await Task.WhenAny(handedOver);
            while (fetched.Reader.TryRead(out Fetched? left))
            {
                left.File?.Dispose();
            }
        }

        return new RestoreEnd(_tally, _accounted, _mayPass, _damaged);
    }

    /// <summary>Lists page by page; at the end asks again, for a while, for what the service could not hand out for now.</summary>
    private async Task ListAsync(ChannelWriter<Listed> listed, ChannelWriter<Fetched> fetched, Func<CancellationToken, Task<bool>> waits, CancellationToken cancellationToken)
    {
        try
        {
            List<(string? After, RestorePackFailure Failure)> passing = [];
            List<Listed> others = [];
            HashSet<Uid?> lost = [];
            HashSet<PackId> told = [];
            string? after = null;
            do
            {
                ListedPage page = await listing.ReadAsync(after, waits, cancellationToken);
                told.UnionWith(page.Page.Items.Select(pack => pack.Pack));
                told.UnionWith((page.Page.Failed ?? []).Select(failure => failure.Pack));
                foreach (RestorePack pack in page.Page.Items)
                {
                    if (journal.IsDone(pack.Pack))
                    {
                        placement.NoteDone(pack.Pack);
                    }
                    else if (!placement.Wants(pack.Pack))
                    {
                        others.Add(new Listed(page, pack));
                    }
                    else
                    {
                        await listed.WriteAsync(new Listed(page, pack), cancellationToken);
                    }
                }

                foreach (RestorePackFailure failure in page.Page.Failed ?? [])
                {
                    if (journal.IsDone(failure.Pack))
                    {
                        placement.NoteDone(failure.Pack);
                        continue; // It was brought back while it was well.
                    }

                    if (!placement.Wants(failure.Pack))
                    {
                        Interlocked.Increment(ref _accounted);
                        continue;
                    }

                    lost.Add(failure.Study);
                    if (failure.Passing)
                    {
                        passing.Add((after, failure));
                    }
                    else
                    {
                        await fetched.WriteAsync(Fetched.Failed(failure), cancellationToken);
                    }
                }

                after = page.Page.Next;
            }
            while (after is not null);

            // What a lost pack held was uploaded again, if it was, into another of its set, which the snapshot does not name. A pack whose loss was made good is
            // told no more.
            bool isAnyOther = lost.Contains(null) || placement.WantsBeyond(told);
            foreach (Listed other in others)
            {
                if (isAnyOther || lost.Contains(other.Pack.Study))
                {
                    await listed.WriteAsync(other, cancellationToken);
                }
                else
                {
                    Interlocked.Increment(ref _accounted);
                }
            }

            await AskAgainAsync(passing, listed, fetched, waits, cancellationToken);
        }
        finally
        {
            listed.TryComplete();
        }
    }

    private async Task AskAgainAsync(
        List<(string? After, RestorePackFailure Failure)> passing, ChannelWriter<Listed> listed, ChannelWriter<Fetched> fetched, Func<CancellationToken, Task<bool>> waits, CancellationToken cancellationToken)
    {
        long began = network.Clock.GetTimestamp();
        TimeSpan wait = network.Options.FirstDelay;
        while (passing.Count > 0 && network.Clock.GetElapsedTime(began) < network.Options.ItemPatience)
        {
            await Task.Delay(wait, network.Clock, cancellationToken);
            wait = wait * 2 < network.Options.LongestDelay ? wait * 2 : network.Options.LongestDelay;
            foreach (string? after in passing.Select(one => one.After).Distinct().ToArray())
            {
                ListedPage page = await listing.ReadAsync(after, waits, cancellationToken);
                foreach (RestorePack pack in page.Page.Items.Where(pack => passing.RemoveAll(one => one.Failure.Pack == pack.Pack) > 0))
                {
                    await listed.WriteAsync(new Listed(page, pack), cancellationToken);
                }
            }
        }

        foreach ((_, RestorePackFailure failure) in passing)
        {
            await fetched.WriteAsync(Fetched.Failed(failure), cancellationToken);
        }
    }

    private async Task FetchAsync(ChannelReader<Listed> listed, RangedDownload download, TargetFolder target, ChannelWriter<Fetched> fetched, CancellationToken cancellationToken)
    {
        await foreach ((ListedPage page, RestorePack pack) in listed.ReadAllAsync(cancellationToken))
        {
            // Not given back before the pack is unpacked: what is budgeted is the disk.
            await _budget.TakeAsync(pack.Length, cancellationToken);
            FileStream? file = null;
            try
            {
                file = target.CreateTemporary();
                await download.RunAsync((refused, cancellation) => page.UrlAsync(pack.Pack, refused, cancellation), pack.Length, file.SafeFileHandle, cancellationToken);
                Interlocked.Exchange(ref _unreachable, 0);
                Interlocked.Increment(ref _fetched);
                await fetched.WriteAsync(new Fetched(pack, file, null, false, 0, false), cancellationToken);
            }
            catch (DownloadRefusedException error)
            {
                await DisposeAsync(file);
                bool missing = error.Status == HttpStatusCode.NotFound;
                await fetched.WriteAsync(new Fetched(pack, null, missing ? "the pack is missing from storage" : error.Message, Integrity: true, pack.Wanted?.Count ?? 1, MayPass: !missing), cancellationToken);
            }
            catch (ServiceUnreachableException error) when (Interlocked.Increment(ref _unreachable) < UnreachableInARow)
            {
                await DisposeAsync(file);
                _lastUnreachable = error;
                await fetched.WriteAsync(new Fetched(pack, null, error.Message, Integrity: false, pack.Wanted?.Count ?? 1, MayPass: true), cancellationToken);
            }
            catch
            {
                await DisposeAsync(file);
                throw;
            }
        }
    }

    private static ValueTask DisposeAsync(FileStream? file) => file?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static async Task HandOverAsync(IReadOnlyList<Task> fetching, ChannelWriter<Fetched> fetched, CancellationTokenSource stop)
    {
        try
        {
            await FirstFailure.WhenAllAsync(fetching, stop);
        }
        finally
        {
            fetched.TryComplete();
        }
    }

    private async Task UnpackAsync(ChannelReader<Fetched> fetched, TargetFolder target, IProgressStep step, CancellationToken cancellationToken)
    {
        await foreach (Fetched pack in fetched.ReadAllAsync(cancellationToken))
        {
            await UnpackAsync(pack, target, cancellationToken);
            step.Add(pack.Length);
        }
    }

    private async Task UnpackAsync(Fetched fetched, TargetFolder target, CancellationToken cancellationToken)
    {
        if (fetched.File is not { } file)
        {
            if (!placement.NoteFailed(fetched.Id, fetched.Why!, fetched.Integrity))
            {
                PackUnpacking.Fail(fetched.Id, fetched.Files, fetched.Why!, _tally, fetched.Integrity);
            }

            Note(fetched.Pack, fetched.Integrity, fetched.MayPass);
            _budget.Give(fetched.Pack?.Length ?? 0);
            return;
        }

        RestorePack pack = fetched.Pack!;
        IReadOnlyList<FileReport> files;
        await using (file)
        {
            PackIdentity expected = new(restore.Clinic, pack.Pack, pack.Study, pack.Length, pack.Sha256);
            files = await PackUnpacking.RunAsync(file, () => Unwrap(pack), expected, pack.Wanted, target, placement, _tally, cancellationToken);
        }

        _budget.Give(pack.Length);
        Note(
            pack,
            damaged: files.Any(one => one is { Outcome: FileOutcome.Failed, Integrity: true }),
            mayPass: files.Any(one => one.Outcome is FileOutcome.Failed or FileOutcome.Exists && !one.Integrity));
        journal.NoteDone(pack.Pack, pack.Length, files);
    }

    private ContentKey Unwrap(RestorePack pack)
    {
        lock (_noting)
        {
            return KeyWrapping.Unwrap(pack.ContentKey, key);
        }
    }

    /// <summary>A pack is accounted for. Of one that is damaged the archive is told, looks for itself, and has it uploaded again where it is so.</summary>
    private void Note(RestorePack? pack, bool damaged, bool mayPass)
    {
        Interlocked.Increment(ref _accounted);
        lock (_noting)
        {
            _mayPass |= mayPass;
            if (damaged && pack is not null && _damaged.Count < RestoreReport.MaxDamaged)
            {
                _damaged.Add(pack.Pack);
            }
        }
    }

    /// <summary>A pack that is to be fetched.</summary>
    private sealed record Listed(ListedPage Page, RestorePack Pack);

    /// <summary>A pack that was fetched, or why not.</summary>
    private sealed record Fetched(RestorePack? Pack, FileStream? File, string? Why, bool Integrity, int Files, bool MayPass)
    {
        private PackId _id;

        public PackId Id => Pack?.Pack ?? _id;

        public long Length => Pack?.Length ?? 0;

        /// <summary>One that the service could not hand out.</summary>
        public static Fetched Failed(RestorePackFailure failure) =>
            new(null, null, Describe(failure), failure.Destroyed is null && failure.Cause is not (PackFailure.KeyUnavailable or PackFailure.TimedOut), failure.Files, failure.Passing) { _id = failure.Pack };

        private static string Describe(RestorePackFailure failure) => failure.Destroyed switch
        {
            { At: { } at, Destruction: { } id } => $"destroyed on {at.UtcDateTime:yyyy-MM-dd}, when its time was over: certificate {id}",
            { } => "is being destroyed, because its time is over",
            null => failure.Cause.InPlainWords(),
        };
    }
}
