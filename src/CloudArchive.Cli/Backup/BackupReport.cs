using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Cli.Backup;

/// <summary>Tells what a backup did, and what it left out and why.</summary>
internal static class BackupReport
{
    private const int MostPaths = 20;

    public static void WriteJson(CliEnvironment environment, AgentState state, BackupOutcome outcome, bool dryRun, string? alarm, AgentVerdict? verdict) => environment.WriteJson(new
    {
        dryRun,
        folders = outcome.Folders.Select(folder => folder.Path),
        safe = verdict?.Safe,
        filesFound = outcome.Counts.Files,
        backedUp = outcome.Counts.Archived.Files,
        backedUpBytes = outcome.Counts.Archived.Bytes,
        excluded = outcome.Counts.Excluded.Files,
        excludedBytes = outcome.Counts.Excluded.Bytes,
        pending = outcome.Counts.Pending.Files,
        pendingBytes = outcome.Counts.Pending.Bytes,
        held = outcome.Counts.Held.Files,
        unchanged = outcome.Unchanged,
        read = outcome.Read,
        @checked = outcome.Checked,
        alreadyArchived = outcome.AlreadyArchived,
        uploaded = outcome.Uploaded,
        packs = outcome.Packs.Count,
        receipts = outcome.Packs.Count,
        bytes = outcome.UploadedBytes,
        packIds = outcome.Packs.Take(CommonOptions.MostListed),
        packIdsNotListed = CommonOptions.NotListed(outcome.Packs.Count),
        plan = dryRun ? outcome.Plan : null,
        planNotListed = dryRun ? (long?)(outcome.PlannedPacks - outcome.Plan.Count) : null,
        skipped = outcome.Counts.SkippedFiles,
        skippedByReason = outcome.Counts.Skipped.ToDictionary(s => SkipReasons.Name(s.Key), s => s.Value.Files),
        skippedFiles = Skipped(state, outcome).Take(CommonOptions.MostListed).Select(f => new { f.Path, reason = SkipReasons.Name(f.Reason), f.Detail }),
        skippedNotListed = CommonOptions.NotListed(outcome.Counts.SkippedFiles),
        unreadableFolders = outcome.UnreadableFolders.Take(CommonOptions.MostListed),
        unreadableNotListed = CommonOptions.NotListed(outcome.UnreadableFolders.Count),
        failedPacks = outcome.FailedPacks.Count > 0 ? outcome.FailedPacks.Take(CommonOptions.MostListed) : null,
        failedPacksNotListed = outcome.FailedPacks.Count > 0 ? (long?)CommonOptions.NotListed(outcome.FailedPacks.Count) : null,
        impossibleTimes = outcome.ImpossibleTimes > 0 ? (long?)outcome.ImpossibleTimes : null,
        unprovenPacks = outcome.Sync.Unproven is { Count: > 0 } unproven ? unproven.Take(CommonOptions.MostListed) : null,
        unprovenNotListed = outcome.Sync.Unproven is { Count: > 0 } all ? (long?)CommonOptions.NotListed(all.Count) : null,
        lostPacks = outcome.Sync.Lost > 0 ? (int?)outcome.Sync.Lost : null,
        destroyedPacks = outcome.Sync.Destroyed > 0 ? (int?)outcome.Sync.Destroyed : null,
        notLearned = outcome.Sync.NotLearned,
        remarks = state.CountRemarks([.. outcome.Folders.Select(folder => folder.Id)]),
        snapshot = outcome.Snapshot is { } taken ? new { taken.Pack, taken.TakenAt, taken.Files, taken.Changes } : null,
        snapshotFailed = outcome.SnapshotFailed,
        indexProblem = outcome.IndexProblem,
        alarm,
    });

    public static void Write(CliEnvironment environment, AgentState state, BackupOutcome outcome, bool dryRun, bool verbose)
    {
        TextWriter output = environment.Out;
        FileCounts counts = outcome.Counts;
        if (outcome.Sync.Receipts > 0)
        {
            output.WriteLine($"Learned from the archive: {Texts.Count(outcome.Sync.Receipts, "receipt")}.");
        }

        if (outcome.Sync.Unproven is { Count: > 0 } unproven)
        {
            output.WriteLine($"{Texts.Count(unproven.Count, "pack")} in the archive did not fit the receipts; their files count as not backed up and go again.");
        }

        if (outcome.Sync.Lost > 0)
        {
            output.WriteLine($"The archive lost {Texts.Count(outcome.Sync.Lost, "pack")}: what this computer still has of {(outcome.Sync.Lost == 1 ? "it" : "them")} goes again.");
        }

        if (outcome.Sync.Destroyed > 0)
        {
            (string was, string its, string it) = outcome.Sync.Destroyed == 1 ? ("was", "its", "it") : ("were", "their", "them");
            output.WriteLine(
                $"{Texts.Count(outcome.Sync.Destroyed, "pack")} {was} destroyed in the archive after {its} time: what this computer still has of {it} goes again. To keep it out, delete or exclude it here: cloudarchive folders exclude");
        }

        if (outcome.Sync.NotLearned is { } why)
        {
            output.WriteLine($"What is new in the archive could not be learned: {why}");
        }

        if (dryRun)
        {
            WritePlan(output, outcome, verbose);
        }
        else
        {
            WriteDone(output, outcome);
        }

        if (counts.Excluded.Files > 0)
        {
            output.WriteLine($"Left out on purpose: {Texts.Count(counts.Excluded.Files, "file")}, {Texts.Size(counts.Excluded.Bytes)} (cloudarchive folders show says by which rules).");
        }

        if (counts.SkippedFiles > 0)
        {
            output.WriteLine($"Skipped {Texts.Count(counts.SkippedFiles, "file")}:");
            foreach ((SkipReason reason, FileTally files) in counts.Skipped)
            {
                output.WriteLine($"  {files.Files,8:N0}  {SkipReasons.Describe(reason)}");
            }
        }

        WritePaths(output, state, outcome, verbose);
        WriteRemarks(output, state, outcome, verbose);
        foreach (UnreadableFolder folder in outcome.UnreadableFolders.Take(verbose ? int.MaxValue : MostPaths))
        {
            output.WriteLine($"Folder cannot be listed: {Texts.Printable(folder.Path)} ({folder.Why})");
        }

        foreach (FailedPack pack in outcome.FailedPacks.Take(verbose ? int.MaxValue : MostPaths))
        {
            output.WriteLine($"Not uploaded: {Texts.Count(pack.Files, "file")} of {Sets.Describe(pack.Study)}{(pack.First is { } first ? $", the first is {Texts.Printable(first)}" : "")}. {pack.Why}");
        }

        if (outcome.ImpossibleTimes > 0)
        {
            output.WriteLine($"{Texts.Count(outcome.ImpossibleTimes, "file has", "files have")} a date that no calendar knows; 9999-12-31 is noted instead.");
        }

        if (outcome.Snapshot is { } snapshot)
        {
            output.WriteLine($"Snapshot of {Texts.Count(snapshot.Files, "file")} archived, {Texts.Count(snapshot.Changes, "line")} of it new: `cloudarchive restore --as-of` brings the folders back as they are now.");
        }

        if (outcome.SnapshotFailed is { } failed)
        {
            output.WriteLine($"What stands where could not be archived; the next backup tries again: {failed}");
        }

        WriteConclusion(output, outcome, dryRun);
    }

    /// <summary>What a person has to look at before anything else, and what to do.</summary>
    public static IEnumerable<string> Warnings(BackupOutcome outcome)
    {
        if (outcome.IndexProblem is { } problem)
        {
            yield return problem;
        }

        foreach (FolderRecord folder in outcome.Folders)
        {
            string path = Texts.Printable(folder.Path);
            if (folder.HeldSince is not null)
            {
                yield return $"{path}: so many files were rewritten, renamed or stopped being DICOM that it may be an attack. The archive keeps the earlier versions; "
                    + "no new ones of these files are taken until you say so. If it was meant: cloudarchive backup --accept-changes";
            }

            if (folder.IsEmptied)
            {
                yield return $"{path} held files and is empty now. Nothing was forgotten. Is the drive connected? If it is as it should be: cloudarchive backup --accept-changes";
            }

            if (folder.IsMoved)
            {
                yield return $"{path} lies on another drive or share than before. Nothing was forgotten. If the files moved there: cloudarchive backup --accept-changes";
            }
        }
    }

    private static IEnumerable<SkippedFile> Skipped(AgentState state, BackupOutcome outcome) => state.SkippedFiles([.. outcome.Folders.Select(folder => folder.Id)]);

    private static void WriteDone(TextWriter output, BackupOutcome outcome)
    {
        long found = outcome.Counts.Files - outcome.Counts.Excluded.Files;
        output.WriteLine($"Found {Texts.Count(found, "file")}: {outcome.Unchanged:N0} unchanged, {Math.Max(0, found - outcome.Unchanged):N0} new or changed.");
        if (outcome.AlreadyArchived > 0)
        {
            output.WriteLine($"{Texts.Count(outcome.AlreadyArchived, "file was", "files were")} renamed, copied or known: the archive holds the same bytes already.");
        }

        if (outcome.Checked > 0)
        {
            output.WriteLine($"{Texts.Count(outcome.Checked, "file was", "files were")} read again to make sure.");
        }

        output.WriteLine(outcome.Packs.Count > 0
            ? $"Uploaded {Texts.Count(outcome.Uploaded, "file")} in {Texts.Count(outcome.Packs.Count, "pack")}, {Texts.Size(outcome.UploadedBytes)} sealed; {Texts.Count(outcome.Packs.Count, "receipt")} verified and stored."
            : "Nothing to upload.");
    }

    private static void WritePlan(TextWriter output, BackupOutcome outcome, bool verbose)
    {
        output.WriteLine($"Found {Texts.Count(outcome.Counts.Files, "file")}: {outcome.Counts.Archived.Files:N0} backed up, {outcome.Counts.Pending.Files:N0} to upload ({Texts.Size(outcome.Counts.Pending.Bytes)}).");
        if (outcome.Plan.Count == 0)
        {
            return;
        }

        output.WriteLine(outcome.PlannedPacks > outcome.Plan.Count
            ? $"A backup would upload {Texts.Count(outcome.PlannedPacks, "pack")}; the first {outcome.Plan.Count:N0}:"
            : $"A backup would upload {Texts.Count(outcome.Plan.Count, "pack")} of {Texts.Count(outcome.Plan.Select(p => p.Study).Distinct().Count(), "study or folder", "studies and folders")}:");
        foreach (PlanLine line in outcome.Plan.Take(verbose ? int.MaxValue : MostPaths))
        {
            string versions = line.NewVersions > 0 ? $", {line.NewVersions:N0} beside an older version" : "";
            string copies = line.Copies > 0 ? $", {Texts.Count(line.Copies, "copy", "copies")} with it" : "";
            output.WriteLine($"  {Sets.Describe(line.Study)}: {Texts.Count(line.Files, "file")}, {Texts.Size(line.Bytes)}{versions}{copies}{Why(line.Reason)}");
        }

        if (!verbose && outcome.Plan.Count > MostPaths)
        {
            output.WriteLine($"  and {outcome.Plan.Count - MostPaths:N0} more (--verbose lists them)");
        }
    }

    private static string Why(PackReason reason) => reason switch
    {
        PackReason.TargetSize => "; full, the set goes on in another pack",
        PackReason.InstanceLimit => "; as many files as a pack may hold",
        PackReason.LargeInstance => "; large, a pack of its own",
        _ => "",
    };

    /// <summary>The files themselves: grave ones always, the others on request. Paths are for the person at this computer only.</summary>
    private static void WritePaths(TextWriter output, AgentState state, BackupOutcome outcome, bool verbose)
    {
        int told = 0;
        foreach (SkippedFile file in Skipped(state, outcome).Where(f => verbose || SkipReasons.IsGrave(f.Reason)))
        {
            if (!verbose && told++ == MostPaths)
            {
                output.WriteLine("  and more (--verbose lists all)");
                break;
            }

            output.WriteLine($"  {Texts.Printable(file.Path)}: {SkipReasons.Describe(file.Reason)}{(file.Detail is null ? "" : $" ({Texts.Printable(file.Detail)})")}");
        }
    }

    /// <summary>Files that look like DICOM and cannot be filed under a study: they are archived as they are, and somebody may want to know.</summary>
    private static void WriteRemarks(TextWriter output, AgentState state, BackupOutcome outcome, bool verbose)
    {
        long[] folders = [.. outcome.Folders.Select(folder => folder.Id)];
        long remarks = state.CountRemarks(folders);
        if (remarks == 0)
        {
            return;
        }

        output.WriteLine($"{Texts.Count(remarks, "file is", "files are")} archived as {(remarks == 1 ? "a plain file" : "plain files")}, with a remark{(verbose ? ":" : " (--verbose lists them).")}");
        foreach (RemarkedFile file in verbose ? state.Remarks(folders) : [])
        {
            output.WriteLine($"  {Texts.Printable(file.Path)}: {Texts.Printable(file.Remark)}");
        }
    }

    private static void WriteConclusion(TextWriter output, BackupOutcome outcome, bool dryRun)
    {
        foreach (string warning in Warnings(outcome))
        {
            output.WriteLine($"WARNING: {warning}");
        }

        if (dryRun)
        {
            output.WriteLine("Dry run: nothing was uploaded.");
            return;
        }

        FileCounts counts = outcome.Counts;
        string all = $"{Texts.Count(counts.Archived.Files, "file is", "files are")} backed up, {Texts.Size(counts.Archived.Bytes)}";
        if (outcome.Code(dryRun: false) == ExitCode.Ok)
        {
            output.WriteLine($"{all}.");
            return;
        }

        string not = counts.NotBackedUp > 0 ? $", {Texts.Count(counts.NotBackedUp, "file is", "files are")} not" : "";
        string closed = outcome.UnreadableFolders.Count > 0 ? $", and {Texts.Count(outcome.UnreadableFolders.Count, "folder")} could not be listed" : "";
        string excluded = counts.SkippedFor(SkipReasons.IsNotArchived).Files > 0 ? " What need not be archived can be excluded: cloudarchive folders exclude." : "";
        output.WriteLine($"NOT EVERYTHING IS BACKED UP: {all}{not}{closed}. Run the backup again once the cause is gone.{excluded}");
    }
}
