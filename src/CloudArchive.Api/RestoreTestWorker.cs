using System.Threading.Channels;
using CloudArchive.Core;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Format;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Api;

/// <summary>
/// Goes on with a clinic's restore tests as soon as one was asked for, outside of the request. What a host's end interrupts, the
/// timer's <see cref="Housekeeping"/> goes on with.
/// </summary>
public sealed partial class RestoreTestWorker(RestoreTestRunner runner, ILogger<RestoreTestWorker> logger) : BackgroundService
{
    private static readonly TimeSpan _budget = TimeSpan.FromHours(1);
    private readonly Channel<ClinicId> _clinics = Channel.CreateBounded<ClinicId>(new BoundedChannelOptions(100) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>A run of the clinic waits.</summary>
    public void Wake(ClinicId clinic) => _clinics.Writer.TryWrite(clinic);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (ClinicId clinic in _clinics.Reader.ReadAllAsync(stoppingToken))
        {
            try
            {
                await runner.RunAsync(clinic, _budget, Requester.System("restore-test-worker", $"restore-test-{clinic}"), stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(logger, e, clinic);
            }
        }
    }

    [LoggerMessage(302, LogLevel.Error, "Restore tests of clinic {Clinic} stopped; the timer goes on with them.")]
    private static partial void LogFailed(ILogger logger, Exception exception, ClinicId clinic);
}
