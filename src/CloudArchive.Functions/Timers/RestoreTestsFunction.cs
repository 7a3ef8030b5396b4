using CloudArchive.Api;
using CloudArchive.Core;
using CloudArchive.Core.RestoreTests;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Starts a run of restore tests for every clinic. <see cref="Housekeeping"/> works them off.</summary>
public sealed class RestoreTestsFunction(AppSettings settings, RestoreTestSchedule schedule)
{
    /// <summary>Every day at 03:00 UTC.</summary>
    [Function("RestoreTests")]
    public async Task RunAsync([TimerTrigger(RestoreTestSchedule.Ncrontab)] TimerInfo timer, FunctionContext context, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Recovery);
        ScheduledStarts starts = await schedule.StartAsync(timer.IsPastDue, Requester.System("restore-test-timer", context.InvocationId), cancellationToken);
        if (starts.Failed > 0)
        {
            throw new TimerFailedException($"{starts.Failed} clinics have no restore test today; the log names each.");
        }
    }
}
