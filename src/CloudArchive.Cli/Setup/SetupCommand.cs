using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Background;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.Enrollment;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Status;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Cli.Setup;

/// <summary><c>setup</c>: from nothing to SAFE, for somebody who does not know the other commands.</summary>
internal static class SetupCommand
{
    public static Command Create(CliEnvironment environment)
    {
        SetupOptions options = new();
        Command command = new("setup", "Set this computer up: asks what it needs, enrolls, backs up, and installs the background service.");
        options.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) => (int)await new SetupRun(environment, parsed, options).RunAsync(cancellationToken));
        return command;
    }
}

/// <summary>Every question of <c>setup</c> as an option.</summary>
internal sealed class SetupOptions
{
    public Option<string?> Url { get; } = new("--url") { Description = "The service's URL [asked for]", HelpName = "url" };

    public Option<string?> Code { get; } = new("--code") { Description = "The one-time code from your archive's admin [asked for]", HelpName = "code" };

    public Option<string?> Name { get; } = new("--name") { Description = "What to call this computer [its own name]", HelpName = "name" };

    public Option<string[]> Folder { get; } = new("--folder") { Description = "A folder to back up, with everything below it; may be repeated [asked for; those that look like images are proposed]", HelpName = "folder" };

    public Option<string?> EscrowOut { get; } = new("--escrow-out") { Description = "For the clinic's first computer: where to write the escrow key [asked for]", HelpName = "file.pem" };

    public Option<string?> PassphraseFile { get; } = new("--escrow-passphrase-file") { Description = "File with the escrow key's passphrase in its first line [asked for]", HelpName = "file" };

    public Option<bool> NoService { get; } = new("--no-service") { Description = "Install no background service; the first backup is made at once" };

    public ServiceOptions Service { get; } = new();

    public Option<int> Wait { get; } = new("--wait") { Description = "Minutes to wait for the service's first backup", DefaultValueFactory = _ => 60, HelpName = "minutes" };

    public Option<bool> Yes { get; } = new("--yes") { Description = "Ask nothing: take what the options say, and what is proposed" };

    public void AddTo(Command command)
    {
        Wait.Validators.Add(result => { if (result.GetValue(Wait) is < 0 or > 10_080) { result.AddError("--wait is 0 to 10080 minutes."); } });
        Option[] all = [Url, Code, Name, Folder, EscrowOut, PassphraseFile, NoService, Service.Scope, Wait, Yes];
        all.ToList().ForEach(command.Options.Add);
    }
}

/// <summary>One run of <c>setup</c>. What it did is kept: started again, it goes on after the last thing that succeeded.</summary>
internal sealed class SetupRun(CliEnvironment environment, ParseResult parsed, SetupOptions options)
{
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);
    private readonly Questions _questions = new(environment, asks: !parsed.GetValue(options.Yes));
    private readonly AgentHome _home = AgentHome.Of(environment);

    public async Task<ExitCode> RunAsync(CancellationToken cancellationToken)
    {
        AgentIdentity? identity = AgentIdentity.TryLoad(_home);
        if (identity is null)
        {
            Say("1", "Who are you?", "Your archive's admin gave you an address and a code.");
            Uri service = await AnswerAsync("The archive's address:", options.Url, "--url", ServiceUrl.Parse, cancellationToken);
            EnrollmentCode code = await AnswerAsync("The code:", options.Code, "--code", ParseCode, cancellationToken);
            IReadOnlyList<string> folders = await AskFoldersAsync([], cancellationToken);
            identity = await EnrollAsync(service, code, folders, cancellationToken);
            Remember(identity, folders);
        }
        else
        {
            environment.Out.WriteLine($"This computer is enrolled already, for {identity.ClinicName} ({identity.Clinic}).");
            IReadOnlyList<string> known = Remembered(identity);
            Remember(identity, await AskFoldersAsync(known, cancellationToken));
        }

        await TestAsync(cancellationToken);
        bool installed = !parsed.GetValue(options.NoService) && await InstallServiceAsync(cancellationToken);
        return installed ? await WaitForServiceAsync(cancellationToken) : await BackUpAsync(cancellationToken);
    }

    private async Task<T> AnswerAsync<T>(string question, Option<string?> option, string name, Func<string, T> parse, CancellationToken cancellationToken) =>
        parsed.GetValue(option) is { } given ? parse(given) : await _questions.AskAsync(question, name, null, parse, cancellationToken);

    private static EnrollmentCode ParseCode(string text) =>
        EnrollmentCode.TryParse(text, out EnrollmentCode? code) ? code : throw new UsageException("That is no enrollment code: check for a missing or mistyped character.");

    private async Task<IReadOnlyList<string>> AskFoldersAsync(IReadOnlyList<string> known, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(options.Folder) is { Length: > 0 } named)
        {
            return Check(named);
        }

        if (known.Count > 0)
        {
            environment.Out.WriteLine($"It backs up {string.Join(", ", known.Select(Texts.Printable))}.");
            return [];
        }

        Say("2", "What is to be backed up?", "Looking for folders with images ...");
        IReadOnlyList<ImagingFolder> found = ImagingFolders.Find(ImagingFolders.Roots(), environment.Profile);
        foreach ((int number, ImagingFolder folder) in found.Index())
        {
            environment.Out.WriteLine($"  {number + 1}  {Texts.Printable(folder.Path)}{(folder.HasDicom ? "  (DICOM images)" : "")}");
        }

        string? proposal = found.Any(folder => folder.HasDicom) ? string.Join(' ', found.Index().Where(f => f.Item.HasDicom).Select(f => f.Index + 1)) : null;
        return await _questions.AskAsync(
            found.Count > 0 ? "Numbers of those to back up, or a folder's path:" : "None found. The folder to back up:", "--folder", proposal, text => Check(Chosen(text, found)), cancellationToken);
    }

    /// <summary>Numbers of the list, or one path as it was typed: paths have spaces in them.</summary>
    internal static string[] Chosen(string answer, IReadOnlyList<ImagingFolder> found)
    {
        string[] words = answer.Split((char[])[' ', ','], StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0 || !words.All(word => int.TryParse(word, out _)))
        {
            return answer.Length > 0 ? [answer.Trim('"')] : throw new UsageException("A number from the list, or a path.");
        }

        return [.. words.Select(word => int.Parse(word) is var number && number >= 1 && number <= found.Count
            ? found[number - 1].Path
            : throw new UsageException($"There is no {word} in the list."))];
    }

    private static string[] Check(IReadOnlyList<string> folders)
    {
        foreach (string folder in folders)
        {
            if (!Directory.Exists(folder))
            {
                throw new UsageException($"{folder} is no folder, or cannot be opened.");
            }

            try
            {
                _ = Directory.EnumerateFileSystemEntries(folder).Any();
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new UsageException($"{folder} cannot be read: {error.Message}");
            }
        }

        return [.. folders.Select(Path.GetFullPath)];
    }

    private async Task<AgentIdentity> EnrollAsync(Uri service, EnrollmentCode code, IReadOnlyList<string> folders, CancellationToken cancellationToken)
    {
        _home.Create();
        using RunLock held = RunLock.Take(_home.BackupLock, "backup");
        string name = parsed.GetValue(options.Name) ?? Environment.MachineName;
        EnrollCommand.EscrowChoice? escrow = parsed.GetValue(options.EscrowOut) is { } given ? MakeEscrow(given, folders) : null;
        AgentIdentity identity;
        try
        {
            identity = await EnrollCommand.EnrollAsync(environment, _home, service, code, name, escrow, cancellationToken);
        }
        catch (EscrowKeyNeededException) when (_questions.Asks)
        {
            Say("3", "Where does the escrow key go?", "This is the clinic's first computer. It makes a key that opens every image without the archive, should the archive ever be gone.");
            environment.Out.WriteLine("Put it on a USB stick or a drive that is not this computer's, then keep the stick in a safe.");
            escrow = await AskEscrowAsync(folders, cancellationToken);
            identity = await EnrollCommand.EnrollAsync(environment, _home, service, code, name, escrow, cancellationToken);
        }

        EnrollCommand.Tell(environment, json: false, _home, identity, escrow);
        return identity;
    }

    private async Task<EnrollCommand.EscrowChoice> AskEscrowAsync(IReadOnlyList<string> folders, CancellationToken cancellationToken)
    {
        string? drive = EscrowPlaces.Find(environment, folders);
        while (true)
        {
            string file = await _questions.AskAsync(
                "The file:", "--escrow-out", drive is null ? null : Path.Combine(drive, "cloudarchive-escrow.pem"),
                text => !Directory.Exists(text) && Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(text)))
                    ? Path.GetFullPath(text)
                    : throw new UsageException("Name a file in a folder that is there, such as E:\\cloudarchive-escrow.pem."),
                cancellationToken);
            if (EscrowPlaces.Warn(environment, file, folders) is { } warning)
            {
                environment.Out.WriteLine($"  {Texts.Printable(warning)}");
                if (!await _questions.ConfirmAsync("Keep it there all the same?", proposal: false, cancellationToken))
                {
                    continue;
                }
            }

            try
            {
                return EnrollCommand.MakeEscrow(environment, file, parsed.GetValue(options.PassphraseFile))!;
            }
            catch (UsageException error)
            {
                environment.Out.WriteLine($"  {Texts.Printable(error.Message)}");
            }
        }
    }

    private EnrollCommand.EscrowChoice MakeEscrow(string file, IReadOnlyList<string> folders)
    {
        if (EscrowPlaces.Warn(environment, Path.GetFullPath(file), folders) is { } warning)
        {
            environment.Error.WriteLine($"WARNING: {warning}");
        }

        return EnrollCommand.MakeEscrow(environment, file, parsed.GetValue(options.PassphraseFile))!;
    }

    private IReadOnlyList<string> Remembered(AgentIdentity identity)
    {
        using AgentState? state = AgentState.OpenToRead(_home.State(identity.Clinic));
        return state?.Folders() ?? [];
    }

    private void Remember(AgentIdentity identity, IReadOnlyList<string> folders)
    {
        if (folders.Count > 0)
        {
            using AgentState state = AgentState.Open(_home.State(identity.Clinic));
            foreach (string folder in FolderList.Resolve(state, folders, keep: true))
            {
                state.Folder(folder);
            }
        }
    }

    private async Task TestAsync(CancellationToken cancellationToken)
    {
        Say("4", "Does it work?", null);
        using AgentSession session = AgentSession.Open(environment, environment.Network.GiveUpAfter);
        if (await AgentUpkeep.RunAsync(session, cancellationToken) is { } left)
        {
            throw new LocalFailureException($"This computer is enrolled, and the archive does not answer it: {left} Run cloudarchive setup again; it goes on from here.");
        }

        environment.Out.WriteLine($"  The archive answers and knows this computer ({session.Identity.Service.Authority}).");
        foreach (string folder in session.State.Folders())
        {
            Check([folder]);
            environment.Out.WriteLine($"  {Texts.Printable(folder)} can be read.");
        }
    }

    private async Task<bool> InstallServiceAsync(CancellationToken cancellationToken)
    {
        Say("5", "Is it to go by itself?", null);
        if (!await _questions.ConfirmAsync("Install the background service, so that what appears is backed up by itself?", proposal: true, cancellationToken))
        {
            return false;
        }

        try
        {
            BackgroundService service = await BackgroundService.OfAsync(environment, options.Service.ScopeOf(parsed), null, mustBackUp: true, cancellationToken);
            await service.InstallAsync(environment.Out, cancellationToken);
            return true;
        }
        catch (Exception error) when (error is CliException or IOException or UnauthorizedAccessException)
        {
            environment.Out.WriteLine($"  {Texts.Printable(error.Message)}");
            environment.Out.WriteLine("  Until the service is there, images are backed up only when somebody runs cloudarchive backup. The first backup is made now.");
            return false;
        }
    }

    private async Task<ExitCode> BackUpAsync(CancellationToken cancellationToken)
    {
        Say("6", "The first backup", "It may be stopped (Ctrl+C) and goes on with cloudarchive backup.");
        return (ExitCode)await CloudArchiveCli.RunAsync(["backup"], environment, cancellationToken) is var code and not ExitCode.Ok ? code : TellStatus();
    }

    /// <summary>The service makes the first backup; this shows how far it is. Whoever closes the window stops nothing.</summary>
    private async Task<ExitCode> WaitForServiceAsync(CancellationToken cancellationToken)
    {
        Say("6", "The first backup", "The service is at it. You may close this window; cloudarchive tells how it stands.");
        AgentIdentity identity = AgentIdentity.Load(AgentHome.Of(environment));
        string file = AgentHome.Of(environment).State(identity.Clinic);
        long began = environment.Clock.GetTimestamp();
        TimeSpan patience = TimeSpan.FromMinutes(parsed.GetValue(options.Wait));
        await ProgressViews.RunAsync(environment, json: false, async view =>
        {
            using IProgressStep step = view.Begin("Backed up", ProgressUnit.Count, null);
            long told = 0;
            while (environment.Clock.GetElapsedTime(began) < patience)
            {
                using (AgentState? state = AgentState.OpenToRead(file))
                {
                    AgentLook look = AgentLook.Of(state, identity, null, environment.Clock.GetUtcNow());
                    long archived = look.Facts.Folders.Sum(folder => folder.Archived.Files);
                    step.Add(archived - told);
                    told = archived;
                    if (VerdictRule.For(look.Facts).Safe)
                    {
                        return true;
                    }
                }

                await Task.Delay(s_look, environment.Clock, cancellationToken);
            }

            return false;
        });
        return TellStatus();
    }

    private ExitCode TellStatus()
    {
        environment.Out.WriteLine();
        return WhereThingsStand.Tell(environment, CancellationToken.None);
    }

    private void Say(string number, string title, string? text)
    {
        environment.Out.WriteLine();
        environment.Out.WriteLine($"{number}. {title}");
        if (text is not null)
        {
            environment.Out.WriteLine($"   {text}");
        }
    }
}

/// <summary>Where an escrow key may go, and where it had better not.</summary>
internal static class EscrowPlaces
{
    /// <summary>A drive that can be taken away and holds nothing that is backed up; null where none is connected.</summary>
    public static string? Find(CliEnvironment environment, IReadOnlyList<string> folders)
    {
        try
        {
            IEnumerable<string> drives = DriveInfo.GetDrives()
                .Where(drive => OperatingSystem.IsWindows() ? drive.DriveType == DriveType.Removable
                    : drive.Name.StartsWith("/media/", StringComparison.Ordinal) || drive.Name.StartsWith("/run/media/", StringComparison.Ordinal) || drive.Name.StartsWith("/Volumes/", StringComparison.Ordinal))
                .Where(drive => drive.IsReady).Select(drive => drive.Name);
            return drives.FirstOrDefault(drive => Warn(environment, Path.Combine(drive, "escrow.pem"), folders) is null);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Why a place is no good one; null where nothing speaks against it. What cannot be checked is said as such.</summary>
    public static string? Warn(CliEnvironment environment, string file, IReadOnlyList<string> folders)
    {
        string where = Path.GetDirectoryName(file)!;
        if (environment.VolumeOf(where) is not { } volume)
        {
            return $"Whether {where} lies on a disk of this computer cannot be found out. If it does, the escrow key is lost with it, and a thief has both.";
        }

        string[] own = [AgentHome.Of(environment).Path, .. folders];
        return own.FirstOrDefault(folder => environment.VolumeOf(folder) == volume) is { } same
            ? $"{where} lies on the same disk as {same}. When that disk fails or is stolen, the escrow key is gone with the images."
            : null;
    }
}
