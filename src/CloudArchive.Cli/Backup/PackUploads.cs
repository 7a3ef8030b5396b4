using System.Runtime.CompilerServices;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.Backup;

/// <summary>A pack that did not get its receipt in this run; the others went on.</summary>
/// <param name="Study">Its study.</param>
/// <param name="Files">How many files.</param>
/// <param name="First">The first of them; null where only the pack is known.</param>
/// <param name="Code">What kind of failure it was.</param>
/// <param name="Why">What happened, for people.</param>
public sealed record FailedPack(Uid Study, int Files, string? First, ExitCode Code, string Why)
{
    /// <summary>Whether an error may be one pack's: all but the caller's cancellation and a state that cannot be written.</summary>
    public static bool IsOfOnePack(Exception error, CancellationToken cancellationToken) =>
        !(error is OperationCanceledException && cancellationToken.IsCancellationRequested) && error is not (SqliteException or LocalFailureException or NotEnrolledException);

    /// <summary>Whether it is surely no pack's fault, so that the next would only fail the same.</summary>
    public static bool IsOfAll(Exception error) => error is ServiceUnreachableException { IsOutage: true } or QuotaUsedUpException || !IsOfOnePack(error, CancellationToken.None);

    /// <summary>A pack that was to be made.</summary>
    public static FailedPack Of(Uid study, int files, string? first, Exception error)
    {
        (ExitCode code, string why) = Failures.Describe(error);
        return new FailedPack(study, files, first, code, why);
    }

    /// <summary>A pack whose commit was to be repeated.</summary>
    public static FailedPack Of(Sidecar sidecar, Exception error) => Of(sidecar.Study, sidecar.Instances.Count, null, error);
}

/// <summary>
/// Uploads packs side by side. One that fails is told and left for the next run, and the others go on; where several fail in a row and none
/// succeeds, it is no pack's fault, and no more are begun.
/// </summary>
public sealed class PackUploads(AgentSession session, Uplink uplink, int atOnce)
{
    private const int MostInARow = 3;
    private readonly BlockBuffers _buffers = new(Uplink.MostInFlight + atOnce);
    private readonly HashSet<PackId> _tried = [];
    private readonly List<FailedPack> _failed = [];
    private readonly Lock _gate = new();
    private Exception? _stopped;
    private int _inARow;

    /// <summary>The packs that failed.</summary>
    public IReadOnlyList<FailedPack> Failed => _failed;

    /// <summary>Why no more were begun; null where all were.</summary>
    public Exception? Stopped => _stopped;

    /// <summary>Whether a pack that an earlier run began was taken up in this one.</summary>
    public bool HasTried(PackId pack) => _tried.Contains(pack);

    /// <summary>Uploads packs. What is in one that fails goes into no other of this run.</summary>
    /// <param name="queue">Those to be made and those to go on with; closed on return, so that whoever fills it need not wait for room.</param>
    /// <param name="step">Told of bytes.</param>
    /// <param name="taken">Told of each pack that is to be made.</param>
    /// <param name="done">Told of each receipt.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task RunAsync(
        PackQueue queue, IProgressStep step, Action<PlannedPack> taken, Action<UploadedPack> done, CancellationToken cancellationToken)
    {
        PackUpload upload = new(session, _buffers, uplink, step);
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = atOnce, CancellationToken = cancellationToken };
        try
        {
            await Parallel.ForEachAsync(JobsAsync(queue, upload, cancellationToken), parallel, async (job, cancellation) =>
            {
                try
                {
                    if (job.Planned is { } planned)
                    {
                        taken(planned);
                    }

                    UploadedPack? uploaded = await job.RunAsync(cancellation);
                    Note(job, uploaded, done);
                }
                catch (Exception error) when (!(error is OperationCanceledException && cancellation.IsCancellationRequested))
                {
                    Note(job, error);
                }
                finally
                {
                    queue.Done();
                }
            });
        }
        finally
        {
            queue.Close();
        }
    }

    private async IAsyncEnumerable<Job> JobsAsync(PackQueue queue, PackUpload upload, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (QueuedPack queued in queue.TakeAllAsync(cancellationToken))
        {
            if (_stopped is not null)
            {
                yield break;
            }

            if (queued.Begun is { } begun)
            {
                _tried.Add(begun.Plan.Header.Pack);
                yield return new Job(begun.Plan.Study.Study, begun.Files, null, cancellation => upload.ResumeAsync(begun.Plan, begun.Files, cancellation));
                continue;
            }

            PlannedPack planned = queued.Planned!;
            yield return new Job(planned.Study.Study, [.. planned.Files.Select(f => f.File)], planned, cancellation => upload.RunAsync(planned, cancellation));
        }
    }

    private void Note(Job job, UploadedPack? uploaded, Action<UploadedPack> done)
    {
        lock (_gate)
        {
            _inARow = 0;
        }

        if (uploaded is not null)
        {
            done(uploaded);
        }
        else if (job.Planned is { } planned)
        {
            session.State.NoteReleased(planned); // what is left of it is tried once more, and told
        }
    }

    private void Note(Job job, Exception error)
    {
        lock (_gate)
        {
            _failed.Add(FailedPack.Of(job.Study, job.Files.Count, job.Files[0].Path, error));
            if (++_inARow >= MostInARow || FailedPack.IsOfAll(error))
            {
                _stopped ??= error;
            }
        }
    }

    private sealed record Job(Uid Study, IReadOnlyList<PendingFile> Files, PlannedPack? Planned, Func<CancellationToken, Task<UploadedPack?>> RunAsync);
}
