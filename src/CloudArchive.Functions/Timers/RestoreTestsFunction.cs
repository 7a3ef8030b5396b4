using CloudArchive.Api;
using CloudArchive.Core;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Format;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Functions.Timers;

/// <summary>Starts a run of restore tests for every clinic. <see cref="Housekeeping"/> works them off.</summary>
public sealed partial class RestoreTestsFunction(AppSettings settings, ClinicDirectory clinics, RestoreTestDesk desk, ILogger<RestoreTestsFunction> logger)
{
    // One of the longest untested, one at random. docs/scale.md counts with it.
    private const int PacksPerRun = 2;

    private const int PageSize = 100;

    /// <summary>Every day at 01:00 UTC.</summary>
    [Function("RestoreTests")]
    public async Task RunAsync([TimerTrigger("0 0 1 * * *")] TimerInfo timer, FunctionContext context, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Recovery);
        Requester by = Requester.System("restore-test-timer", context.InvocationId);
        int failed = 0;
        IReadOnlyList<ClinicId> page;
        ClinicId? after = null;
        do
        {
            page = await clinics.ListAsync(after, PageSize, cancellationToken);
            foreach (ClinicId clinic in page)
            {
                failed += await StartAsync(clinic, by, cancellationToken) ? 0 : 1;
                after = clinic;
            }
        }
        while (page.Count == PageSize);

        if (failed > 0)
        {
            throw new TimerFailedException($"{failed} clinics have no restore test today; the log names each.");
        }
    }

    private async Task<bool> StartAsync(ClinicId clinic, Requester by, CancellationToken cancellationToken)
    {
        try
        {
            await desk.StartAsync(clinic, PacksPerRun, by, cancellationToken);
            return true;
        }
        catch (RefusedException e) when (e.Refusal == Refusal.NothingToRestore)
        {
            return true; // No pack yet.
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // One clinic's trouble must not keep the others from their tests.
            LogNotStarted(logger, e, clinic);
            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Error, EventName = "RestoreTestNotStarted", Message = "No restore test of clinic {Clinic} was started.")]
    private static partial void LogNotStarted(ILogger logger, Exception exception, ClinicId clinic);
}
