using System.Text.Json;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Reports;

/// <summary>The report of a run for people: a function of its evidence alone, so that it can say nothing that was not signed.</summary>
public sealed class EvidenceReport
{
    /// <summary>More rows than this nobody reads on paper: of packs that came back the rest is counted, and evidence.json names them.</summary>
    private const int MaxRows = 400;

    private readonly EvidenceDocument _evidence;
    private readonly Sha256Digest _digest;
    private readonly ReportPages _pages;
    private readonly ReportBoxes _boxes;
    private readonly Dictionary<PackId, long> _bytes;

    private EvidenceReport(EvidenceDocument evidence, ReportPages pages)
    {
        _evidence = evidence;
        _digest = Sha256Digest.Of(EvidenceWriter.Serialize(evidence));
        _pages = pages;
        _boxes = new ReportBoxes(pages);
        _bytes = evidence.Population.ToDictionary(pack => pack.Pack, pack => pack.Bytes);
    }

    /// <summary>Makes the PDF.</summary>
    public static byte[] Render(EvidenceDocument evidence)
    {
        ReportPages pages = new($"Restore test evidence: {evidence.ClinicName}", $"Run {evidence.Run} of clinic {evidence.Clinic}", evidence.FinishedAt);
        return new EvidenceReport(evidence, pages).Render();
    }

    private byte[] Render()
    {
        Title();
        Verdict();
        Tiles();
        Conclusions();
        Charts();
        Failures();
        Sample();
        Results();
        Canaries();
        Details();
        Verify();
        return _pages.Save($"{_evidence.Clinic} · run {_evidence.Run} · SHA-256 of evidence.json {_digest.Hex[..16]}…");
    }

    private void Title()
    {
        _pages.Title("CLOUDARCHIVE · RESTORE TEST EVIDENCE", ReportText.Name(_evidence.ClinicName, _evidence.Clinic), $"Restore test of {ReportText.Time(_evidence.StartedAt)}, {Trigger()}");
    }

    private string Trigger() => _evidence.Trigger.Kind == RunTriggerKind.Scheduled ? "run by its schedule" : "run on demand";

    private void Verdict()
    {
        EvidenceSummary summary = _evidence.Summary;
        ReportVerdict verdict = _evidence.Verdict switch
        {
            RunVerdict.Passed => ReportVerdict.Good("Passed"),
            RunVerdict.Failed => ReportVerdict.Bad("Failed"),
            _ => ReportVerdict.Warn("Nothing tested"),
        };
        List<string> sentences = [];
        if (_evidence.Verdict == RunVerdict.Passed)
        {
            sentences.Add($"{(summary.Tested == 1 ? "The one pack" : $"All {ReportText.Count(summary.Tested)} packs")} that {(summary.Tested == 1 ? "was" : "were")} tested came back, every file byte for byte as it was captured. "
                + $"Within 365 days {ReportText.Count(summary.CoveredPacks)} of {ReportText.Count(summary.PopulationPacks, "pack", "packs")} {(summary.CoveredPacks == 1 ? "was" : "were")} tested ({ReportText.Share(summary.CoveredPacks, summary.PopulationPacks)}).");
        }

        if (_evidence.Faults.Contains(RunFault.PackFailed))
        {
            sentences.Add($"{summary.Failed} of {ReportText.Count(summary.Tested, "tested pack", "tested packs")} did not come back.");
        }

        if (_evidence.Faults.Contains(RunFault.CanaryNotAsExpected))
        {
            sentences.Add("The test did not see damage that was made on purpose, so its good results cannot be relied on.");
        }

        if (_evidence.Faults.Contains(RunFault.NoCanary))
        {
            sentences.Add("There was no damaged pack to try the test on, so its good results cannot be relied on.");
        }

        if (_evidence.Verdict == RunVerdict.NothingTested)
        {
            sentences.Add(_evidence.Population.Count == 0 ? "The archive holds nothing of this clinic yet." : "Nothing of the sample was tested.");
        }

        if (_evidence.Results.Count(result => result.Outcome == PackTestOutcome.NotTestedArchived) is var archived and > 0)
        {
            sentences.Add($"{ReportText.Count(archived, "pack of the sample lies", "packs of the sample lie")} in the archive tier, beyond this run's budget, and {(archived == 1 ? "was" : "were")} not tested.");
        }

        if (_evidence.Results.Count(result => result.Outcome == PackTestOutcome.NotTestedDestroyed) is var destroyed and > 0)
        {
            sentences.Add($"{ReportText.Count(destroyed, "pack of the sample was", "packs of the sample were")} destroyed after the sample was drawn, because {(destroyed == 1 ? "its" : "their")} retention had ended.");
        }

        _boxes.Verdict(verdict, sentences);
    }

    private void Tiles()
    {
        EvidenceSummary summary = _evidence.Summary;
        _boxes.Tiles(4,
        [
            new("Packs brought back", $"{ReportText.Count(summary.Recovered)} of {ReportText.Count(summary.Tested)}", $"of {ReportText.Count(summary.PopulationPacks)} in the archive"),
            new("Recovered", ReportText.Bytes(summary.RecoveredBytes), ReportText.Count(summary.RecoveredFiles, "file", "files")),
            new("Tested within 365 days", ReportText.Share(summary.CoveredPacks, summary.PopulationPacks), $"{ReportText.Count(summary.CoveredPacks)} of {ReportText.Count(summary.PopulationPacks)} packs"),
            new("Full restore, estimated", summary.FullRestoreSeconds is { } seconds ? ReportText.Duration(TimeSpan.FromSeconds(seconds)) : "–", summary.BytesPerSecond is { } speed ? $"at {ReportText.Bytes(speed)}/s" : "nothing was recovered"),
            new("In the archive", ReportText.Bytes(summary.PopulationBytes), ReportText.Count(summary.PopulationPacks, "pack", "packs")),
            new("Longest untested", summary.LongestUntestedSince is { } since ? ReportText.Days(_evidence.FinishedAt - since) : "–", summary.LongestUntestedSince is { } at ? $"since {ReportText.Date(at)}" : "no packs"),
            new("Recovery point", summary.RecoveryPoint is { } point ? ReportText.Date(point) : "–", summary.RecoveryPoint is { } newest ? $"{ReportText.Duration(_evidence.StartedAt - newest)} before the run" : "nothing archived"),
            new("Damage seen on purpose", $"{_evidence.Canaries.Count(canary => canary.AsExpected)} of {_evidence.Canaries.Count}", "canaries as expected"),
        ]);
    }

    private void Conclusions()
    {
        EvidenceSummary summary = _evidence.Summary;
        RecoverableBound bound = _evidence.Statistics;
        if (bound.Sample == 0)
        {
            return;
        }

        string drawn = bound.Sample == bound.Population
            ? $"Every one of the {ReportText.Count(bound.Population)} packs was to be tested, and {ReportText.Count(bound.Recovered)} came back."
            : $"{ReportText.Count(bound.Sample, "pack was", "packs were")} drawn at random from all {ReportText.Count(bound.Population)}, and {ReportText.Count(bound.Recovered)} came back. "
                + $"From that it follows with 95% confidence that at least {ReportText.Count(bound.AtLeastRecoverable)} of the {ReportText.Count(bound.Population)} packs "
                + $"({ReportText.Percent(bound.AtLeastPerMillion)}) can be brought back (exact one-sided bound, Clopper-Pearson for a finite population; a pack that was not tested counts as lost). One run of this size can show no more.";
        _pages.Text(drawn);
        if (summary is { FullRestoreSeconds: { } seconds, BytesPerSecond: { } speed })
        {
            _pages.Text($"Bringing back everything ({ReportText.Bytes(summary.PopulationBytes)}) would take about {ReportText.Duration(TimeSpan.FromSeconds(seconds))} at the {ReportText.Bytes(speed)}/s of this run, "
                + $"one pack after the other; over a line of 100 Mbit/s into the clinic the download alone takes about {ReportText.Duration(TimeSpan.FromSeconds(summary.PopulationBytes / 12_500_000.0))}. "
                + $"What was made after {ReportText.Time(summary.RecoveryPoint!.Value)} was not in the archive when the run began.");
        }
    }

    private void Charts()
    {
        PreviousRun now = new(
            _evidence.Run, _evidence.FinishedAt, _evidence.Verdict, _evidence.Summary.Tested, _evidence.Summary.Recovered, _evidence.Summary.PopulationPacks, _evidence.Summary.CoveredPacks, _evidence.Summary.FullRestoreSeconds);
        PreviousRun[] runs = [.. _evidence.History, now];
        ReportCharts charts = new(_pages);
        int passed = runs.Count(run => run.Verdict == RunVerdict.Passed), failed = runs.Count(run => run.Verdict == RunVerdict.Failed);
        _pages.Heading("Over time", 270);
        _pages.Box(124, box => charts.Bars(
            box,
            "Packs tested, by run: brought back (green), not brought back (red)",
            $"{passed} of {ReportText.Count(runs.Length, "run", "runs")} passed, {failed} failed"
                + (runs.LastOrDefault(run => run.Verdict == RunVerdict.Failed) is { } last ? $", the last on {ReportText.Date(last.FinishedAt)}" : ""),
            [.. runs.Select(run => new ChartPoint(run.FinishedAt, run.Tested, run.Tested - run.Recovered))],
            value => ReportText.Count((long)value)));
        _pages.Space(12);
        _pages.Box(124, box =>
        {
            double half = (box.Width - 24) / 2;
            charts.Line(
                new PdfBox(box.X, box.Y, half, box.Height),
                "Coverage: packs tested within 365 days",
                $"Now {ReportText.Share(now.CoveredPacks, now.PopulationPacks)}",
                [.. runs.Where(run => run.PopulationPacks > 0).Select(run => new ChartPoint(run.FinishedAt, 100.0 * run.CoveredPacks / run.PopulationPacks))],
                value => $"{value:0}%",
                100);
            PreviousRun[] timed = [.. runs.Where(run => run.FullRestoreSeconds is not null)];
            (double unit, string name) = ReportText.UnitOf(timed.Max(run => run.FullRestoreSeconds));
            charts.Line(
                new PdfBox(box.X + half + 24, box.Y, half, box.Height),
                "Recovery time: estimate for everything",
                now.FullRestoreSeconds is { } seconds ? $"Now {ReportText.Duration(TimeSpan.FromSeconds(seconds))}" : "Nothing was recovered in this run",
                [.. timed.Select(run => new ChartPoint(run.FinishedAt, run.FullRestoreSeconds!.Value / unit))],
                value => $"{value:0.##} {name}");
        });
    }

    private void Failures()
    {
        PackTestResult[] failed = [.. _evidence.Results.Where(result => result.Outcome == PackTestOutcome.Failed)];
        if (failed.Length == 0)
        {
            return;
        }

        _pages.Heading("What did not come back", 100);
        foreach (IGrouping<PackFailure, PackTestResult> group in failed.GroupBy(result => result.Cause ?? PackFailure.Missing).OrderBy(group => group.Key))
        {
            string name = Name(group.Key);
            _pages.SubHeading($"{char.ToUpperInvariant(name[0])}{name[1..]}: {ReportText.Count(group.Count(), "pack", "packs")}", ReportColors.Bad, followedBy: 120);
            _pages.Text($"{group.Key.InPlainWords()} What to do first: {group.Key.FirstStep()}");
            _pages.Table(
                [new("Pack", 172, Fixed: true), new("What the test found", 250), new("Size", 82, Right: true)],
                group.Select(result => new ReportRow([result.Pack.ToString(), result.Detail ?? group.Key.InPlainWords(), Size(result.Pack)])));
        }
    }

    private void Sample()
    {
        _pages.Heading("How the sample was drawn");
        RecoverableBound bound = _evidence.Statistics;
        int oldest = _evidence.Sample.Count(pack => pack.Reason == SampleReason.OldestUntested);
        _pages.Text($"The run might test up to {(_evidence.Budget.Packs == int.MaxValue ? "all packs" : ReportText.Count(_evidence.Budget.Packs, "pack", "packs"))}"
            + $" and about {(_evidence.Budget == TestBudget.Everything ? "any number of bytes" : ReportText.Bytes(_evidence.Budget.Bytes))}; the archive held {ReportText.Count(_evidence.Population.Count, "pack", "packs")} of the clinic "
            + $"({ReportText.Bytes(_evidence.Summary.PopulationBytes)}). "
            + (oldest == 0 && bound.Sample == bound.Population
                ? "That is every pack, so nothing had to be drawn."
                : $"{ReportText.Count(bound.Sample, "pack was", "packs were")} drawn at random and {ReportText.Count(oldest, "was", "were")} chosen because nobody had tested them for the longest time."));
        _pages.Text("Nobody could choose the random packs. The list of all packs and the budget were first fixed by an entry in the clinic's audit log; then the log's state was signed as a checkpoint, whose root "
            + "nobody can foresee; then the packs were put in the order of SHA-256(root || pack id), and the first were taken. The evidence file holds all that is needed to draw the sample again, and a proof that the entry stands in the log under that checkpoint.");
    }

    private void Results()
    {
        if (_evidence.Results.Count == 0)
        {
            return;
        }

        _pages.Heading("Result for each pack", 80);
        PackTestResult[] shown = [.. _evidence.Results.Where(result => result.Outcome != PackTestOutcome.Recovered), .. _evidence.Results.Where(result => result.Outcome == PackTestOutcome.Recovered).Take(MaxRows)];
        Dictionary<PackId, SampleReason> reasons = _evidence.Sample.DistinctBy(pack => pack.Pack).ToDictionary(pack => pack.Pack, pack => pack.Reason);
        _pages.Table(
            [new("Pack", 164, Fixed: true), new("Chosen", 84), new("Result", 120), new("Files", 32, Right: true), new("Size", 52, Right: true), new("Time", 52, Right: true)],
            shown.Select(result => new ReportRow(
                [
                    result.Pack.ToString(),
                    reasons.GetValueOrDefault(result.Pack) switch { SampleReason.Random => "at random", SampleReason.OldestUntested => "longest untested", _ => "every pack" },
                    result.Outcome switch
                    {
                        PackTestOutcome.Recovered => result.DamagedAtCapture is { } damaged ? $"came back; {damaged} archived damaged" : "came back",
                        PackTestOutcome.Failed => Name(result.Cause ?? PackFailure.Missing),
                        PackTestOutcome.NotTestedArchived => "not tested: archived",
                        _ => "not tested: destroyed",
                    },
                    ReportText.Count(result.Files),
                    Size(result.Pack),
                    ReportText.Duration(TimeSpan.FromMilliseconds(result.Steps.Sum(step => step.Milliseconds))),
                ],
                result.Outcome switch { PackTestOutcome.Recovered => null, PackTestOutcome.Failed => ReportColors.Bad, _ => ReportColors.Warn })));
        if (shown.Length < _evidence.Results.Count)
        {
            _pages.Text($"The other {ReportText.Count(_evidence.Results.Count - shown.Length)} packs came back as well; evidence.json names each of them.", color: ReportColors.Muted);
        }

        _pages.Text("Each pack was fetched whole from storage; its length and SHA-256 compared with its receipt; its lock against deletion checked; its key unwrapped; its ZIP opened; every file's SHA-256 compared with the one taken "
            + "when the file was captured in the clinic; every file parsed as DICOM to its last byte; and its identifiers compared with the catalogue.", 8.5, ReportColors.Muted);
    }

    private void Canaries()
    {
        _pages.Heading("Can the test see damage?", 90);
        if (_evidence.Canaries.Count == 0)
        {
            _pages.Text("This run had no canaries. A test that was not seen to find damage proves nothing; the run counts as failed.", color: ReportColors.Bad);
            return;
        }

        _pages.Text("Packs that were damaged on purpose, and one that was not, went through the same test. A canary that comes out otherwise than it must makes the whole run a failed one.");
        _pages.Table(
            [new("Canary", 150), new("Must be found", 124), new("Was found", 150), new("", 80)],
            _evidence.Canaries.Select(canary => new ReportRow(
                [
                    canary.Canary.Replace('-', ' '),
                    canary.Expected is { } expected ? Name(expected) : "sound",
                    canary.Outcome == PackTestOutcome.Recovered ? "sound" : canary.Cause is { } cause ? Name(cause) : "not tested",
                    canary.AsExpected ? "as expected" : "NOT AS EXPECTED",
                ],
                canary.AsExpected ? null : ReportColors.Bad)));
    }

    private void Details()
    {
        _pages.Heading("Run and contact", 150);
        _pages.Facts(
        [
            ("Clinic", $"{_evidence.ClinicName} ({_evidence.Clinic})", false),
            ("Run", _evidence.Run, true),
            ("Set off by", _evidence.Trigger.Kind == RunTriggerKind.Scheduled ? $"schedule {_evidence.Trigger.Schedule} (NCRONTAB, UTC)" : $"request of {_evidence.Trigger.RequestedBy}", false),
            ("Period", $"{ReportText.Time(_evidence.StartedAt)} to {ReportText.Time(_evidence.FinishedAt)}", false),
            ("Audit entry", $"{_evidence.Commitment.Entry.Log}, number {ReportText.Count(_evidence.Commitment.Entry.Index)}", false),
            ("Checkpoint root", Root(), true),
            ("Program", _evidence.Product, false),
            ("Contact", string.Join(", ", new[] { _evidence.Contact.Name, _evidence.Contact.Email, _evidence.Contact.Phone }.Where(part => part is not null)), false),
        ]);
    }

    private void Verify()
    {
        _pages.Heading("How to verify this", 130);
        _pages.Text("This report was made from evidence.json, which is signed (evidence.jws), as is this report (report.jws). With those files in a folder and the archive's public keys from a source you trust:");
        _pages.Box(22, box =>
        {
            _pages.Page.Fill(ReportColors.Shade, box);
            _pages.DrawText(_pages.Structure.Add("P"), "cloudarchive evidence verify <folder> --key keys.json", ReportStyle.Fixed(8.5), ReportColors.Ink, box.X + 8, box.Y + 6);
        });
        _pages.Space(6);
        _pages.Text("works without a connection to the archive. It checks the signatures and the proof, draws the sample again, works out every number again, and says what does not hold. The documentation has a program of 30 lines "
            + "in another language that draws the sample from evidence.json alone. The files are kept for at least six years in storage that refuses to change or delete them (45 CFR 164.316(b)(2)).");
        _pages.Facts([("SHA-256 of evidence.json", _digest.Hex, true)]);
    }

    private string Root()
    {
        try
        {
            using JsonDocument payload = JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(_evidence.Checkpoint.Split('.')[1]));
            return payload.RootElement.GetProperty("root").GetString()!;
        }
        catch (Exception e) when (e is FormatException or JsonException or IndexOutOfRangeException or KeyNotFoundException)
        {
            throw new FormatException("The evidence's checkpoint is no JWS of a checkpoint.", e);
        }
    }

    private string Size(PackId pack) => _bytes.TryGetValue(pack, out long bytes) ? ReportText.Bytes(bytes) : "–";

    private static string Name(PackFailure cause) => cause switch
    {
        PackFailure.Missing => "missing",
        PackFailure.ImmutabilityLost => "not protected",
        PackFailure.HashMismatch => "altered (hash mismatch)",
        PackFailure.KeyUnavailable => "key unavailable",
        PackFailure.DecryptFailed => "does not decrypt",
        PackFailure.ZipInvalid => "container broken",
        PackFailure.DicomInvalid => "not valid DICOM",
        PackFailure.CatalogueMismatch => "catalogue mismatch",
        PackFailure.TimedOut => "timed out",
        _ => cause.ToString(),
    };
}
