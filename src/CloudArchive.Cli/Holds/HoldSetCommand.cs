using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Holds;

/// <summary><c>hold set</c>.</summary>
internal static class HoldSetCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<string?> study = new("--study") { Description = "Study Instance UID, archived already or not", HelpName = "uid" };
        Option<string?> patient = new("--patient") { Description = "Patient ID as it stands in the images; '-' reads it from standard input, which keeps it out of the list of processes", HelpName = "id" };
        Option<string> reason = new("--reason") { Description = "Why, for people; not in the audit log", Required = true, HelpName = "text" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("set", "Keep a study, or all studies of a patient, whatever their date is.") { study, patient, reason, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            Uid? uid = parsed.GetValue(study) is not { } text ? null
                : Uid.TryParse(text, null, out Uid parsedUid) ? parsedUid : throw new UsageException($"'{text}' is no UID.");
            string? id = parsed.GetValue(patient) is "-" ? (await environment.In.ReadLineAsync(cancellationToken))?.Trim() : parsed.GetValue(patient);
            if ((uid is null) == string.IsNullOrEmpty(id)) throw new UsageException("Hold what? Give either --study or --patient.");
            using ArchiveClient client = connection.Connect(parsed);
            HoldResponse made = await client.PostAsync<HoldResponse>($"v1/clinics/{connection.Clinic(parsed)}/holds", new HoldRequest(parsed.GetValue(reason)!, uid, id), repeatable: true, cancellationToken);
            if (parsed.GetValue(json)) environment.WriteJson(made);
            else environment.Out.WriteLine($"Hold {made.Hold} keeps {HoldTexts.Subject(made)} from now on{(made.Studies is { } studies ? $" ({Texts.Count(studies, "study", "studies")} in the archive)" : "")}; storage follows within the hour.");
            if (made.OfPatient && made.IdentifierMatch != IdentifierMatch.Exact)
            {
                await environment.Error.WriteLineAsync($"As the clinic has chosen, {IdentifierForms.Describe(made.IdentifierMatch)}: the hold keeps all of them, one patient's or not.");
            }

            if (made.Studies != 0)
            {
                return (int)ExitCode.Ok;
            }

            await environment.Error.WriteLineAsync("The hold stands, and NOTHING in the archive fits it now. Is that the UID or the Patient ID as it stands in the images?");
            return (int)ExitCode.NothingFound;
        });
        return command;
    }
}
