namespace CloudArchive.Format.Verdicts;

/// <summary>The verdict in a word.</summary>
public enum VerdictState
{
    /// <summary>Every file found is archived or excluded on purpose, and that is known to be so now.</summary>
    Safe,

    /// <summary>Nothing is at risk yet, and somebody should look.</summary>
    Attention,

    /// <summary>Files are at risk, or nobody knows whether they are.</summary>
    NotSafe,
}

/// <summary>From when on silence counts.</summary>
/// <param name="Quiet">A computer of which nothing was heard for so long wants attention.</param>
/// <param name="Silent">After so long its last report is worth nothing any more, nor is a backup that was complete then.</param>
public sealed record VerdictLimits(TimeSpan Quiet, TimeSpan Silent)
{
    /// <summary>How far a computer's clock may be off before it is said: tokens allow as much.</summary>
    public static readonly TimeSpan ClockOff = TimeSpan.FromMinutes(5);

    /// <summary>A day without a restore test, and one that may run late.</summary>
    public static readonly TimeSpan RestoreTest = TimeSpan.FromHours(48);

    /// <summary>The log is read whole once a day: two passes that were missed.</summary>
    public static readonly TimeSpan LogCheck = TimeSpan.FromHours(48);

    /// <summary>A computer that is on backs up every day; one of a practice that is closed is off for a long weekend.</summary>
    public static VerdictLimits Default { get; } = new(VerdictRule.DefaultMaxAge, TimeSpan.FromDays(4));

    /// <summary>As an operator sets them: what is silent is not quiet only.</summary>
    public static VerdictLimits For(TimeSpan silent) => new(silent < Default.Quiet ? silent : Default.Quiet, silent);
}

/// <summary>A computer, as the archive knows it.</summary>
/// <param name="Agent">Which.</param>
/// <param name="EnrolledAt">Since when.</param>
/// <param name="Report">What it reported last; null where it did not yet.</param>
/// <param name="ReceivedAt">When that arrived, by the service's clock.</param>
public sealed record ComputerFacts(string Agent, DateTimeOffset EnrolledAt, AgentVerdict? Report, DateTimeOffset? ReceivedAt);

/// <summary>What the archive knows of a clinic beside its computers' reports.</summary>
/// <param name="Computers">The computers that are not revoked.</param>
/// <param name="LostPacks">Packs that the archive lost and that were not uploaded again.</param>
/// <param name="LostBytes">Their bytes, as far as they are known.</param>
/// <param name="FirstPackAt">When the first pack was committed; null where there is none.</param>
/// <param name="LastTestAt">When a restore test ended last.</param>
/// <param name="LastTestFailed">Whether it failed.</param>
/// <param name="LogDamaged">Whether the clinic's audit log did not verify when it was last checked.</param>
/// <param name="LogCheckedAt">When it last verified; null where it was not checked yet.</param>
/// <param name="CreatedAt">Since when the clinic is there.</param>
public sealed record ClinicFacts(
    IReadOnlyList<ComputerFacts> Computers,
    long LostPacks,
    long LostBytes,
    DateTimeOffset? FirstPackAt,
    DateTimeOffset? LastTestAt,
    bool LastTestFailed,
    bool LogDamaged,
    DateTimeOffset? LogCheckedAt,
    DateTimeOffset CreatedAt);

/// <summary>A computer's verdict as it counts now.</summary>
/// <param name="Agent">Which.</param>
/// <param name="State">In a word.</param>
/// <param name="ClockOff">How far its clock was ahead when it reported; null where it was right.</param>
/// <param name="Findings">What is about the computer as a whole; the grave ones first.</param>
/// <param name="Folders">Folder by folder.</param>
public sealed record ComputerVerdict(string Agent, VerdictState State, TimeSpan? ClockOff, IReadOnlyList<VerdictFinding> Findings, IReadOnlyList<FolderVerdict> Folders)
{
    /// <summary>Every finding, of the computer and of its folders.</summary>
    public IEnumerable<VerdictFinding> All => Findings.Concat(Folders.SelectMany(folder => folder.Findings));
}

/// <summary>A clinic's verdict.</summary>
/// <param name="State">In a word.</param>
/// <param name="Findings">What is about the clinic as a whole; the grave ones first.</param>
/// <param name="Computers">Computer by computer.</param>
public sealed record ClinicVerdict(VerdictState State, IReadOnlyList<VerdictFinding> Findings, IReadOnlyList<ComputerVerdict> Computers);

/// <summary>
/// Whether a clinic is safe: what its computers report, as far as it counts still, and what the archive itself knows. Pure. Portal, alerts, weekly
/// mails and reports say what this says; an agent's own part is made by the same findings on its computer.
/// </summary>
public static class ClinicRule
{
    /// <summary>A computer's clock may say anything.</summary>
    private static readonly TimeSpan s_century = TimeSpan.FromDays(36_500);

    /// <summary>Judges.</summary>
    public static ClinicVerdict For(ClinicFacts facts, VerdictLimits limits, DateTimeOffset now)
    {
        ComputerVerdict[] computers = [.. facts.Computers.Select(computer => For(computer, limits, now))];
        List<VerdictFinding> findings = [];
        if (computers.Length == 0)
        {
            findings.Add(new VerdictFinding(VerdictCause.NoAgent, NotSafe: true));
        }

        if (facts.LostPacks > 0)
        {
            findings.Add(new VerdictFinding(VerdictCause.PacksLost, NotSafe: true, facts.LostPacks, facts.LostBytes));
        }

        if (facts.LastTestFailed)
        {
            findings.Add(new VerdictFinding(VerdictCause.RestoreTestFailed, NotSafe: true, Since: facts.LastTestAt));
        }
        else if ((facts.LastTestAt ?? facts.FirstPackAt) is { } tested && now - tested > VerdictLimits.RestoreTest)
        {
            findings.Add(new VerdictFinding(VerdictCause.NoRestoreTest, NotSafe: false, Since: tested));
        }

        if (facts.LogDamaged)
        {
            findings.Add(new VerdictFinding(VerdictCause.LogAlarm, NotSafe: true));
        }
        else if (now - (facts.LogCheckedAt ?? facts.CreatedAt) > VerdictLimits.LogCheck)
        {
            findings.Add(new VerdictFinding(VerdictCause.LogUnchecked, NotSafe: false, Since: facts.LogCheckedAt ?? facts.CreatedAt));
        }

        IReadOnlyList<VerdictFinding> ordered = GraveFirst(findings);
        return new ClinicVerdict(Worst([StateOf(ordered), .. computers.Select(computer => computer.State)]), ordered, computers);
    }

    /// <summary>One computer's part.</summary>
    public static ComputerVerdict For(ComputerFacts computer, VerdictLimits limits, DateTimeOffset now)
    {
        if (computer is not { Report: { } report, ReceivedAt: { } received })
        {
            return new ComputerVerdict(computer.Agent, VerdictState.NotSafe, null, [new VerdictFinding(VerdictCause.NoReport, NotSafe: true)], []);
        }

        List<VerdictFinding> findings = [.. report.Findings];
        TimeSpan quiet = now - received;
        if (quiet > limits.Quiet)
        {
            findings.Add(new VerdictFinding(VerdictCause.NoReport, NotSafe: quiet > limits.Silent, Since: received));
        }

        FolderVerdict[] folders = [.. report.Folders.Select(folder => For(folder, report.At, received, limits, now))];
        if (folders.Length == 0 && findings.TrueForAll(finding => !finding.NotSafe))
        {
            // Nothing is backed up, and nothing says why.
            findings.Add(new VerdictFinding(VerdictCause.NeverBackedUp, NotSafe: true));
        }
        else if (!report.Safe && findings.TrueForAll(finding => !finding.NotSafe) && folders.All(folder => folder.Safe))
        {
            // A newer agent may know of what this service has no name for.
            findings.Add(new VerdictFinding(VerdictCause.BackupFailed, NotSafe: true, Since: received));
        }

        TimeSpan off = report.At - received;
        IReadOnlyList<VerdictFinding> ordered = GraveFirst(findings);
        return new ComputerVerdict(
            computer.Agent, StateOf([.. ordered, .. folders.SelectMany(folder => folder.Findings)]), off.Duration() > VerdictLimits.ClockOff ? off : null, ordered, folders);
    }

    /// <summary>A folder's part: as it was reported, and older by the time since. Ages are worked out by one clock each, the computer's before it reported and the service's since.</summary>
    private static FolderVerdict For(FolderVerdict folder, DateTimeOffset at, DateTimeOffset received, VerdictLimits limits, DateTimeOffset now)
    {
        List<VerdictFinding> findings = [.. folder.Findings];
        bool told = findings.Exists(finding => finding.NotSafe);
        if (!told && folder.LastCompleteAt is null)
        {
            findings.Add(new VerdictFinding(VerdictCause.NeverBackedUp, NotSafe: true));
        }
        else if (folder.LastCompleteAt is { } complete && !findings.Exists(finding => finding.Cause == VerdictCause.NoCompleteBackup))
        {
            TimeSpan before = at > complete ? at - complete : TimeSpan.Zero;
            TimeSpan age = TimeSpan.FromTicks(Math.Min(before.Ticks, s_century.Ticks)) + (now - received);
            if (age > limits.Silent)
            {
                findings.Add(new VerdictFinding(VerdictCause.NoCompleteBackup, NotSafe: true, Since: now - age));
            }
        }

        // Counted here too: whatever the agent made of it, a file that is neither archived nor excluded is not safe.
        long open = folder.Files - folder.Archived - folder.Excluded;
        if (!told && open > 0)
        {
            findings.Add(new VerdictFinding(VerdictCause.FilesPending, NotSafe: true, open));
        }
        else if (!told && !folder.Safe)
        {
            findings.Add(new VerdictFinding(VerdictCause.BackupFailed, NotSafe: true, Since: received));
        }

        IReadOnlyList<VerdictFinding> ordered = GraveFirst(findings);
        return folder with { Safe = StateOf(ordered) != VerdictState.NotSafe, Findings = ordered };
    }

    /// <summary>What findings amount to.</summary>
    public static VerdictState StateOf(IReadOnlyList<VerdictFinding> findings) =>
        findings.Any(finding => finding.NotSafe) ? VerdictState.NotSafe : findings.Count > 0 ? VerdictState.Attention : VerdictState.Safe;

    private static VerdictState Worst(IEnumerable<VerdictState> states) => states.Max();

    private static IReadOnlyList<VerdictFinding> GraveFirst(IEnumerable<VerdictFinding> findings) => [.. findings.OrderByDescending(finding => finding.NotSafe)];
}
