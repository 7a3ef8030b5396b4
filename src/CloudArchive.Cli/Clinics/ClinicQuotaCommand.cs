using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Clinics;

/// <summary><c>clinic quota</c>.</summary>
internal static class ClinicQuotaCommand
{
    private const long Gigabyte = 1_000_000_000;

    public static Command Create(CliEnvironment environment)
    {
        Option<int?> gigabytes = new("--gigabytes") { Description = "Gigabytes that the clinic may archive in a day (UTC)" };
        Option<int?> packs = new("--packs") { Description = "Packs that the clinic may archive in a day (UTC)" };
        return StaffCommand.Act(
            environment,
            "quota",
            "Set how much a clinic may archive in a day (admin of all clinics, second factor).",
            [gigabytes, packs],
            call => call.Value(gigabytes) is null && call.Value(packs) is null
                ? throw new UsageException("Give --gigabytes, --packs or both.")
                : call.PutAsync<ClinicResponse>($"{call.Clinic}/settings", new ClinicSettingsRequest(DailyBytes: call.Value(gigabytes) * Gigabyte, DailyPacks: call.Value(packs))),
            (output, clinic) => output.WriteLine($"Clinic {clinic.Clinic} may archive {Describe(clinic)}."));
    }

    /// <summary>For people.</summary>
    public static string Describe(ClinicResponse clinic) => $"{Texts.Size(clinic.DailyBytes)} and {Texts.Count(clinic.DailyPacks, "pack")} a day";
}
