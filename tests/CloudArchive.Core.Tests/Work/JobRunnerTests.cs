using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Work;

/// <summary>Ticks, messages and slices, with work that a test makes up in the place of a job's own.</summary>
public sealed class JobRunnerTests
{
    private const string Scope = "smile-dental";
    private static readonly DateTimeOffset Start = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);
    private readonly MemoryRowStore _rows = new();
    private readonly FakeTimeProvider _clock = new(Start);
    private readonly MadeUp _work = new();
    private readonly MemoryWorkQueue _queue;

    public JobRunnerTests() => _queue = new MemoryWorkQueue(_clock);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Job Retention => Jobs.Find("retention");

    [Fact]
    public async Task Work_goes_on_slice_by_slice_from_its_cursor_until_it_is_done_and_is_due_again_at_its_next_time()
    {
        _work.Ends = new([SliceEnd.More("one"), SliceEnd.More("two", TimeSpan.FromHours(3)), SliceEnd.Finished()]);
        WorkMessage first = new(Retention.Name, Scope, Start, 0);
        await _queue.SendAsync(first.ToString(), TimeSpan.Zero, Cancel);
        Assert.Equal(3, await PumpAsync());
        Assert.Equal([(0, null), (1, "one"), (2, "two")], _work.Slices.Select(slice => (slice.Number, slice.Cursor)));
        Assert.All(_work.Slices, slice => Assert.Equal((Scope, Start), (slice.Scope, slice.Due)));
        Assert.True(_clock.GetUtcNow() - Start >= TimeSpan.FromHours(3));

        // What was done is not done again, however often its message comes.
        await _queue.SendAsync(first.ToString(), TimeSpan.Zero, Cancel);
        await PumpAsync();
        Assert.Equal(3, _work.Slices.Count);
        _work.Ends.Enqueue(SliceEnd.Finished());
        await _queue.SendAsync((first with { Due = Start.AddHours(1) }).ToString(), TimeSpan.Zero, Cancel);
        await PumpAsync();
        Assert.Equal((0, (string?)null), (_work.Slices[^1].Number, _work.Slices[^1].Cursor));
    }

    [Fact]
    public async Task Wherever_a_host_dies_the_work_is_done_and_no_slice_of_it_is_left_out()
    {
        // Every call that a run of three slices makes to rows and queue, one after the other: the host dies before it, or right after it.
        for (int call = 1; ; call++)
        {
            JobRunnerTests test = new();
            Mortal mortal = new(test._rows, test._queue, call);
            test._work.Ends = new(Enumerable.Range(1, 20).Select(n => n < 3 ? SliceEnd.More(n.ToString(System.Globalization.CultureInfo.InvariantCulture)) : SliceEnd.Finished()));
            test._work.IsStateless = true;
            await test._queue.SendAsync(new WorkMessage(Retention.Name, Scope, Start, 0).ToString(), TimeSpan.Zero, Cancel);
            await test.PumpAsync(mortal, mortal);
            Row state = (await test._rows.FindAsync(RowTable.Work, Scope, "job:" + Retention.Name, Cancel))!;
            Assert.True(state.Flag("done"), $"call {call}");
            Assert.Null(state.Time("leasedUntil"));
            Assert.Equal(["", "1", "2"], test._work.Slices.Select(slice => slice.Cursor ?? "").Distinct());
            Assert.Equal(0, test._queue.Count);
            if (!mortal.Died)
            {
                Assert.True(call > 10, "nothing was killed");
                return;
            }
        }
    }

    [Fact]
    public async Task Two_never_do_the_same_work_at_a_time()
    {
        _work.Ends = new([SliceEnd.Finished()]);
        _work.Gate = new TaskCompletionSource();
        WorkMessage message = new(Retention.Name, Scope, Start, 0);
        Task one = Runner().RunAsync(ArchiveRole.Both, message.ToString(), Cancel);
        await Runner().RunAsync(ArchiveRole.Both, message.ToString(), Cancel);
        Assert.Single(_work.Slices);
        Assert.Equal(1, _queue.Count); // it comes again, should the first one die
        _work.Gate.SetResult();
        await one;
        await PumpAsync();
        Assert.Single(_work.Slices);
    }

    [Fact]
    public async Task Who_died_at_it_keeps_nobody_from_it_for_longer_than_the_lease()
    {
        WorkMessage message = new(Retention.Name, Scope, Start, 0);
        JobState leased = JobState.Begin(message).Take(message, Start + JobRunner.Limit) with { Cursor = "half" };
        await _rows.SubmitAsync(RowTable.Work, Scope, [new RowWrite.Insert("job:" + Retention.Name, leased.Values())], Cancel);
        _work.Ends = new([SliceEnd.Finished()]);
        await _queue.SendAsync(message.ToString(), TimeSpan.Zero, Cancel);
        await PumpAsync();
        Assert.Equal("half", Assert.Single(_work.Slices).Cursor);
        Assert.InRange(_clock.GetUtcNow() - Start, JobRunner.Limit, JobRunner.Limit + TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task A_slice_that_does_not_end_is_ended()
    {
        _work.Gate = new TaskCompletionSource();
        Task run = Runner().RunAsync(ArchiveRole.Both, new WorkMessage(Retention.Name, Scope, Start, 0).ToString(), Cancel);
        _clock.Advance(JobRunner.Limit);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        Row state = (await _rows.FindAsync(RowTable.Work, Scope, "job:" + Retention.Name, Cancel))!;
        Assert.Null(state.Time("leasedUntil"));
        Assert.False(state.Flag("done"));
    }

    [Fact]
    public async Task What_fails_again_and_again_is_an_alert_that_says_why_and_goes_on_at_its_next_time_from_where_it_was()
    {
        _work.Ends = new([SliceEnd.More("half")]);
        _work.Fails = new InvalidDataException("of a patient whose name must not be told");
        WorkMessage message = new(Retention.Name, Scope, Start, 0);
        await _queue.SendAsync(message.ToString(), TimeSpan.Zero, Cancel);
        await PumpAsync();
        Assert.Equal(1 + JobRunner.Attempts, _work.Slices.Count);
        OpenAlert alert = Assert.Single(await Alerts.ListOpenAsync(Scope, Cancel));
        Assert.Equal((AlertCause.WorkFailed, "retention"), (alert.Cause, alert.Subject));
        string text = Assert.Single((await List.ListAsync(Scope, null, null, 10, Cancel)).Alerts).Alert.Message;
        Assert.Contains("retention of smile-dental failed 5 times in a row, the last time with InvalidDataException.", text, StringComparison.Ordinal);
        Assert.DoesNotContain("patient", text, StringComparison.Ordinal);

        _work.Fails = null;
        _work.Ends.Enqueue(SliceEnd.Finished());
        _clock.SetUtcNow(Start.AddDays(1));
        await _queue.SendAsync((message with { Due = Start.AddDays(1) }).ToString(), TimeSpan.Zero, Cancel);
        await PumpAsync();
        Assert.Equal("half", _work.Slices[^1].Cursor);
        Assert.Empty(await Alerts.ListOpenAsync(Scope, Cancel));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("\"retention\"")]
    [InlineData("""{"job":"retention","scope":"../x","due":"2026-01-01T00:00:00Z","number":0}""")]
    [InlineData("""{"job":"retention","scope":"smile-dental","due":"2026-03-05T00:00:00Z","number":0}""")] // to come
    [InlineData("""{"job":"no-such-job","scope":"smile-dental","due":"2026-01-01T00:00:00Z","number":0}""")]
    public async Task A_message_that_is_none_of_ours_is_left_out(string text)
    {
        await Assert.ThrowsAsync<FormatException>(() => Runner().RunAsync(ArchiveRole.Both, text, Cancel));
        await Runner().GiveUpAsync(ArchiveRole.Both, text, Cancel);
        Assert.Empty(_work.Slices);
        Assert.Empty(await Alerts.ListOpenAsync(AuditEntry.SystemLog, Cancel));
    }

    [Fact]
    public async Task What_is_another_roles_or_never_done_for_such_a_scope_is_not_begun_and_leaves_no_trace()
    {
        foreach (Job job in Jobs.All)
        {
            ArchiveRole other = job.Role == ArchiveRole.Ingest ? ArchiveRole.Recovery : ArchiveRole.Ingest;
            foreach (string scope in (string[])[Scope, AuditEntry.SystemLog])
            {
                string text = new WorkMessage(job.Name, scope, Start, 0).ToString();
                FormatException refused = await Assert.ThrowsAsync<FormatException>(() => Runner().RunAsync(other, text, Cancel));
                Assert.Contains($"asks {other} for {job.Name}", refused.Message, StringComparison.Ordinal);
                await Runner().GiveUpAsync(other, text, Cancel);
            }

            string never = new WorkMessage(job.Name, job.Scopes.HasFlag(JobScopes.Archive) ? Scope : AuditEntry.SystemLog, Start, 0).ToString();
            if (job.Scopes != (JobScopes.Archive | JobScopes.Clinics))
            {
                await Assert.ThrowsAsync<FormatException>(() => Runner().RunAsync(job.Role, never, Cancel));
            }
        }

        Assert.Empty(_work.Slices);
        Assert.Empty(await _rows.QueryAsync(RowTable.Work, Scope, RowRange.Prefix("job:"), 10, Cancel));
    }

    [Fact]
    public async Task A_row_that_cannot_be_read_begins_the_work_anew()
    {
        await _rows.SubmitAsync(RowTable.Work, Scope, [new RowWrite.Insert("job:" + Retention.Name, new Dictionary<string, object> { ["due"] = "once" })], Cancel);
        _work.Ends = new([SliceEnd.Finished()]);
        await Runner().RunAsync(ArchiveRole.Both, new WorkMessage(Retention.Name, Scope, Start, 0).ToString(), Cancel);
        Assert.Single(_work.Slices);
    }

    [Fact]
    public async Task Of_a_clinic_that_is_not_there_nothing_is_to_be_done()
    {
        _work.Fails = new RefusedException(Refusal.ClinicUnknown, "There is no such clinic.");
        await Runner().RunAsync(ArchiveRole.Both, new WorkMessage(Retention.Name, Scope, Start, 0).ToString(), Cancel);
        Assert.True((await _rows.FindAsync(RowTable.Work, Scope, "job:" + Retention.Name, Cancel))!.Flag("done"));
    }

    [Fact]
    public async Task A_clock_that_was_wrong_once_keeps_nothing_from_being_done()
    {
        WorkMessage ahead = new(Retention.Name, Scope, Start.AddYears(1), 0);
        JobState done = JobState.Begin(ahead) with { Done = true, LeasedUntil = Start.AddYears(1) };
        await _rows.SubmitAsync(RowTable.Work, Scope, [new RowWrite.Insert("job:" + Retention.Name, done.Values())], Cancel);
        _work.Ends = new([SliceEnd.Finished()]);
        await Runner().RunAsync(ArchiveRole.Both, new WorkMessage(Retention.Name, Scope, Start, 0).ToString(), Cancel);
        Assert.Single(_work.Slices);
    }

    [Fact]
    public async Task A_tick_sends_every_clinics_jobs_once_in_their_period_each_at_its_own_moment_and_what_fell_into_a_gap_at_once()
    {
        string[] clinics = [.. Enumerable.Range(0, 200).Select(i => $"clinic-{i:d3}")];
        foreach (string[] some in clinics.Chunk(100))
        {
            await _rows.SubmitAsync(RowTable.Clinics, ClinicRows.Index, [.. some.Select(clinic => new RowWrite.Insert(clinic, new Dictionary<string, object>()))], Cancel);
        }

        JobTimer timer = Timer(_rows, _queue);
        Assert.Equal(0, await timer.TickAsync(ArchiveRole.Both, isToBeUp: true, Cancel)); // from now on
        List<int> sent = [];
        for (int minute = 0; minute < 24 * 60; minute++)
        {
            _clock.Advance(TimeSpan.FromMinutes(1));
            sent.Add(await timer.TickAsync(ArchiveRole.Both, isToBeUp: true, Cancel));
        }

        List<WorkMessage> messages = await TakeAllAsync();
        foreach (Job job in Jobs.All.Where(job => job.Scopes.HasFlag(JobScopes.Clinics) && job.Every <= TimeSpan.FromDays(1)))
        {
            int times = (int)(TimeSpan.FromDays(1) / job.Every);
            Assert.All(clinics, clinic => Assert.Equal(times, messages.Count(message => message.Job == job.Name && message.Scope == clinic)));
        }

        Assert.Equal(messages.Count, messages.Distinct().Count());
        Assert.True(sent.Max() < 3 * sent.Average(), $"{sent.Max()} at a time, {sent.Average():f0} on the average");

        // Each role's own.
        Assert.All(await TickOfAsync(ArchiveRole.Ingest), message => Assert.Equal(ArchiveRole.Ingest, Jobs.Find(message.Job).Role));

        // Down for two days: each job once, and it is told.
        _clock.Advance(TimeSpan.FromDays(2));
        await timer.TickAsync(ArchiveRole.Both, isToBeUp: true, Cancel);
        messages = await TakeAllAsync();
        Assert.Equal(messages.Count, messages.DistinctBy(message => (message.Job, message.Scope)).Count());
        Assert.All(clinics, clinic => Assert.Single(messages, message => message.Job == "restore-test" && message.Scope == clinic));
        Assert.Equal(AlertCause.ScheduleMissed, Assert.Single(await Alerts.ListOpenAsync(AuditEntry.SystemLog, Cancel)).Cause);
    }

    [Fact]
    public async Task A_clinic_that_is_missing_in_the_list_gets_back_into_it_and_what_is_no_clinic_keeps_none_from_its_work()
    {
        ClinicDirectory clinics = new(_rows, null!, null!, _clock);
        await _rows.SubmitAsync(RowTable.Clinics, ClinicRows.Index, [new RowWrite.Insert("listed", new Dictionary<string, object>()), new RowWrite.Insert("No Clinic", new Dictionary<string, object>()), new RowWrite.Insert("x", new Dictionary<string, object>())], Cancel);
        await _rows.SubmitAsync(RowTable.Clinics, "taken-out", [new RowWrite.Insert(ClinicRows.ClinicKey, new Dictionary<string, object>())], Cancel);
        await _rows.SubmitAsync(RowTable.Audit, "log-alone", [new RowWrite.Insert("head", new Dictionary<string, object>())], Cancel);
        await _rows.SubmitAsync(RowTable.Audit, AuditEntry.SystemLog, [new RowWrite.Insert("head", new Dictionary<string, object>())], Cancel);
        Assert.Equal(["listed"], await clinics.ReadAllAsync(Cancel).Select(clinic => clinic.Value).ToListAsync(Cancel));
        ClinicCensus census = new(_rows, clinics, NullLogger<ClinicCensus>.Instance);
        Assert.True((await census.RunAsync(new Slice(AuditEntry.SystemLog, Start, 0, null, Requester.System("census", "test")), Cancel)).Done);
        Assert.Equal(["listed", "log-alone", "taken-out"], await clinics.ReadAllAsync(Cancel).Select(clinic => clinic.Value).ToListAsync(Cancel));
        Assert.Equal(["log-alone"], (await clinics.ListAsync(ClinicId.Parse("listed"), 1, Cancel)).Select(clinic => clinic.Value));
        Assert.NotEmpty(await TickOfAsync(ArchiveRole.Recovery));
    }

    [Fact]
    public async Task Work_that_is_asked_for_out_of_turn_is_done_though_it_was_done_in_the_same_moment()
    {
        _work.Ends = new([SliceEnd.Finished(), SliceEnd.Finished()]);
        JobTimer timer = Timer(_rows, _queue);
        ClinicId clinic = ClinicId.Parse(Scope);
        await timer.StartAsync(Retention.Name, clinic, Cancel);
        await PumpAsync();
        await timer.StartAsync(Retention.Name, clinic, Cancel);
        await PumpAsync();
        Assert.Equal([1, 1], _work.Slices.Select(slice => slice.Number)); // not the schedule's own begin
    }

    [Fact]
    public async Task A_host_that_lost_its_queue_goes_on_with_what_was_not_ended()
    {
        await _rows.SubmitAsync(RowTable.Clinics, ClinicRows.Index, [new RowWrite.Insert(Scope, new Dictionary<string, object>())], Cancel);
        _work.Ends = new([SliceEnd.More("one"), SliceEnd.Finished()]);
        await Runner().RunAsync(ArchiveRole.Both, new WorkMessage(Retention.Name, Scope, Start, 0).ToString(), Cancel);
        MemoryWorkQueue other = new(_clock);
        await Timer(_rows, other).ResumeAsync(Cancel);
        await PumpAsync(queue: other);
        Assert.Equal([null, "one"], _work.Slices.Select(slice => slice.Cursor));
        MemoryWorkQueue none = new(_clock);
        await Timer(_rows, none).ResumeAsync(Cancel);
        Assert.Equal(0, none.Count);
    }

    private AlertDesk Alerts => new(_rows, new Outbox(_rows, new AuditLog(_rows, _clock), _clock), _clock, NullLogger<AlertDesk>.Instance);

    private AlertList List => new(_rows, new Outbox(_rows, new AuditLog(_rows, _clock), _clock), _clock);

    private JobTimer Timer(IRowStore rows, IWorkQueue queue) => new(rows, new ClinicDirectory(rows, null!, null!, _clock), queue, Alerts, _clock, NullLogger<JobTimer>.Instance);

    private JobRunner Runner(IRowStore? rows = null, IWorkQueue? queue = null) => new(rows ?? _rows, queue ?? _queue, Alerts, _work, _clock, NullLogger<JobRunner>.Instance);

    /// <summary>What a host does, until nothing is left: hands out messages, deletes what was done, gives up what failed too often. Returns how many came.</summary>
    private async Task<int> PumpAsync(IRowStore? rows = null, IWorkQueue? queue = null)
    {
        IWorkQueue host = queue is MemoryWorkQueue own ? own : _queue;
        int came = 0;
        while ((host as MemoryWorkQueue)!.Next is { } next)
        {
            _clock.SetUtcNow(next > _clock.GetUtcNow() ? next : _clock.GetUtcNow());
            QueuedMessage message = Assert.Single(await host.ReceiveAsync(1, TimeSpan.FromMinutes(2), Cancel));
            came++;
            Assert.True(came < 1000, "It never ends.");
            try
            {
                await (message.Attempts > JobRunner.Attempts ? Runner(rows, queue).GiveUpAsync(ArchiveRole.Both, message.Text, Cancel) : Runner(rows, queue).RunAsync(ArchiveRole.Both, message.Text, Cancel));
                await host.DeleteAsync(message, Cancel);
            }
            catch (Exception e) when (e is Killed or InvalidDataException)
            {
                // It comes back.
            }
        }

        return came;
    }

    private async Task<List<WorkMessage>> TakeAllAsync()
    {
        List<WorkMessage> messages = [];
        while (await _queue.ReceiveAsync(32, TimeSpan.FromDays(1), Cancel) is { Count: > 0 } some)
        {
            foreach (QueuedMessage message in some)
            {
                messages.Add(WorkMessage.Parse(message.Text));
                await _queue.DeleteAsync(message, Cancel);
            }
        }

        return messages;
    }

    private async Task<List<WorkMessage>> TickOfAsync(ArchiveRole role)
    {
        await Timer(_rows, _queue).TickAsync(role, isToBeUp: false, Cancel);
        _clock.Advance(TimeSpan.FromHours(1));
        await Timer(_rows, _queue).TickAsync(role, isToBeUp: false, Cancel);
        List<WorkMessage> messages = await TakeAllAsync();
        Assert.NotEmpty(messages);
        return messages;
    }

    /// <summary>Any job's work: it ends as it is told.</summary>
    private sealed class MadeUp : IWork, IServiceProvider
    {
        public List<Slice> Slices { get; } = [];

        public Queue<SliceEnd> Ends { get; set; } = new();

        /// <summary>Whether a slice that comes again ends as it did before.</summary>
        public bool IsStateless { get; set; }

        public Exception? Fails { get; set; }

        public TaskCompletionSource? Gate { get; set; }

        public object GetService(Type serviceType) => this;

        public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
        {
            Slices.Add(slice);
            if (Gate is { } gate)
            {
                await gate.Task.WaitAsync(cancellationToken);
            }

            if (Fails is { } error && (Ends.Count == 0 || slice.Cursor is not null))
            {
                throw error;
            }

            return IsStateless ? Ends.ElementAt(slice.Cursor is { } cursor ? int.Parse(cursor, System.Globalization.CultureInfo.InvariantCulture) : 0) : Ends.Dequeue();
        }
    }

    private sealed class Killed : Exception;

    /// <summary>A host that dies at its n-th call to storage; then it is another one that lives.</summary>
    private sealed class Mortal(IRowStore rows, IWorkQueue queue, int fatal) : IRowStore, IWorkQueue
    {
        private int _calls;

        public bool Died { get; private set; }

        public Task EnsureReadyAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) => CallAsync(() => rows.FindAsync(table, partition, key, cancellationToken));

        public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
            CallAsync(() => rows.QueryAsync(table, partition, from, to, take, cancellationToken));

        public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => rows.PartitionsAsync(table, cancellationToken);

        public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
            CallAsync(() => rows.SubmitAsync(table, partition, writes, cancellationToken));

        public Task SendAsync(string text, TimeSpan after, CancellationToken cancellationToken) => CallAsync(async () =>
        {
            await queue.SendAsync(text, after, cancellationToken);
            return true;
        });

        public Task<IReadOnlyList<QueuedMessage>> ReceiveAsync(int most, TimeSpan hidden, CancellationToken cancellationToken) => queue.ReceiveAsync(most, hidden, cancellationToken);

        public Task<QueuedMessage?> HideAsync(QueuedMessage message, TimeSpan hidden, CancellationToken cancellationToken) => queue.HideAsync(message, hidden, cancellationToken);

        public Task DeleteAsync(QueuedMessage message, CancellationToken cancellationToken) => queue.DeleteAsync(message, cancellationToken);

        // Twice for each call: before it, and right after it. From then on this host says nothing more, not even in its catches, until the message comes again.
        private async Task<T> CallAsync<T>(Func<Task<T>> call)
        {
            if (Die())
            {
                throw new Killed();
            }

            T answer = await call();
            return Die() ? throw new Killed() : answer;
        }

        private bool Die()
        {
            bool dies = ++_calls == fatal || (Died && _calls <= fatal + 2);
            Died |= dies;
            return dies;
        }
    }
}
