using System.Globalization;
using System.Text;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;
using CloudArchive.Reports;
using CloudArchive.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace CloudArchive.Reports.Tests;

/// <summary>What figures say of what was recorded. The expected ones were worked out by hand.</summary>
public sealed class RollUpTests
{
    private const string Agent = "0000000000000001";

    [Fact]
    public void A_day_counts_as_missed_where_an_objective_was_at_any_time_and_one_without_a_look_was_not_checked()
    {
        RecordedClinic clinic = new RecordedClinic { CreatedAt = RecordedClinic.At("2026-11-03T15:00") }
            .Measured("2026-11-03T16:00", "met", "met", "not-checked", "not-checked") // began without anybody knowing
            .Measured("2026-11-04T00:10", "met", "met", "met", "met")
            .Measured("2026-11-05T00:10", "met", "met", "met", "met").Measured("2026-11-05T12:00", "not-met", "not-checked", "met", "met")
            .Measured("2026-11-06T00:10", "met", "not-met", "not-met", "not-checked") // until ten past midnight the recovery time was still missed
            .Measured("2026-11-08T00:10", "met", "met", "met", "met"); // of the 7th there is nothing
        IReadOnlyDictionary<string, string> values = RecordedClinic.Values(clinic.Report("2026-11", "2026-11-09T10:00"), "2026-11");
        Assert.Equal(("2", "2"), (values["rto-days-missed"], values["rto-days-not-checked"]));
        Assert.Equal(("1", "3"), (values["rpo-days-missed"], values["rpo-days-not-checked"]));
        Assert.Equal(6, clinic.Report("2026-11", "2026-11-09T10:00").Whole.Figures!.Objectives.Days);
        Assert.Equal(
            [ObjectiveState.NotMet, ObjectiveState.NotChecked, ObjectiveState.NotChecked, ObjectiveState.Met, ObjectiveState.Met],
            [ObjectivesTable.StateOf(1, 5, 6), ObjectivesTable.StateOf(0, 6, 6), ObjectivesTable.StateOf(0, 0, 0), ObjectivesTable.StateOf(0, 5, 6), ObjectivesTable.StateOf(0, 0, 6)]);
    }

    [Fact]
    public void The_figures_of_a_hand_made_month_are_those_that_were_worked_out_by_hand()
    {
        RecordedClinic clinic = new RecordedClinic()
            .Agent(Agent, "2025-03-11")
            .Run("2026-10-31T03:00", "2026-10-31T04:00", 50) // another month
            .Run("2026-11-01T03:00", "2026-11-01T03:10", 20, packs: 200, covered: 100, recoverySeconds: 5000, newestPack: "2026-10-30T18:00")
            .Run("2026-11-02T03:00", "2026-11-02T03:10", 19, failed: 1, packs: 210, covered: 110, recoverySeconds: 9000, newestPack: "2026-11-01T12:00")
            .Run("2026-11-03T03:00", "2026-11-03T03:10", 20, notTested: 4, packs: 220, covered: 133, recoverySeconds: 6000, newestPack: "2026-11-02T18:00")
            .Run("2026-11-04T03:00", "2026-11-04T03:10", 0, notTested: 7, packs: 220, covered: 132, newestPack: "2026-11-02T18:00")
            .Run("2026-12-01T03:00", "2026-12-01T03:10", 33) // another month
            .Alert("2026-11-07", "schedule-missed").Alert("2026-11-08", "schedule-missed").Alert("2026-12-08", "schedule-missed")
            .Alert("2026-11-20", "clinic-silent").Alert("2026-11-20", "restore-test-failed")
            .Hold("2026-10-01", "2026-11-15").Hold("2026-11-02").Hold("2026-11-03", "2026-12-01")
            .Log("2026-11-05", AuditActions.DestructionRequested).Log("2026-11-05", AuditActions.DestructionRequested).Log("2026-11-06", AuditActions.DestructionApproved)
            .Log("2026-11-06", AuditActions.DestructionRejected).Log("2026-11-06", AuditActions.DestructionApproved, outcome: AuditOutcome.Refused)
            .Destroyed("2026-11-07", packs: 3, instances: 40, bytes: 5_000_000_000)
            .HandedOut(1, "2026-10-31T23:59", 3).HandedOut(1, "2026-11-01T00:01", 5).HandedOut(2, "2026-11-09", 7).HandedOut(2, "2026-11-09", 11)
            .Log("2026-11-10", AuditActions.AccessReviewed)
            .Staff("leaver", "2026-11-12T09:00", "2026-11-12T08:59").Block("2026-11-12T09:00", "leaver");
        RollUp report = clinic.Report("2026-11", "2027-01-05");
        IReadOnlyDictionary<string, string> values = RecordedClinic.Values(report, "2026-11");
        Dictionary<string, string> expected = new()
        {
            ["runs-passed"] = "2", ["runs-failed"] = "1", ["runs-nothing-tested"] = "1", ["runs-untrusted"] = "0", ["runs-unmatched"] = "0", ["tests-missed"] = "2",
            ["packs-tested"] = "60", ["packs-recovered"] = "59", ["packs-not-tested"] = "11", ["restore-success-rate"] = "98.3333", // 59 / 60
            ["archive-packs"] = "220", ["covered-packs"] = "132", ["coverage"] = "60",
            ["recovery-time"] = "6000", ["recovery-time-longest"] = "9000",
            ["recovery-point"] = "118800", ["recovery-point-longest"] = "118800", // 2 Nov 18:00 to 4 Nov 03:00: 33 hours, as is 30 Oct 18:00 to 1 Nov 03:00
            ["rto-days-missed"] = "0", ["rto-days-not-checked"] = "30", ["rpo-days-missed"] = "0", ["rpo-days-not-checked"] = "30",
            ["access-ended-people"] = "1", ["access-ended-agents"] = "0", ["access-let-in-after"] = "0", ["time-to-revoke-longest"] = "0", ["access-reviews"] = "1",
            ["silence-alerts"] = "1", ["days-watched"] = "30", ["days-unheard"] = "30", ["days-unheard-longest"] = "30",
            ["days-not-safe"] = "0", ["days-verdict-unknown"] = "30",
            ["holds-set"] = "2", ["holds-cleared"] = "1", ["holds-on"] = "2",
            ["destructions-requested"] = "2", ["destructions-approved"] = "1", ["destructions-rejected"] = "1", ["studies-destroyed"] = "1", ["destroyed-packs"] = "3", ["destroyed-files"] = "40", ["destroyed-bytes"] = "5000000000",
            ["disclosures"] = "1", ["disclosed-packs"] = "3", ["disclosed-files"] = "23", ["rows-damaged"] = "0",
        };
        Assert.Equal(expected.OrderBy(pair => pair.Key), values.OrderBy(pair => pair.Key));
        Assert.Equal(expected.Keys, RollUpMetrics.All.Select(metric => metric.Name));
    }

    [Fact]
    public void Days_on_which_a_computer_said_that_its_files_are_not_safe_are_counted_and_those_of_which_nobody_knows()
    {
        string[] computers = [.. Enumerable.Range(0, 4).Select(number => new string((char)('0' + number), 16))];

        // Since before the span; for an hour; over midnight; no longer heard of, because revoked.
        RecordedClinic clinic = new RecordedClinic().Agent(computers[1], "2026-01-01").Says(computers[1], "2026-11-03T09:00", safe: true, before: false)
            .Says(computers[1], "2026-11-10T09:00", safe: false, before: true).Says(computers[1], "2026-11-10T10:00", safe: true, before: false)
            .Says(computers[1], "2026-11-20T23:00", safe: false, before: true).Says(computers[1], "2026-11-21T01:00", safe: true, before: false);
        Assert.Equal((6, 0), Days(clinic)); // 1 to 3, 10, 20, 21

        // Another computer that has said the same for long has no entry: its row tells.
        Assert.Equal((6, 0), Days(clinic.Agent(computers[2], "2026-01-01").SaysNow(computers[2], "2026-05-01", safe: true)));
        Assert.Equal((30, 0), Days(clinic.Agent(computers[3], "2026-01-01", revoked: "2026-12-05").SaysNow(computers[3], "2026-05-01", safe: false)));

        // One that changed its verdict after the span, one that had not reported yet, and one that went before it.
        RecordedClinic unknown = new RecordedClinic().Agent(computers[1], "2026-01-01").SaysNow(computers[1], "2026-12-24", safe: true).Agent(computers[0], "2026-01-01", revoked: "2026-06-01").SaysNow(computers[0], "2026-05-01", safe: false);
        Assert.Equal((0, 30), Days(unknown));
        Assert.Equal((1, 4), Days(new RecordedClinic().Agent(computers[1], "2026-11-05").Says(computers[1], "2026-11-09", safe: false).Says(computers[1], "2026-11-09T12:00", safe: true, before: false)));

        static (int NotSafe, int Unknown) Days(RecordedClinic clinic)
        {
            VerdictFigures days = clinic.Report("2026-11", "2027-01-05").Whole.Figures!.Verdicts;
            return (days.DaysNotSafe, days.DaysUnknown);
        }
    }

    [Fact]
    public void A_run_that_began_in_one_month_and_ended_in_the_next_counts_where_it_ended()
    {
        RollUp report = new RecordedClinic().Run("2026-10-31T23:50", "2026-11-01T00:00", 8).Report("2026-Q4", "2027-02-01");
        Assert.Equal(("", "8", "", "8"), (Of("2026-10", "restore-success-rate"), Of("2026-11", "packs-tested"), Of("2026-12", "coverage"), Of("2026-Q4", "packs-recovered")));
        Assert.Equal(("0", "1"), (Of("2026-10", "runs-passed"), Of("2026-11", "runs-passed")));

        string Of(string span, string metric) => RecordedClinic.Values(report, span)[metric];
    }

    [Fact]
    public void A_clinic_without_any_run_has_no_success_rate_and_not_100_percent()
    {
        RollUp report = new RecordedClinic().Report("2026-Q3", "2026-11-26");
        foreach (string span in new[] { "2026-07", "2026-08", "2026-09", "2026-Q3" })
        {
            IReadOnlyDictionary<string, string> values = RecordedClinic.Values(report, span);
            Assert.All(["restore-success-rate", "coverage", "archive-packs", "recovery-time", "recovery-point", "time-to-revoke-longest"], metric => Assert.Equal("", values[metric]));
            Assert.Equal(("0", "0", "0"), (values["packs-tested"], values["runs-passed"], values["days-watched"]));
        }
    }

    [Theory]
    [InlineData("8/9", 0)]
    [InlineData("8/9", 2)]
    [InlineData("1/1", 0)] // it had the sound one alone
    [InlineData("0/0", 0)]
    public void Packs_of_a_run_that_did_not_see_damage_count_as_tested_and_not_as_recovered(string canaries, int failed)
    {
        IReadOnlyDictionary<string, string> values = RecordedClinic.Values(
            new RecordedClinic().Run("2026-11-01", "2026-11-01T01:00", 10).Run("2026-11-02", "2026-11-02T01:00", 30 - failed, failed, canaries: canaries).Report("2026-11", "2026-12-10"), "2026-11");
        Assert.Equal(("40", "10", "25", "1", "1"), (values["packs-tested"], values["packs-recovered"], values["restore-success-rate"], values["runs-untrusted"], values["runs-failed"]));
    }

    [Fact]
    public void A_share_is_never_rounded_up()
    {
        IReadOnlyDictionary<string, string> values = RecordedClinic.Values(new RecordedClinic().Run("2026-11-01", "2026-11-01T01:00", 2_999_999, 1, packs: 3_000_000, covered: 2_999_999).Report("2026-11", "2026-12-10"), "2026-11");
        Assert.Equal(("99.9999", "99.9999"), (values["restore-success-rate"], values["coverage"]));
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public void A_run_whose_row_is_gone_or_of_other_evidence_counts_as_the_log_says_and_its_measures_do_not(bool hasRow, bool rowIsOfIt)
    {
        RecordedClinic clinic = new RecordedClinic().Run("2026-11-01", "2026-11-01T01:00", 10, packs: 50, covered: 25).Run("2026-11-02", "2026-11-02T01:00", 12, packs: 50, covered: 50, recoverySeconds: 1, hasRow: hasRow, rowIsOfIt: rowIsOfIt);
        IReadOnlyDictionary<string, string> values = RecordedClinic.Values(clinic.Report("2026-11", "2026-12-10"), "2026-11");
        Assert.Equal(("1", "22", "50", "7200"), (values["runs-unmatched"], values["packs-tested"], values["coverage"], values["recovery-time"]));
    }

    [Fact]
    public void Whoever_is_let_in_after_their_access_was_ended_shows_with_the_time_that_it_took()
    {
        RecordedClinic clinic = new RecordedClinic()
            .Staff("quick", "2026-11-03T09:00", "2026-11-03T08:58").Block("2026-11-03T09:00", "quick").Log("2026-11-03T09:00:07", AuditActions.StudiesQueried, null, "quick", "admin", outcome: AuditOutcome.Refused)
            .Staff("slow", "2026-11-04T09:00").Block("2026-11-04T09:00", "slow").Log("2026-11-04T09:00:41.5", AuditActions.StudiesQueried, null, "slow", "admin")
            .Staff("back", null, "2026-11-20").Block("2026-11-05T09:00", "back").Unblock("2026-11-05T10:00", "back").Log("2026-11-05T11:00", AuditActions.StudiesQueried, null, "back", "admin")
            .Staff("elsewhere", "2026-11-06", clinics: "lakeside").Block("2026-11-06", "elsewhere").Log("2026-11-06T00:01", AuditActions.AuditRead, null, "elsewhere", "admin", system: true)
            .Block("2026-11-06", "never-seen");
        IReadOnlyDictionary<string, string> values = RecordedClinic.Values(clinic.Report("2026-11", "2026-12-10"), "2026-11");
        Assert.Equal(("3", "0", "1", "42"), (values["access-ended-people"], values["access-ended-agents"], values["access-let-in-after"], values["time-to-revoke-longest"]));

        // By the register, where no log has the request; and an agent, on the last evening of the month.
        clinic.Staff("by-register", "2026-11-07T09:00", "2026-11-07T09:02").Block("2026-11-07T09:00", "by-register")
            .Agent(Agent, "2026-01-01", "2026-11-30T23:50").Heard(Agent, "2026-12-01T00:00");
        values = RecordedClinic.Values(clinic.Report("2026-11", "2026-12-10"), "2026-11");
        Assert.Equal(("4", "1", "3", "600"), (values["access-ended-people"], values["access-ended-agents"], values["access-let-in-after"], values["time-to-revoke-longest"]));
    }

    [Fact]
    public void Whoever_was_let_in_in_the_millisecond_of_the_end_was_not_let_in_after_it()
    {
        RecordedClinic clinic = new RecordedClinic().Staff("leaver", "2026-11-03T09:00", "2026-11-03T09:00:00.0009").Block("2026-11-03T09:00", "leaver");
        Assert.Equal("0", RecordedClinic.Values(clinic.Report("2026-11", "2026-12-10"), "2026-11")["access-let-in-after"]);
    }

    [Fact]
    public void Days_without_a_word_count_where_an_agent_could_have_been_heard()
    {
        // Enrolled on the 5th, heard on the 6th, the 10th and the 11th, gone on the 20th; December's first day is no part.
        RecordedClinic clinic = new RecordedClinic().Agent(Agent, "2026-11-05T15:00", "2026-11-20T12:00").Heard(Agent, "2026-11-06T08:00", "2026-11-10T23:59:59", "2026-11-11T00:00");
        IReadOnlyDictionary<string, string> values = RecordedClinic.Values(clinic.Report("2026-11", "2026-12-10"), "2026-11");

        // Watched: 5th to 19th. Unheard: 7, 8, 9 and 12 to 19.
        Assert.Equal(("15", "11", "8"), (values["days-watched"], values["days-unheard"], values["days-unheard-longest"]));

        // On the 9th at noon: 5th to 8th are over.
        values = RecordedClinic.Values(new RecordedClinic().Agent(Agent, "2026-11-05T15:00").Heard(Agent, "2026-11-06T08:00").Report("2026-11", "2026-11-09T12:00"), "2026-11");
        Assert.Equal(("4", "2", "2"), (values["days-watched"], values["days-unheard"], values["days-unheard-longest"]));
    }

    [Fact]
    public void A_hold_is_on_from_its_entry_on_also_where_somebody_deleted_its_row()
    {
        RollUp report = new RecordedClinic().Hold("2025-12-01", "2026-02-10").Hold("2026-01-31T23:59:59", hasRow: false).Hold("2026-03-05", "2026-03-06").Report("2026-Q1", "2026-11-26");
        Assert.Equal(["2", "1", "1", "1"], Of("holds-on"));
        Assert.Equal(["1", "0", "1", "2"], Of("holds-set"));
        Assert.Equal(["0", "1", "1", "2"], Of("holds-cleared"));

        string[] Of(string metric) => [.. new[] { "2026-01", "2026-02", "2026-03", "2026-Q1" }.Select(span => RecordedClinic.Values(report, span)[metric])];
    }

    [Fact]
    public void A_period_that_is_not_over_is_so_far_and_months_that_are_not_there_have_no_figures()
    {
        RollUp report = new RecordedClinic { CreatedAt = RecordedClinic.At("2026-09-15") }.Run("2026-09-20", "2026-09-20T01:00", 5).Report("2026", "2026-11-26T14:00");
        Assert.Equal(
            [SpanState.None, SpanState.None, SpanState.None, SpanState.None, SpanState.None, SpanState.None, SpanState.None, SpanState.None, SpanState.Final, SpanState.Final, SpanState.SoFar, SpanState.None],
            report.Months.Select(month => month.State));
        Assert.Equal(SpanState.SoFar, report.Whole.State);
        Assert.All(RecordedClinic.Values(report, "2026-12").Values, value => Assert.Equal("", value));
        string csv = Encoding.UTF8.GetString(RollUpCsv.Write(report));
        Assert.Contains("riverside,2026-11,2026-11-01T00:00:00Z,2026-11-26T14:00:00Z,so-far,runs-passed,0,runs\r\n", csv, StringComparison.Ordinal);
        Assert.Contains("riverside,2026-12,2026-12-01T00:00:00Z,2027-01-01T00:00:00Z,none,runs-passed,,runs\r\n", csv, StringComparison.Ordinal);
        Assert.Contains("riverside,2026,2026-01-01T00:00:00Z,2026-11-26T14:00:00Z,so-far,runs-passed,1,runs\r\n", csv, StringComparison.Ordinal);
    }

    [Fact]
    public void An_entry_of_a_run_that_does_not_say_how_it_went_is_damage_and_not_a_zero()
    {
        AuditLogDamagedException e = Assert.Throws<AuditLogDamagedException>(() => new RecordedClinic().Log("2026-11-05", AuditActions.RestoreTestFinished, "r", details: new() { ["passed"] = "many", ["canaries"] = "9/9", ["verdict"] = "passed", ["failed"] = "0" }).Report("2026-11", "2026-12-01"));
        Assert.Contains("passed", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Counts_of_months_add_up_to_those_of_quarters_and_of_the_year()
    {
        Gen<(int Kind, int Minute, int A)> happening = from kind in Gen.Choose(0, 9) from minute in Gen.Choose(0, (365 * 24 * 60) - 1) from a in Gen.Choose(1, 50) select (kind, minute, a);
        Prop.ForAll(Arb.From(happening.ListOf(60)), happenings => AddUp([.. happenings])).Check(Config.QuickThrowOnFailure.WithMaxTest(40));
    }

    private static void AddUp((int Kind, int Minute, int A)[] happenings)
    {
        RecordedClinic clinic = new RecordedClinic().Agent(Agent, "2025-03-11");
        int[] tested = new int[12], holds = new int[12], files = new int[12];
        int restore = 0;
        foreach ((int kind, int minute, int a) in happenings)
        {
            DateTimeOffset at = RecordedClinic.At("2026-01-01").AddMinutes(minute);
            string text = at.ToString("O", CultureInfo.InvariantCulture);
            switch (kind)
            {
                case 0 or 1:
                    clinic.Run(at.AddHours(-5).ToString("O", CultureInfo.InvariantCulture), text, a, a % 7 == 0 ? 2 : 0, canaries: a % 11 == 0 ? "8/9" : "9/9");
                    tested[at.Month - 1] += a + (a % 7 == 0 ? 2 : 0);
                    break;
                case 2:
                    clinic.Hold(text, a % 2 == 0 ? at.AddDays(a).ToString("O", CultureInfo.InvariantCulture) : null);
                    holds[at.Month - 1]++;
                    break;
                case 3:
                    clinic.HandedOut(++restore, text, a).HandedOut(restore, at.AddHours(a).ToString("O", CultureInfo.InvariantCulture), a);
                    files[at.Month - 1] += a;
                    if (at.AddHours(a).Year == 2026)
                    {
                        files[at.AddHours(a).Month - 1] += a;
                    }

                    break;
                case 4:
                    clinic.Destroyed(text, a, a * 3, a * 1000L);
                    break;
                case 5:
                    clinic.Alert(text, a % 2 == 0 ? "clinic-silent" : "schedule-missed");
                    break;
                case 6:
                    clinic.Staff($"s{minute}-{a}").Block(text, $"s{minute}-{a}");
                    break;
                default:
                    clinic.Heard(Agent, text);
                    break;
            }
        }

        RollUp year = clinic.Report("2026", "2027-03-01");
        IReadOnlyDictionary<string, string> whole = RecordedClinic.Values(year, "2026");
        IReadOnlyDictionary<string, string>[] months = [.. year.Months.Select(month => RecordedClinic.Values(year, month.Period.ToString()))];
        string[] counted = [.. RollUpMetrics.All.Where(metric => metric.Unit is not ("percent" or "seconds")).Select(metric => metric.Name).Except(["archive-packs", "covered-packs", "days-unheard-longest", "holds-on"])];
        Assert.All(counted, metric => Assert.Equal(Number(whole, metric), months.Sum(month => Number(month, metric))));
        for (int quarter = 0; quarter < 4; quarter++)
        {
            IReadOnlyDictionary<string, string> part = RecordedClinic.Values(clinic.Report($"2026-Q{quarter + 1}", "2027-03-01"), $"2026-Q{quarter + 1}");
            Assert.All(counted, metric => Assert.Equal(Number(part, metric), months.Skip(quarter * 3).Take(3).Sum(month => Number(month, metric))));
        }

        // And they are what happened; a month's own report says the same as the year's does of it.
        for (int month = 0; month < 12; month++)
        {
            Assert.Equal((tested[month], holds[month], files[month]), ((int)Number(months[month], "packs-tested"), (int)Number(months[month], "holds-set"), (int)Number(months[month], "disclosed-files")));
            string span = $"2026-{month + 1:00}";
            Assert.Equal(RecordedClinic.Values(clinic.Report(span, "2027-03-01"), span).OrderBy(pair => pair.Key), months[month].OrderBy(pair => pair.Key));
        }

        static decimal Number(IReadOnlyDictionary<string, string> values, string metric) => decimal.Parse(values[metric], CultureInfo.InvariantCulture);
    }

    [Theory]
    [InlineData("2026-11", "2026-11-01", "2026-12-01", 1, "November 2026")]
    [InlineData("2026-12", "2026-12-01", "2027-01-01", 1, "December 2026")]
    [InlineData("2026-Q1", "2026-01-01", "2026-04-01", 3, "January to March 2026")]
    [InlineData("2026-Q4", "2026-10-01", "2027-01-01", 3, "October to December 2026")]
    [InlineData("2028", "2028-01-01", "2029-01-01", 12, "2028")]
    public void A_period_is_a_month_a_quarter_or_a_year_in_UTC_and_its_end_is_not_in_it(string text, string from, string to, int months, string name)
    {
        ReportPeriod period = ReportPeriod.Parse(text);
        Assert.Equal((RecordedClinic.At(from), RecordedClinic.At(to), months, name, text), (period.From, period.To, period.Months.Count, period.Name, period.ToString()));
        Assert.Matches(ReportPeriod.Pattern, text);
        Assert.Equal(period.From, period.Months[0].From);
        Assert.Equal(period.To, period.Months[^1].To);
    }

    [Theory]
    [InlineData("")]
    [InlineData("2026-13")]
    [InlineData("2026-00")]
    [InlineData("2026-Q5")]
    [InlineData("2026-q1")]
    [InlineData("2026-Q01")]
    [InlineData("0000")]
    [InlineData("9999")]
    [InlineData("26-11")]
    [InlineData("2026-1")]
    [InlineData("2026-11-01")]
    [InlineData("٢٠٢٦")]
    [InlineData("../2026")]
    public void Anything_else_is_no_period(string text) => Assert.False(ReportPeriod.TryParse(text, null, out _));

    [Theory]
    [InlineData("riverside", "riverside")]
    [InlineData("-2+3", "'-2+3")]
    [InlineData("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\"")]
    [InlineData("@a", "'@a")]
    [InlineData("+1", "'+1")]
    [InlineData("\t=1", "'\t=1")]
    [InlineData("a,b", "\"a,b\"")]
    [InlineData("a\r\nb", "\"a\r\nb\"")]
    public void A_field_of_the_csv_is_quoted_where_it_must_be_and_never_a_formula(string text, string field) => Assert.Equal(field, RollUpCsv.Field(text));

    [Fact]
    public void The_csv_has_a_header_the_same_number_of_fields_in_each_row_and_CR_LF_at_each_end()
    {
        string csv = Encoding.UTF8.GetString(RollUpCsv.Write(new RecordedClinic { Id = ClinicId.Parse("-riverside") }.Report("2026-Q3", "2026-11-26")));
        string[] lines = csv.Split("\r\n");
        Assert.Equal("clinic,period,from,until,state,metric,value,unit", lines[0]);
        Assert.Equal("", lines[^1]);
        Assert.Equal(1 + (4 * RollUpMetrics.All.Count) + 1, lines.Length);
        Assert.All(lines[1..^1], line => Assert.Equal(8, line.Split(',').Length));
        Assert.All(lines[1..^1], line => Assert.StartsWith("'-riverside,2026-", line, StringComparison.Ordinal));
        Assert.DoesNotContain('\n', csv.Replace("\r\n", "", StringComparison.Ordinal));
    }

    [Fact]
    public void Nothing_of_what_people_wrote_or_who_they_are_is_in_the_csv()
    {
        RecordedClinic clinic = new RecordedClinic().Hold("2026-11-02").Staff("leaver", "2026-11-12").Block("2026-11-12", "leaver").HandedOut(1, "2026-11-09", 7);
        string csv = Encoding.UTF8.GetString(RollUpCsv.Write(clinic.Report("2026-11", "2026-12-10")));
        Assert.All(["Smith", "leaver", "ada", "1.2.3", "Riverside Dental"], text => Assert.DoesNotContain(text, csv, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_figure_is_in_the_documentation_with_its_unit_and_its_meaning_and_the_documentation_has_no_other()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "reports.md"));
        string[] documented = [.. page.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal) && line.Split('|').Length == 5)];
        Assert.Equal(RollUpMetrics.All.Select(metric => $"| `{metric.Name}` | {metric.Unit} | {metric.Meaning} |"), documented);
    }
}
