using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Records;
using CloudArchive.Core.Restores;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Reports;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Support;

/// <summary>The whole of Core, wired by hand on whatever seams a test hands in.</summary>
internal sealed class Archive
{
    public Archive(IRowStore rows, IBlobVault vault, IWrappingKeys wrapping, IKeyUnwrapper? unwrapper, ISigner signer, FakeTimeProvider clock)
    {
        (Rows, Vault, Clock) = (rows, vault, clock);
        Log = new AuditLog(rows, clock);
        Reader = new AuditReader(rows);
        Outbox = new Outbox(rows, Log, clock);
        Clinics = new ClinicDirectory(rows, wrapping, Outbox, clock);
        Agents = new Agents(rows, Outbox, clock);
        IdentifierSecrets secrets = new(unwrapper);
        Enrollments = new Enrollments(rows, Clinics, secrets, wrapping, Outbox, clock);
        Identifiers = new IdentifierLookup(Clinics, secrets, rows);
        Catalog = new CatalogReader(rows);
        Alerts = new AlertDesk(rows, Outbox, clock, NullLogger<AlertDesk>.Instance);
        Quotas = new DailyQuotas(rows, Alerts, clock, NullLogger<DailyQuotas>.Instance);
        Packs = new PackRows(rows, Quotas, clock);
        Losses = new PackLosses(rows, Catalog, Outbox, Alerts, clock, NullLogger<PackLosses>.Instance);
        CatalogWriter writer = new(rows);
        Stored = new StoredPacks(vault);
        Receipts = new ReceiptIssuer(signer, Stored);
        Holds = new Holds(rows, Clinics, Outbox, clock);
        Destruction = new Destruction(vault, Catalog, Holds, clock);
        PackProtection protection = new(vault, Stored, writer, Losses, Log);
        HoldEnforcement enforcement = new(Holds, protection, clock);
        PackFinish finish = new(Stored, writer, Log, Receipts, enforcement, clock);
        PackRemoval removal = new(Packs, Log, Destruction, Outbox);
        PackCompletion completion = new(Clinics, Packs, vault, finish, removal, clock);
        Intake = new PackIntake(Clinics, wrapping, vault, Packs, Quotas, Outbox, clock);
        Commit = new PackCommit(Clinics, Packs, vault, completion, Catalog, Receipts, clock);
        Reconciliation = new PackReconciliation(Packs, completion, removal, clock, NullLogger<PackReconciliation>.Instance);
        Rehydration = new Rehydration(rows, vault, Receipts, Losses, Outbox);
        RewrapRecords rewraps = new(vault, Stored, signer);
        PackStatements statements = new(Receipts, Stored, rewraps);
        Commits = new CommitEntries(Reader, Catalog, vault, Receipts);
        LossRebuild lossRebuild = new(rows, Reader, Catalog, Commits, Losses, Log);
        Rebuild = new CatalogRebuild(vault, writer, statements, finish, Clinics, lossRebuild, new RebuildLog(Log), NullLogger<CatalogRebuild>.Instance);
        Strays = new StrayBlobs(vault, rows, Reader, Rebuild, removal, Alerts, clock, NullLogger<StrayBlobs>.Instance);
        Reconciler = new Reconciler(rows, Reconciliation, Rehydration, Losses, Strays, Outbox, clock, NullLogger<Reconciler>.Instance);
        ContentKeys keys = new(unwrapper);
        PackRewrap rewrap = new(rows, keys, rewraps, Outbox, clock);
        Rewrap = new KeyRewrap(Clinics, secrets, wrapping, Catalog, rewrap, Outbox);
        RewrapRun = new KeyRewrapRun(rows, wrapping, Rewrap, clock, NullLogger<KeyRewrapRun>.Instance);
        Changes = new ChangeFeed(Reader, new ArchivedPacks(Catalog, statements, Stored), Packs, Losses, new RecordStore(vault, Stored, signer, clock), clock);
        Policies = new RetentionPolicies(rows, Clinics, Outbox, clock);
        Snapshots = new SnapshotCatalog(rows, Catalog);
        Planner = new RetentionPlanner(Clinics, Catalog, Snapshots, Holds, clock);
        Destructions = new DestructionDesk(rows, Clinics, Catalog, Planner, Outbox, clock);
        Certificates = new DestructionCertificateStore(new RecordStore(vault, Stored, signer, clock), clock);
        StudyDestruction studies = new(Destructions, Planner, Packs, Destruction, new CatalogRemoval(rows), Certificates);
        Retention = new RetentionRun(
            rows, Clinics, Holds, new ClinicRetention(Planner, enforcement, protection, Destructions, studies, NullLogger<ClinicRetention>.Instance), clock);
        LoggedPacks logged = new(Reader, new AuditSearch(Reader), Destructions);
        Committed = new CommittedPacks(Catalog, vault, Receipts, logged, Losses, clock);
        RestorePlanner = new RestorePlanner(Catalog, Committed, new PlanSidecars(statements, Snapshots, logged, NullLogger<PlanSidecars>.Instance), Identifiers, Losses, NullLogger<RestorePlanner>.Instance);
        Restores = new RestoreDesk(rows, Clinics, RestorePlanner, Outbox, clock, NullLogger<RestoreDesk>.Instance);
        DestroyedPacks destroyed = new(rows, Destructions, Certificates, NullLogger<DestroyedPacks>.Instance);
        PackRelease release = new(rows, new PackRecords(Catalog, statements, vault), keys, Losses, destroyed, clock, NullLogger<PackRelease>.Instance);
        Results = new RestoreResults(Restores, rows, release, new RestoreRehydration(rows, Rehydration, NullLogger<RestoreRehydration>.Instance), Outbox);
        Checkpoints checkpoints = new(Reader, vault, signer, clock);
        PackTest = new PackTest(vault, Catalog, keys, statements, Holds, clock);
        Canaries = new Canaries(rows, vault, new ArchiveKeys(wrapping, keys, signer), Clinics, Log, clock);
        Evidence = new EvidenceStore(new RecordStore(vault, Stored, signer, clock), EvidenceReport.Render);
        Budgets = new RestoreTestBudgets(rows, Clinics, Outbox);
        Population = new RestoreTestPopulation(rows, Committed, clock);
        RestoreTestDraw draw = new(rows, Log, Reader, checkpoints);
        Tests = new RestoreTestDesk(rows, Clinics, Population, draw, Outbox, clock);
        RestoreTestFinish end = new(rows, Canaries, Evidence, new RestoreTestLedger(Clinics, Outbox, Alerts), new EvidenceIssuer("CloudArchive/test", new EvidenceContact("Operator", "op@example.org")), clock);
        TestRunner = new RestoreTestRunner(rows, draw, new SampledPackTest(rows, PackTest, logged, Rehydration, Losses, clock, NullLogger<SampledPackTest>.Instance), end, clock, NullLogger<RestoreTestRunner>.Instance);
        Schedule = new RestoreTestSchedule(Tests, Budgets, TestRunner, clock);
        Watch = new RestoreTestWatch(Tests, Catalog, Alerts, clock);
    }

    public static Requester Admin { get; } = new(new AuditActor("ada", "admin"), new AuditOrigin("127.0.0.1", "test"));

    public static Requester OtherAdmin { get; } = new(new AuditActor("bert", "admin"), new AuditOrigin("127.0.0.1", "test"));

    public IRowStore Rows { get; }

    public IBlobVault Vault { get; }

    public FakeTimeProvider Clock { get; }

    public AuditLog Log { get; }

    public AuditReader Reader { get; }

    public Outbox Outbox { get; }

    public ClinicDirectory Clinics { get; }

    public Agents Agents { get; }

    public Enrollments Enrollments { get; }

    public IdentifierLookup Identifiers { get; }

    public StrayBlobs Strays { get; }

    public DailyQuotas Quotas { get; }

    public PackRows Packs { get; }

    public CatalogReader Catalog { get; }

    public StoredPacks Stored { get; }

    public ReceiptIssuer Receipts { get; }

    public Destruction Destruction { get; }

    public Holds Holds { get; }

    public RetentionPolicies Policies { get; }

    public RetentionPlanner Planner { get; }

    public DestructionDesk Destructions { get; }

    public DestructionCertificateStore Certificates { get; }

    public RetentionRun Retention { get; }

    public PackIntake Intake { get; }

    public PackCommit Commit { get; }

    public PackReconciliation Reconciliation { get; }

    public Reconciler Reconciler { get; }

    public CatalogRebuild Rebuild { get; }

    public KeyRewrap Rewrap { get; }

    public KeyRewrapRun RewrapRun { get; }

    public PackLosses Losses { get; }

    public ChangeFeed Changes { get; }

    public CommitEntries Commits { get; }

    public RestorePlanner RestorePlanner { get; }

    public SnapshotCatalog Snapshots { get; }

    public RestoreDesk Restores { get; }

    public RestoreResults Results { get; }

    public CommittedPacks Committed { get; }

    public PackTest PackTest { get; }

    public Rehydration Rehydration { get; }

    public AlertDesk Alerts { get; }

    public Canaries Canaries { get; }

    public EvidenceStore Evidence { get; }

    public RestoreTestBudgets Budgets { get; }

    public RestoreTestPopulation Population { get; }

    public RestoreTestSchedule Schedule { get; }

    public RestoreTestWatch Watch { get; }

    public RestoreTestDesk Tests { get; }

    public RestoreTestRunner TestRunner { get; }

    /// <summary>On the real parts. The clock starts now: storage has a clock of its own, and refuses to lock until a past date.</summary>
    public static Archive On(SharedStorage shared) => On(shared, new FakeTimeProvider(DateTimeOffset.UtcNow));

    public static Archive On(SharedStorage shared, FakeTimeProvider clock) => new(shared.Storage.Rows, shared.Storage.Vault, shared.Keys, shared.Keys, shared.Keys, clock);
}
