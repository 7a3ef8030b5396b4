using CloudArchive.Format.Verdicts;

namespace CloudArchive.Reports;

/// <summary>Whether the objectives were met in a span: the same table in roll-ups and on a binder's cover.</summary>
internal static class ObjectivesTable
{
    /// <summary>Draws it.</summary>
    public static void Draw(ReportPages pages, RecoveryObjectives objectives, RollUpFigures figures)
    {
        ObjectiveFigures days = figures.Objectives;
        pages.Heading("Objectives", 96);
        pages.Table(
            [new("Objective", 192), new("As set now", 58, Right: true), new("Longest", 56, Right: true), new("Days missed", 64, Right: true), new("Not checked", 60, Right: true), new("In short", 74)],
            [
                Row("Recovery time (RTO): everything back", objectives.RtoHours, figures.Tests.LongestRecoverySeconds, days.TimeNotMet, days.TimeNotChecked, days.Days),
                Row("Recovery point (RPO): work that may be lost", objectives.RpoHours, null, days.PointNotMet, days.PointNotChecked, days.Days),
            ]);
        pages.Text(
            "Recovery time is what the restore tests estimate, at the speed at which packs came back; recovery point the age of each computer's last complete backup, by its own reports. A day counts as missed "
            + "where an objective was missed at any time, and as not checked where nothing said. A weekend on which the computers are off is not checked after the recovery point has passed: nobody knows whether there was anything to back up.",
            8,
            ReportColors.Muted);
    }

    /// <summary>In short: what is missed is never hidden by what was not checked, and what was not checked never told as met.</summary>
    public static ObjectiveState StateOf(int missed, int notChecked, int days) =>
        missed > 0 ? ObjectiveState.NotMet : days == 0 || notChecked == days ? ObjectiveState.NotChecked : ObjectiveState.Met;

    private static ReportRow Row(string name, int hours, long? longest, int missed, int notChecked, int days)
    {
        ObjectiveState state = StateOf(missed, notChecked, days);
        return new(
            [
                name,
                $"{ReportText.Count(hours)} h",
                longest is { } seconds ? ReportText.Duration(TimeSpan.FromSeconds(seconds)) : "–",
                $"{ReportText.Count(missed)} of {ReportText.Count(days)}",
                ReportText.Count(notChecked),
                state switch
                {
                    ObjectiveState.NotMet => "not met",
                    ObjectiveState.NotChecked => "not checked",
                    _ => notChecked > 0 ? "met when checked" : "met",
                },
            ],
            state switch { ObjectiveState.NotMet => ReportColors.Bad, ObjectiveState.NotChecked => ReportColors.Warn, _ => null });
    }
}
