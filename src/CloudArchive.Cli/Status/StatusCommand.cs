using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using Spectre.Console;

namespace CloudArchive.Cli.Status;

/// <summary><c>status</c>: needs no network.</summary>
internal static class StatusCommand
{
    private static readonly FileCounts NoFiles = new(0, 0, 0, 0, 0, new Dictionary<SkipReason, long>());

    public static Command Create(CliEnvironment environment)
    {
        Option<int> maxAge = new("--max-age") { Description = "Hours that the last complete backup may be old", DefaultValueFactory = _ => 26, HelpName = "hours" };
        Option<bool> quick = new("--quick") { Description = "Do not look into the folders for files that are new or changed since" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("status", "Say whether the files are safe; the exit code says it too.") { maxAge, quick, json };
        command.SetAction((parsed, cancellationToken) =>
        {
            AgentHome home = AgentHome.Of(environment);
            AgentIdentity identity = AgentIdentity.Load(home);
            using AgentState? state = AgentState.OpenToRead(home.State(identity.Clinic));
            IReadOnlyList<FolderNow> folders = [.. (state?.Folders() ?? []).Select(folder => Look(state!, home, folder, parsed.GetValue(quick), cancellationToken))];
            (RunRecord? last, RunRecord? lastGood) = state?.LastRuns() ?? (null, null);
            StatusFacts facts = new(state?.Count(null) ?? NoFiles, folders, last, lastGood, state is null ? null : LogNow.Of(state), environment.Clock.GetUtcNow(), TimeSpan.FromHours(parsed.GetValue(maxAge)));
            IReadOnlyList<StatusFinding> findings = StatusVerdict.For(facts);
            bool safe = !findings.Any(f => f.NotSafe);
            (long receipts, DateTimeOffset? newest, DateTimeOffset? firstToExpire) = state?.ReceiptSpan() ?? (0, null, null);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(new
                {
                    safe,
                    identity.Clinic,
                    identity.ClinicName,
                    identity.AgentId,
                    service = identity.Service,
                    dataFolder = home.Path,
                    files = facts.Counts.Files,
                    facts.Counts.BackedUp,
                    facts.Counts.BackedUpBytes,
                    pending = facts.Counts.Pending + facts.Folders.Sum(f => f.Changed ?? 0),
                    skipped = facts.Counts.SkippedFiles,
                    skippedByReason = facts.Counts.Skipped.ToDictionary(s => SkipReasons.Name(s.Key), s => s.Value),
                    lastBackup = last,
                    lastCompleteBackup = lastGood?.FinishedAt,
                    receipts,
                    newestReceipt = newest,
                    firstImmutabilityEnd = firstToExpire,
                    folders,
                    findings,
                });
            }
            else
            {
                Write(environment, identity, facts, findings, safe, receipts, newest);
            }

            return Task.FromResult((int)(safe ? ExitCode.Ok : facts.Log?.Alarm is null ? ExitCode.NotSafe : ExitCode.LogAlarm));
        });
        return command;
    }

    private static FolderNow Look(AgentState state, AgentHome home, string folder, bool quick, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(folder)) return new FolderNow(folder, false, null, 0);
        if (quick) return new FolderNow(folder, true, null, 0);
        int unreadable = 0;
        long changed = FolderScan.Walk(folder, [home.Path], _ => unreadable++, cancellationToken).Count(file => file.Skip is null && state.IsNews(file));
        return new FolderNow(folder, true, changed, unreadable);
    }

    private static void Write(CliEnvironment environment, AgentIdentity identity, StatusFacts facts, IReadOnlyList<StatusFinding> findings, bool safe, long receipts, DateTimeOffset? newest)
    {
        IAnsiConsole console = environment.Console;
        console.MarkupLine(safe ? "[bold white on green] SAFE [/]  " + Markup.Escape($"{identity.ClinicName} ({identity.Clinic})") : "[bold white on red] NOT SAFE [/]  " + Markup.Escape($"{identity.ClinicName} ({identity.Clinic})"));
        foreach (StatusFinding finding in findings) console.MarkupLine(finding.NotSafe ? $"[red]  ! {Markup.Escape(finding.Text)}[/]" : $"[yellow]  - {Markup.Escape(finding.Text)}[/]");

        TextWriter output = environment.Out;
        output.WriteLine();
        foreach (FolderNow folder in facts.Folders) output.WriteLine($"  Folder       {Texts.Printable(folder.Path)}");
        output.WriteLine($"  Files        {facts.Counts.Files:N0} found, {facts.Counts.BackedUp:N0} backed up ({Texts.Size(facts.Counts.BackedUpBytes)}), {facts.Counts.Pending + facts.Folders.Sum(f => f.Changed ?? 0):N0} not yet");
        if (facts.Counts.SkippedFiles > 0) output.WriteLine($"  Skipped      {string.Join(", ", facts.Counts.Skipped.Select(s => $"{s.Value:N0} {SkipReasons.Describe(s.Key).Split(" (")[0]}"))}");
        output.WriteLine($"  Last backup  {(facts.LastRun is { } run ? Describe(run, facts.Now) : "never")}");
        output.WriteLine($"  Receipts     {receipts:N0}{(newest is { } at ? $", the newest {Texts.Ago(at, facts.Now)}" : "")}");
        output.WriteLine($"  Archive      {identity.Service}");
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
