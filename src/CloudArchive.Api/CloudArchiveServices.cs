using System.Text.Json;
using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Api.Mail;
using CloudArchive.Api.Portal.Pages;
using CloudArchive.Api.Portal.Session;
using CloudArchive.Core;
using CloudArchive.Core.Access;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Records;
using CloudArchive.Core.Restores;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using CloudArchive.Reports;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace CloudArchive.Api;

/// <summary>What a host registers.</summary>
public static class CloudArchiveServices
{
    /// <summary>
    /// Core and Api on the host's seams, which the host registers itself: <see cref="IRowStore"/>, <see cref="IBlobVault"/>,
    /// <see cref="IWrappingKeys"/>, <see cref="ISigner"/>, <see cref="ITokenSigner"/>, <see cref="IStorageRights"/>, <see cref="IKeyRights"/>, and <see cref="IKeyUnwrapper"/> where it has the recovery role.
    /// </summary>
    public static IServiceCollection AddCloudArchive(this IServiceCollection services, CloudArchiveOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton(new EvidenceIssuer($"CloudArchive/{ServiceEndpoints.Version}", options.Contact));
        services.TryAddSingleton(TimeProvider.System);
        AddCore(services);
        services.AddSingleton(VerdictLimits.For(options.SilentAfter));
        AddChannels(services, options);

        services.AddSingleton<BearerTokens>();
        services.AddSingleton<ClientAssertions>();
        services.AddSingleton<PortalSessions>();
        services.AddSingleton<RefusalLog>();
        services.AddSingleton<LookLog>();
        services.AddSingleton<RestoreTestWorker>();
        if (options.Role.HasFlag(ArchiveRole.Recovery))
        {
            services.AddHostedService(provider => provider.GetRequiredService<RestoreTestWorker>());
        }

        RateLimits.AddTo(services, options.Limits);
        services.Configure<JsonOptions>(json => Mirror(FormatJson.Options, json.SerializerOptions));

        // Else a malformed body would be answered before the one place that maps errors.
        services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        services.AddArchiveOpenApi();
        return services;
    }

    /// <summary>The ways to tell somebody something that the operator configured.</summary>
    private static void AddChannels(IServiceCollection services, CloudArchiveOptions options)
    {
        if (options.Webhook is { } webhook)
        {
            services.AddSingleton<INoticeChannel>(provider => new Webhook(webhook, provider.GetRequiredService<TimeProvider>()));
        }

        if (options.Mail is { } mail)
        {
            services.AddSingleton<IMailer>(_ => new SmtpMailer(mail, options.PortalUrl ?? options.PublicUrl));
            services.AddSingleton<INoticeChannel, OperatorMail>();
            services.AddSingleton<INoticeChannel, ClinicMail>();
        }
    }

    private static void AddCore(IServiceCollection services)
    {
        services.TryAddSingleton<IAuditLog, AuditLog>();
        services.AddSingleton<AuditReader>();
        services.AddSingleton<AuditSearch>();
        services.AddSingleton<AuditCheck>();
        services.AddSingleton<Checkpoints>();
        services.AddSingleton<LogStates>();
        services.AddSingleton<CheckpointRun>();
        services.AddSingleton<Outbox>();
        services.AddSingleton<AlertDesk>();
        services.AddSingleton<AlertList>();
        services.AddSingleton<AlertDelivery>();
        services.AddSingleton<LogCheck>();
        services.AddSingleton<RecordStore>();
        services.AddSingleton<StaffRegister>();
        services.AddSingleton<AccessReviews>();
        services.AddSingleton<ClinicDirectory>();
        services.AddSingleton<Agents>();
        services.AddSingleton<VerdictReports>();
        services.AddSingleton<VerdictDesk>();
        services.AddSingleton<ClinicRecord>();
        services.AddSingleton<ClinicCheck>();
        services.AddSingleton<ClinicWatch>();
        services.AddSingleton<WeeklyLetters>();
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
        services.AddSingleton<KeyRewrapRun>();
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
        services.AddSingleton<Reconciler>();
        services.AddSingleton<CatalogReader>();
        services.AddSingleton<CatalogWriter>();
        services.AddSingleton<RebuildLog>();
        services.AddSingleton<CatalogRebuild>();
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
        services.AddSingleton<RetentionRun>();
        services.AddSingleton<TieringRun>();
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
        services.AddSingleton<DrawEvidence>(_ => EvidenceReport.Render);
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
        services.AddSingleton<RestoreTestSchedule>();
        services.AddSingleton<RestoreTestWatch>();
        services.AddSingleton<RollUpLogs>();
        services.AddSingleton<RollUpRowReader>();
        services.AddSingleton<RollUps>();
        services.AddSingleton<IDoctor, StorageDoctor>();
        services.AddSingleton<IDoctor, KeyDoctor>();
        services.AddSingleton<IDoctor, LogDoctor>();
        services.AddSingleton<IDoctor, ClinicDoctor>();
        services.AddSingleton<ServiceDoctor>();
        services.AddSingleton<Sweeper>();
        services.AddSingleton<Housekeeping>();
    }

    /// <summary>ASP.NET Core keeps its own options object: it gets what the formats' has.</summary>
    private static void Mirror(JsonSerializerOptions from, JsonSerializerOptions to)
    {
        to.TypeInfoResolver = from.TypeInfoResolver;
        to.AllowDuplicateProperties = from.AllowDuplicateProperties;
        to.PropertyNamingPolicy = from.PropertyNamingPolicy;
        to.PropertyNameCaseInsensitive = from.PropertyNameCaseInsensitive;
        to.DefaultIgnoreCondition = from.DefaultIgnoreCondition;
        to.NumberHandling = from.NumberHandling;
        to.RespectNullableAnnotations = from.RespectNullableAnnotations;
        to.RespectRequiredConstructorParameters = from.RespectRequiredConstructorParameters;
        to.MaxDepth = from.MaxDepth;
        foreach (var converter in from.Converters)
        {
            to.Converters.Add(converter);
        }
    }
}
