using System.Globalization;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Packs;

/// <summary>What was committed on a day (UTC).</summary>
/// <param name="Bytes">As they lie in storage.</param>
/// <param name="Packs">Packs.</param>
public readonly record struct DailyUse(long Bytes, long Packs)
{
    /// <summary>Whether nothing more is taken. The pack that goes beyond is: else one larger than the quota would never be.</summary>
    public bool IsUsedUp(DailyQuota quota) => Bytes >= quota.Bytes || Packs >= quota.Packs;
}

/// <summary>
/// How much of its daily quota each clinic has used: what is locked can be removed by nobody for years, so there is an end to what a stolen key can have locked
/// in a day. One row a clinic, changed in the very transaction that records a commit: each pack is counted once, whatever instance takes it and however often
/// it is repeated, and where the count cannot be written there is no commit.
/// </summary>
public sealed partial class DailyQuotas(IRowStore rows, AlertDesk alerts, TimeProvider clock, ILogger<DailyQuotas> logger)
{
    /// <summary>The row.</summary>
    internal const string Key = "quota";

    /// <summary>What the alert is about.</summary>
    internal const string AlertSubject = "daily-quota";

    /// <summary>When the day ends.</summary>
    public DateTimeOffset DayEnds => new(clock.GetUtcNow().UtcDateTime.Date.AddDays(1), TimeSpan.Zero);

    /// <summary>What the clinic used today.</summary>
    public async Task<DailyUse> ReadAsync(ClinicId clinic, CancellationToken cancellationToken) =>
        UseOf(await rows.FindAsync(RowTable.Work, clinic.Value, Key, cancellationToken));

    /// <summary><see cref="Refusal.QuotaUsedUp"/> where nothing more is taken today.</summary>
    public async Task CheckAsync(Clinic clinic, Requester by, CancellationToken cancellationToken)
    {
        if ((await ReadAsync(clinic.Id, cancellationToken)).IsUsedUp(clinic.Quota))
        {
            throw await RefuseAsync(clinic, by, cancellationToken);
        }
    }

    /// <summary>The write that counts a pack, for the transaction that records its commit; <see cref="Refusal.QuotaUsedUp"/> as <see cref="CheckAsync"/>.</summary>
    internal async Task<RowWrite> CountAsync(Clinic clinic, long bytes, Requester by, CancellationToken cancellationToken)
    {
        Row? row = await rows.FindAsync(RowTable.Work, clinic.Id.Value, Key, cancellationToken);
        DailyUse use = UseOf(row);
        if (use.IsUsedUp(clinic.Quota))
        {
            throw await RefuseAsync(clinic, by, cancellationToken);
        }

        Dictionary<string, object> values = new() { ["day"] = Today(), ["bytes"] = use.Bytes + bytes, ["packs"] = use.Packs + 1 };
        return row is null ? new RowWrite.Insert(Key, values) : new RowWrite.Replace(Key, values, row.ETag!);
    }

    /// <summary>Ends the alert of a day that is over, or of a quota that was raised.</summary>
    public async Task FollowAsync(Clinic clinic, Requester by, CancellationToken cancellationToken)
    {
        if (!(await ReadAsync(clinic.Id, cancellationToken)).IsUsedUp(clinic.Quota))
        {
            await alerts.EndAsync(clinic.Id, AlertCause.QuotaUsedUp, AlertSubject, by, cancellationToken);
        }
    }

    /// <summary>A row that cannot be read counts as none: whoever may write rows could set it to nothing as well, and it must not keep a clinic from its backup.</summary>
    private DailyUse UseOf(Row? row)
    {
        try
        {
            return row is not null && DamagedRow.Read(row, one => (Day: one.Text("day"), Use: new DailyUse(one.Number("bytes")!.Value, one.Number("packs")!.Value))) is var read && read.Day == Today()
                ? read.Use
                : default;
        }
        catch (IntegrityException e)
        {
            LogDamaged(logger, e);
            return default;
        }
    }

    private string Today() => clock.GetUtcNow().UtcDateTime.ToString("yyyyMMdd", CultureInfo.InvariantCulture);

    private async Task<RefusedException> RefuseAsync(Clinic clinic, Requester by, CancellationToken cancellationToken)
    {
        DateTimeOffset ends = DayEnds;
        string quota = string.Create(CultureInfo.InvariantCulture, $"{clinic.Quota.Bytes:N0} bytes or {clinic.Quota.Packs:N0} packs a day");
        string message = $"The clinic's daily quota ({quota}) is used up: nothing more is archived until {ends.UtcDateTime:yyyy-MM-dd HH:mm} UTC. "
            + "Is that a first backup, or does a computer send what it should not? See docs/operations.md, \"A clinic's quota is used up\".";
        try
        {
            await alerts.RaiseAsync(new Alert(clinic.Id, AlertCause.QuotaUsedUp, AlertSubject, message), by, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // That nobody could be told of it makes the answer no other.
            LogNotRaised(logger, e, clinic.Id);
        }

        return new RefusedException(
            Refusal.QuotaUsedUp,
            $"The clinic may archive {quota}, and that is used up. It goes on at {ends.UtcDateTime:yyyy-MM-dd HH:mm} UTC by itself; the archive's operator can raise the quota before.")
        {
            RetryAfter = ends - clock.GetUtcNow(),
        };
    }

    [LoggerMessage(530, LogLevel.Error, "What a clinic used of its quota cannot be read; the day is counted anew.", EventName = "RowDamaged")]
    private static partial void LogDamaged(ILogger logger, Exception exception);

    [LoggerMessage(531, LogLevel.Error, "The alert that clinic {Clinic} used its quota up could not be raised.")]
    private static partial void LogNotRaised(ILogger logger, Exception exception, ClinicId clinic);
}
