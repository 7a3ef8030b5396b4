using System.Globalization;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Reports;

/// <summary>A roll-up for people. The same roll-up makes the same bytes.</summary>
internal sealed class RollUpReport
{
    private const string Nothing = "–";
    private const double ChartHeight = 118;
    private readonly RollUp _report;
    private readonly RollUpFigures _whole;
    private readonly ReportPages _pages;
    private readonly ReportBoxes _boxes;

    private RollUpReport(RollUp report, RollUpFigures whole, ReportPages pages) => (_report, _whole, _pages, _boxes) = (report, whole, pages, new ReportBoxes(pages));

    private bool IsSoFar => _report.Whole.State == SpanState.SoFar;

    /// <summary>Makes the PDF.</summary>
    public static byte[] Render(RollUp report)
    {
        RollUpFigures whole = report.Whole.Figures ?? throw new ArgumentException("There is nothing of that period.", nameof(report));
        ReportPages pages = new($"Archive report of {report.Period.Name}: {report.Clinic.Name}", $"Period {report.Period} of clinic {report.Clinic.Id}", report.Whole.Until);
        return new RollUpReport(report, whole, pages).Render();
    }

    private byte[] Render()
    {
        Title();
        Verdict();
        Tiles();
        ObjectivesTable.Draw(_pages, _report.Clinic.Objectives, _whole);
        Charts();
        if (!_report.Period.IsMonth)
        {
            Months(); // of a month the list of every figure has it all
        }

        Definitions();
        Sources();
        return _pages.Save($"{_report.Clinic.Id} · report of {_report.Period}{(IsSoFar ? $", so far: until {ReportText.Time(_report.Whole.Until)}" : "")}");
    }

    private void Title()
    {
        string kind = _report.Months.Count switch { 1 => "MONTH", 3 => "QUARTER", _ => "YEAR" };
        string until = IsSoFar ? $", so far: until {ReportText.Time(_report.Whole.Until)}" : "";
        string id = _report.Period.Name == _report.Period.ToString() ? "" : $" ({_report.Period})";
        _pages.Title($"CLOUDARCHIVE · REPORT OF A {kind}", ReportText.Name(_report.Clinic.Name, _report.Clinic.Id), $"{_report.Period.Name}{id}, in UTC{until}");
    }

    private void Verdict()
    {
        (RestoreTestFigures tests, AccessFigures access) = (_whole.Tests, _whole.Access);
        List<string> bad = [], warn = [], good = [];
        if (tests.Failed > 0)
        {
            bad.Add($"{ReportText.Count(tests.Failed)} of {ReportText.Count(tests.Ended, "restore test", "restore tests")} failed; {ReportText.Count(tests.PacksTested - tests.PacksRecovered)} of {ReportText.Count(tests.PacksTested, "tested pack", "tested packs")} did not come back, or nothing shows that they did.");
        }

        if (tests.Untrusted > 0)
        {
            bad.Add($"In {ReportText.Count(tests.Untrusted)} of them damage that was made on purpose was not seen, so that good results cannot be relied on.");
        }

        if (tests.Unmatched > 0)
        {
            bad.Add($"{ReportText.Count(tests.Unmatched, "run has no row", "runs have no row")} of the evidence that the audit log names.");
        }

        if (access.LetInAfter > 0)
        {
            bad.Add($"{ReportText.Count(access.LetInAfter)} of {ReportText.Count(access.Ended, "ended access", "ended accesses")} still worked, for up to {Duration(access.LongestSeconds)}.");
        }

        if (tests.Ended == 0)
        {
            warn.Add("No restore test ended: nothing shows that the archive could be brought back.");
        }
        else if (tests.PacksTested == 0)
        {
            warn.Add("No restore test tested a pack: nothing shows that the archive could be brought back.");
        }
        else if (bad.Count == 0)
        {
            good.Add($"{(tests.PacksTested == 1 ? "The one pack that was tested" : $"All {ReportText.Count(tests.PacksTested)} tested packs")} came back, every file byte for byte as it was captured, in {ReportText.Count(tests.Ended, "restore test", "restore tests")}.");
        }

        if (tests.Missed > 0)
        {
            warn.Add($"On {ReportText.Count(tests.Missed, "day", "days")} restore tests were overdue.");
        }

        if (_whole.Silence.Alerts > 0)
        {
            warn.Add($"On {ReportText.Count(_whole.Silence.Alerts, "day", "days")} the clinic was silent for too long.");
        }

        if (_whole.Objectives is { TimeNotMet: var late } && late > 0)
        {
            warn.Add($"On {ReportText.Count(late, "day", "days")} bringing everything back would have taken longer than it may.");
        }

        if (_whole.Objectives is { PointNotMet: var lost } && lost > 0)
        {
            warn.Add($"On {ReportText.Count(lost, "day", "days")} more work could have been lost than may be.");
        }

        if (IsSoFar)
        {
            good.Add("The period is not over.");
        }

        if (_whole.RowsUnreadable > 0)
        {
            warn.Add($"{ReportText.Count(_whole.RowsUnreadable, "row", "rows")} could not be read: changed past the service, and in none of these figures.");
        }

        ReportVerdict verdict = bad.Count > 0 ? ReportVerdict.Bad("Failures")
            : tests.PacksTested == 0 ? ReportVerdict.Warn("Not shown")
            : warn.Count > 0 ? ReportVerdict.Warn("Look at this")
            : ReportVerdict.Good("Recovered");
        _boxes.Verdict(verdict, [.. bad, .. warn, .. good]);
    }

    private void Tiles()
    {
        (RestoreTestFigures tests, AccessFigures access, SilenceFigures silence, VerdictFigures verdicts, HoldFigures holds, DestructionFigures destroyed, DisclosureFigures disclosed, _, _) = _whole;
        _boxes.Tiles(3,
        [
            new("Restore success", Percent(tests.SuccessPerMillion), tests.PacksTested == 0 ? "no pack was tested" : $"{ReportText.Count(tests.PacksRecovered)} of {ReportText.Count(tests.PacksTested, "tested pack", "tested packs")} came back"),
            new("Coverage: tested within 365 days", Percent(tests.CoveragePerMillion), tests.Last is { } last ? $"{ReportText.Count(last.Covered)} of {ReportText.Count(last.Packs, "pack", "packs")}, at the last run" : "no run ended"),
            new("Recovery time of the whole archive", Duration(tests.RecoverySeconds), tests.LongestRecoverySeconds is null ? "nothing was brought back" : $"at the last run; at most {Duration(tests.LongestRecoverySeconds)}"),
            new("Recovery point: age of the newest pack", Duration(tests.RecoveryPointSeconds), tests.LongestRecoveryPointSeconds is null ? "no run ended" : $"at the last run; at most {Duration(tests.LongestRecoveryPointSeconds)}"),
            new("Time to revoke access, at most", access.LongestSeconds == 0 ? "at once" : Duration(access.LongestSeconds), access.Ended == 0 ? "no access was ended" : $"{ReportText.Count(access.People, "person", "people")} and {ReportText.Count(access.Agents, "agent", "agents")} ended"),
            new(
                "Days without a word of the clinic",
                silence.DaysWatched == 0 ? Nothing : ReportText.Count(silence.DaysUnheard),
                silence.DaysWatched == 0 ? "it had no agent for a whole day" : $"of {ReportText.Count(silence.DaysWatched, "day", "days")}; at most {ReportText.Count(silence.LongestUnheard)} in a row; {ReportText.Count(silence.Alerts, "alert", "alerts")}"),
            new("Legal holds that are on", ReportText.Count(holds.On), $"{ReportText.Count(holds.Set)} set, {ReportText.Count(holds.Cleared)} cleared"),
            new("Studies destroyed after their time", ReportText.Count(destroyed.Studies), destroyed.Studies == 0 ? $"{ReportText.Count(destroyed.Requested)} asked for" : $"{ReportText.Count(destroyed.Instances, "file", "files")}, {ReportText.Bytes(destroyed.Bytes)}; {ReportText.Count(destroyed.Requested)} asked for"),
            new("Disclosures", ReportText.Count(disclosed.Restores), $"{ReportText.Count(disclosed.Instances, "file", "files")} handed out in {ReportText.Count(disclosed.Packs, "pack", "packs")}"),
        ]);
    }

    private void Charts()
    {
        ReportCharts charts = new(_pages);
        _pages.Heading("Over time", (2 * ChartHeight) + 12);
        if (_report.Period.IsMonth)
        {
            ChartsByRun(charts);
        }
        else
        {
            ChartsByMonth(charts);
        }
    }

    private string SuccessNow() => _whole.Tests.PacksTested == 0
        ? "No pack was tested"
        : $"{Percent(_whole.Tests.SuccessPerMillion)} in all: {ReportText.Count(_whole.Tests.PacksRecovered)} of {ReportText.Count(_whole.Tests.PacksTested, "tested pack", "tested packs")}";

    private string CoverageNow() => _whole.Tests.Last is null ? "No run ended" : $"{Percent(_whole.Tests.CoveragePerMillion)} at the last run";

    private string TimeNow() => _whole.Tests.RecoverySeconds is null ? "Nothing was brought back" : $"{Duration(_whole.Tests.RecoverySeconds)} at the last run";

    private void ChartsByRun(ReportCharts charts)
    {
        const string none = "No run ended";
        _pages.Box(ChartHeight, box => charts.Bars(
            box,
            "Packs tested, by run: brought back (green), not brought back (red)",
            SuccessNow(),
            [.. _report.Runs.Select(run => new ChartPoint(run.EndedAt, run.Recovered + run.Failed, run.Trusted ? run.Failed : run.Recovered + run.Failed))],
            value => ReportText.Count((long)value),
            none));
        _pages.Space(12);
        (EndedRun Run, RunMeasures Measures)[] measured = [.. _report.Runs.Where(run => run.Measures is not null).Select(run => (run, run.Measures!))];
        Halves(
            box => charts.Line(
                box, "Coverage: packs tested within 365 days", CoverageNow(), [.. measured.Where(one => one.Measures.Packs > 0).Select(one => new ChartPoint(one.Run.EndedAt, 100.0 * one.Measures.Covered / one.Measures.Packs))], PercentLabel, 100, none),
            (box, unit, name) => charts.Line(
                box, "Recovery time: estimate for everything", TimeNow(), [.. measured.Where(one => one.Measures.RecoverySeconds is not null).Select(one => new ChartPoint(one.Run.EndedAt, one.Measures.RecoverySeconds!.Value / unit))], value => $"{value:0.##} {name}", empty: none));
    }

    private void ChartsByMonth(ReportCharts charts)
    {
        (PdfColor, PdfColor) plain = (ReportColors.Accent, ReportColors.Accent);
        string Label(RollUpSpan month) => month.Period.From.ToString("MMM", CultureInfo.InvariantCulture);
        _pages.Box(ChartHeight, box => charts.Months(
            box,
            "Packs tested, by month: brought back (green), not brought back (red), with the success rate",
            SuccessNow(),
            [.. _report.Months.Select(month => month.Figures?.Tests is { PacksTested: > 0 } tests
                ? new ChartMonth(Label(month), tests.PacksTested, tests.PacksTested - tests.PacksRecovered, Percent(tests.SuccessPerMillion))
                : new ChartMonth(Label(month), null))],
            value => ReportText.Count((long)value),
            (ReportColors.Good, ReportColors.Bad)));
        _pages.Space(12);
        Halves(
            box => charts.Months(
                box,
                "Coverage at each month's last run",
                CoverageNow(),
                [.. _report.Months.Select(month => new ChartMonth(Label(month), month.Figures?.Tests.CoveragePerMillion / 10_000.0))],
                PercentLabel,
                plain,
                100),
            (box, unit, name) => charts.Months(
                box, "Recovery time at each month's last run", TimeNow(), [.. _report.Months.Select(month => new ChartMonth(Label(month), month.Figures?.Tests.RecoverySeconds / unit))], value => $"{value:0.##} {name}", plain));
    }

    private void Halves(Action<PdfBox> left, Action<PdfBox, double, string> right) => _pages.Box(ChartHeight, box =>
    {
        double half = (box.Width - 24) / 2;
        (double unit, string name) = ReportText.UnitOf(_whole.Tests.LongestRecoverySeconds);
        left(new PdfBox(box.X, box.Y, half, box.Height));
        right(new PdfBox(box.X + half + 24, box.Y, half, box.Height), unit, name);
    });

    private void Months()
    {
        Table(
            "Restore tests, recovery time and point",
            [("Runs", 36), ("Failed", 42), ("Packs tested", 60), ("Came back", 54), ("Success", 50), ("Coverage", 52), ("Recovery time", 72), ("Recovery point", 72)],
            f => [f.Tests.Ended, f.Tests.Failed, f.Tests.PacksTested, f.Tests.PacksRecovered, Percent(f.Tests.SuccessPerMillion), Percent(f.Tests.CoveragePerMillion), Duration(f.Tests.RecoverySeconds), Duration(f.Tests.RecoveryPointSeconds)],
            f => f.Tests.Failed > 0 || f.Tests.Unmatched > 0);
        Table(
            "Access that was ended, and silence",
            [("People", 42), ("Agents", 44), ("Let in after", 58), ("Time to revoke", 70), ("Reviews", 50), ("Silence alerts", 66), ("Days unheard", 62), ("In a row", 46)],
            f => [f.Access.People, f.Access.Agents, f.Access.LetInAfter, f.Access.LongestSeconds == 0 ? "at once" : Duration(f.Access.LongestSeconds), f.Access.Reviews, f.Silence.Alerts, f.Silence.DaysUnheard, f.Silence.LongestUnheard],
            f => f.Access.LetInAfter > 0);
        Table(
            "Holds, destructions, disclosures",
            [("Holds set", 50), ("Cleared", 46), ("On", 32), ("Asked for", 54), ("Rejected", 52), ("Destroyed", 58), ("Disclosures", 62), ("Packs", 42), ("Files", 42)],
            f => [f.Holds.Set, f.Holds.Cleared, f.Holds.On, f.Destructions.Requested, f.Destructions.Rejected, f.Destructions.Studies, f.Disclosures.Restores, f.Disclosures.Packs, f.Disclosures.Instances],
            _ => false);
    }

    private void Table(string title, (string Title, double Width)[] columns, Func<RollUpFigures, object[]> cells, Func<RollUpFigures, bool> isBad)
    {
        RollUpSpan[] spans = [.. _report.Months, _report.Whole];
        _pages.Heading(title, 24 + (16 * spans.Length));
        _pages.Table(
            [new ReportColumn("Month", ReportPages.Width - columns.Sum(column => column.Width)), .. columns.Select(column => new ReportColumn(column.Title, column.Width, Right: true))],
            spans.Select(span => new ReportRow(
                [Name(span), .. span.Figures is { } figures ? cells(figures).Select(cell => cell as string ?? ReportText.Count(Convert.ToInt64(cell, CultureInfo.InvariantCulture))) : columns.Select(_ => Nothing)],
                span.Figures is { } judged && isBad(judged) ? ReportColors.Bad : span == _report.Whole ? ReportColors.Accent : null)));
    }

    private static string Name(RollUpSpan span) => !span.Period.IsMonth ? "All of it" : span.Period.From.ToString("MMM yyyy", CultureInfo.InvariantCulture) + (span.State == SpanState.SoFar ? " *" : "");

    private void Definitions()
    {
        _pages.Heading("Every figure, and what it means", 90);
        _pages.Text($"Of {_report.Period.Name}{(IsSoFar ? ", so far" : "")}. The CSV has the same figures{(_report.Period.IsMonth ? "" : " for each month")}, under these names. A dash is no figure, which is not the same as zero."
            + (IsSoFar && !_report.Period.IsMonth ? " A month with * is not over." : ""));
        _pages.Table(
            [new("Figure", 108), new("Value", 98, Right: true), new("Unit", 48), new("Meaning", 250)],
            RollUpMetrics.All.Select(metric => new ReportRow(
                [metric.Name, metric.Value(_whole) is { } value ? value.ToString("#,0.####", CultureInfo.InvariantCulture) : Nothing, metric.Unit, metric.Meaning])));
    }

    private void Sources()
    {
        _pages.Heading("Where this is from, and how to check it", 120);
        _pages.Text(_report.Section is { } section
            ? $"What happened was counted out of the clinic's audit log, entries {ReportText.Count(section.First)} to {ReportText.Count(section.Last)}, and for people's access out of the system's. The entries are those of the log's Merkle tree, whose root is below; it is signed every hour. "
                + "cloudarchive audit verify --live checks all of it; cloudarchive audit export takes it out, to be checked elsewhere."
            : "The clinic's audit log has no entry of that period.");
        _pages.Text("Coverage, recovery time and recovery point are those of the runs whose evidence has the SHA-256 that the log names; cloudarchive evidence get and verify show each run's own. What was on before the period began, who reaches the clinic, "
            + "who was let in last and what restores handed out is from the archive's tables. Days, months and times are in UTC. A pack's files are compared byte for byte with what was captured.");
        if (_report.Section is { } found)
        {
            _pages.Facts([($"Log's root at {ReportText.Count(found.Last + 1)} entries", found.Root.Hex, true)]);
        }
    }

    private static string Percent(int? perMillion) => perMillion is { } share ? ReportText.Percent(share) : Nothing;

    private static string PercentLabel(double value) => $"{value:0}%";

    private static string Duration(long? seconds) => seconds is { } length ? ReportText.Duration(TimeSpan.FromSeconds(length)) : Nothing;
}
