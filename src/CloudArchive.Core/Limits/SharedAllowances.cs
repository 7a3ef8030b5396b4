using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Limits;

/// <summary>So many of something for somebody in a minute.</summary>
/// <param name="Kind">Of what, such as <c>token</c>.</param>
/// <param name="Who">Whose: an agent, a clinic, an address.</param>
/// <param name="PerMinute">How many.</param>
public readonly record struct Allowance(string Kind, string Who, int PerMinute);

/// <summary>
/// Allowances that all instances of the service share (ADR 58). An instance takes a share of a minute's allowance from a row, under its ETag, and gives out of
/// that without a call; where nothing is left it asks no more until the minute is over. So never more is given out in a minute than the allowance. Somebody
/// whose requests went to several instances may be told to wait early: by what those took and did not give out, less than a share each.
/// </summary>
/// <remarks>
/// Where the table does not answer within <see cref="Patience"/>, an instance counts by itself for <see cref="Alone"/>, up to the whole allowance: an allowance
/// bounds cost, and to refuse a clinic its backup over it would cost more. What must not be guessed is counted by <see cref="Packs.DailyQuotas"/>.
/// </remarks>
public sealed partial class SharedAllowances(IRowStore rows, TimeProvider clock, ILogger<SharedAllowances> logger)
{
    /// <summary>Into how many shares an allowance is split; one of fewer than so many is counted one by one.</summary>
    public const int Shares = 20;

    /// <summary>More than the shares that there are, so that whoever loses so often in turn has met a fault.</summary>
    private const int MaxAttempts = 2 * Shares;

    // Rows of a minute spread over so many partitions: one takes about 2,000 changes a second.
    private const int Partitions = 16;
    private const string Partition = "$limits";
    private const string Taken = "taken";
    private const int Minute = 60;

    /// <summary>How long a request waits for the table.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>How long the table is not asked again once it did not answer.</summary>
    public static readonly TimeSpan Alone = TimeSpan.FromSeconds(15);

    private readonly Lock _gate = new();
    private Window _window = new(0);
    private DateTimeOffset _aloneUntil;

    /// <summary>Takes one. Null where there was one; else how long until there is again.</summary>
    public async ValueTask<TimeSpan?> TakeAsync(Allowance allowance, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        Window window = WindowAt(now);
        Share share = window.Of(allowance);
        if (share.TryGive())
        {
            return null;
        }

        await share.OneAtATime.WaitAsync(cancellationToken);
        try
        {
            while (!share.TryGive())
            {
                if (share.IsUsedUp || !await TryRefillAsync(window, share, allowance, now, cancellationToken))
                {
                    return window.Left(now);
                }
            }

            return null;
        }
        finally
        {
            share.OneAtATime.Release();
        }
    }

    /// <summary>Deletes the rows of minutes that are over, at most 1000; returns how many.</summary>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        string to = Prefix((clock.GetUtcNow() - TimeSpan.FromMinutes(10)).ToUnixTimeSeconds() / Minute);
        int swept = 0;
        for (int i = 0; i < Partitions && swept < RowStoreExtensions.MostRows; i++)
        {
            string partition = PartitionOf(i);
            IReadOnlyList<Row> over = await rows.QueryAsync(RowTable.Work, partition, "0", to, RowStoreExtensions.MostRows - swept, cancellationToken);
            foreach (Row[] batch in over.Chunk(100))
            {
                await rows.DeleteUnchangedAsync(RowTable.Work, partition, batch, cancellationToken);
            }

            swept += over.Count;
        }

        return swept;
    }

    private Window WindowAt(DateTimeOffset now)
    {
        long minute = now.ToUnixTimeSeconds() / Minute;
        lock (_gate)
        {
            // A clock that is set back begins its minute anew.
            return _window.Number == minute ? _window : _window = new Window(minute);
        }
    }

    private async Task<bool> TryRefillAsync(Window window, Share share, Allowance allowance, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (now >= AloneUntil())
        {
            try
            {
                using CancellationTokenSource patience = new(Patience, clock);
                using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
                return await TryTakeShareAsync(window, share, allowance, either.Token);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                lock (_gate)
                {
                    _aloneUntil = now + Alone;
                }

                LogAlone(logger, e, allowance.Kind);
            }
        }

        return share.TryTakeAlone(allowance.PerMinute);
    }

    private DateTimeOffset AloneUntil()
    {
        lock (_gate)
        {
            return _aloneUntil;
        }
    }

    private async Task<bool> TryTakeShareAsync(Window window, Share share, Allowance allowance, CancellationToken cancellationToken)
    {
        // Hashed, so that it cannot hold what a key must not, and no address is kept.
        string digest = Sha256Digest.Of(Encoding.UTF8.GetBytes($"{allowance.Kind} {allowance.Who}")).Hex;
        string partition = PartitionOf(Convert.ToInt32(digest[..2], 16) % Partitions);
        string key = $"{Prefix(window.Number)}:{digest}";
        for (int attempt = 0; attempt < MaxAttempts; attempt++)
        {
            int size = (int)Math.Min(Math.Max(1, allowance.PerMinute / Shares), allowance.PerMinute - share.TakenByAll);
            if (size <= 0)
            {
                share.IsUsedUp = true;
                return false;
            }

            Dictionary<string, object> values = new() { [Taken] = share.TakenByAll + size };
            try
            {
                RowWrite write = share.ETag is null ? new RowWrite.Insert(key, values) : new RowWrite.Replace(key, values, share.ETag);
                share.ETag = (await rows.SubmitAsync(RowTable.Work, partition, [write], cancellationToken))[0];
                share.TakenByAll += size;
                share.Fill(size);
                return true;
            }
            catch (RowConflictException)
            {
                // Another instance took a share since; or the row was swept, by a clock that is far ahead.
                Row? row = await rows.FindAsync(RowTable.Work, partition, key, cancellationToken);
                share.ETag = row?.ETag;
                share.TakenByAll = Math.Max(share.TakenByAll, row is null ? 0 : DamagedRow.Read(row, one => one.Number(Taken)!.Value));
            }
        }

        throw new TimeoutException($"{MaxAttempts} other changes of an allowance came between.");
    }

    private static string PartitionOf(int number) => $"{Partition}{number:x}";

    private static string Prefix(long minute) => minute.ToString("d12", CultureInfo.InvariantCulture);

    [LoggerMessage(520, LogLevel.Warning, "The table of allowances does not answer ({Kind}): this instance counts by itself for a while.", EventName = "AllowancesAlone")]
    private static partial void LogAlone(ILogger logger, Exception exception, string kind);

    /// <summary>A minute, and what this instance took of it.</summary>
    private sealed class Window(long number)
    {
        private readonly ConcurrentDictionary<(string Kind, string Who), Share> _shares = new();

        public long Number => number;

        public Share Of(Allowance allowance) => _shares.GetOrAdd((allowance.Kind, allowance.Who), _ => new Share());

        public TimeSpan Left(DateTimeOffset now) => DateTimeOffset.FromUnixTimeSeconds((number + 1) * Minute) - now is var left && left > TimeSpan.FromSeconds(1) ? left : TimeSpan.FromSeconds(1);
    }

    /// <summary>What this instance took for somebody and has not given out.</summary>
    private sealed class Share
    {
        private int _left;
        private int _alone;

        public SemaphoreSlim OneAtATime { get; } = new(1);

        public long TakenByAll { get; set; }

        public string? ETag { get; set; }

        public bool IsUsedUp { get; set; }

        public bool TryGive()
        {
            int left = Volatile.Read(ref _left);
            while (left > 0)
            {
                int seen = Interlocked.CompareExchange(ref _left, left - 1, left);
                if (seen == left)
                {
                    return true;
                }

                left = seen;
            }

            return false;
        }

        public void Fill(int size) => Interlocked.Add(ref _left, size);

        public bool TryTakeAlone(int most)
        {
            if (_alone >= most)
            {
                return false;
            }

            _alone++;
            Fill(1);
            return true;
        }
    }
}
