using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Reports;

/// <summary>A restore test that ended.</summary>
/// <param name="Id">The run.</param>
/// <param name="EndedAt">When its end was logged: the month that it counts in, whenever it began.</param>
/// <param name="Verdict">How it ended.</param>
/// <param name="Recovered">Packs that came back.</param>
/// <param name="Failed">Packs that did not.</param>
/// <param name="NotTested">Sampled packs in the archive tier, beyond the budget.</param>
/// <param name="Trusted">Whether every canary failed as it must: else nothing shows that what came back did.</param>
/// <param name="Evidence">SHA-256 of its evidence.json.</param>
/// <param name="Measures">What only its row has; null where the row is not the one whose evidence the log names.</param>
internal sealed record EndedRun(
    string Id, DateTimeOffset EndedAt, RunVerdict Verdict, int Recovered, int Failed, int NotTested, bool Trusted, Sha256Digest Evidence, RunMeasures? Measures = null);

/// <summary>What a run says of the whole archive.</summary>
/// <param name="Packs">Packs in it.</param>
/// <param name="Covered">Of them, those tested within 365 days.</param>
/// <param name="RecoverySeconds">How long bringing all of them back would take; null where nothing came back to measure it by.</param>
/// <param name="NewestPackSeconds">How old the newest pack was when the run began; null of an empty archive.</param>
/// <param name="Bytes">Bytes of ciphertext in it.</param>
internal sealed record RunMeasures(int Packs, int Covered, long? RecoverySeconds, long? NewestPackSeconds, long Bytes);

/// <summary>An entry that is counted.</summary>
internal sealed record CountedEntry(DateTimeOffset At, string Action, IReadOnlyDictionary<string, string> Details);

/// <summary>That somebody's access was ended: a person blocked, an agent revoked.</summary>
internal sealed record AccessEnding(DateTimeOffset At, string Subject, bool OfAgent)
{
    /// <summary>When they were let in again on purpose.</summary>
    public DateTimeOffset? UndoneAt { get; set; }

    /// <summary>The last request after it that was let in all the same.</summary>
    public DateTimeOffset? LastLetIn { get; set; }
}

/// <summary>That a computer reported something else than before.</summary>
/// <param name="Agent">Which.</param>
/// <param name="At">When.</param>
/// <param name="Safe">Whether that its files are safe.</param>
/// <param name="Before">Whether it had said so before; null: it had said nothing, or the entry does not tell.</param>
internal sealed record VerdictEntry(string Agent, DateTimeOffset At, bool Safe, bool? Before);

/// <summary>That an objective (RTO, RPO) began or ceased to be met, or to be checked.</summary>
internal sealed record ObjectiveEntry(DateTimeOffset At, ObjectiveState Time, ObjectiveState TimeBefore, ObjectiveState Point, ObjectiveState PointBefore);

/// <summary>
/// What the audit logs say of a period, entry by entry: it keeps what reports count. The system's log goes first, then the clinic's, so that
/// the clinic's entries can be held against who had been blocked by then.
/// </summary>
internal sealed class RollUpLog(ClinicId clinic, DateTimeOffset to)
{
    /// <summary>For how long after the end of an access the log is searched for requests that were let in.</summary>
    public static readonly TimeSpan Watched = TimeSpan.FromHours(24);

    private static readonly HashSet<string> s_counted =
    [
        AuditActions.AlertRaised, AuditActions.AccessReviewed, AuditActions.HoldSet, AuditActions.HoldCleared,
        AuditActions.DestructionRequested, AuditActions.DestructionApproved, AuditActions.DestructionRejected, AuditActions.StudyDestroyed,
    ];

    private readonly List<EndedRun> _runs = [];
    private readonly List<CountedEntry> _counted = [];
    private readonly List<AccessEnding> _endings = [];
    private readonly Dictionary<(string Subject, bool OfAgent), AccessEnding> _ended = [];
    private readonly HashSet<DateOnly> _heardOn = [];
    private readonly List<VerdictEntry> _verdicts = [];
    private readonly List<ObjectiveEntry> _objectives = [];
    private readonly Dictionary<string, DateTimeOffset> _holdsSet = [];
    private readonly Dictionary<string, DateTimeOffset> _holdsCleared = [];

    public IReadOnlyList<EndedRun> Runs => _runs;

    public IReadOnlyList<CountedEntry> Counted => _counted;

    /// <summary>People's too who do not reach the clinic: the log does not say who does.</summary>
    public IReadOnlyList<AccessEnding> Endings => _endings;

    /// <summary>When computers began to report something else, in order.</summary>
    public IReadOnlyList<VerdictEntry> Verdicts => _verdicts;

    /// <summary>When what is known of the objectives changed, in order.</summary>
    public IReadOnlyList<ObjectiveEntry> Objectives => _objectives;

    /// <summary>Days (UTC) on which an agent did anything.</summary>
    public IReadOnlySet<DateOnly> HeardOn => _heardOn;

    public IReadOnlyDictionary<string, DateTimeOffset> HoldsSet => _holdsSet;

    public IReadOnlyDictionary<string, DateTimeOffset> HoldsCleared => _holdsCleared;

    /// <summary>The clinic's first entry in the period; null where there is none.</summary>
    public long? First { get; private set; }

    /// <summary>The clinic's last one.</summary>
    public long? Last { get; private set; }

    /// <summary>Takes the next entry, in the order of its log.</summary>
    public void Add(AuditEntry entry)
    {
        if (entry.Log == clinic.Value && entry.Time < to)
        {
            First ??= entry.Index;
            Last = entry.Index;
        }

        if (entry.Outcome != AuditOutcome.Refused)
        {
            NoteLetIn(entry);
        }

        if (entry.Action == AuditActions.RestoreTestFinished && entry.Outcome != AuditOutcome.Refused)
        {
            _runs.Add(Run(entry));
        }
        else if (entry.Action == AuditActions.AlertRaised || entry.Outcome == AuditOutcome.Success)
        {
            Note(entry);
        }
    }

    private void NoteLetIn(AuditEntry entry)
    {
        bool agent = entry.Actor.Role == "agent";
        if (agent && entry.Log == clinic.Value)
        {
            _heardOn.Add(DateOnly.FromDateTime(entry.Time.UtcDateTime));
        }

        if (entry.Actor.Role is not ("system" or "anonymous") && _ended.TryGetValue((entry.Actor.Id, agent), out AccessEnding? ending)
            && entry.Time > ending.At && entry.Time <= ending.At + Watched && !(entry.Time >= ending.UndoneAt))
        {
            ending.LastLetIn = entry.Time;
        }
    }

    private void Note(AuditEntry entry)
    {
        switch (entry.Action)
        {
            case AuditActions.SubjectBlocked:
                End(new AccessEnding(entry.Time, Other(entry), OfAgent: false));
                return;
            case AuditActions.SubjectUnblocked:
                if (_ended.TryGetValue((Other(entry), false), out AccessEnding? undone))
                {
                    undone.UndoneAt ??= entry.Time;
                }

                return;
            case AuditActions.AgentRevoked:
                End(new AccessEnding(entry.Time, Other(entry), OfAgent: true));
                return;
            case AuditActions.VerdictChanged when entry.Log == clinic.Value:
                _verdicts.Add(new VerdictEntry(Other(entry), entry.Time, Detail(entry, "safe") == "true", entry.Details!.GetValueOrDefault("before") is { } before ? before == "true" : null));
                return;
            case AuditActions.ObjectivesMeasured when entry.Log == clinic.Value:
                _objectives.Add(new ObjectiveEntry(
                    entry.Time, State(entry, "recoveryTime"), State(entry, "recoveryTimeBefore"), State(entry, "recoveryPoint"), State(entry, "recoveryPointBefore")));
                return;
            case AuditActions.HoldSet:
                _holdsSet[Other(entry)] = entry.Time;
                break;
            case AuditActions.HoldCleared:
                _holdsCleared[Other(entry)] = entry.Time;
                break;
        }

        if (entry.Log == clinic.Value && s_counted.Contains(entry.Action))
        {
            _counted.Add(new CountedEntry(entry.Time, entry.Action, entry.Details ?? new Dictionary<string, string>()));
        }
    }

    private void End(AccessEnding ending)
    {
        _endings.Add(ending);
        _ended[(ending.Subject, ending.OfAgent)] = ending;
    }

    private static EndedRun Run(AuditEntry entry)
    {
        int[] canaries = [.. Detail(entry, "canaries").Split('/').Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : -1)];
        RunVerdict verdict = Detail(entry, "verdict") switch { "passed" => RunVerdict.Passed, "failed" => RunVerdict.Failed, "nothing-tested" => RunVerdict.NothingTested, _ => throw Damaged(entry, "verdict") };
        int failed = Number(entry, "failed");

        // A run that failed and lost no pack failed by its canaries, also where it had none.
        bool trusted = canaries is [var asExpected, var all] && asExpected == all && !(verdict == RunVerdict.Failed && failed == 0);
        return new EndedRun(
            Other(entry), entry.Time, verdict, Number(entry, "passed"), failed, Number(entry, "notTested"), trusted, Sha256Digest.TryParse(Detail(entry, "evidence"), null, out Sha256Digest sha256) ? sha256 : throw Damaged(entry, "evidence"));
    }

    private static ObjectiveState State(AuditEntry entry, string name) =>
        Enum.GetValues<ObjectiveState>().Where(state => ObjectiveDesk.Name(state) == Detail(entry, name)).Cast<ObjectiveState?>().FirstOrDefault() ?? throw Damaged(entry, name);

    private static string Other(AuditEntry entry) => entry.Subject.Other ?? throw Damaged(entry, "subject.other");

    private static string Detail(AuditEntry entry, string name) => entry.Details?.GetValueOrDefault(name) ?? throw Damaged(entry, name);

    private static int Number(AuditEntry entry, string name) => int.TryParse(Detail(entry, name), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : throw Damaged(entry, name);

    private static AuditLogDamagedException Damaged(AuditEntry entry, string what) => new(entry.Log, $"entry {entry.Index} ({entry.Action}) does not say its {what}");
}
