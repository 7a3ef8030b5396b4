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
        StaffConnection connection = new(environment);
        Argument<string> clinic = new("clinic") { Description = "The clinic's id: 3 to 40 of a-z, 0-9 and '-'; it cannot be changed later" };
        Option<string> name = new("--name") { Description = "What people call it", Required = true };
        Option<int> years = new("--retention-years") { Description = "How long a study is kept after the later of its date and its upload; later it can only be raised", DefaultValueFactory = _ => 10 };
        Option<bool> noApproval = new("--no-approval") { Description = "Let one admin restore more than one study without a second admin's approval" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("create", "Make a clinic (admin of all clinics).") { clinic, name, years, noApproval, json };
        connection.AddTo(command, clinic: false);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (!ClinicId.TryParse(parsed.GetValue(clinic), null, out ClinicId id)) throw new UsageException($"'{parsed.GetValue(clinic)}' is no clinic's id: 3 to 40 of a-z, 0-9 and '-'.");
            using ArchiveClient client = connection.Connect(parsed);
            CreateClinicRequest request = new(id, parsed.GetValue(name)!, parsed.GetValue(years), RequireApproval: !parsed.GetValue(noApproval));
            ClinicResponse made = await client.PostAsync<ClinicResponse>("v1/clinics", request, repeatable: true, cancellationToken);
            if (parsed.GetValue(json)) environment.WriteJson(made);
            else environment.Out.WriteLine($"Clinic {made.Clinic} ({made.Name}) is there; studies are kept {made.RetentionYears} years. Next: cloudarchive enrollment create --clinic {made.Clinic}");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
