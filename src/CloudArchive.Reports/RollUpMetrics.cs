namespace CloudArchive.Reports;

/// <summary>A figure of a roll-up, as the CSV names it.</summary>
/// <param name="Name">Never changes its meaning; another meaning gets another name.</param>
/// <param name="Unit">Of the value.</param>
/// <param name="Meaning">In a sentence. docs/reports.md has the same, and a test holds the two together.</param>
/// <param name="Value">The value, or null where there is none to state.</param>
internal sealed record RollUpMetric(string Name, string Unit, string Meaning, Func<RollUpFigures, decimal?> Value);

/// <summary>Every figure, in the order of the CSV.</summary>
internal static class RollUpMetrics
{
    private const string Runs = "runs", Packs = "packs", Percent = "percent", Seconds = "seconds", Days = "days", Holds = "holds", Studies = "studies", Files = "files", Accesses = "accesses", Rows = "rows";

    public static IReadOnlyList<RollUpMetric> All { get; } =
    [
        new("runs-passed", Runs, "Restore tests that ended in the span and brought back all that they tested. A run counts where it ended, whenever it began.", f => f.Tests.Passed),
        new("runs-failed", Runs, "Restore tests that ended with a pack that did not come back, or with canaries that show that the test is not to be trusted.", f => f.Tests.Failed),
        new("runs-nothing-tested", Runs, "Restore tests of which the whole sample lay in the archive tier, beyond the budget, or was destroyed in its time after it was drawn.", f => f.Tests.NothingTested),
        new("runs-untrusted", Runs, "Of the failed ones, those in which damage that was made on purpose was not seen.", f => f.Tests.Untrusted),
        new("runs-unmatched", Runs, "Runs whose row is missing, or is not of the evidence whose SHA-256 the audit log has. Their packs count as the log says; coverage, recovery time and recovery point leave them out. Must be 0.", f => f.Tests.Unmatched),
        new("tests-missed", Days, "Days on which an alert was raised because no restore test had ended for 48 hours.", f => f.Tests.Missed),
        new("packs-tested", Packs, "Packs that those runs tested to an end. A pack that two runs tested counts twice.", f => f.Tests.PacksTested),
        new("packs-recovered", Packs, "Of them, those that came back whole, every file byte for byte as it was captured. Packs of untrusted runs are not among them: nothing shows that they came back.", f => f.Tests.PacksRecovered),
        new("packs-not-tested", Packs, "Sampled packs that lay in the archive tier, beyond the budget, or were destroyed in their time after they were drawn.", f => f.Tests.PacksNotTested),
        new("restore-success-rate", Percent, "packs-recovered of packs-tested, rounded down. Empty where nothing was tested.", f => f.Tests.SuccessPerMillion / 10_000m),
        new("archive-packs", Packs, "Packs in the archive, as the last run that ended in the span found it.", f => f.Tests.Last?.Packs),
        new("covered-packs", Packs, "Of them, those tested in the 365 days before that run's end.", f => f.Tests.Last?.Covered),
        new("coverage", Percent, "covered-packs of archive-packs, rounded down. Empty where no run ended or the archive was empty.", f => f.Tests.CoveragePerMillion / 10_000m),
        new("recovery-time", Seconds, "How long bringing back the whole archive would take, one pack after the other, at the speed of the last run that brought something back.", f => f.Tests.RecoverySeconds),
        new("recovery-time-longest", Seconds, "The longest such estimate of a run in the span.", f => f.Tests.LongestRecoverySeconds),
        new("recovery-point", Seconds, "How old the newest pack in the archive was when the last run began: what was made after that pack was not archived yet. Grows while a clinic makes no images.", f => f.Tests.RecoveryPointSeconds),
        new("recovery-point-longest", Seconds, "The longest such age when a run began.", f => f.Tests.LongestRecoveryPointSeconds),
        new("rto-days-missed", Days, "Days that are over and on which, if only for a while, bringing back the whole archive would have taken longer than the clinic's recovery time objective (RTO).", f => f.Objectives.TimeNotMet),
        new("rto-days-not-checked", Days, "Of the other days, those on which, if only for a while, no restore test said how long it would take. Must be few.", f => f.Objectives.TimeNotChecked),
        new("rpo-days-missed", Days, "Days that are over and on which, if only for a while, a computer's last complete backup was older than the clinic's recovery point objective (RPO) allows.", f => f.Objectives.PointNotMet),
        new("rpo-days-not-checked", Days, "Of the other days, those on which, if only for a while, nobody knew: a computer was switched off for longer than that, or had not reported yet. Weekends are among them.", f => f.Objectives.PointNotChecked),
        new("access-ended-people", Accesses, "People who reach the clinic, as last seen, and whose access was ended in the span.", f => f.Access.People),
        new("access-ended-agents", Accesses, "Agents of the clinic that were revoked in the span.", f => f.Access.Agents),
        new("access-let-in-after", Accesses, "Of both, those of which a request was let in after that: in the clinic's log within 24 hours, or by the register of who was let in last. Must be 0.", f => f.Access.LetInAfter),
        new("time-to-revoke-longest", Seconds, "The longest time from the end of an access until the last request that was let in; 0 where none was. Empty where no access was ended.", f => f.Access.LongestSeconds),
        new("access-reviews", "reviews", "Attested reviews of who can act in the clinic.", f => f.Access.Reviews),
        new("silence-alerts", Days, "Days on which an alert was raised because nothing had been heard of the clinic's agents for too long (four days, unless the service is configured otherwise).", f => f.Silence.Alerts),
        new("days-watched", Days, "Days that are over and on which the clinic had an agent that could have been heard.", f => f.Silence.DaysWatched),
        new("days-unheard", Days, "Of them, those on which none of its agents did anything. Weekends are among them where the clinic's computers are off.", f => f.Silence.DaysUnheard),
        new("days-unheard-longest", Days, "The longest row of such days within the span.", f => f.Silence.LongestUnheard),
        new("days-not-safe", Days, "Days that are over and on which a computer of the clinic said, if only for a while, that its files are not safe, or had said so last. That a computer that says nothing is not safe either is in days-unheard.", f => f.Verdicts.DaysNotSafe),
        new("days-verdict-unknown", Days, "Of the other days that are over, those on which a computer was enrolled of which nobody knows what it had said last: it had not reported yet, or changed its verdict only after the span. Must be few.", f => f.Verdicts.DaysUnknown),
        new("holds-set", Holds, "Legal holds that were set.", f => f.Holds.Set),
        new("holds-cleared", Holds, "Legal holds that were cleared.", f => f.Holds.Cleared),
        new("holds-on", Holds, "Legal holds that were on at the end of the span.", f => f.Holds.On),
        new("destructions-requested", Studies, "Studies whose destruction was asked for, by the retention run or an admin.", f => f.Destructions.Requested),
        new("destructions-approved", Studies, "Studies whose destruction a second admin approved. Where the clinic wants no approval there are none.", f => f.Destructions.Approved),
        new("destructions-rejected", Studies, "Studies whose destruction an admin rejected, or the retention run withdrew.", f => f.Destructions.Rejected),
        new("studies-destroyed", Studies, "Studies that were destroyed, each with a signed certificate.", f => f.Destructions.Studies),
        new("destroyed-packs", Packs, "Their packs.", f => f.Destructions.Packs),
        new("destroyed-files", Files, "Their instances.", f => f.Destructions.Instances),
        new("destroyed-bytes", "bytes", "Their bytes of ciphertext.", f => f.Destructions.Bytes),
        new("disclosures", "restores", "Restores of which something was handed out for the first time in the span. Of whom and to whom is in the accounting of disclosures, not here.", f => f.Disclosures.Restores),
        new("disclosed-packs", Packs, "Packs that restores handed out, each once a restore.", f => f.Disclosures.Packs),
        new("disclosed-files", Files, "Instances and plain files that were asked for of those packs.", f => f.Disclosures.Instances),
        new("rows-damaged", Rows, "Rows of agents, staff, holds and what was handed out that say what cannot be, at the time of the report: changed past the service, and counted in none of the other figures. Must be 0.", f => f.RowsUnreadable),
    ];
}
