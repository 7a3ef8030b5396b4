using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Clinics;

/// <summary><c>clinic create</c>.</summary>
internal static class ClinicCreateCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Argument<string> clinic = new("clinic") { Description = "The clinic's id: 3 to 40 of a-z, 0-9 and '-'; it cannot be changed later" };
        Option<string> name = new("--name") { Description = "What people call it", Required = true };
        Option<int> years = new("--retention-years") { Description = "How long a study is kept after the later of its date and its upload; later it can only be raised", DefaultValueFactory = _ => 10 };
        Option<bool> noApproval = new("--no-approval") { Description = "Let one admin restore more than one study without a second admin's approval" };
        return StaffCommand.Act(
            environment,
            "create",
            "Make a clinic (admin of all clinics).",
            [clinic, name, years, noApproval],
            call =>
            {
                string id = call.Parsed.GetValue(clinic)!;
                return call.PostAsync<ClinicResponse>("v1/clinics", new CreateClinicRequest(
                    ClinicId.TryParse(id, null, out ClinicId valid) ? valid : throw new UsageException($"'{id}' is no clinic's id: 3 to 40 of a-z, 0-9 and '-'."),
                    call.Value(name)!,
                    call.Value(years),
                    RequireApproval: !call.Value(noApproval)));
            },
            (output, made) => output.WriteLine($"Clinic {made.Clinic} ({made.Name}) is there; studies are kept {made.RetentionYears} years. Next: cloudarchive enrollment create --clinic {made.Clinic}"),
            clinic: false);
    }
}
