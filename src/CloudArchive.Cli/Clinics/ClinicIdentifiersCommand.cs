using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Clinics;

/// <summary><c>clinic identifiers</c>.</summary>
internal static class ClinicIdentifiersCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<string> match = new("--match") { Description = "spelling: case and spaces do not count; zeros: nor do zeros at the beginning", Required = true };
        match.AcceptOnlyFromAmong("exact", "spelling", "zeros");
        return StaffCommand.Act(
            environment,
            "identifiers",
            "Set when two spellings of a Patient ID or accession number are one: in searches, holds, restores and disclosures (admin of all clinics, second factor).",
            [match],
            call => call.PutAsync<ClinicResponse>($"{call.Clinic}/settings", new ClinicSettingsRequest(IdentifierMatch: Enum.Parse<IdentifierMatch>(call.Value(match)!, ignoreCase: true))),
            (output, clinic) => output.WriteLine($"Clinic {clinic.Clinic}: {IdentifierForms.Describe(clinic.IdentifierMatch)}."));
    }
}
