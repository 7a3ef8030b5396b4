using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using Spectre.Console;

namespace CloudArchive.Cli.Status;

/// <summary><c>status</c>: needs no network.</summary>
internal static class StatusCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<int> maxAge = new("--max-age") { Description = "Hours that the last complete backup may be old", DefaultValueFactory = _ => 26, HelpName = "hours" };
        Option<bool> quick = new("--quick") { Description = "Do not look into the folders for files that are new or changed since" };
        Option<bool> json = CommonOptions.Json();
        maxAge.Validators.Add(result => { if (result.GetValue(maxAge) is < 1 or > 8760) result.AddError("--max-age is 1 to 8760 hours."); });
        Command command = new("status", "Say whether the files are safe; the exit code says it too.") { maxAge, quick, json };
        command.SetAction((parsed, cancellationToken) =>
        {
            AgentHome home = AgentHome.Of(environment);
            AgentIdentity identity = AgentIdentity.Load(home);
            using AgentState? state = AgentState.OpenToRead(home.State(identity.Clinic));
            using IdentifierSecret? secret = home.TryReadSecret();
            AgentLook look = AgentLook.Of(state, identity, secret, environment.Clock.GetUtcNow(), TimeSpan.FromHours(parsed.GetValue(maxAge)));
            foreach (FolderLook folder in look.Folders)
            {
                look = Look(look, folder, state!, home, environment, parsed.GetValue(quick), cancellationToken);
            }

            AgentVerdict verdict = VerdictRule.For(look.Facts);
            StatusText status = new(identity, look, verdict, state);
            if (parsed.GetValue(json))
            {
                status.WriteJson(environment, home);
            }
            else
            {
                status.Write(environment);
            }

            return Task.FromResult((int)status.Code);
        });
        return command;
    }

    private static AgentLook Look(AgentLook look, FolderLook folder, AgentState state, AgentHome home, CliEnvironment environment, bool quick, CancellationToken cancellationToken)
    {
        FolderRecord record = folder.Folder;
        if (!Directory.Exists(record.Path))
        {
            return look.With(folder, isThere: false, record.IsMoved, null);
        }

        bool isMoved = record.Volume is not null && environment.VolumeOf(record.Path) is { } volume && volume != record.Volume;
        FolderDifference? seen = quick
            ? null
            : new FolderDiff(state, record) { Write = false }.Run(
                FolderScan.Walk(record.Path, RunScan.ScopeOf(state, home, record), cancellationToken), null, environment.Clock.GetUtcNow());
        return look.With(folder, isThere: true, isMoved, seen);
    }
}

/// <summary>What <c>status</c> says: as text, as JSON, and as an exit code.</summary>
public sealed class StatusText(AgentIdentity identity, AgentLook look, AgentVerdict verdict, AgentState? state)
{
    /// <summary>For whoever looks at nothing else.</summary>
    public ExitCode Code => verdict.Safe ? ExitCode.Ok : look.Facts.LogAlarm ? ExitCode.LogAlarm : ExitCode.NotSafe;

    /// <summary>For people.</summary>
    public void Write(CliEnvironment environment)
    {
        IAnsiConsole console = environment.Console;
        DateTimeOffset now = look.Facts.Now;
        string clinic = Markup.Escape($"{identity.ClinicName} ({identity.Clinic})");
        console.MarkupLine(verdict.Safe ? $"[bold white on green] SAFE [/]  {clinic}" : $"[bold white on red] NOT SAFE [/]  {clinic}");
        foreach ((string? path, VerdictFinding finding) in Findings())
        {
            string text = $"{(path is null ? "" : $"{Texts.Printable(path)}: ")}{VerdictTexts.Describe(finding, now)}{Alarm(finding)}";
            environment.WriteBehind(finding.NotSafe ? "  ! " : "  - ", text, finding.NotSafe ? "red" : "yellow");
        }

        TextWriter output = environment.Out;
        output.WriteLine();
        foreach (FolderLook folder in look.Folders)
        {
            output.WriteLine($"  Folder       {Texts.Printable(folder.Folder.Path)}");
            environment.WriteBehind("               ", Describe(folder, now));
        }

        RunRecord? last = state?.LastRun();
        (long receipts, DateTimeOffset? newest, _) = state?.ReceiptSpan() ?? (0, null, null);
        output.WriteLine($"  Last backup  {(last is { } run ? Describe(run, now) : "never")}");
        output.WriteLine($"  Receipts     {receipts:N0}{(newest is { } at ? $", the newest {Texts.Ago(at, now)}" : "")}");
        output.WriteLine($"  Archive      {identity.Service}");
    }

    /// <summary>For scripts.</summary>
    public void WriteJson(CliEnvironment environment, AgentHome home)
    {
        FileCounts sum = FileCounts.Sum(look.Folders.Select(folder => folder.Counts));
        RunRecord? last = state?.LastRun();
        (long receipts, DateTimeOffset? newest, DateTimeOffset? firstToExpire) = state?.ReceiptSpan() ?? (0, null, null);
        environment.WriteJson(new
        {
            safe = verdict.Safe,
            identity.Clinic,
            identity.ClinicName,
            identity.AgentId,
            service = identity.Service,
            dataFolder = home.Path,
            files = sum.Files,
            backedUp = sum.Archived.Files,
            backedUpBytes = sum.Archived.Bytes,
            excluded = sum.Excluded.Files,
            excludedBytes = sum.Excluded.Bytes,
            held = sum.Held.Files,
            pending = look.Facts.Folders.Sum(folder => folder.Pending.Files),
            skipped = sum.SkippedFiles,
            skippedByReason = sum.Skipped.ToDictionary(s => SkipReasons.Name(s.Key), s => s.Value.Files),
            lastBackup = last,
            lastCompleteBackup = look.Folders.Count == 0 ? null : look.Folders.Min(folder => folder.Folder.CompleteAt ?? DateTimeOffset.MinValue) is var at && at > DateTimeOffset.MinValue ? at : (DateTimeOffset?)null,
            receipts,
            newestReceipt = newest,
            firstImmutabilityEnd = firstToExpire,
            folders = look.Folders.Zip(verdict.Folders, (folder, said) => new
            {
                folder.Folder.Path,
                id = said.Folder.Length == 0 ? null : said.Folder,
                said.Safe,
                isThere = folder.Facts.IsThere,
                said.Files,
                said.Bytes,
                said.Archived,
                said.Excluded,
                pending = folder.Facts.Pending.Files,
                said.LastCompleteAt,
                findings = said.Findings.Select(Say),
            }),
            findings = verdict.Findings.Select(Say),
        });
    }

    private object Say(VerdictFinding finding) => new
    {
        cause = finding.Cause,
        finding.NotSafe,
        finding.Count,
        finding.Bytes,
        finding.Since,
        text = VerdictTexts.Describe(finding, look.Facts.Now) + Alarm(finding),
    };

    /// <summary>Every finding with the folder that it is about, the grave ones first.</summary>
    private IEnumerable<(string? Path, VerdictFinding Finding)> Findings() => verdict.Findings.Select(finding => ((string?)null, finding))
        .Concat(look.Folders.Zip(verdict.Folders).SelectMany(folder => folder.Second.Findings.Select(finding => ((string?)folder.First.Folder.Path, finding))))
        .OrderByDescending(f => f.finding.NotSafe);

    /// <summary>What the check said of the log, for who has to tell the operator.</summary>
    private string Alarm(VerdictFinding finding) => finding.Cause == VerdictCause.LogAlarm && state?.Get(LogWatch.AlarmName) is { Length: > 0 } alarm ? $" {alarm}" : "";

    private static string Describe(FolderLook folder, DateTimeOffset now)
    {
        FolderFacts facts = folder.Facts;
        FileTally rest = facts.Found;
        List<string> parts = [$"{rest.Files:N0} files ({Texts.Size(rest.Bytes)})", $"{facts.Archived.Files:N0} archived"];
        (string What, FileTally Files)[] others =
        [
            ("excluded on purpose", facts.Excluded), ("not yet", facts.Pending), ("held back", facts.Held), ("unreadable", facts.Unreadable), ("not archived", facts.NotArchived),
            ("changed without a new time", facts.ChangedWithoutNewTime),
        ];
        parts.AddRange(others.Where(o => o.Files.Files > 0).Select(o => $"{o.Files.Files:N0} {o.What}"));
        return $"{string.Join(", ", parts)}; complete {(facts.LastCompleteAt is { } at ? at > now + VerdictRule.ClockSlack ? $"at {at.ToLocalTime():yyyy-MM-dd HH:mm}, in the future" : Texts.Ago(at, now) : "never")}";
    }

    private static string Describe(RunRecord run, DateTimeOffset now)
    {
        string when = $"{run.StartedAt.ToLocalTime():yyyy-MM-dd HH:mm} ({Texts.Ago(run.StartedAt, now)})";
        return run switch
        {
            { FinishedAt: null } => $"{when}, running or cut off",
            { Outcome: ExitCode.Ok } => $"{when}, complete",
            { Outcome: ExitCode.Incomplete } => $"{when}, {Texts.Count(run.NotBackedUp ?? 0, "file")} left behind",
            _ => $"{when}, failed",
        };
    }
}
