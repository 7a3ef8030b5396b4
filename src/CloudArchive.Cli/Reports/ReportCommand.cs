using System.CommandLine;
using System.Text.RegularExpressions;
using CloudArchive.Cli.Service;
using CloudArchive.Format;

namespace CloudArchive.Cli.Reports;

/// <summary><c>report</c>.</summary>
internal static partial class ReportCommand
{
    private static readonly string[] Forms = ["csv", "pdf"];

    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string> period = new("period") { Description = "A month as 2026-11, a quarter as 2026-Q4 or a year as 2026 (UTC)" };
        Option<string> folder = new("--out") { Description = "Folder to write to: <clinic>-<period>.csv and .pdf", Required = true, HelpName = "folder" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("report", "A clinic's report of a month, a quarter or a year, as CSV and PDF (admin, compliance).") { period, folder, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            // It becomes a part of files' names and of the address.
            string of = parsed.GetValue(period)!;
            if (!Shapes().IsMatch(of)) throw new UsageException($"'{of}' is no period: a month as 2026-11, a quarter as 2026-Q4 or a year as 2026.");
            using ArchiveClient client = connection.Connect(parsed);
            ClinicId clinic = connection.Clinic(parsed);
            List<(string Name, byte[] Content)> files = [];
            foreach (string form in Forms)
            {
                files.Add(($"{clinic}-{of}.{form}", (await client.GetFileAsync($"v1/clinics/{clinic}/reports/{of}.{form}", cancellationToken)).Content));
            }

            DirectoryInfo target = Directory.CreateDirectory(parsed.GetValue(folder)!);
            foreach ((string name, byte[] content) in files)
            {
                await File.WriteAllBytesAsync(Path.Combine(target.FullName, name), content, cancellationToken);
            }

            if (parsed.GetValue(json))
            {
                environment.WriteJson(new { clinic, period = of, folder = target.FullName, files = files.Select(file => file.Name) });
                return (int)ExitCode.Ok;
            }

            environment.Out.WriteLine($"Report of {of} of clinic {clinic}: {string.Join(" and ", files.Select(file => file.Name))} in {target.FullName}");
            return (int)ExitCode.Ok;
        });
        return command;
    }

    [GeneratedRegex("^[0-9]{4}(-(0[1-9]|1[0-2]|Q[1-4]))?\\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Shapes();
}
