using System.CommandLine;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Binders;

namespace CloudArchive.Cli.Binders;

/// <summary><c>binder get</c>.</summary>
internal static class BinderGetCommand
{
    private const string Day = "yyyy-MM-dd";

    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<string> from = new("--from") { Description = "The first day (UTC), such as 2026-01-01", Required = true, HelpName = "day" };
        Option<string> to = new("--to") { Description = "The first day that is not in it, at most 366 days later", Required = true, HelpName = "day" };
        Option<string> target = new("--out") { Description = "The ZIP file to write; one that is there is not overwritten", Required = true, HelpName = "file" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("get", "Download a binder: all that a period left behind for an auditor, in one ZIP (admin, compliance).") { from, to, target, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            // They become a part of the address.
            string path = $"from={Valid(parsed.GetValue(from)!, "--from")}&to={Valid(parsed.GetValue(to)!, "--to")}";
            string file = Path.GetFullPath(parsed.GetValue(target)!), temporary = file + ".part";
            if (File.Exists(file)) throw new UsageException($"{file} is there already: name another, or remove it.");
            using ArchiveClient client = connection.Connect(parsed);
            ClinicId clinic = connection.Clinic(parsed);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await client.DownloadAsync($"v1/clinics/{clinic}/binder?{path}", temporary, cancellationToken);
            (int files, int gaps) = Look(temporary);
            File.Move(temporary, file);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(new { clinic, file, files, notIncluded = gaps });
            }
            else
            {
                environment.Out.WriteLine($"Binder of clinic {clinic}: {Texts.Count(files, "file")} in {file}");
                if (gaps > 0) environment.Out.WriteLine($"Not included: {Texts.Count(gaps, "thing")}; {BinderFiles.Cover} in it says what and why.");
                environment.Out.WriteLine($"Check it, without a connection: cloudarchive binder verify {file} --key keys.json");
                environment.Out.WriteLine("(Take the keys from elsewhere than the binder: those that an agent pinned, or a copy of your own.)");
            }

            return (int)(gaps > 0 ? ExitCode.NotChecked : ExitCode.Ok);
        });
        return command;
    }

    /// <summary>How many files it has, and how many things are missing. A ZIP that was cut off has no directory, and is none.</summary>
    private static (int Files, int Gaps) Look(string file)
    {
        try
        {
            using ZipArchive zip = ZipFile.OpenRead(file);
            using Stream stream = zip.GetEntry(BinderFiles.Index)?.Open() ?? throw new InvalidDataException();
            BinderIndex index = JsonSerializer.Deserialize<BinderIndex>(stream, FormatJson.Options) ?? throw new JsonException();
            return (index.Files.Count, index.NotIncluded.Count);
        }
        catch (Exception error) when (error is InvalidDataException or JsonException)
        {
            File.Delete(file);
            throw new IntegrityException("What the service sent is no whole binder. Try again; if it stays so, tell the archive's operator.");
        }
    }

    private static string Valid(string day, string option) => DateOnly.TryParseExact(day, Day, CultureInfo.InvariantCulture, DateTimeStyles.None, out _)
        ? day
        : throw new UsageException($"{option}: '{day}' is no day such as 2026-01-31.");
}
