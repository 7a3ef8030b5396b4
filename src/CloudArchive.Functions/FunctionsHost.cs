using Azure.Core;
using Azure.Monitor.OpenTelemetry.Exporter;
using CloudArchive.Api;
using CloudArchive.Api.Identity;
using CloudArchive.Api.Portal;
using CloudArchive.Azure;
using CloudArchive.Azure.Blobs;
using CloudArchive.Azure.Keys;
using CloudArchive.Azure.Queues;
using CloudArchive.Azure.Tables;
using CloudArchive.Core;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Functions.Http;
using CloudArchive.Functions.Work;
using Microsoft.Azure.Functions.Worker.OpenTelemetry;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;

namespace CloudArchive.Functions;

/// <summary>The archive's seams on Azure, as far as the app's role goes.</summary>
public static class FunctionsHost
{
    /// <summary>Registers everything that the functions take.</summary>
    public static void Configure(IServiceCollection services, IConfiguration configuration)
    {
        AppSettings settings = AppSettings.Read(configuration);
        TokenCredential identity = AzureIdentity.Managed(settings.IdentityClientId);
        services.AddSingleton(settings);
        services.AddSingleton(p => BlobVault.Connect(settings.BlobEndpoint, identity, p.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IBlobVault>(p => p.GetRequiredService<BlobVault>());
        services.AddSingleton(p => p.GetRequiredService<BlobVault>().Rights);
        services.AddSingleton<IRowStore>(_ => RowStore.Connect(settings.TableEndpoint, identity));
        services.AddSingleton<IWorkQueue>(_ => WorkQueue.Connect(settings.QueueEndpoint, identity));
        services.AddSingleton(p => new KeyVaultKeys(settings.Vaults, identity, p.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IWrappingKeys>(p => p.GetRequiredService<KeyVaultKeys>());
        services.AddSingleton(p => p.GetRequiredService<KeyVaultKeys>().Statements);
        services.AddSingleton(p => p.GetRequiredService<KeyVaultKeys>().Tokens);
        services.AddSingleton<IKeyRights>(p => p.GetRequiredService<KeyVaultKeys>());
        if (settings.Role == ArchiveRole.Recovery)
        {
            services.AddSingleton<IKeyUnwrapper>(p => p.GetRequiredService<KeyVaultKeys>());
        }

        services.AddCloudArchive(new CloudArchiveOptions
        {
            Role = settings.Role,
            PublicUrl = settings.PublicUrl,
            RecoveryUrl = settings.RecoveryUrl,
            Staff = new OpenIdConnectKeys(settings.StaffAuthority.OriginalString).ForAudience(settings.StaffAudience, settings.StaffTenant, settings.StaffMfaContexts) with { Client = settings.StaffClient },
            Webhook = settings.Webhook,
            Mail = settings.Mail,
            SilentAfter = settings.SilentAfter,
            Portal = new PortalOptions { PlatformSignIn = settings.PlatformSignIn, BlobUrl = settings.BlobEndpoint },
        });
        services.AddSingleton<ApiPipeline>();
        services.AddSingleton<RoleWork>();
        services.AddHostedService<ReadyCheck>();
        AddTelemetry(services, settings, identity);
    }

    private static void AddTelemetry(IServiceCollection services, AppSettings settings, TokenCredential identity)
    {
        IOpenTelemetryBuilder telemetry = services.AddOpenTelemetry()
            .UseFunctionsWorkerDefaults()
            .WithMetrics(metrics => metrics.AddMeter("CloudArchive*"));
        if (settings.TelemetryConnection is { Length: > 0 } connection)
        {
            telemetry.UseAzureMonitorExporter(exporter =>
            {
                exporter.ConnectionString = connection;
                exporter.Credential = identity;
            });
        }
    }
}
