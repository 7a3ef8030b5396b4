using System.Globalization;
using System.Text.Json;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Core.Verdicts;

/// <summary>
/// Notes in a clinic's log whether its objectives are met, once a day (UTC) and whenever that changes, which is where reports have it from: a day without an entry was not
/// checked. Has alerts follow. The last state is in <see cref="RowTable.Work"/>, in the clinic's partition, as <c>objectives</c>.
/// </summary>
public sealed class ObjectiveDesk(IRowStore rows, Outbox outbox, AlertDesk alerts, TimeProvider clock)
{
    private const string Key = "objectives";

    /// <summary>What alerts about objectives are about.</summary>
    internal const string Subject = "objectives";

    /// <summary>A state as entries and rows have it, such as <c>not-met</c>.</summary>
    public static string Name(ObjectiveState state) => JsonNamingPolicy.KebabCaseLower.ConvertName(state.ToString());

    /// <summary>Follows what a look found.</summary>
    /// <param name="found">The clinic.</param>
    /// <param name="silent">Whether nothing is heard of it at all: that is an alert of its own, which says as much of what may be lost.</param>
    /// <param name="by">Who looks.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task FollowAsync(CheckedClinic found, bool silent, Requester by, CancellationToken cancellationToken)
    {
        ClinicId clinic = found.Clinic.Id;
        await NoteAsync(clinic, found.Objectives, by, cancellationToken);
        await FollowAsync(clinic, AlertCause.RecoveryTimeMissed, found.Objectives.RecoveryTime, isOver: false, by, cancellationToken);
        if (!silent)
        {
            await FollowAsync(clinic, AlertCause.RecoveryPointMissed, found.Objectives.RecoveryPoint, isOver: found.Active.Count == 0, by, cancellationToken);
        }
    }

    private async Task NoteAsync(ClinicId clinic, MeasuredObjectives now, Requester by, CancellationToken cancellationToken)
    {
        (string time, string point) = (Name(now.RecoveryTime.State), Name(now.RecoveryPoint.State));
        string day = clock.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        while (true)
        {
            Row? row = await rows.FindAsync(RowTable.Work, clinic.Value, Key, cancellationToken);
            string unknown = Name(ObjectiveState.NotChecked);
            (string timeBefore, string pointBefore) = (row?.Text("recoveryTime") ?? unknown, row?.Text("recoveryPoint") ?? unknown);
            if ((day, time, point) == (row?.Text("day"), timeBefore, pointBefore))
            {
                return;
            }

            Dictionary<string, object> values = new() { ["day"] = day, ["recoveryTime"] = time, ["recoveryPoint"] = point };
            Dictionary<string, string> details = new()
            {
                ["recoveryPoint"] = point,
                ["recoveryPointBefore"] = pointBefore,
                ["recoveryTime"] = time,
                ["recoveryTimeBefore"] = timeBefore,
                ["rpoHours"] = now.RecoveryPoint.Hours.ToString(CultureInfo.InvariantCulture),
                ["rtoHours"] = now.RecoveryTime.Hours.ToString(CultureInfo.InvariantCulture),
            };
            AuditEvent entry = new(clinic.Value, AuditActions.ObjectivesMeasured, AuditOutcome.Success, by.Actor, new AuditSubject(clinic.Value), by.Origin, Details: details);
            try
            {
                RowWrite write = row is null ? new RowWrite.Insert(Key, values) : new RowWrite.Replace(Key, values, row.ETag!);
                await outbox.SubmitAsync(RowTable.Work, clinic.Value, [write], entry, cancellationToken);
                return;
            }
            catch (RowConflictException)
            {
                // Another look at the same time: look at it anew.
            }
        }
    }

    /// <summary>What nobody knows ends no alert.</summary>
    private async Task FollowAsync(ClinicId clinic, AlertCause cause, MeasuredObjective measured, bool isOver, Requester by, CancellationToken cancellationToken)
    {
        if (measured.State == ObjectiveState.NotMet)
        {
            await alerts.RaiseAsync(new Alert(clinic, cause, Subject, $"{measured.Why} See docs/operations.md, \"An objective is missed\"."), by, cancellationToken);
        }
        else if (measured.State == ObjectiveState.Met || isOver)
        {
            await alerts.EndAsync(clinic, cause, Subject, by, cancellationToken);
        }
    }
}
