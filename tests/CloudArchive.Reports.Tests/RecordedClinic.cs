using System.Globalization;
using System.Text;
using CloudArchive.Core;
using CloudArchive.Core.Access;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Retention;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;
using CloudArchive.Reports;
using CloudArchive.Reports.Binders;

namespace CloudArchive.Reports.Tests;

/// <summary>What was recorded of a clinic, made by hand: entries as docs/audit.md has them, and rows.</summary>
internal sealed class RecordedClinic
{
    private readonly List<(DateTimeOffset At, string Log, string Action, AuditOutcome Outcome, AuditActor Actor, string? Other, Dictionary<string, string>? Details)> _entries = [];
    private readonly List<RestoreTestResponse> _runs = [];
    private readonly List<Agent> _agents = [];
    private readonly List<StaffMember> _staff = [];
    private readonly List<Hold> _holds = [];
    private readonly List<HandedOut> _handedOut = [];
    private readonly Dictionary<string, VerdictNow> _said = [];
    private int _number;

    public ClinicId Id { get; init; } = ClinicId.Parse("riverside");

    public string Name { get; init; } = "Riverside Dental";

    public DateTimeOffset CreatedAt { get; init; } = At("2025-03-10");

    public static DateTimeOffset At(string time) => DateTimeOffset.Parse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    public RecordedClinic Log(string at, string action, string? other = null, string actor = "timer", string role = "system", Dictionary<string, string>? details = null, AuditOutcome outcome = AuditOutcome.Success, bool system = false)
    {
        _entries.Add((At(at), system ? AuditEntry.SystemLog : Id.Value, action, outcome, new AuditActor(actor, role), other, details));
        return this;
    }

    /// <summary>A run that ended, in the log and in its row.</summary>
    public RecordedClinic Run(
        string began, string ended, int recovered, int failed = 0, int notTested = 0, int packs = 100, int covered = 90, long? recoverySeconds = 7200, string? newestPack = "2026-01-01", string canaries = "9/9", bool rowIsOfIt = true, bool hasRow = true, long bytes = 0)
    {
        string id = $"01890a5d-ac96-774b-bcce-{++_number:x12}";
        Sha256Digest evidence = Sha256Digest.Of(Encoding.UTF8.GetBytes(id));
        RunVerdict verdict = failed > 0 || canaries != "9/9" ? RunVerdict.Failed : recovered == 0 ? RunVerdict.NothingTested : RunVerdict.Passed;
        Log(ended, AuditActions.RestoreTestFinished, id, outcome: verdict == RunVerdict.Failed ? AuditOutcome.Failure : AuditOutcome.Success, details: new()
        {
            ["passed"] = recovered.ToString(CultureInfo.InvariantCulture), ["failed"] = failed.ToString(CultureInfo.InvariantCulture), ["notTested"] = notTested.ToString(CultureInfo.InvariantCulture),
            ["canaries"] = canaries, ["verdict"] = verdict switch { RunVerdict.Passed => "passed", RunVerdict.Failed => "failed", _ => "nothing-tested" }, ["evidence"] = evidence.Hex,
        });
        if (hasRow)
        {
            EvidenceSummary summary = new(
                recovered + failed, recovered, failed, notTested, new Dictionary<PackFailure, int>(), 0, 0, packs, bytes, covered, null, recovered == 0 ? null : recoverySeconds, newestPack is null ? null : At(newestPack));
            _runs.Add(new RestoreTestResponse(
                id, Id, RestoreTestStatus.Passed, "timer", At(began), At(ended), null, TestBudget.Everything, packs, recovered + failed + notTested, recovered, failed, notTested, 0, 0, [], Summary: summary,
                EvidenceSha256: rowIsOfIt ? evidence : Sha256Digest.Of([1])));
        }

        return this;
    }

    public RecordedClinic Alert(string at, string cause) => Log(at, AuditActions.AlertRaised, "x", outcome: AuditOutcome.Failure, details: new() { ["cause"] = cause });

    public RecordedClinic Agent(string id, string enrolled, string? revoked = null, string? lastSeen = null)
    {
        AgentId agent = AgentId.Parse($"{Id}.{id}");
        _agents.Add(new Agent(agent, "reception", new Jwk("EC"), At(enrolled), lastSeen is null ? null : At(lastSeen), revoked is not null, null, revoked is null ? null : At(revoked), revoked is null ? null : "ada"));
        return revoked is null ? this : Log(revoked, AuditActions.AgentRevoked, agent.ToString(), "ada", "admin");
    }

    /// <summary>A computer reports another verdict than before.</summary>
    public RecordedClinic Says(string id, string at, bool safe, bool? before = null)
    {
        Dictionary<string, string> details = new() { ["safe"] = safe ? "true" : "false" };
        if (before is { } was)
        {
            details["before"] = was ? "true" : "false";
        }

        return Log(at, AuditActions.VerdictChanged, $"{Id}.{id}", $"{Id}.{id}", "agent", details: details);
    }

    /// <summary>What the hourly look found of the objectives.</summary>
    public RecordedClinic Measured(string at, string time, string point, string timeBefore, string pointBefore) => Log(
        at, AuditActions.ObjectivesMeasured, details: new() { ["recoveryTime"] = time, ["recoveryPoint"] = point, ["recoveryTimeBefore"] = timeBefore, ["recoveryPointBefore"] = pointBefore });

    /// <summary>What a computer's row says.</summary>
    public RecordedClinic SaysNow(string id, string since, bool safe)
    {
        _said[$"{Id}.{id}"] = new VerdictNow(At(since), safe);
        return this;
    }

    /// <summary>An agent gets a token.</summary>
    public RecordedClinic Heard(string id, params string[] at) => at.Aggregate(this, (clinic, time) => clinic.Log(time, AuditActions.TokenIssued, $"{Id}.{id}", $"{Id}.{id}", "agent"));

    public RecordedClinic Staff(string subject, string? blocked = null, string? lastLetIn = null, string? clinics = "riverside")
    {
        _staff.Add(new StaffMember(subject, ["admin"], clinics is null ? null : [ClinicId.Parse(clinics)], null, lastLetIn is null ? null : At(lastLetIn), blocked is null ? null : At(blocked), blocked is null ? null : "ada", ""));
        return this;
    }

    public RecordedClinic Block(string at, string subject) => Log(at, AuditActions.SubjectBlocked, subject, "ada", "admin", system: true);

    public RecordedClinic Unblock(string at, string subject) => Log(at, AuditActions.SubjectUnblocked, subject, "ada", "admin", system: true);

    /// <summary>A hold with its row; of a deleted row, its entries alone.</summary>
    public RecordedClinic Hold(string set, string? cleared = null, bool hasRow = true)
    {
        WorkId id = WorkId.Parse($"01890a5d-ac96-774b-bccf-{++_number:x12}");
        Log(set, AuditActions.HoldSet, id.ToString(), "ada", "admin");
        if (cleared is not null)
        {
            Log(cleared, AuditActions.HoldCleared, id.ToString(), "bert", "admin");
        }

        if (hasRow)
        {
            _holds.Add(new Hold(
                id, Id, Uid.Parse("1.2.3"), null, "Smith versus Miller", default, [], cleared is null ? HoldStatus.Active : HoldStatus.Cleared, "ada", At(set), ClearedAt: cleared is null ? null : At(cleared)));
        }

        return this;
    }

    public RecordedClinic Destroyed(string at, int packs, int instances, long bytes) => Log(at, AuditActions.StudyDestroyed, "d", details: new()
    {
        ["packs"] = packs.ToString(CultureInfo.InvariantCulture), ["instances"] = instances.ToString(CultureInfo.InvariantCulture), ["bytes"] = bytes.ToString(CultureInfo.InvariantCulture),
    });

    public RecordedClinic HandedOut(int restore, string at, int instances)
    {
        _handedOut.Add(new HandedOut(WorkId.Parse($"01890a5d-ac96-774b-bcd0-{restore:x12}"), At(at), instances));
        return this;
    }

    /// <summary>The roll-up, with the entries in the order of their time.</summary>
    public RollUp Report(string period, string asOf)
    {
        ReportPeriod of = ReportPeriod.Parse(period);
        RollUpLog log = new(Id, of.To);
        long index = 0;
        foreach (var entry in _entries.Where(entry => entry.At >= of.From && entry.At < of.To + RollUpLog.Watched).OrderByDescending(entry => entry.Log == AuditEntry.SystemLog).ThenBy(entry => entry.At))
        {
            log.Add(new AuditEntry(AuditEntry.CurrentFormat, entry.Log, index++, entry.At, entry.Action, entry.Outcome, entry.Actor, new AuditSubject(Other: entry.Other), new AuditOrigin(null, "c"), Details: entry.Details));
        }

        RollUpRows rows = new(new RollUpClinic(Id, Name, CreatedAt, RecoveryObjectives.Default), _runs, _agents, _staff, _holds, _handedOut, Verdicts: _said);
        return RollUp.Of(RollUpFacts.Of(log, rows), of, At(asOf), log is { First: { } first, Last: { } last } ? new LogSection(first, last, Sha256Digest.Of([7])) : null);
    }

    /// <summary>The same for a binder's cover.</summary>
    public BinderFigures Figures(string period, string asOf)
    {
        RollUp report = Report(period, asOf);
        return new BinderFigures(report.Whole.Figures!, report.Runs);
    }

    /// <summary>The CSV's values of a span, by figure. Read by splitting alone, which its values allow.</summary>
    public static IReadOnlyDictionary<string, string> Values(RollUp report, string span) => Encoding.UTF8.GetString(RollUpCsv.Write(report)).Split("\r\n", StringSplitOptions.RemoveEmptyEntries)
        .Skip(1).Select(line => line.Split(',')).Where(fields => fields[1] == span).ToDictionary(fields => fields[5], fields => fields[6], StringComparer.Ordinal);
}
