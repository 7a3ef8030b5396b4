using System.CommandLine;
using System.Security.Cryptography;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary><c>restore</c>.</summary>
internal sealed class RestoreCommand
{
    private const int KeyBits = 3072;
    private static readonly TimeSpan PollEvery = TimeSpan.FromSeconds(5);
    private readonly CliEnvironment _environment;
    private readonly StaffConnection _connection;
    private readonly Option<string[]> _studies = new("--study") { Description = "Study Instance UID; may be repeated", HelpName = "uid" };
    private readonly Option<string[]> _instances = new("--instance") { Description = "SOP Instance UID; may be repeated", HelpName = "uid" };
    private readonly Option<string?> _patient = new("--patient") { Description = "Patient ID as it stands in the images; '-' reads it from standard input, which keeps it out of the list of processes", HelpName = "id" };
    private readonly Option<bool> _everything = new("--everything") { Description = "The whole clinic" };
    private readonly Option<string> _out = new("--out") { Description = "Folder to restore to", Required = true, HelpName = "folder" };
    private readonly Option<string> _purpose = new("--purpose") { Description = "Why; goes into the accounting of disclosures (45 CFR 164.528)", Required = true, HelpName = "text" };
    private readonly Option<string> _recipient = new("--recipient") { Description = "Who gets the images", Required = true, HelpName = "text" };
    private readonly Option<bool> _overwrite = new("--overwrite") { Description = "Replace files of the same name that have other bytes" };
    private readonly Option<int> _wait = new("--wait") { Description = "Minutes to wait for a second admin's approval, and for packs that have to come back from the archive tier (up to 15 hours)", DefaultValueFactory = _ => 60, HelpName = "minutes" };
    private readonly Option<bool> _json = CommonOptions.Json();

    private RestoreCommand(CliEnvironment environment)
    {
        _environment = environment;
        _connection = new StaffConnection(environment);
    }

    public static Command Create(CliEnvironment environment) => new RestoreCommand(environment).Declare();

    private Command Declare()
    {
        Command command = new("restore", "Bring images back, byte for byte (admin).") { _studies, _instances, _patient, _everything, _out, _purpose, _recipient, _overwrite, _wait, _json };
        _connection.AddTo(command);
        command.SetAction(RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        using RSA key = RSA.Create(KeyBits); // for this restore alone; it never touches a disk
        RestoreRequest request = await ReadRequestAsync(parsed, JwkKeys.FromRsa(key), cancellationToken);
        using ArchiveClient client = _connection.Connect(parsed);
        ClinicId clinic = _connection.Clinic(parsed);
        TargetFolder target = new(parsed.GetValue(_out)!, parsed.GetValue(_overwrite));
        bool json = parsed.GetValue(_json);

        RestoreResponse restore = await client.PostAsync<RestoreResponse>($"v1/clinics/{clinic}/restores", request, repeatable: false, cancellationToken);
        restore = await WaitAsync(client, restore, TimeSpan.FromMinutes(parsed.GetValue(_wait)), json, cancellationToken);
        if (restore.Status == RestoreStatus.PendingApproval)
        {
            await _environment.Error.WriteLineAsync($"Restore {restore.Id} was not approved in {parsed.GetValue(_wait)} minutes. Nothing was restored. Ask again, with a longer --wait.");
            return (int)ExitCode.AwaitingApproval;
        }

        if (restore.Status != RestoreStatus.Ready) throw new ServiceRefusedException(409, "restore-over", $"Restore {restore.Id} is over before it began. Ask again.", null);
        return (int)await new RestoreFetch(_environment, client, TimeSpan.FromMinutes(parsed.GetValue(_wait))).RunAsync(restore, key, target, json, cancellationToken);
    }

    private async Task<RestoreRequest> ReadRequestAsync(ParseResult parsed, Jwk publicKey, CancellationToken cancellationToken)
    {
        Uid[] studies = Uids(parsed.GetValue(_studies), "study");
        Uid[] instances = Uids(parsed.GetValue(_instances), "instance");
        string? patient = parsed.GetValue(_patient);
        if (patient == "-") patient = (await _environment.In.ReadLineAsync(cancellationToken))?.Trim();
        int ways = (studies.Length > 0 ? 1 : 0) + (instances.Length > 0 ? 1 : 0) + (string.IsNullOrEmpty(patient) ? 0 : 1) + (parsed.GetValue(_everything) ? 1 : 0);
        if (ways != 1) throw new UsageException("Say what to restore, in one way: --study, --instance, --patient or --everything.");
        return new RestoreRequest(
            publicKey, parsed.GetValue(_purpose)!, parsed.GetValue(_recipient)!, studies.Length > 0 ? studies : null, instances.Length > 0 ? instances : null, string.IsNullOrEmpty(patient) ? null : patient, parsed.GetValue(_everything));
    }

    private static Uid[] Uids(string[]? texts, string what) =>
        [.. (texts ?? []).Select(text => Uid.TryParse(text.Trim(), null, out Uid uid) ? uid : throw new UsageException($"'{text}' is no {what} UID: 1 to 64 digits and dots."))];

    /// <summary>Waits for a second admin where one is needed; the key that the answer is wrapped to lives only as long as this process.</summary>
    private async Task<RestoreResponse> WaitAsync(ArchiveClient client, RestoreResponse restore, TimeSpan patience, bool json, CancellationToken cancellationToken)
    {
        if (restore.Status != RestoreStatus.PendingApproval) return restore;
        TextWriter output = json ? _environment.Error : _environment.Out;
        await output.WriteLineAsync($"Restore {restore.Id} ({Texts.Count(restore.Studies, "study", "studies")}, {Texts.Count(restore.Instances, "file")}, {Texts.Size(restore.Bytes)}) must be approved by a second admin:");
        await output.WriteLineAsync($"  cloudarchive restores approve {restore.Id} --clinic {restore.Clinic}");
        await output.WriteLineAsync($"Waiting up to {Texts.Duration(patience)}. Leave this running: the key to the images exists only here.");
        long began = _environment.Clock.GetTimestamp();
        while (restore.Status == RestoreStatus.PendingApproval && _environment.Clock.GetElapsedTime(began) < patience)
        {
            await Task.Delay(PollEvery, _environment.Clock, cancellationToken);
            restore = await client.GetAsync<RestoreResponse>($"v1/clinics/{restore.Clinic}/restores/{Uri.EscapeDataString(restore.Id)}", cancellationToken);
        }

        if (restore.ApprovedBy is { } by) await output.WriteLineAsync($"Approved by {by}.");
        return restore;
    }
}
