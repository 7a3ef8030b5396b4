using CloudArchive.Api;
using CloudArchive.Core.Audit;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>A signed checkpoint of every log.</summary>
public sealed class CheckpointsFunction(AppSettings settings, CheckpointRun run)
{
    /// <summary>Every hour.</summary>
    [Function("Checkpoints")]
    public async Task RunAsync([TimerTrigger("0 0 * * * *")] TimerInfo timer, FunctionContext context, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Recovery);
        CheckpointRunResult result = await run.MakeAllAsync(context.InvocationId, cancellationToken);
        if (result.Failed.Count > 0)
        {
            throw new TimerFailedException($"{result.Failed.Count} of {result.Logs} logs have no checkpoint of this run; the log names each.");
        }
    }
}
