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
    private readonly HashSet<Sha256Digest> _failedContents = [];
    private readonly List<FailedPack> _failed = [];
    private readonly Lock _gate = new();
    private Exception? _stopped;
    private int _inARow;

    /// <summary>The packs that failed.</summary>
    public IReadOnlyList<FailedPack> Failed => _failed;

    /// <summary>Why no more were begun; null where all were.</summary>
    public Exception? Stopped => _stopped;

    /// <summary>Whether a file was in a pack that failed in this run: it is left for the next.</summary>
    public bool HasFailed(PendingFile file)
    {
        lock (_gate)
        {
            return _failedContents.Contains(file.Instance.Sha256);
        }
    }

    /// <summary>Uploads packs: first those that were begun before.</summary>
    /// <param name="begun">Begun by earlier runs.</param>
    /// <param name="planned">To be made, in order; read one at a time.</param>
    /// <param name="step">Told of bytes.</param>
    /// <param name="done">Told of each receipt; one at a time.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task RunAsync(
        IEnumerable<(UploadPlan Plan, IReadOnlyList<PendingFile> Files)> begun, IEnumerable<PlannedPack> planned, IProgressStep step, Action<UploadedPack> done, CancellationToken cancellationToken)
    {
        PackUpload upload = new(session, _buffers, uplink, step);
        IEnumerable<Job> jobs = begun.Select(b => new Job(b.Plan.Study.Study, b.Files, cancellation => upload.ResumeAsync(b.Plan, b.Files, cancellation)))
            .Concat(planned.Select(p => new Job(p.Study.Study, [.. p.Files.Select(f => f.File)], cancellation => upload.RunAsync(p, cancellation))));
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = atOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(jobs.TakeWhile(_ => _stopped is null), parallel, async (job, cancellation) =>
        {
            try
            {
                UploadedPack? uploaded = await job.RunAsync(cancellation);
                lock (_gate)
                {
                    _inARow = 0;
                    if (uploaded is not null)
                    {
                        done(uploaded);
                    }
                }
            }
            catch (Exception error) when (!(error is OperationCanceledException && cancellation.IsCancellationRequested))
            {
                Note(job, error);
            }
        });
    }

    private void Note(Job job, Exception error)
    {
        lock (_gate)
        {
            _failed.Add(FailedPack.Of(job.Study, job.Files.Count, job.Files[0].Path, error));
            _failedContents.UnionWith(job.Files.Select(f => f.Instance.Sha256));
            if (++_inARow >= MostInARow || !FailedPack.IsOfOnePack(error, CancellationToken.None))
            {
                _stopped ??= error;
            }
        }
    }

    private sealed record Job(Uid Study, IReadOnlyList<PendingFile> Files, Func<CancellationToken, Task<UploadedPack?>> RunAsync);
}
