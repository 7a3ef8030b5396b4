using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Disclosures;

/// <summary><c>disclosures</c>.</summary>
internal static class DisclosuresCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<string> patient = new("--patient") { Description = "The Patient ID as it stands in the images; '-' reads it from standard input, which keeps it out of the list of processes", HelpName = "id", Required = true };
        Option<bool> json = CommonOptions.Json();
        Command command = new("disclosures", "What of a patient's was handed out, when, to whom and why, six years back (admin).") { patient, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string id = parsed.GetValue(patient) is { } given and not "-" ? given : (await environment.In.ReadLineAsync(cancellationToken))?.Trim() ?? "";
            if (id.Length == 0) throw new UsageException("Which patient? Give --patient, or '-' and the Patient ID on standard input.");
            using ArchiveClient client = connection.Connect(parsed);
            DisclosuresResponse found = await client.PostAsync<DisclosuresResponse>(
                $"v1/clinics/{connection.Clinic(parsed)}/disclosures/search", new DisclosureSearchRequest(id), repeatable: true, cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(found);
                return (int)ExitCode.Ok;
            }

            environment.WriteTable(
                ["Released", "To", "Purpose", "By", "Approved by", "Study", "Files", "Restore"],
                found.Items.SelectMany(item => item.Studies.Select(study => new[]
                {
                    item.ReleasedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), item.Recipient, item.Purpose, item.RequestedBy, item.ApprovedBy ?? "", study.Study.Value, study.Instances.ToString("N0"), item.Restore,
                })),
                found.Unreadable > 0
                    ? "Nothing that could be read says that anything of the patient's was handed out."
                    : $"Nothing of the patient's was handed out since {found.From.ToLocalTime():yyyy-MM-dd}.");
            if (found.Unreadable > 0)
            {
                await environment.Error.WriteLineAsync(
                    $"Not checked: {Texts.Count(found.Unreadable, "record")} of what was handed out cannot be read, so this may not be all. docs/operations.md, \"Integrity\", says what to do.");
            }

            if (found.IdentifierMatch != IdentifierMatch.Exact)
            {
                await environment.Error.WriteLineAsync($"As the clinic has chosen, {IdentifierForms.Describe(found.IdentifierMatch)}: what was handed out of any of them is listed, one patient's or not.");
            }

            if (found.OfNobody > 0)
            {
                await environment.Error.WriteLineAsync(
                    $"Besides, {Texts.Count(found.OfNobody, "restore")} handed out what the archive knows no patient of (plain files, snapshots, images without a Patient ID). Whether any of it is this patient's, only who has the files can see.");
            }

            return (int)ExitCode.Ok;
        });
        return command;
    }
}
