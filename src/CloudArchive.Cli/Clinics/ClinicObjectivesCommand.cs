using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Clinics;

/// <summary><c>clinic objectives</c>.</summary>
internal static class ClinicObjectivesCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<int?> rto = new("--rto-hours") { Description = "Recovery time objective: in how many hours everything must be back [72 unless set]" };
        Option<int?> rpo = new("--rpo-hours") { Description = "Recovery point objective: how many hours of work may be lost [24 unless set]" };
        return StaffCommand.Act(
            environment,
            "objectives",
            "Set how fast a clinic must be back and how much work it may lose (admin of all clinics, second factor). clinic show says whether they are met.",
            [rto, rpo],
            call => call.Value(rto) is null && call.Value(rpo) is null
                ? throw new UsageException("Give --rto-hours, --rpo-hours or both.")
                : call.PutAsync<ClinicResponse>($"{call.Clinic}/settings", new ClinicSettingsRequest(RtoHours: call.Value(rto), RpoHours: call.Value(rpo))),
            (output, clinic) => output.WriteLine($"Clinic {clinic.Clinic}: everything back within {Texts.Count(clinic.RtoHours, "hour")}, at most {Texts.Count(clinic.RpoHours, "hour")} of work lost."));
    }
}
