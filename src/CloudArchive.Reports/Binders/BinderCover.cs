using CloudArchive.Core.Clinics;
using CloudArchive.Format.Binders;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Reports.Binders;

/// <summary>A period in figures, with its runs.</summary>
internal sealed record BinderFigures(RollUpFigures Whole, IReadOnlyList<EndedRun> Runs);

/// <summary>A binder's cover: what it holds and says, the words that an auditor meets in it, how to check it, and where to sign.</summary>
internal sealed class BinderCover
{
    /// <summary>More rows than this nobody reads on paper; the folders have them all.</summary>
    private const int MaxRows = 60;

    private readonly BinderIndex _index;
    private readonly Clinic _clinic;
    private readonly BinderFigures? _figures;
    private readonly ReportPages _pages;
    private readonly ReportBoxes _boxes;

    private BinderCover(BinderIndex index, Clinic clinic, BinderFigures? figures)
    {
        (_index, _clinic, _figures) = (index, clinic, figures);
        _pages = new ReportPages($"Audit binder: {index.ClinicName}", $"{Days()} of clinic {index.Clinic}", index.MadeAt);
        _boxes = new ReportBoxes(_pages);
    }

    /// <summary>Makes the PDF.</summary>
    public static byte[] Render(BinderIndex index, Clinic clinic, BinderFigures? figures) => new BinderCover(index, clinic, figures).Render();

    private byte[] Render()
    {
        _pages.Title("CLOUDARCHIVE · AUDIT BINDER", ReportText.Name(_index.ClinicName, _index.Clinic), $"{Days()}, in UTC");
        Verdict();
        if (_figures is { } figures)
        {
            Tiles(figures);
            ObjectivesTable.Draw(_pages, _clinic.Objectives, figures.Whole);
        }

        Contents();
        Missing();
        if (_figures is { Runs.Count: > 0 } tested)
        {
            Runs(tested.Runs);
        }

        Glossary();
        Check();
        SignOff();
        return _pages.Save($"{_index.Clinic} · binder of {Days()} · made {ReportText.Time(_index.MadeAt)}");
    }

    private string Days() => $"{ReportText.Date(_index.From)} to {ReportText.Date(_index.To.AddDays(-1))}";

    private void Verdict()
    {
        List<string> bad = [], warn = [], good = [];
        if (_figures is not { Whole: var whole })
        {
            warn.Add("The figures could not be worked out: see below.");
        }
        else if (whole.Tests.Ended == 0)
        {
            warn.Add("No restore test ended in the period: nothing shows that the archive could be brought back.");
        }
        else if (whole.Tests.Failed > 0)
        {
            bad.Add($"{ReportText.Count(whole.Tests.Failed)} of {ReportText.Count(whole.Tests.Ended, "restore test", "restore tests")} failed.");
        }
        else
        {
            good.Add($"{(whole.Tests.Ended == 1 ? "The one restore test" : $"All {ReportText.Count(whole.Tests.Ended)} restore tests")} of the period brought back all that {(whole.Tests.Ended == 1 ? "it" : "they")} tested: "
                + $"{ReportText.Count(whole.Tests.PacksRecovered, "pack", "packs")}, every file byte for byte as it was captured.");
        }

        if (_figures?.Whole.Tests.Missed is > 0 and var missed)
        {
            warn.Add($"On {ReportText.Count(missed, "day", "days")} restore tests were overdue.");
        }

        if (_index.NotIncluded.Count > 0)
        {
            warn.Add($"{ReportText.Count(_index.NotIncluded.Count, "thing that belongs into this binder is", "things that belong into this binder are")} not in it: they are listed below with the cause.");
        }

        if (_index.To > _index.MadeAt)
        {
            good.Add("The period was not over when the binder was made.");
        }

        ReportVerdict verdict = bad.Count > 0 ? ReportVerdict.Bad("Failures")
            : _index.NotIncluded.Count > 0 ? ReportVerdict.Warn("Incomplete")
            : warn.Count > 0 ? ReportVerdict.Warn("Look at this")
            : ReportVerdict.Good("Recovered");
        _boxes.Verdict(verdict, [.. bad, .. warn, .. good]);
    }

    private void Tiles(BinderFigures figures)
    {
        RestoreTestFigures tests = figures.Whole.Tests;
        RunMeasures[] measured = [.. figures.Runs.Select(run => run.Measures).OfType<RunMeasures>()];
        _boxes.Tiles(4,
        [
            new("Restore tests", ReportText.Count(tests.Ended), $"{ReportText.Count(tests.Passed)} passed, {ReportText.Count(tests.Failed)} failed"),
            new("Packs brought back", $"{ReportText.Count(tests.PacksRecovered)} of {ReportText.Count(tests.PacksTested)}", "in those tests"),
            new(
                "Tested within 365 days",
                tests.CoveragePerMillion is { } coverage ? ReportText.Percent(coverage) : "–",
                tests.Last is { } last ? $"{ReportText.Count(last.Covered)} of {ReportText.Count(last.Packs, "pack", "packs")}" : "no run ended"),
            new(
                "Backup volume",
                measured.Length > 0 ? ReportText.Bytes(measured[^1].Bytes) : "–",
                measured.Length > 0 ? $"at the last run; {ReportText.Bytes(measured[0].Bytes)} at the first" : "no run ended"),
            new("Access reviews", ReportText.Count(figures.Whole.Access.Reviews), "attested and signed"),
            new("Destroyed after their time", ReportText.Count(figures.Whole.Destructions.Studies), "studies, each with a certificate"),
            new("Disclosures", ReportText.Count(figures.Whole.Disclosures.Restores), $"{ReportText.Count(figures.Whole.Disclosures.Instances, "file", "files")} handed out"),
            new("Legal holds that are on", ReportText.Count(figures.Whole.Holds.On), $"{ReportText.Count(figures.Whole.Holds.Set)} set, {ReportText.Count(figures.Whole.Holds.Cleared)} cleared"),
        ]);
    }

    private void Contents()
    {
        _pages.Heading("What is in this binder", 120);
        int Folders(string prefix) => _index.Files.Where(file => file.Path.StartsWith(prefix, StringComparison.Ordinal)).Select(file => file.Path.Split('/')[1]).Distinct().Count();
        string There(string path) => _index.Files.Any(file => file.Path == path) ? "1" : "–";
        _pages.Table(
            [new("Where", 124, Fixed: true), new("How many", 60, Right: true), new("What", 320)],
            [
                new([BinderFiles.Runs, ReportText.Count(Folders(BinderFiles.Runs)), "Restore tests that began in the period: evidence as JSON and PDF, each with its signature"]),
                new([BinderFiles.Reports, ReportText.Count(_index.Files.Count(file => file.Path.StartsWith(BinderFiles.Reports, StringComparison.Ordinal) && file.Path.EndsWith(".pdf", StringComparison.Ordinal))), "Reports of months, quarters and years, as PDF and CSV"]),
                new([BinderFiles.Reviews, ReportText.Count(Folders(BinderFiles.Reviews)), "Attested lists of who can act, with their signatures"]),
                new([BinderFiles.Destructions, ReportText.Count(Folders(BinderFiles.Destructions)), "Certificates of what was destroyed in the period, after its time, with their signatures"]),
                new([BinderFiles.Disclosures, There(BinderFiles.Disclosures), "What was handed out: when, how much, why, for whom; not of which patient"]),
                new([BinderFiles.Alerts, There(BinderFiles.Alerts), "Alerts that were raised, and how each ended"]),
                new([BinderFiles.Checkpoint, There(BinderFiles.Checkpoint), "The last signed state of the clinic's audit log"]),
                new([BinderFiles.Keys, There(BinderFiles.Keys), "The archive's public keys, as it served them when the binder was made"]),
            ]);
    }

    private void Missing()
    {
        if (_index.NotIncluded.Count == 0)
        {
            return;
        }

        _pages.Heading("Not included", 60);
        _pages.Table(
            [new("What", 204), new("Why", 300)],
            _index.NotIncluded.Take(MaxRows).Select(gap => new ReportRow([gap.What, gap.Why], ReportColors.Warn)));
        if (_index.NotIncluded.Count > MaxRows)
        {
            _pages.Text($"And {ReportText.Count(_index.NotIncluded.Count - MaxRows)} more: {BinderFiles.Index} has them all.", color: ReportColors.Muted);
        }
    }

    private void Runs(IReadOnlyList<EndedRun> runs)
    {
        _pages.Heading("Restore tests that ended in the period", 80);
        EndedRun[] shown = [.. runs.Where(run => run.Verdict != RunVerdict.Passed).Concat(runs.Where(run => run.Verdict == RunVerdict.Passed).Reverse()).Take(MaxRows).OrderBy(run => run.EndedAt)];
        _pages.Table(
            [new("Ended (UTC)", 108), new("Result", 80), new("Came back", 62, Right: true), new("Full restore", 78, Right: true), new("Run", 176, Fixed: true)],
            shown.Select(run => new ReportRow(
                [
                    ReportText.Time(run.EndedAt)[..^7],
                    run.Verdict switch { RunVerdict.Passed => "passed", RunVerdict.Failed => "failed", _ => "nothing tested" },
                    $"{ReportText.Count(run.Recovered)} of {ReportText.Count(run.Recovered + run.Failed)}",
                    run.Measures?.RecoverySeconds is { } seconds ? ReportText.Duration(TimeSpan.FromSeconds(seconds)) : "–",
                    run.Id,
                ],
                run.Verdict switch { RunVerdict.Passed => null, RunVerdict.Failed => ReportColors.Bad, _ => ReportColors.Warn })));
        if (shown.Length < runs.Count)
        {
            _pages.Text($"The other {ReportText.Count(runs.Count - shown.Length)} passed; {BinderFiles.Runs} has each of them.", color: ReportColors.Muted);
        }
    }

    private void Glossary()
    {
        _pages.Heading("Words", 120);
        _pages.Facts(
        [
            ("Pack", "Files of one study or folder in one sealed blob: encrypted for the clinic, locked against change and deletion for as long as they must be kept.", false),
            ("Receipt", "The archive's signed statement that a pack is stored, was read back and is locked.", false),
            ("Restore test", "A sample of packs, which nobody can choose, is brought back whole, and every file compared with what was captured.", false),
            ("Evidence", "What a restore test did and found, signed, with all that is needed to draw its sample and work out its numbers again.", false),
            ("Canary", "A pack that was damaged on purpose and must fail in every test. A test that does not see the damage has failed, whatever else came back.", false),
            ("Audit log", "What happened in the archive, in an order that nobody can rewrite unnoticed: a Merkle tree of entries.", false),
            ("Checkpoint", "The signed state of an audit log: so many entries, with this root. A later one must continue it.", false),
            ("Recovery time (RTO)", "How long bringing everything back may take.", false),
            ("Recovery point (RPO)", "How much work may be lost, as the time since the last complete backup.", false),
        ]);
    }

    private void Check()
    {
        _pages.Heading("How to check it", 90);
        _pages.Text($"{BinderFiles.Index} names every file of this binder with its SHA-256 and is signed by the archive ({BinderFiles.IndexSignature}). Offline, with the keys that you saved when you trusted the service:");
        _pages.Text("cloudarchive binder verify <this ZIP> --key keys.json", 9.5, bold: true);
        _pages.Text($"It answers of every file: verified, failed or not checked. {BinderFiles.Guide} says how to do without the command: with {BinderFiles.Script}, which needs Python alone, or with openssl.");
    }

    private void SignOff()
    {
        const double height = 118;
        _pages.Heading("Sign-off", height);
        _pages.Text("I have gone through this binder.");
        _pages.Space(26);
        string[] names = ["Name", "Date", "Signature"];
        double width = (ReportPages.Width - 32) / names.Length;
        _pages.Box(30, box =>
        {
            for (int i = 0; i < names.Length; i++)
            {
                double x = box.X + (i * (width + 16));
                _pages.Page.Line(ReportColors.Ink, 0.75, new(x, box.Y), new(x + width, box.Y));
                _pages.DrawText(_pages.Structure.Add("P"), names[i], ReportStyle.Regular(8), ReportColors.Muted, x, box.Y + 4);
            }
        });
    }
}
