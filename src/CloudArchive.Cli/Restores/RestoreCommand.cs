using System.CommandLine;
using System.Security.Cryptography;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary><c>restore</c>.</summary>
internal sealed class RestoreCommand
{
    private static readonly TimeSpan PollEvery = TimeSpan.FromSeconds(5);
    private readonly CliEnvironment _environment;
    private readonly StaffConnection _connection;
    private readonly Option<string[]> _studies = new("--study") { Description = "Study Instance UID; may be repeated", HelpName = "uid" };
    private readonly Option<string[]> _instances = new("--instance") { Description = "SOP Instance UID; may be repeated", HelpName = "uid" };
    private readonly Option<string?> _patient = new("--patient") { Description = "Patient ID as it stands in the images; '-' reads it from standard input, which keeps it out of the list of processes", HelpName = "id" };
    private readonly Option<bool> _everything = new("--everything") { Description = "The whole clinic: every file that the archive holds, also what was deleted since" };
    private readonly Option<string?> _asOf = new("--as-of") { Description = "The folders as they stood then: latest, 2026-11-24 (the end of that day), 2026-11-24T18:00", HelpName = "time" };
    private readonly Option<string[]> _computers = new("--computer") { Description = "With --as-of: only this computer, by the set that `cloudarchive snapshots` lists, or its beginning; may be repeated", HelpName = "set" };
    private readonly Option<string[]> _roots = new("--root") { Description = "With --as-of: only this folder, by its label; may be repeated", HelpName = "label" };
    private readonly Option<string[]> _paths = new("--path") { Description = "With --as-of: only these files or folders, as .gitignore has it: 2024/, *.jpg, /scans/**; may be repeated", HelpName = "pattern" };
    private readonly Option<string> _out = new("--out") { Description = "Folder to restore to", Required = true, HelpName = "folder" };
    private readonly Option<string> _purpose = new("--purpose") { Description = "Why; goes into the accounting of disclosures (45 CFR 164.528)", Required = true, HelpName = "text" };
    private readonly Option<string> _recipient = new("--recipient") { Description = "Who gets the images", Required = true, HelpName = "text" };
    private readonly Option<bool> _overwrite = new("--overwrite") { Description = "Replace files of the same name that have other bytes" };
    private readonly Option<int> _wait = new("--wait") { Description = "Minutes to wait for a second admin's approval, and for packs that have to come back from the archive tier (up to 15 hours)", DefaultValueFactory = _ => 60, HelpName = "minutes" };
    private readonly Option<string?> _giveUpAfter = new("--give-up-after") { Description = "How long to go on trying while the network or the archive is away: 30min, 12h, 2d [30min]", HelpName = "time" };
    private readonly Option<bool> _json = CommonOptions.Json();

    private RestoreCommand(CliEnvironment environment)
    {
        _environment = environment;
        _connection = new StaffConnection(environment);
    }

    public static Command Create(CliEnvironment environment) => new RestoreCommand(environment).Declare();

    private Command Declare()
    {
        Command command = new("restore", "Bring files back, byte for byte (admin). The same command in the same folder goes on with a restore that was cut off.")
        {
            _studies, _instances, _patient, _everything, _asOf, _computers, _roots, _paths, _out, _purpose, _recipient, _overwrite, _wait, _giveUpAfter, _json,
        };
        _connection.AddTo(command);
        command.SetAction(RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        SnapshotFilter filter = Filter(parsed);
        DateTimeOffset? asOf = parsed.GetValue(_asOf) is { } then ? SnapshotChoice.ParseTime(then, _environment.Clock) : null;
        Func<Jwk, RestoreRequest> request = await ReadRequestAsync(parsed, cancellationToken);
        TimeSpan patience = parsed.GetValue(_giveUpAfter) is { } time ? LinkOptions.ParseTime(time) : _environment.Network.RunPatience;
        using Network network = new(_environment, patience);
        using ArchiveClient client = _connection.Connect(parsed, network);
        ClinicId clinic = _connection.Clinic(parsed);
        using TargetFolder target = new(parsed.GetValue(_out)!, parsed.GetValue(_overwrite));
        target.Lock();
        IReadOnlyList<SnapshotResponse> latest = await SnapshotChoice.AtAsync(client, clinic, asOf ?? _environment.Clock.GetUtcNow(), isNeeded: asOf is not null, cancellationToken);
        if (asOf is null)
        {
            return (int)await RunAsync(parsed, client, network, clinic, target, request, filter, byRoot: latest.Sum(snapshot => snapshot.Roots) > 1, cancellationToken);
        }

        IReadOnlyList<SnapshotResponse> chosen = SnapshotChoice.Of(latest, parsed.GetValue(_computers) ?? [], asOf.Value);
        ExitCode code = ExitCode.Ok;
        foreach (SnapshotResponse snapshot in chosen)
        {
            ExitCode one = await RunAsync(parsed, client, network, clinic, target, key => request(key) with { Snapshot = snapshot.Pack }, filter, byRoot: chosen.Count > 1, cancellationToken);
            code = code == ExitCode.Ok || one == ExitCode.Integrity ? one : code;
        }

        return (int)code;
    }

    private async Task<ExitCode> RunAsync(
        ParseResult parsed, ArchiveClient client, Network network, ClinicId clinic, TargetFolder target, Func<Jwk, RestoreRequest> request, SnapshotFilter filter, bool byRoot, CancellationToken cancellationToken)
    {
        bool json = parsed.GetValue(_json);
        using RestoreJournal journal = RestoreJournal.Open(target, RestoreJournal.Describe(client.Service, clinic, request(new Jwk("RSA")), filter));
        (RestoreResponse restore, RSA key) = await AskAsync(client, clinic, request, target, journal, json, cancellationToken);
        using (key)
        {
            TimeSpan wait = TimeSpan.FromMinutes(parsed.GetValue(_wait));
            restore = await WaitAsync(client, restore, wait, json, cancellationToken);
            if (restore.Status == RestoreStatus.PendingApproval)
            {
                await _environment.Error.WriteLineAsync(
                    $"Restore {restore.Id} was not approved in {parsed.GetValue(_wait)} minutes. Nothing was restored. It waits until {restore.ExpiresAt.ToLocalTime():yyyy-MM-dd HH:mm}: run the same command again once it is approved.");
                return ExitCode.AwaitingApproval;
            }

            if (restore.Status != RestoreStatus.Ready)
            {
                throw new ServiceRefusedException(409, "restore-over", $"Restore {restore.Id} is over before it began. Run the command again to ask for another.", null);
            }

            return await new RestoreFetch(_environment, client, network, wait).RunAsync(restore, key, target, journal, filter, byRoot, json, cancellationToken);
        }
    }

    /// <summary>
    /// The restore that was begun in this folder, or a new one. One key is one restore, and the key is on the disk before it is sent: whatever is cut off, the
    /// same command finds the same restore, and it needs no second approval.
    /// </summary>
    private async Task<(RestoreResponse Restore, RSA Key)> AskAsync(
        ArchiveClient client, ClinicId clinic, Func<Jwk, RestoreRequest> request, TargetFolder target, RestoreJournal journal, bool json, CancellationToken cancellationToken)
    {
        for (bool again = false; ; again = true)
        {
            RSA key = journal.OpenKey();
            try
            {
                RestoreResponse restore = await client.PostAsync<RestoreResponse>($"v1/clinics/{clinic}/restores", request(JwkKeys.FromRsa(key)), repeatable: true, cancellationToken);
                if (again || restore.Status is RestoreStatus.PendingApproval or RestoreStatus.Ready)
                {
                    return (restore, key);
                }

                await (json ? _environment.Error : _environment.Out).WriteLineAsync($"Restore {restore.Id}, which was begun in {target.Root}, is over. Asking for another; what is there already is not fetched again.");
                key.Dispose();
                journal.ForgetKey();
            }
            catch (ServiceRefusedException error) when (error.Problem == "key-invalid" && !again)
            {
                // It was another person's restore: theirs are its key and its result.
                key.Dispose();
                journal.ForgetKey();
            }
            catch
            {
                key.Dispose();
                throw;
            }
        }
    }

    private async Task<Func<Jwk, RestoreRequest>> ReadRequestAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        Uid[] studies = Uids(parsed.GetValue(_studies), "study");
        Uid[] instances = Uids(parsed.GetValue(_instances), "instance");
        string? patient = parsed.GetValue(_patient);
        if (patient == "-")
        {
            patient = (await _environment.In.ReadLineAsync(cancellationToken))?.Trim();
        }

        int ways = (studies.Length > 0 ? 1 : 0) + (instances.Length > 0 ? 1 : 0) + (string.IsNullOrEmpty(patient) ? 0 : 1) + (parsed.GetValue(_everything) ? 1 : 0) + (parsed.GetValue(_asOf) is null ? 0 : 1);
        if (ways != 1)
        {
            throw new UsageException("Say what to restore, in one way: --study, --instance, --patient, --as-of or --everything.");
        }

        string purpose = parsed.GetValue(_purpose)!, recipient = parsed.GetValue(_recipient)!;
        bool everything = parsed.GetValue(_everything);
        return publicKey => new RestoreRequest(
            publicKey, purpose, recipient, studies.Length > 0 ? studies : null, instances.Length > 0 ? instances : null, string.IsNullOrEmpty(patient) ? null : patient, everything);
    }

    private SnapshotFilter Filter(ParseResult parsed)
    {
        string[] roots = parsed.GetValue(_roots) ?? [], paths = parsed.GetValue(_paths) ?? [];
        if (parsed.GetValue(_asOf) is null && (roots.Length > 0 || paths.Length > 0 || parsed.GetValue(_computers) is { Length: > 0 }))
        {
            throw new UsageException("--computer, --root and --path choose from what stood there at some time: say when, with --as-of latest or --as-of 2026-11-24.");
        }

        return paths.FirstOrDefault(path => !Backup.Exclusions.IsPattern(path)) is { } bad
            ? throw new UsageException($"\"{bad}\" is no pattern. Examples: *.jpg (by name, anywhere), 2024/ (a folder, anywhere), /old/** (below the backed-up folder itself).")
            : new SnapshotFilter(roots, paths);
    }

    private static Uid[] Uids(string[]? texts, string what) =>
        [.. (texts ?? []).Select(text => Uid.TryParse(text.Trim(), null, out Uid uid) ? uid : throw new UsageException($"'{text}' is no {what} UID: 1 to 64 digits and dots."))];

    /// <summary>Waits for a second admin where one is needed.</summary>
    private async Task<RestoreResponse> WaitAsync(ArchiveClient client, RestoreResponse restore, TimeSpan patience, bool json, CancellationToken cancellationToken)
    {
        if (restore.Status != RestoreStatus.PendingApproval)
        {
            return restore;
        }

        TextWriter output = json ? _environment.Error : _environment.Out;
        await output.WriteLineAsync($"Restore {restore.Id} ({Texts.Count(restore.Studies, "study", "studies")}, {Texts.Count(restore.Instances, "file")}, {Texts.Size(restore.Bytes)}) must be approved by a second admin:");
        await output.WriteLineAsync($"  cloudarchive restores approve {restore.Id} --clinic {restore.Clinic}");
        await output.WriteLineAsync($"Waiting up to {Texts.Duration(patience)}; the same command goes on later where this one is stopped.");
        long began = _environment.Clock.GetTimestamp();
        while (restore.Status == RestoreStatus.PendingApproval && _environment.Clock.GetElapsedTime(began) < patience)
        {
            await Task.Delay(PollEvery, _environment.Clock, cancellationToken);
            restore = await client.GetAsync<RestoreResponse>($"v1/clinics/{restore.Clinic}/restores/{Uri.EscapeDataString(restore.Id)}", cancellationToken);
        }

        if (restore.ApprovedBy is { } by)
        {
            await output.WriteLineAsync($"Approved by {by}.");
        }

        return restore;
    }
}
