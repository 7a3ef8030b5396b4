using System.Text.Json;
using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Api.Mail;
using CloudArchive.Api.Portal.Session;
using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Keys;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using CloudArchive.Reports;
using CloudArchive.Reports.Binders;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace CloudArchive.Api;

/// <summary>What a host registers.</summary>
public static class CloudArchiveServices
{
    /// <summary>
    /// Core and Api on the host's seams, which the host registers itself: <see cref="IRowStore"/>, <see cref="IBlobVault"/>, <see cref="IWorkQueue"/>,
    /// <see cref="IWrappingKeys"/>, <see cref="ISigner"/>, <see cref="ITokenSigner"/>, <see cref="IStorageRights"/>, <see cref="IKeyRights"/>, and <see cref="IKeyUnwrapper"/> where it has the recovery role.
    /// </summary>
    public static IServiceCollection AddCloudArchive(this IServiceCollection services, CloudArchiveOptions options)
    {
        if (options.Role != ArchiveRole.Both && options.RecoveryUrl is null)
        {
            throw new ArgumentException("A host with one role must know where the other one is: both print each other's address.", nameof(options));
        }

        services.AddSingleton(options);
        services.AddSingleton<OtherHost>();
        services.AddSingleton(new EvidenceIssuer($"CloudArchive/{ServiceEndpoints.Version}", options.Contact));
        services.TryAddSingleton(TimeProvider.System);
        services.AddCloudArchiveCore();
        services.AddSingleton<DrawEvidence>(_ => EvidenceReport.Render);
        services.AddSingleton<RollUpLogs>();
        services.AddSingleton<RollUpRowReader>();
        services.AddSingleton<RollUps>();
        services.AddSingleton<BinderRecords>();
        services.AddSingleton<BinderLists>();
        services.AddSingleton<BinderMaker>();
        services.AddSingleton(VerdictLimits.For(options.SilentAfter));
        AddChannels(services, options);

        services.AddSingleton<BearerTokens>();
        services.AddSingleton<ClientAssertions>();
        services.AddSingleton<PortalSessions>();
        services.AddSingleton<RefusalLog>();
        services.AddSingleton<LookLog>();
        services.AddSingleton<Portal.Pages.ApprovalPages>();

        services.AddSingleton<RateLimits>();
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
            services.AddSingleton<IMailer>(_ => new SmtpMailer(mail, options.StaffUrl));
            services.AddSingleton<INoticeChannel, OperatorMail>();
            services.AddSingleton<INoticeChannel, ClinicMail>();
        }
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
