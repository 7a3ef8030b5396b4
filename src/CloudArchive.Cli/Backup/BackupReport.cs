using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;

namespace CloudArchive.Cli.Backup;

/// <summary>Tells what a backup did, and what it left out and why.</summary>
internal static class BackupReport
{
    private const int MostPaths = 20;

    public static void WriteJson(CliEnvironment environment, AgentState state, BackupOutcome outcome, bool dryRun, string? alarm) => environment.WriteJson(new
    {
        dryRun,
        folders = outcome.Folders,
        filesFound = outcome.Counts.Files,
        backedUp = outcome.Counts.BackedUp,
        backedUpBytes = outcome.Counts.BackedUpBytes,
        pending = outcome.Counts.Pending,
        pendingBytes = outcome.Counts.PendingBytes,
        unchanged = outcome.Unchanged,
        read = outcome.Read,
        alreadyArchived = outcome.AlreadyArchived,
        uploaded = outcome.Uploaded,
        packs = outcome.Packs.Count,
        receipts = outcome.Packs.Count,
        bytes = outcome.UploadedBytes,
        packIds = outcome.Packs,
        plan = dryRun ? outcome.Plan : null,
        skipped = outcome.Counts.SkippedFiles,
        skippedByReason = outcome.Counts.Skipped.ToDictionary(s => SkipReasons.Name(s.Key), s => s.Value),
        skippedFiles = state.SkippedFiles(outcome.Run).Select(f => new { f.Path, reason = SkipReasons.Name(f.Reason), f.Detail }),
        unreadableFolders = outcome.UnreadableFolders,
        unprovenPacks = outcome.Sync.Unproven.Count > 0 ? outcome.Sync.Unproven : null,
        alarm,
    });

    public static void Write(CliEnvironment environment, AgentState state, BackupOutcome outcome, bool dryRun, bool verbose)
    {
        TextWriter output = environment.Out;
        FileCounts counts = outcome.Counts;
        if (outcome.Sync.Receipts > 0) output.WriteLine($"Learned from the archive: {Texts.Count(outcome.Sync.Receipts, "receipt")}.");
        if (outcome.Sync.Unproven.Count > 0) output.WriteLine($"{Texts.Count(outcome.Sync.Unproven.Count, "pack")} in the archive did not fit the receipts; their files count as not backed up and go again.");
        if (dryRun) WritePlan(output, outcome, verbose);
        else WriteDone(output, outcome);

        if (counts.SkippedFiles > 0)
        {
            output.WriteLine($"Skipped {Texts.Count(counts.SkippedFiles, "file")}:");
            foreach ((SkipReason reason, long number) in counts.Skipped) output.WriteLine($"  {number,8:N0}  {SkipReasons.Describe(reason)}");
        }

        WritePaths(output, state, outcome, verbose);
        foreach (UnreadableFolder folder in outcome.UnreadableFolders.Take(verbose ? int.MaxValue : MostPaths)) output.WriteLine($"Folder cannot be listed: {Texts.Printable(folder.Path)} ({folder.Why})");
        WriteConclusion(output, outcome, dryRun);
    }

    private static void WriteDone(TextWriter output, BackupOutcome outcome)
    {
        output.WriteLine($"Found {Texts.Count(outcome.Counts.Files, "file")}: {outcome.Unchanged:N0} unchanged, {outcome.Counts.Files - outcome.Unchanged:N0} new or changed.");
        if (outcome.AlreadyArchived > 0) output.WriteLine($"{Texts.Count(outcome.AlreadyArchived, "file was", "files were")} renamed, copied or known: the archive holds the same bytes already.");
        if (outcome.Packs.Count > 0) output.WriteLine($"Uploaded {Texts.Count(outcome.Uploaded, "instance")} in {Texts.Count(outcome.Packs.Count, "pack")}, {Texts.Size(outcome.UploadedBytes)} sealed; {Texts.Count(outcome.Packs.Count, "receipt")} verified and stored.");
        else output.WriteLine("Nothing to upload.");
    }

    private static void WritePlan(TextWriter output, BackupOutcome outcome, bool verbose)
    {
        output.WriteLine($"Found {Texts.Count(outcome.Counts.Files, "file")}: {outcome.Counts.BackedUp:N0} backed up, {outcome.Counts.Pending:N0} to upload ({Texts.Size(outcome.Counts.PendingBytes)}).");
        if (outcome.Plan.Count == 0) return;
        output.WriteLine($"A backup would upload {Texts.Count(outcome.Plan.Count, "pack")} of {Texts.Count(outcome.Plan.Select(p => p.Study).Distinct().Count(), "study", "studies")}:");
        foreach (PlanLine line in outcome.Plan.Take(verbose ? int.MaxValue : MostPaths))
        {
            string versions = line.NewVersions > 0 ? $", {line.NewVersions:N0} beside an older version" : "";
            string copies = line.Copies > 0 ? $", {Texts.Count(line.Copies, "copy", "copies")} with it" : "";
            output.WriteLine($"  study {line.Study}: {Texts.Count(line.Files, "instance")}, {Texts.Size(line.Bytes)}{versions}{copies}{Why(line.Reason)}");
        }

        if (!verbose && outcome.Plan.Count > MostPaths) output.WriteLine($"  and {outcome.Plan.Count - MostPaths:N0} more (--verbose lists them)");
    }

    private static string Why(PackReason reason) => reason switch
    {
        PackReason.TargetSize => "; full, the study goes on in another pack",
        PackReason.InstanceLimit => "; as many instances as a pack may hold",
        PackReason.LargeInstance => "; large, a pack of its own",
        _ => "",
    };

    /// <summary>The files themselves: grave ones always, the others on request. Paths are for the person at this computer only.</summary>
    private static void WritePaths(TextWriter output, AgentState state, BackupOutcome outcome, bool verbose)
    {
        int told = 0;
        foreach (SkippedFile file in state.SkippedFiles(outcome.Run).Where(f => verbose || SkipReasons.IsGrave(f.Reason)))
        {
            if (!verbose && told++ == MostPaths)
            {
                output.WriteLine("  and more (--verbose lists all)");
                break;
            }

            output.WriteLine($"  {Texts.Printable(file.Path)}: {SkipReasons.Describe(file.Reason)}{(file.Detail is null ? "" : $" ({Texts.Printable(file.Detail)})")}");
        }
    }

    private static void WriteConclusion(TextWriter output, BackupOutcome outcome, bool dryRun)
    {
        if (dryRun)
        {
            output.WriteLine("Dry run: nothing was uploaded.");
            return;
        }

        FileCounts counts = outcome.Counts;
        string all = $"{Texts.Count(counts.BackedUp, "file is", "files are")} backed up, {Texts.Size(counts.BackedUpBytes)}";
        output.WriteLine(outcome.Code(dryRun: false) == ExitCode.Ok
            ? counts.Grave > 0 ? $"{all}. {Texts.Count(counts.Grave, "file", "files")} above should be looked at." : $"{all}."
            : $"NOT EVERYTHING IS BACKED UP: {all}, {Texts.Count(counts.NotBackedUp, "file is", "files are")} not{(outcome.UnreadableFolders.Count > 0 ? $", and {Texts.Count(outcome.UnreadableFolders.Count, "folder")} could not be listed" : "")}. Run the backup again once the cause is gone.");
    }
}
