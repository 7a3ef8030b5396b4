using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Doctor;

/// <summary>All doctors, one after the other. One that cannot look is a check that failed, and keeps no other from looking.</summary>
public sealed partial class ServiceDoctor(IEnumerable<IDoctor> doctors, ILogger<ServiceDoctor> logger)
{
    /// <summary>Looks at everything.</summary>
    public async Task<IReadOnlyList<DoctorCheck>> ExamineAsync(HostDuties duties, CancellationToken cancellationToken)
    {
        List<DoctorCheck> checks = [];
        foreach (IDoctor doctor in doctors)
        {
            try
            {
                await foreach (DoctorCheck check in doctor.ExamineAsync(duties, cancellationToken))
                {
                    checks.Add(check);
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                string name = doctor.GetType().Name;
                LogFailed(logger, e, name);
                checks.Add(new DoctorCheck(name, DoctorVerdict.Failed, $"could not look: {e.GetType().Name}", "an answer", "The service's log has the error."));
            }
        }

        return checks;
    }

    [LoggerMessage(131, LogLevel.Error, "{Doctor} could not look.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string doctor);
}
