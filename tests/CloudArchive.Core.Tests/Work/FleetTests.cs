using System.Globalization;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Core.Work;
using CloudArchive.Format.Audit;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Work;

/// <summary>
/// Days of all clinics' work in virtual time: the real timer, runner and rows, a queue that keeps its contract, hosts that die at 30 minutes and at random.
/// The work itself is a stand-in that takes as many calls to storage as <see cref="JobCallsTests"/> counts of the real one, 10 ms each.
/// </summary>
public sealed class FleetTests
{
    [Fact]
    public Task Three_hundred_clinics_for_five_days() => RunAsync(clinics: 300, days: 5);

    /// <summary>Some minutes.</summary>
    [Fact(Explicit = true)]
    public Task Ten_thousand_clinics_for_a_day() => RunAsync(clinics: 10_000, days: 1);

    /// <summary>More than an hour.</summary>
    [Fact(Explicit = true)]
    public Task Ten_thousand_clinics_for_a_month() => RunAsync(clinics: 10_000, days: 30);

    private static async Task RunAsync(int clinics, int days)
    {
        Fleet fleet = new(clinics, seed: 2026);
        await fleet.RunAsync(TimeSpan.FromDays(days));
        foreach (Job job in Jobs.All)
        {
            // Between one period and the next nothing is left out, and nothing is done twice.
            foreach (string scope in fleet.ScopesOf(job))
            {
                IReadOnlyList<DateTimeOffset> done = fleet.DoneOf(job, scope);
                Assert.Equal(done.Count, done.Distinct().Count());
                IReadOnlyList<DateTimeOffset> due = fleet.DueOf(job, scope, TimeSpan.FromDays(days));
                Assert.Empty(done.Except(due));

                // A tick that died sends with the next one; a slice that died is taken up when its lease is over. What is due every minute is due once then, and nothing else is left out.
                int missing = due.Except(done).Count();
                int may = job.Every >= TimeSpan.FromHours(1) ? 0 : fleet.DeadTicks + (fleet.DeadSlicesOf(job, scope) * ((int)(JobRunner.Limit / job.Every) + 1));
                Assert.True(missing <= may, $"{job.Name} of {scope}: {missing} of {due.Count} times are missing, and {may} may be");
            }

            // And it begins soon after it is due, though large clinics are at work for hours.
            Assert.True(fleet.LatestOf(job) < TimeSpan.FromMinutes(30), $"{job.Name} was {fleet.LatestOf(job)} late");
        }

        Assert.True(fleet.LongestSlice <= JobRunner.Limit, $"{fleet.LongestSlice}");
        Assert.True(fleet.LongestTick < TimeSpan.FromMinutes(5), $"{fleet.LongestTick}");
        Assert.True(fleet.Deaths > clinics / 10, $"{fleet.Deaths} hosts died");
        Assert.Equal(0, fleet.GivenUp);
        Assert.True(fleet.Waiting < clinics, $"{fleet.Waiting} messages wait");
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{fleet.Slices:N0} slices, {fleet.Calls:N0} calls, {fleet.Deaths:N0} deaths; longest slice {fleet.LongestSlice}, longest tick {fleet.LongestTick}, busiest {fleet.MostWorkers} workers"));
    }

    private sealed class Died : Exception;

    /// <summary>By the slice that is at work: what it calls takes time, of itself alone.</summary>
    private sealed class SliceClock(DateTimeOffset start) : FakeTimeProvider(start)
    {
        public TimeSpan Spent { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Spent;

        public override long GetTimestamp() => GetUtcNow().Ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;
    }

    private sealed class Fleet : IServiceProvider, IRowStore
    {
        private const int WorkersOfRole = 32;
        private static readonly DateTimeOffset s_start = new(2026, 3, 2, 0, 0, 0, TimeSpan.Zero);
        private static readonly TimeSpan s_call = TimeSpan.FromMilliseconds(10);
        private static readonly TimeSpan s_hidden = TimeSpan.FromMinutes(1);
        private readonly SliceClock _clock = new(s_start);
        private readonly MemoryRowStore _rows = new();
        private readonly string[] _clinics;
        private readonly Random _random;
        private readonly Dictionary<(string Job, string Scope), List<DateTimeOffset>> _done = [];
        private readonly Dictionary<string, TimeSpan> _late = [];
        private readonly Dictionary<(string Job, string Scope), int> _deadSlices = [];
        private readonly Role[] _roles;
        private long? _diesAt;
        private long _callsOfSlice;
        private bool _dead;

        public Fleet(int clinics, int seed)
        {
            _random = new Random(seed);
            _clinics = [.. Enumerable.Range(0, clinics).Select(i => string.Create(CultureInfo.InvariantCulture, $"clinic-{i:d5}"))];
            _roles = [new Role(this, ArchiveRole.Ingest), new Role(this, ArchiveRole.Recovery)];
        }

        public long Slices { get; private set; }

        public long Calls { get; private set; }

        public int Deaths { get; private set; }

        public int GivenUp { get; private set; }

        public int DeadTicks { get; private set; }

        public int MostWorkers { get; private set; }

        public TimeSpan LongestSlice { get; private set; }

        public TimeSpan LongestTick { get; private set; }

        public int Waiting => _roles.Sum(role => role.Queue.Count);

        public IEnumerable<string> ScopesOf(Job job) => (job.Scopes.HasFlag(JobScopes.Archive) ? [AuditEntry.SystemLog] : Array.Empty<string>()).Concat(job.Scopes.HasFlag(JobScopes.Clinics) ? _clinics : []);

        public IReadOnlyList<DateTimeOffset> DoneOf(Job job, string scope) => _done.GetValueOrDefault((job.Name, scope)) ?? [];

        /// <summary>When it was due, after the first tick and up to the last one.</summary>
        public IReadOnlyList<DateTimeOffset> DueOf(Job job, string scope, TimeSpan time)
        {
            List<DateTimeOffset> due = [];
            for (DateTimeOffset at = job.LastDue(scope, s_start + time - TimeSpan.FromMinutes(1)); at > s_start; at -= job.Every)
            {
                due.Add(at);
            }

            return due;
        }

        public int DeadSlicesOf(Job job, string scope) => _deadSlices.GetValueOrDefault((job.Name, scope));

        public TimeSpan LatestOf(Job job) => _late.GetValueOrDefault(job.Name);

        public async Task RunAsync(TimeSpan time)
        {
            foreach (string[] some in _clinics.Chunk(100))
            {
                await _rows.SubmitAsync(RowTable.Clinics, ClinicRows.Index, [.. some.Select(clinic => new RowWrite.Insert(clinic, new Dictionary<string, object>()))], CancellationToken.None);
            }

            DateTimeOffset now = s_start, end = s_start + time;
            foreach (Role role in _roles)
            {
                await role.TickAsync();
            }

            // Once it is over, what is under way is ended: no tick more.
            while (now < end || _roles.Any(role => role.Queue.Next < end + TimeSpan.FromHours(1)))
            {
                Role role = _roles.MinBy(role => role.NextAt(now < end))!;
                now = role.NextAt(now < end) is var next && next > now ? next : now;
                if (now >= end + TimeSpan.FromHours(1))
                {
                    break;
                }

                _clock.SetUtcNow(now);
                await role.StepAsync(now, now < end);
            }
        }

        // The work: as many calls as the real one takes, in slices where it takes long.
        public object GetService(Type serviceType) => new StandIn(this, Jobs.All.First(job => job.Work == serviceType));

        private sealed class StandIn(Fleet fleet, Job job) : IWork
        {
            public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
            {
                if (slice.Cursor is null)
                {
                    TimeSpan late = fleet._clock.GetUtcNow() - slice.Due;
                    fleet._late[job.Name] = late > fleet._late.GetValueOrDefault(job.Name) ? late : fleet._late.GetValueOrDefault(job.Name);
                }

                long began = fleet._clock.GetTimestamp();
                int left = slice.Cursor is { } cursor ? int.Parse(cursor, CultureInfo.InvariantCulture) : fleet.CallsOf(job, slice);
                while (left > 0)
                {
                    fleet.Call();
                    left--;
                    if (fleet._clock.GetElapsedTime(began) >= Job.Budget)
                    {
                        return SliceEnd.More(left.ToString(CultureInfo.InvariantCulture));
                    }
                }

                (string, string) key = (job.Name, slice.Scope);
                if (!fleet._done.TryGetValue(key, out List<DateTimeOffset>? done))
                {
                    fleet._done[key] = done = [];
                }

                // A host that dies right after it was done does it again: of the work itself that is the jobs' own tests' to see.
                if (done.Count == 0 || done[^1] != slice.Due)
                {
                    done.Add(slice.Due);
                }

                await Task.CompletedTask;
                return SliceEnd.Finished();
            }
        }

        /// <summary>What the real work takes; of one clinic in a hundred a thousand times as much: it is large.</summary>
        private int CallsOf(Job job, Slice slice) => JobCallsTests.Most[job.Name] * (slice.Scope.EndsWith("50", StringComparison.Ordinal) && job.Every >= TimeSpan.FromDays(1) ? 1000 : 1);

        private void Call()
        {
            if (_dead)
            {
                throw new Died();
            }

            Calls++;
            _callsOfSlice++;
            _clock.Spent += s_call;
            if (_callsOfSlice == _diesAt || _clock.Spent > TimeSpan.FromMinutes(30))
            {
                _dead = true;
                Deaths++;
                throw new Died();
            }
        }

        /// <summary>One function run: what it took. One in a thousand dies at a moment of its own.</summary>
        private async Task<(TimeSpan Took, bool Ended)> RunAsync(Func<Task> run)
        {
            (_callsOfSlice, _dead, _clock.Spent) = (0, false, TimeSpan.Zero);
            _diesAt = _random.Next(1000) == 0 ? _random.Next(1, 12) : null;
            bool ended = true;
            try
            {
                await run();
            }
            catch (Died)
            {
                ended = false;
            }

            TimeSpan took = _clock.Spent;
            _clock.Spent = TimeSpan.Zero;
            return (took, ended && !_dead);
        }

        Task IRowStore.EnsureReadyAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        Task<Row?> IRowStore.FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken)
        {
            Call();
            return _rows.FindAsync(table, partition, key, cancellationToken);
        }

        Task<IReadOnlyList<Row>> IRowStore.QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken)
        {
            Call();
            return _rows.QueryAsync(table, partition, from, to, take, cancellationToken);
        }

        IAsyncEnumerable<string> IRowStore.PartitionsAsync(RowTable table, CancellationToken cancellationToken) => _rows.PartitionsAsync(table, cancellationToken);

        Task<IReadOnlyList<string>> IRowStore.SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken)
        {
            Call();
            return _rows.SubmitAsync(table, partition, writes, cancellationToken);
        }

        /// <summary>An app: its queue, its workers, its tick.</summary>
        private sealed class Role
        {
            private readonly Fleet _fleet;
            private readonly ArchiveRole _role;
            private readonly JobTimer _timer;
            private readonly JobRunner _runner;
            private readonly PriorityQueue<int, DateTimeOffset> _workers = new();
            private DateTimeOffset _tick = s_start.AddMinutes(1);

            public Role(Fleet fleet, ArchiveRole role)
            {
                (_fleet, _role) = (fleet, role);
                Queue = new MemoryWorkQueue(fleet._clock);
                CountedQueue counted = new(fleet, Queue);
                AlertDesk alerts = new(fleet._rows, new Outbox(fleet._rows, new AuditLog(fleet._rows, fleet._clock), fleet._clock), fleet._clock, NullLogger<AlertDesk>.Instance);
                _timer = new JobTimer(fleet, new ClinicDirectory(fleet, null!, null!, fleet._clock), counted, alerts, fleet._clock, NullLogger<JobTimer>.Instance);
                _runner = new JobRunner(fleet, counted, alerts, fleet, fleet._clock, NullLogger<JobRunner>.Instance);
                for (int worker = 0; worker < WorkersOfRole; worker++)
                {
                    _workers.Enqueue(worker, s_start);
                }
            }

            public MemoryWorkQueue Queue { get; }

            /// <summary>When this app does something next: a tick, or a message as soon as a worker is free.</summary>
            public DateTimeOffset NextAt(bool ticks)
            {
                _workers.TryPeek(out _, out DateTimeOffset free);
                DateTimeOffset message = Queue.Next is { } at ? (at > free ? at : free) : DateTimeOffset.MaxValue;
                return ticks && _tick < message ? _tick : message;
            }

            public async Task TickAsync()
            {
                // Dies it may, and another begins with the next minute.
                (TimeSpan took, bool ended) = await _fleet.RunAsync(() => _timer.TickAsync(_role, isToBeUp: true, CancellationToken.None));
                _fleet.LongestTick = took > _fleet.LongestTick ? took : _fleet.LongestTick;
                _fleet.DeadTicks += ended ? 0 : 1;
            }

            public async Task StepAsync(DateTimeOffset now, bool ticks)
            {
                if (ticks && _tick <= now)
                {
                    _tick += TimeSpan.FromMinutes(1);
                    await TickAsync();
                    return;
                }

                if (await Queue.ReceiveAsync(1, s_hidden, CancellationToken.None) is not [var message])
                {
                    return;
                }

                int worker = _workers.Dequeue();
                if (message.Attempts > JobRunner.Attempts)
                {
                    _fleet.GivenUp++;
                }

                (TimeSpan took, bool ended) = await _fleet.RunAsync(() => _runner.RunAsync(_role, message.Text, CancellationToken.None));
                _fleet.Slices++;
                _fleet.LongestSlice = took > _fleet.LongestSlice ? took : _fleet.LongestSlice;
                _workers.Enqueue(worker, now + took);
                _fleet.MostWorkers = Math.Max(_fleet.MostWorkers, _workers.UnorderedItems.Count(item => item.Priority > now));

                // The host keeps the message hidden as long as its function runs.
                QueuedMessage? kept = await Queue.HideAsync(message, took + s_hidden, CancellationToken.None);
                if (ended)
                {
                    await Queue.DeleteAsync(kept!, CancellationToken.None);
                }
                else
                {
                    WorkMessage work = WorkMessage.Parse(message.Text);
                    _fleet._deadSlices[(work.Job, work.Scope)] = _fleet._deadSlices.GetValueOrDefault((work.Job, work.Scope)) + 1;
                }
            }
        }

        private sealed class CountedQueue(Fleet fleet, IWorkQueue inner) : IWorkQueue
        {
            public Task EnsureReadyAsync(CancellationToken cancellationToken) => Task.CompletedTask;

            public Task SendAsync(string text, TimeSpan after, CancellationToken cancellationToken)
            {
                // A tick sends sixteen at a time.
                fleet.Call();
                return inner.SendAsync(text, after, cancellationToken);
            }

            public Task<IReadOnlyList<QueuedMessage>> ReceiveAsync(int most, TimeSpan hidden, CancellationToken cancellationToken) => inner.ReceiveAsync(most, hidden, cancellationToken);

            public Task<QueuedMessage?> HideAsync(QueuedMessage message, TimeSpan hidden, CancellationToken cancellationToken) => inner.HideAsync(message, hidden, cancellationToken);

            public Task DeleteAsync(QueuedMessage message, CancellationToken cancellationToken) => inner.DeleteAsync(message, cancellationToken);
        }
    }
}
