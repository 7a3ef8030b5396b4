using CloudArchive.Core.Access;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Limits;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Records;
using CloudArchive.Core.Restores;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Verdicts;
using CloudArchive.Core.Work;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace CloudArchive.Core;

/// <summary>What of Core a host registers.</summary>
public static class CoreServices
{
    /// <summary>Core on the host's seams: rows, blobs, the queue, keys, and what the doctor asks of them.</summary>
    public static IServiceCollection AddCloudArchiveCore(this IServiceCollection services)
    {
        services.TryAddSingleton<IAuditLog, AuditLog>();
        services.AddSingleton<AuditReader>();
        services.AddSingleton<AuditSearch>();
        services.AddSingleton<AuditCheck>();
        services.AddSingleton<Checkpoints>();
        services.AddSingleton<LogStates>();
        services.AddSingleton<Outbox>();
        services.AddSingleton<AlertDesk>();
        services.AddSingleton<AlertList>();
        services.AddSingleton<RecordStore>();
        services.AddSingleton<StaffRegister>();
        services.AddSingleton<AccessReviews>();
        services.AddSingleton<ClinicDirectory>();
        services.AddSingleton<Agents>();
        services.AddSingleton<VerdictReports>();
        services.AddSingleton<VerdictDesk>();
        services.AddSingleton<ClinicRecord>();
        services.AddSingleton<ClinicCheck>();
        services.AddSingleton<ClinicStates>();
        services.AddSingleton<ObjectiveDesk>();
        services.AddSingleton<KeyAnnouncement>();
        services.AddSingleton<IdentifierSecrets>();
        services.AddSingleton<IdentifierLookup>();
        services.AddSingleton<ReportedDamage>();
        services.AddSingleton<Enrollments>();
        services.AddSingleton<UsedAssertions>();
        services.AddSingleton<ContentKeys>();
        services.AddSingleton<RewrapRecords>();
        services.AddSingleton<PackRewrap>();
        services.AddSingleton<KeyRewrap>();
        services.AddSingleton<DailyQuotas>();
        services.AddSingleton<PackRows>();
        services.AddSingleton<PackIntake>();
        services.AddSingleton<StoredPacks>();
        services.AddSingleton<ReceiptIssuer>();
        services.AddSingleton<PackStatements>();
        services.AddSingleton<PackFinish>();
        services.AddSingleton<PackRemoval>();
        services.AddSingleton<PackCompletion>();
        services.AddSingleton<PackCommit>();
        services.AddSingleton<PackReconciliation>();
        services.AddSingleton<CatalogReader>();
        services.AddSingleton<SnapshotCatalog>();
        services.AddSingleton<CatalogWriter>();
        services.AddSingleton<RebuildLog>();
        services.AddSingleton<CatalogRebuild>();
        services.AddSingleton<StrayBlobs>();
        services.AddSingleton<CatalogRemoval>();
        services.AddSingleton<PackLosses>();
        services.AddSingleton<ArchivedPacks>();
        services.AddSingleton<CommitEntries>();
        services.AddSingleton<LossRebuild>();
        services.AddSingleton<ChangeFeed>();
        services.AddSingleton<RetentionPolicies>();
        services.AddSingleton<RetentionPlanner>();
        services.AddSingleton<Holds>();
        services.AddSingleton<HoldEnforcement>();
        services.AddSingleton<PackProtection>();
        services.AddSingleton<Destruction>();
        services.AddSingleton<DestructionDesk>();
        services.AddSingleton<DestructionCertificateStore>();
        services.AddSingleton<StudyDestruction>();
        services.AddSingleton<DestroyedPacks>();
        services.AddSingleton<ClinicRetention>();
        services.AddSingleton<PlanSidecars>();
        services.AddSingleton<RestorePlanner>();
        services.AddSingleton<RestoreDesk>();
        services.AddSingleton<PackRecords>();
        services.AddSingleton<PackRelease>();
        services.AddSingleton<RestoreRehydration>();
        services.AddSingleton<RestoreResults>();
        services.AddSingleton<DisclosureLog>();
        services.AddSingleton<ArchiveKeys>();
        services.AddSingleton<PackTest>();
        services.AddSingleton<Rehydration>();
        services.AddSingleton<Canaries>();
        services.AddSingleton<EvidenceStore>();
        services.AddSingleton<RestoreTestBudgets>();
        services.AddSingleton<LoggedPacks>();
        services.AddSingleton<CommittedPacks>();
        services.AddSingleton<RestoreTestPopulation>();
        services.AddSingleton<RestoreTestDraw>();
        services.AddSingleton<RestoreTestDesk>();
        services.AddSingleton<SampledPackTest>();
        services.AddSingleton<RestoreTestLedger>();
        services.AddSingleton<RestoreTestFinish>();
        services.AddSingleton<RestoreTestRunner>();
        services.AddSingleton<IDoctor, StorageDoctor>();
        services.AddSingleton<IDoctor, KeyDoctor>();
        services.AddSingleton<IDoctor, LogDoctor>();
        services.AddSingleton<IDoctor, ClinicDoctor>();
        services.AddSingleton<ServiceDoctor>();
        services.AddSingleton<SharedAllowances>();
        services.AddSingleton<JobTimer>();
        services.AddSingleton<JobRunner>();
        foreach (Job job in Jobs.All)
        {
            services.AddSingleton(job.Work);
        }

        return services;
    }
}
