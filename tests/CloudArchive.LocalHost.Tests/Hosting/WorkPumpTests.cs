using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.LocalHost.Hosting;
using CloudArchive.LocalHost.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace CloudArchive.LocalHost.Tests.Hosting;

/// <summary>The pump on Azurite's queue and tables, with work that the test makes up.</summary>
public sealed class WorkPumpTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Work_is_done_slice_by_slice_and_goes_on_after_a_stop_in_its_middle()
    {
        ClinicId clinic = ClinicId.Parse("pump-" + Guid.NewGuid().ToString("N")[..8]);
        await shared.Storage.Rows.SubmitAsync(RowTable.Clinics, "$clinics", [new RowWrite.Upsert(clinic.Value, new Dictionary<string, object>())], Cancel);
        Azure.Queues.WorkQueue queue = shared.Storage.OpenQueue("pump-" + Guid.NewGuid().ToString("N"));
        await queue.EnsureReadyAsync(Cancel);
        Steps steps = new() { HangsAt = 2 };
        using (WorkPump first = Pump(queue, steps, out JobTimer timer))
        {
            await first.StartAsync(Cancel);
            await timer.StartAsync(Jobs.RestoreTest, clinic, Cancel);
            await steps.At(2).WaitAsync(TimeSpan.FromMinutes(1), Cancel);
            await first.StopAsync(Cancel);
        }

        // The message is hidden for a while yet; what was not ended is resumed at the start.
        steps.HangsAt = null;
        using WorkPump second = Pump(queue, steps, out JobTimer again);
        await again.ResumeAsync(Cancel); // as a pump that keeps the schedule does at its start
        await second.StartAsync(Cancel);
        await steps.At(4).WaitAsync(TimeSpan.FromMinutes(1), Cancel);
        await second.StopAsync(Cancel);
        Assert.Equal(["", "1", "2", "2", "3"], steps.Cursors);
    }

    private WorkPump Pump(IWorkQueue queue, Steps steps, out JobTimer timer)
    {
        IRowStore rows = shared.Storage.Rows;
        TimeProvider clock = TimeProvider.System;
        Outbox outbox = new(rows, new AuditLog(rows, clock), clock);
        AlertDesk alerts = new(rows, outbox, clock, NullLogger<AlertDesk>.Instance);
        timer = new JobTimer(rows, new ClinicDirectory(rows, null!, outbox, clock), queue, alerts, clock, NullLogger<JobTimer>.Instance);
        return new WorkPump(timer, new JobRunner(rows, queue, alerts, steps, clock, NullLogger<JobRunner>.Instance), queue, new WorkSchedule(false), clock, NullLogger<WorkPump>.Instance);
    }

    /// <summary>Four slices; one of them may hang until its host stops.</summary>
    private sealed class Steps : IWork, IServiceProvider
    {
        private readonly TaskCompletionSource[] _at = [.. Enumerable.Range(0, 5).Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously))];

        public List<string> Cursors { get; } = [];

        public int? HangsAt { get; set; }

        public Task At(int step) => _at[step].Task;

        public object GetService(Type serviceType) => this;

        public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
        {
            int step = slice.Cursor is { } cursor ? int.Parse(cursor, System.Globalization.CultureInfo.InvariantCulture) : 0;
            Cursors.Add(slice.Cursor ?? "");
            _at[step].TrySetResult();
            if (step == HangsAt)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }

            if (step == 3)
            {
                _at[4].TrySetResult();
            }

            return step == 3 ? SliceEnd.Finished() : SliceEnd.More((step + 1).ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
    }
}
