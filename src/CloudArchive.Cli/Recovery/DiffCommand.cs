using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Enrollment;
using CloudArchive.Cli.Restores;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Recovery;

/// <summary><c>diff</c>: what appeared, changed and vanished between two times, from the snapshots alone. Through the service, as a restore of the lists and of no file; or with the escrow key, without it.</summary>
internal sealed class DiffCommand
{
    private const int MostPaths = 200;
    private readonly CliEnvironment _environment;
    private readonly StaffConnection _connection;
    private readonly Argument<string> _earlier = new("from") { Description = "A time: 2026-11-24 (the end of that day), 2026-11-24T18:00" };
    private readonly Argument<string> _later = new("to") { Description = "A later one; latest" };
    private readonly Option<string[]> _computers = new("--computer") { Description = "Only this computer, by the set that `cloudarchive snapshots` lists, or its beginning; may be repeated", HelpName = "set" };
    private readonly Option<string?> _purpose = new("--purpose") { Description = "Why; goes into the accounting of disclosures, for paths may name patients", HelpName = "text" };
    private readonly Option<string?> _recipient = new("--recipient") { Description = "Who gets to see it", HelpName = "text" };
    private readonly Option<string?> _from = new("--from") { Description = "Without the service: a folder with a copy of the container, or the container's URL with a SAS that may read and list", HelpName = "folder|url" };
    private readonly Option<string?> _escrowKey = new("--escrow-key") { Description = "With --from: the escrow key's file", HelpName = "file.pem" };
    private readonly Option<string?> _passphraseFile = new("--escrow-passphrase-file") { Description = "File with the escrow key's passphrase in its first line [asked for]", HelpName = "file" };
    private readonly Option<bool> _json = CommonOptions.Json();

    private DiffCommand(CliEnvironment environment) => (_environment, _connection) = (environment, new StaffConnection(environment));

    public static Command Create(CliEnvironment environment) => new DiffCommand(environment).Declare();

    private Command Declare()
    {
        Command command = new("diff", "Say what appeared, changed and vanished in a clinic's folders between two times (admin; or with the escrow key).")
        {
            _earlier, _later, _computers, _purpose, _recipient, _from, _escrowKey, _passphraseFile, _json,
        };
        _connection.AddTo(command);
        command.SetAction(RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        DateTimeOffset earlier = SnapshotChoice.ParseTime(parsed.GetValue(_earlier)!, _environment.Clock), later = SnapshotChoice.ParseTime(parsed.GetValue(_later)!, _environment.Clock);
        if (earlier >= later)
        {
            throw new UsageException("The first time is to be before the second.");
        }

        // Sealed bytes and a key lie here for a while: below the data folder, which is this user's alone.
        AgentHome home = AgentHome.Of(_environment);
        home.Create();
        using TargetFolder work = new(Path.Combine(home.Path, "diff"), overwrite: false);
        work.Lock();
        (ExitCode code, IReadOnlyList<SnapshotDifference> differences) = parsed.GetValue(_from) is { } from
            ? (ExitCode.Ok, await RecoverAsync(parsed, from, earlier, later, work, cancellationToken))
            : await AskAsync(parsed, earlier, later, work, cancellationToken);
        if (code == ExitCode.Ok)
        {
            Tell(differences, parsed.GetValue(_json));
        }

        return (int)code;
    }

    private async Task<IReadOnlyList<SnapshotDifference>> RecoverAsync(
        ParseResult parsed, string from, DateTimeOffset earlier, DateTimeOffset later, TargetFolder work, CancellationToken cancellationToken)
    {
        string file = parsed.GetValue(_escrowKey) ?? throw new UsageException("--from needs --escrow-key.");
        using RSA key = EscrowKeyFile.Open(file, Passphrase.Read(_environment, parsed.GetValue(_passphraseFile), isNew: false));
        return await ProgressViews.RunAsync<IReadOnlyList<SnapshotDifference>>(_environment, parsed.GetValue(_json), async view =>
        {
            IRecoverySource source = RecoverCommand.OpenSource(from, _environment, view);
            using IDisposable? owned = source as IDisposable;
            IReadOnlyList<FoundPack> packs = await source.ListAsync(cancellationToken);
            Dictionary<PackId, FoundPack> byId = packs.ToDictionary(pack => pack.Pack);
            RecoverySnapshots snapshots = await RecoverySnapshots.FindAsync(source, packs, JwkKeys.Thumbprint(JwkKeys.FromRsa(key)), view, cancellationToken);
            List<SnapshotDifference> differences = [];
            foreach (Sidecar to in snapshots.At(later).Where(s => SnapshotChoice.IsOf(s.Study, parsed.GetValue(_computers) ?? [])))
            {
                Sidecar? before = snapshots.Of(to.Clinic, to.Study, earlier);
                SnapshotReader? old = before is null ? null : await snapshots.ReadAsync(before, byId, key, work, cancellationToken);
                differences.Add(SnapshotDifference.Between(old, await snapshots.ReadAsync(to, byId, key, work, cancellationToken)));
            }

            return differences;
        });
    }

    private async Task<(ExitCode Code, IReadOnlyList<SnapshotDifference> Differences)> AskAsync(
        ParseResult parsed, DateTimeOffset earlier, DateTimeOffset later, TargetFolder work, CancellationToken cancellationToken)
    {
        (string purpose, string recipient) = (parsed.GetValue(_purpose), parsed.GetValue(_recipient)) is ({ } why, { } who)
            ? (why, who)
            : throw new UsageException("Say why and for whom, with --purpose and --recipient: paths may name patients. Or compare without the service: --from and --escrow-key.");
        using Network network = new(_environment, _environment.Network.RunPatience);
        using ArchiveClient client = _connection.Connect(parsed, network);
        ClinicId clinic = _connection.Clinic(parsed);
        IReadOnlyList<SnapshotResponse> to = SnapshotChoice.Of(await SnapshotChoice.AtAsync(client, clinic, later, isNeeded: true, cancellationToken), parsed.GetValue(_computers) ?? [], later);
        IReadOnlyList<SnapshotResponse> before = await SnapshotChoice.AtAsync(client, clinic, earlier, isNeeded: true, cancellationToken);
        List<AskedList> asked = [];
        try
        {
            // Each list is a restore. All are asked for before one is read: a second admin approves them at once, and none is over before the last is approved.
            foreach (SnapshotResponse snapshot in to.Concat(before.Where(old => to.Any(s => s.Set == old.Set))).DistinctBy(s => s.Pack).OrderBy(s => s.TakenAt))
            {
                asked.Add(await AskedList.AskAsync(client, clinic, new RestoreRequest(new Jwk("RSA"), purpose, recipient, Snapshot: snapshot.Pack), snapshot.TakenAt, work, cancellationToken));
            }

            if (await TellWaitingAsync(asked, parsed))
            {
                return (ExitCode.AwaitingApproval, []);
            }

            Dictionary<PackId, SnapshotReader> read = [];
            foreach (AskedList list in asked)
            {
                read[list.Restore.Snapshot!.Value] = await ProgressViews.RunAsync(_environment, parsed.GetValue(_json), view =>
                    new SnapshotFetch(new RestoreListing(client, list.Restore, _environment.Clock), network, list.Restore, list.Key, view).ReadAsync(work, _ => Task.FromResult(false), cancellationToken));
            }

            foreach (AskedList list in asked)
            {
                await list.EndAsync(client, cancellationToken);
            }

            return (ExitCode.Ok, [.. to.Select(s => SnapshotDifference.Between(before.FirstOrDefault(old => old.Set == s.Set) is { } old ? read[old.Pack] : null, read[s.Pack]))]);
        }
        finally
        {
            asked.ForEach(list => list.Dispose());
        }
    }

    /// <summary>Says which lists wait for a second admin. False: none.</summary>
    private async Task<bool> TellWaitingAsync(IReadOnlyList<AskedList> asked, ParseResult parsed)
    {
        AskedList[] waiting = [.. asked.Where(list => list.Restore.Status == RestoreStatus.PendingApproval)];
        foreach (AskedList list in waiting)
        {
            await _environment.Error.WriteLineAsync($"Restore {list.Restore.Id}, of the list of {Time(list)}, waits for a second admin.");
        }

        if (waiting.Length > 0)
        {
            // What is the latest now may not be when they are approved: that would be another list, and another restore to approve.
            string same = parsed.GetValue(_later) is "latest" or "now" ? $"the same command, with \"{Time(asked[^1])}\" in the place of \"{parsed.GetValue(_later)}\"," : "the same command";
            await _environment.Error.WriteLineAsync($"Run {same} again once {(waiting.Length == 1 ? "it is" : "all are")} approved: cloudarchive restores approve");
        }

        return waiting.Length > 0;

        static string Time(AskedList list) => list.TakenAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
    }

    private void Tell(IReadOnlyList<SnapshotDifference> differences, bool json)
    {
        if (json)
        {
            _environment.WriteJson(differences.Select(d => new
            {
                d.Computer,
                d.From,
                d.To,
                d.Same,
                appeared = d.Appeared.Count,
                changed = d.Changed.Count,
                vanished = d.Vanished.Count,
                moved = d.Moved.Count,
                appearedFiles = d.Appeared.Take(CommonOptions.MostListed),
                changedFiles = d.Changed.Take(CommonOptions.MostListed),
                vanishedFiles = d.Vanished.Take(CommonOptions.MostListed),
                movedFiles = d.Moved.Take(CommonOptions.MostListed),
            }));
            return;
        }

        TextWriter output = _environment.Out;
        foreach (SnapshotDifference d in differences)
        {
            string since = d.From is { } from ? $"{from.ToLocalTime():yyyy-MM-dd HH:mm:ss}" : "nothing (its first snapshot is later)";
            output.WriteLine($"{Texts.Printable(d.Computer)}, from {since} to {d.To.ToLocalTime():yyyy-MM-dd HH:mm:ss}: {d.Appeared.Count:N0} appeared, {d.Changed.Count:N0} changed, {d.Vanished.Count:N0} vanished, {d.Moved.Count:N0} moved, {d.Same:N0} the same.");
            Write(output, "+", d.Appeared);
            Write(output, "~", d.Changed);
            Write(output, "-", d.Vanished);
            Write(output, ">", [.. d.Moved.Select(file => $"{file.From} is now {file.To}")]);
        }
    }

    private static void Write(TextWriter output, string mark, IReadOnlyList<string> paths)
    {
        foreach (string path in paths.Take(MostPaths))
        {
            output.WriteLine($"  {mark} {Texts.Printable(path)}");
        }

        if (paths.Count > MostPaths)
        {
            output.WriteLine($"  {mark} and {paths.Count - MostPaths:N0} more (--json lists {CommonOptions.MostListed:N0})");
        }
    }

    /// <summary>A snapshot's list as it was asked for: a restore, with the key that it is for. A run that comes to it again finds both.</summary>
    private sealed class AskedList : IDisposable
    {
        private readonly RestoreJournal _journal;

        private AskedList(RestoreJournal journal, RSA key, RestoreResponse restore, DateTimeOffset takenAt) => (_journal, Key, Restore, TakenAt) = (journal, key, restore, takenAt);

        public RSA Key { get; }

        public RestoreResponse Restore { get; }

        public DateTimeOffset TakenAt { get; }

        public static async Task<AskedList> AskAsync(ArchiveClient client, ClinicId clinic, RestoreRequest request, DateTimeOffset takenAt, TargetFolder work, CancellationToken cancellationToken)
        {
            RestoreJournal journal = RestoreJournal.Open(work, $"diff {RestoreJournal.Describe(client.Service, clinic, request)}");
            RSA? key = null;
            try
            {
                key = journal.OpenKey();
                RestoreResponse restore = await client.PostAsync<RestoreResponse>($"v1/clinics/{clinic}/restores", request with { PublicKey = JwkKeys.FromRsa(key) }, repeatable: true, cancellationToken);
                if (restore.Status is not (RestoreStatus.Ready or RestoreStatus.PendingApproval))
                {
                    journal.Remove();
                    throw new ServiceRefusedException(409, "restore-over", $"Restore {restore.Id} is over. Run the command again to ask for another.", null);
                }

                return new AskedList(journal, key, restore, takenAt);
            }
            catch
            {
                key?.Dispose();
                journal.Dispose();
                throw;
            }
        }

        /// <summary>Nothing of it was written; the service is told so, and forgets what it would hand out.</summary>
        public async Task EndAsync(ArchiveClient client, CancellationToken cancellationToken)
        {
            await client.PostAsync<Nothing>($"v1/clinics/{Restore.Clinic}/restores/{Uri.EscapeDataString(Restore.Id)}/report", new RestoreReport(0, 0, 0, 0, Partial: false, null), repeatable: true, cancellationToken);
            _journal.Remove();
        }

        public void Dispose()
        {
            Key.Dispose();
            _journal.Dispose();
        }
    }
}
