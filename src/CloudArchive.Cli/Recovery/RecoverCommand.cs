using System.CommandLine;
using System.Security.Cryptography;
using CloudArchive.Cli.Enrollment;
using CloudArchive.Cli.Restores;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;

namespace CloudArchive.Cli.Recovery;

/// <summary><c>recover</c>: escrow key and packs, nothing else.</summary>
internal sealed class RecoverCommand
{
    private readonly CliEnvironment _environment;
    private readonly Option<string> _from = new("--from") { Description = "Folder with a copy of the container (packs and sidecars), or the container's URL with a SAS that may read and list", Required = true, HelpName = "folder|url" };
    private readonly Option<string> _escrowKey = new("--escrow-key") { Description = "The escrow key's file", Required = true, HelpName = "file.pem" };
    private readonly Option<string?> _passphraseFile = new("--escrow-passphrase-file") { Description = "File with the escrow key's passphrase in its first line [asked for]", HelpName = "file" };
    private readonly Option<string> _out = new("--out") { Description = "Folder to recover to", Required = true, HelpName = "folder" };
    private readonly Option<string[]> _studies = new("--study") { Description = "Only this study; may be repeated", HelpName = "uid" };
    private readonly Option<string?> _asOf = new("--as-of") { Description = "The folders as they stood then: latest, 2026-11-24 (the end of that day), 2026-11-24T18:00", HelpName = "time" };
    private readonly Option<string[]> _roots = new("--root") { Description = "With --as-of: only this folder, by its label; may be repeated", HelpName = "label" };
    private readonly Option<string[]> _paths = new("--path") { Description = "With --as-of: only these files or folders, as .gitignore has it: 2024/, *.jpg; may be repeated", HelpName = "pattern" };
    private readonly Option<bool> _overwrite = new("--overwrite") { Description = "Replace files of the same name that have other bytes" };
    private readonly Option<bool> _json = CommonOptions.Json();

    private RecoverCommand(CliEnvironment environment) => _environment = environment;

    public static Command Create(CliEnvironment environment) => new RecoverCommand(environment).Declare();

    private Command Declare()
    {
        Command command = new("recover", "Open packs with the clinic's escrow key, without the service.") { _from, _escrowKey, _passphraseFile, _out, _studies, _asOf, _roots, _paths, _overwrite, _json };
        command.SetAction(RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        string keyFile = parsed.GetValue(_escrowKey)!;
        if (!File.Exists(keyFile)) throw new UsageException($"There is no file {keyFile}.");
        HashSet<Uid> studies = [.. (parsed.GetValue(_studies) ?? []).Select(text => Uid.TryParse(text, null, out Uid uid) ? uid : throw new UsageException($"'{text}' is no study UID."))];
        DateTimeOffset? asOf = parsed.GetValue(_asOf) is { } then ? SnapshotChoice.ParseTime(then, _environment.Clock) : null;
        SnapshotFilter filter = new(parsed.GetValue(_roots) ?? [], parsed.GetValue(_paths) ?? []);
        if (asOf is null ? filter.Roots.Count + filter.Paths.Count > 0 : studies.Count > 0)
        {
            throw new UsageException("--root and --path choose from what stood there at some time, --as-of; --study chooses from everything, without it.");
        }

        using RSA key = EscrowKeyFile.Open(keyFile, Passphrase.Read(_environment, parsed.GetValue(_passphraseFile), isNew: false));
        using TargetFolder target = new(parsed.GetValue(_out)!, parsed.GetValue(_overwrite));
        target.Lock();
        int leftAlone = 0;
        bool json = parsed.GetValue(_json);
        RestoreTally tally = await ProgressViews.RunAsync(_environment, json, async view =>
        {
            IRecoverySource source = OpenSource(parsed.GetValue(_from)!, _environment, view);
            using IDisposable? owned = source as IDisposable;
            RecoveryRun run = new(source, key, studies, target, view);
            RestoreTally all = await run.RunAsync(asOf, filter, cancellationToken);
            leftAlone = run.LeftAlone;
            return all;
        });

        if (json)
        {
            _environment.WriteJson(new { folder = target.Root, tally.Restored, tally.Skipped, tally.Failed, tally.Bytes, leftAlone, files = tally.Listed, filesNotListed = CommonOptions.NotListed(tally.Files.Count) });
        }
        else
        {
            _environment.Out.WriteLine($"Recovered {Texts.Count(tally.Restored, "file")}, {Texts.Size(tally.Bytes)}, to {target.Root}; {tally.Skipped:N0} were there, {tally.Failed:N0} failed.");
        }

        if (tally.Files.Count > 0)
        {
            return (int)tally.Code;
        }

        await _environment.Error.WriteLineAsync("Nothing there fits what was asked for.");
        return (int)ExitCode.NothingFound;
    }

    /// <summary>Where packs lie: a folder, or a container.</summary>
    internal static IRecoverySource OpenSource(string from, CliEnvironment environment, IProgressView view)
    {
        if (Uri.TryCreate(from, UriKind.Absolute, out Uri? url) && url.Scheme is "https" or "http") return new ContainerSource(url!, environment);
        return new FolderSource(Backup.FolderScan.ResolveAll([from], static _ => false)[0], view.Note);
    }
}
