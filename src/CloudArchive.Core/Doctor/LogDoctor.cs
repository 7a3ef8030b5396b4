using System.Runtime.CompilerServices;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Doctor;

/// <summary>Audit logs: each has a fresh checkpoint, where anything was appended since the last.</summary>
public sealed class LogDoctor(AuditReader reader, Checkpoints checkpoints, ClinicDirectory clinics, TimeProvider clock) : IDoctor
{
    // They are made every hour; one run may be late.
    private static readonly TimeSpan s_fresh = TimeSpan.FromHours(2);

    /// <inheritdoc/>
    public async IAsyncEnumerable<DoctorCheck> ExamineAsync(HostDuties duties, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        IReadOnlyList<ClinicId> some = await clinics.ListAsync(null, DoctorLimits.MostClinics, cancellationToken);
        List<string> stale = [];
        List<string> damaged = [];
        foreach (string log in some.Select(clinic => clinic.Value).Prepend(AuditEntry.SystemLog))
        {
            try
            {
                long size = (await reader.GetHeadAsync(log, cancellationToken)).Size;
                SignedCheckpoint? last = await checkpoints.FindLastAsync(log, cancellationToken);
                if (size > (last?.Statement.Size ?? 0) && clock.GetUtcNow() - await OldestOpenAsync(log, last?.Statement.Size ?? 0, cancellationToken) > s_fresh)
                {
                    stale.Add(log);
                }
                else if (size < last?.Statement.Size)
                {
                    damaged.Add(log);
                }
            }
            catch (AuditLogDamagedException)
            {
                damaged.Add(log);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                stale.Add($"{log} (could not look: {e.GetType().Name})");
            }
        }

        yield return damaged.Count > 0
            ? new DoctorCheck("audit-logs", DoctorVerdict.Failed, $"damaged: {string.Join(", ", damaged)}", "every log continues its last checkpoint", "docs/audit.md, \"When a log is damaged\".")
            : new DoctorCheck("audit-logs", DoctorVerdict.Ok, "no log is shorter than its last checkpoint", "every log continues its last checkpoint");
        yield return stale.Count > 0
            ? new DoctorCheck("checkpoints", DoctorVerdict.Failed, $"entries without a checkpoint for more than {s_fresh.TotalHours:0} hours: {string.Join(", ", stale)}", "every log has a fresh checkpoint", "Is the recovery app up, and its timer on? The app's log says why a checkpoint was not made.")
            : new DoctorCheck("checkpoints", DoctorVerdict.Ok, $"fresh: the system's and those of {DoctorLimits.Of(some.Count)}", "every log has a fresh checkpoint");
    }

    /// <summary>When the first entry was appended that no checkpoint covers.</summary>
    private async Task<DateTimeOffset> OldestOpenAsync(string log, long from, CancellationToken cancellationToken)
    {
        StoredEntry first = (await reader.ReadAsync(log, from, 1, cancellationToken))[0];
        return System.Text.Json.JsonSerializer.Deserialize<AuditEntry>(first.Json, FormatJson.Options)!.Time;
    }
}
