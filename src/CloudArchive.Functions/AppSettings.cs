using System.Globalization;
using CloudArchive.Api;
using CloudArchive.Api.Mail;
using CloudArchive.Azure.Keys;
using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Format.Verdicts;
using CloudArchive.Functions.Http;
using Microsoft.Extensions.Configuration;

namespace CloudArchive.Functions;

/// <summary>What infra/main.bicep and modules/app.bicep set. A setting that is missing or malformed keeps the app from starting, and is named.</summary>
public sealed record AppSettings
{
    /// <summary>Which half of the archive this app is; never both.</summary>
    public required ArchiveRole Role { get; init; }

    /// <summary>Where agents reach the archive.</summary>
    public required Uri PublicUrl { get; init; }

    /// <summary>Where staff reach the recovery app: portal, commands, links in mail.</summary>
    public required Uri RecoveryUrl { get; init; }

    /// <summary>The archive's blobs.</summary>
    public required Uri BlobEndpoint { get; init; }

    /// <summary>The archive's tables.</summary>
    public required Uri TableEndpoint { get; init; }

    /// <summary>The queues of the app's own storage account: the one that the host reads as well.</summary>
    public required Uri QueueEndpoint { get; init; }

    /// <summary>The keys: the archive's, and the clinics'.</summary>
    public required VaultPlaces Vaults { get; init; }

    /// <summary>Who issues the staff's tokens.</summary>
    public required Uri StaffAuthority { get; init; }

    /// <summary>The staff's application.</summary>
    public required string StaffAudience { get; init; }

    /// <summary>The staff's directory: the <c>tid</c> of their tokens.</summary>
    public required string StaffTenant { get; init; }

    /// <summary>The authentication contexts in <c>acrs</c> that stand for a second factor; none where tokens have <c>amr</c>.</summary>
    public required string[] StaffMfaContexts { get; init; }

    /// <summary>The public client with which <c>cloudarchive login</c> signs staff in; null where none is registered.</summary>
    public StaffClient? StaffClient { get; init; }

    /// <summary>The app's user-assigned identity.</summary>
    public required string IdentityClientId { get; init; }

    /// <summary>Where telemetry goes; null sends none.</summary>
    public string? TelemetryConnection { get; init; }

    /// <summary>Where alerts go; null sends none.</summary>
    public WebhookTarget? Webhook { get; init; }

    /// <summary>Where mail goes out; null sends none.</summary>
    public MailServer? Mail { get; init; }

    /// <summary>How long nothing may be heard of a clinic's agents.</summary>
    public required TimeSpan SilentAfter { get; init; }

    /// <summary>Networks of the operator's own proxies in front of the platform's front end; none by default.</summary>
    public IReadOnlyList<System.Net.IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary>Whether the platform signs people in: it sets WEBSITE_AUTH_ENABLED itself, and takes its headers off what callers send only then.</summary>
    public bool PlatformSignIn { get; init; }

    /// <summary>Reads them.</summary>
    public static AppSettings Read(IConfiguration configuration)
    {
        Reader read = new(configuration);
        return new AppSettings
        {
            Role = read.Text("CloudArchive:Role") switch
            {
                "ingest" => ArchiveRole.Ingest,
                "recovery" => ArchiveRole.Recovery,
                var other => throw Reader.Wrong("CloudArchive:Role", $"is '{other}', and an app is 'ingest' or 'recovery'"),
            },
            PublicUrl = read.Url("CloudArchive:PublicUrl"),
            RecoveryUrl = read.Url("CloudArchive:RecoveryUrl"),
            BlobEndpoint = read.Url("CloudArchive:BlobEndpoint"),
            TableEndpoint = read.Url("CloudArchive:TableEndpoint"),
            QueueEndpoint = read.Url("AzureWebJobsStorage:queueServiceUri"),
            Vaults = new VaultPlaces(read.Url("CloudArchive:VaultUri"), read.Urls("CloudArchive:ClinicVaults"), read.Flag("CloudArchive:HsmKeys")),
            StaffAuthority = read.Url("CloudArchive:StaffAuthority"),
            StaffAudience = read.Text("CloudArchive:StaffAudience"),
            StaffTenant = read.Find("CloudArchive:StaffTenant") ?? TenantOf(read.Url("CloudArchive:StaffAuthority")),
            StaffMfaContexts = Reader.Words(read.Find("CloudArchive:StaffMfaContexts") ?? ""),
            StaffClient = read.Find("CloudArchive:StaffCliClientId") is { } client ? new StaffClient(client, ScopeOf(read.Text("CloudArchive:StaffAudience"))) : null,
            IdentityClientId = read.Text("AZURE_CLIENT_ID"),
            TelemetryConnection = read.Find("APPLICATIONINSIGHTS_CONNECTION_STRING"),
            Webhook = read.Find("CloudArchive:WebhookUrl") is { } address
                ? Reader.Parse("CloudArchive:WebhookUrl or CloudArchive:WebhookSecret", () => WebhookTarget.Parse(address, read.Text("CloudArchive:WebhookSecret")))
                : null,
            Mail = read.Find("CloudArchive:MailServer") is { } server
                ? Reader.Parse(
                    "CloudArchive:MailServer, CloudArchive:MailPassword, CloudArchive:MailFrom or CloudArchive:MailOperator",
                    () => MailServer.Parse(server, read.Find("CloudArchive:MailPassword"), read.Find("CloudArchive:MailFrom"), read.Find("CloudArchive:MailOperator")))
                : null,
            SilentAfter = read.Find("CloudArchive:SilentAfterDays") is { } days
                ? TimeSpan.FromDays(Reader.Number("CloudArchive:SilentAfterDays", days, 1, 365))
                : VerdictLimits.Default.Silent,
            TrustedProxies = Reader.Parse("CloudArchive:TrustedProxies", () => CallerAddress.Parse(read.Find("CloudArchive:TrustedProxies") ?? "")),
            PlatformSignIn = read.Flag("WEBSITE_AUTH_ENABLED"),
        };
    }

    /// <summary>Entra ID's issuers have the tenant as the first part of their path: https://login.microsoftonline.com/{tenant}/v2.0, https://sts.windows.net/{tenant}/.</summary>
    private static string TenantOf(Uri authority) => authority.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries) is [var tenant, ..]
        ? tenant
        : throw Reader.Wrong("CloudArchive:StaffTenant", "is not set, and the staff's authority names no tenant");

    /// <summary>The scope that the application exposes (docs/operations.md). v2.0 tokens have its client id as audience, v1.0 tokens its App ID URI.</summary>
    private static string ScopeOf(string audience) => $"{(audience.Contains("://", StringComparison.Ordinal) ? audience : "api://" + audience)}/access";

    /// <summary>Reads one setting, or says which is wrong.</summary>
    private sealed class Reader(IConfiguration configuration)
    {
        public static InvalidOperationException Wrong(string key, string what) =>
            new($"The app setting {key.Replace(":", "__", StringComparison.Ordinal)} {what}. infra/main.bicep sets it: deploy again.");

        public static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

        public static T Parse<T>(string keys, Func<T> parse)
        {
            try
            {
                return parse();
            }
            catch (FormatException e)
            {
                throw Wrong(keys, $"is wrong: {e.Message}");
            }
        }

        public static int Number(string key, string text, int least, int most) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most
                ? number
                : throw Wrong(key, $"is no number from {least} to {most}");

        /// <summary>Null where it is not set. A reference to a secret that the platform could not follow arrives as the reference itself.</summary>
        public string? Find(string key) => configuration[key] switch
        {
            null or "" => null,
            var text when text.StartsWith("@Microsoft.KeyVault(", StringComparison.Ordinal) => throw new InvalidOperationException(
                $"The app setting {key.Replace(":", "__", StringComparison.Ordinal)} could not be read from Key Vault ({text}). See that the secret is there and that the app's identity may read it (docs/operations.md, Identities), then restart the app."),
            var text => text,
        };

        public string Text(string key) => Find(key) ?? throw Wrong(key, "is not set");

        public bool Flag(string key) => string.Equals(Find(key), "true", StringComparison.OrdinalIgnoreCase);

        public Uri Url(string key) => ToUrl(key, Text(key));

        public Uri[] Urls(string key) => [.. Words(Text(key)).Select(word => ToUrl(key, word))];

        // Tokens travel to every one of these.
        private static Uri ToUrl(string key, string text) =>
            Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && (url.Scheme == Uri.UriSchemeHttps || url.IsLoopback) ? url : throw Wrong(key, "is no https URL");
    }
}
