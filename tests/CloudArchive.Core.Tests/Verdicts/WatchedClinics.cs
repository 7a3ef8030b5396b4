using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Verdicts;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Verdicts;

/// <summary>Clinics with computers that report, on a store in memory.</summary>
internal sealed class WatchedClinics
{
    public static readonly DateTimeOffset Start = new(2026, 3, 2, 6, 0, 0, TimeSpan.Zero); // a Monday

    private static readonly Requester _timer = Requester.System("watch", "test");
    private static readonly Requester _agent = new(new AuditActor("an-agent", "agent"), new AuditOrigin("127.0.0.1", "test"));
    private readonly VerdictLimits _limits;
    private readonly IAuditLog? _log;

    public WatchedClinics(VerdictLimits? limits = null, Func<IRowStore, IRowStore>? rows = null, Func<IAuditLog, IAuditLog>? log = null)
    {
        _limits = limits ?? VerdictLimits.Default;
        Rows = rows is null ? Memory : rows(Memory);
        _log = log?.Invoke(new AuditLog(Rows, Clock));
    }

    public MemoryRowStore Memory { get; } = new();

    public IRowStore Rows { get; }

    public FakeTimeProvider Clock { get; } = new(Start);

    public DateTimeOffset Now => Clock.GetUtcNow();

    public Outbox Outbox => new(Rows, _log ?? new AuditLog(Rows, Clock), Clock);

    public ClinicDirectory Clinics => new(Rows, null!, Outbox, Clock); // No key is asked for: a look opens nothing.

    public Agents Agents => new(Rows, Outbox, Clock);

    public VerdictReports Reports => new(Rows, Outbox, Clock);

    public AlertDesk Alerts => new(Rows, Outbox, Clock, NullLogger<AlertDesk>.Instance);

    public AlertList List => new(Rows, Outbox, Clock);

    public VerdictDesk Desk => new(Reports, Agents, Alerts, _limits, Clock, NullLogger<VerdictDesk>.Instance);

    public ClinicCheck Check => new(
        Clinics, Reports, new RestoreTestDesk(Rows, null!, null!, null!, null!, Clock), new ClinicRecord(Agents, new CatalogReader(Rows), Losses, new LogStates(Rows, Clock)), _limits, Clock);

    public PackLosses Losses => new(Rows, new CatalogReader(Rows), Outbox, Alerts, Clock, NullLogger<PackLosses>.Instance);

    public ClinicWatch Watch => new(Rows, Clinics, Check, Desk, Alerts, new ObjectiveDesk(Rows, Outbox, Alerts, Clock), Quotas, NullLogger<ClinicWatch>.Instance);

    public DailyQuotas Quotas => new(Rows, Alerts, Clock, NullLogger<DailyQuotas>.Instance);

    /// <summary>A look at every clinic, one after the other.</summary>
    public async Task<WatchResult> LookAsync()
    {
        List<WatchedClinic> found = [];
        List<ClinicId> failed = [];
        await foreach (ClinicId clinic in Clinics.ReadAllAsync(Cancel))
        {
            try
            {
                found.Add((await Watch.RunAsync(clinic, _timer, Cancel))!);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed.Add(clinic);
            }
        }

        return new WatchResult([.. found.Where(one => one.IsSilent).Select(one => one.Clinic)], [.. found.Where(one => one.State == VerdictState.NotSafe).Select(one => one.Clinic)], failed);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>All letters of a week: how many were written.</summary>
    public async Task<int> WriteLettersAsync(IMailer? mailer)
    {
        int written = 0;
        await foreach (ClinicId clinic in Clinics.ReadAllAsync(Cancel))
        {
            written += await new WeeklyLetters(Rows, Clinics, Check, Clock, mailer).RunAsync(clinic, Cancel) ? 1 : 0;
        }

        return written + (await new WeeklySummary(Rows, Clinics, Clock, mailer).RunAsync(Cancel) ? 1 : 0);
    }

    /// <summary>A clinic with a computer of each name, enrolled now; its log was checked now.</summary>
    public async Task<AgentId[]> AddAsync(string clinic, params string[] computers)
    {
        ClinicId id = ClinicId.Parse(clinic);
        Clinic row = new(id, $"Clinic {clinic}", RetentionPolicy.ForYears(10), true, Now, new WrappedContentKey("key", [], KeyWrapping.Algorithm), null, "");
        await Memory.SubmitAsync(RowTable.Clinics, ClinicRows.Index, [new RowWrite.Insert(clinic, new Dictionary<string, object>())], Cancel);
        await Memory.SubmitAsync(RowTable.Clinics, clinic, [new RowWrite.Insert(ClinicRows.ClinicKey, ClinicRows.Values(row))], Cancel);
        await CheckLogAsync(clinic);
        List<AgentId> agents = [];
        foreach (string name in computers)
        {
            agents.Add(await EnrollAsync(id, name));
        }

        return [.. agents];
    }

    public async Task<AgentId> EnrollAsync(ClinicId clinic, string name)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Agent agent = new(AgentId.New(clinic), name, JwkKeys.FromEcdsa(key), Now, null, Revoked: false);
        await Memory.SubmitAsync(RowTable.Clinics, clinic.Value, [new RowWrite.Insert(ClinicRows.AgentPrefix + agent.Id, ClinicRows.Values(agent))], Cancel);
        return agent.Id;
    }

    public Task CheckLogAsync(string clinic) => new LogStates(Memory, Clock).NoteHoldsAsync(clinic, Cancel);

    public Task ReportAsync(AgentId agent, AgentVerdict verdict) => Desk.TakeAsync(agent, verdict, _agent, Cancel);

    /// <summary>What a computer says of which every file is in the archive.</summary>
    public AgentVerdict Good(params VerdictFinding[] findings) => Of(Folder() with { Safe = !findings.Any(finding => finding.NotSafe), Findings = findings });

    public FolderVerdict Folder(string folder = "f1") => new(folder, true, 100, 90, 10, 5_000_000, Now, []);

    public AgentVerdict Of(params FolderVerdict[] folders) => new(AgentVerdict.CurrentVersion, Now, folders.All(folder => folder.Safe), folders, []);

    public async Task<ClinicVerdict> VerdictAsync(string clinic) => (await Check.RunAsync(await Clinics.GetAsync(ClinicId.Parse(clinic), Cancel), Cancel)).Verdict;

    public async Task<AlertCause[]> OpenAsync(string clinic) => [.. (await Alerts.ListOpenAsync(clinic, Cancel)).Select(one => one.Cause).Order()];

    public async Task<List<AuditEntry>> LogAsync(string log) =>
        [.. (await new AuditReader(Memory).ReadAsync(log, 0, 1000, Cancel)).Select(entry => JsonSerializer.Deserialize<AuditEntry>(entry.Json, FormatJson.Options)!)];
}

/// <summary>What looks at all clinics found.</summary>
internal sealed record WatchResult(IReadOnlyList<ClinicId> Silent, IReadOnlyList<ClinicId> NotSafe, IReadOnlyList<ClinicId> Failed);
