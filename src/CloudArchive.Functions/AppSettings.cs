using System.Globalization;
using CloudArchive.Api;
using CloudArchive.Api.Mail;
using CloudArchive.Core.Alerts;
using CloudArchive.Format.Verdicts;
using Microsoft.Extensions.Configuration;

namespace CloudArchive.Functions;

/// <summary>What infra/modules/app.bicep sets. A setting that is missing or malformed keeps the app from starting, and is named.</summary>
/// <param name="Role">Which half of the archive this app is; never both.</param>
/// <param name="PublicUrl">Where agents reach the archive.</param>
/// <param name="BlobEndpoint">The archive's blobs.</param>
/// <param name="TableEndpoint">The archive's tables.</param>
/// <param name="VaultUri">The keys.</param>
/// <param name="StaffAuthority">Who issues the staff's tokens.</param>
/// <param name="StaffAudience">The staff's application.</param>
/// <param name="StaffMfaContexts">The authentication contexts in <c>acrs</c> that stand for a second factor; none where tokens have <c>amr</c>.</param>
/// <param name="IdentityClientId">The app's user-assigned identity.</param>
/// <param name="TelemetryConnection">Where telemetry goes; null sends none.</param>
/// <param name="Webhook">Where alerts go; null sends none.</param>
/// <param name="PortalUrl">Where people reach the portal, for links in mail: the app's own name where nothing else is set.</param>
/// <param name="Mail">Where mail goes out; null sends none.</param>
/// <param name="SilentAfter">How long nothing may be heard of a clinic's agents.</param>
/// <param name="PlatformSignIn">Whether the platform signs people in: it sets WEBSITE_AUTH_ENABLED itself, and takes its headers off what callers send only then.</param>
public sealed record AppSettings(
    ArchiveRole Role,
    Uri PublicUrl,
    Uri BlobEndpoint,
    Uri TableEndpoint,
    Uri VaultUri,
    Uri StaffAuthority,
    string StaffAudience,
    string[] StaffMfaContexts,
    string IdentityClientId,
    string? TelemetryConnection,
    WebhookTarget? Webhook,
    Uri? PortalUrl,
    MailServer? Mail,
    TimeSpan SilentAfter,
    bool PlatformSignIn = false)
{
    /// <summary>Reads them.</summary>
    public static AppSettings Read(IConfiguration configuration)
    {
        return new(
            Text("CloudArchive:Role") switch
            {
                "ingest" => ArchiveRole.Ingest,
                "recovery" => ArchiveRole.Recovery,
                var other => throw Wrong("CloudArchive:Role", $"is '{other}', and an app is 'ingest' or 'recovery'"),
            },
            Url("CloudArchive:PublicUrl"),
            Url("CloudArchive:BlobEndpoint"),
            Url("CloudArchive:TableEndpoint"),
            Url("CloudArchive:VaultUri"),
            Url("CloudArchive:StaffAuthority"),
            Text("CloudArchive:StaffAudience"),
            (configuration["CloudArchive:StaffMfaContexts"] ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries),
            Text("AZURE_CLIENT_ID"),
            configuration["APPLICATIONINSIGHTS_CONNECTION_STRING"],
            Webhook(),
            Portal(),
            Mail(),
            SilentAfter(),
            string.Equals(configuration["WEBSITE_AUTH_ENABLED"], "true", StringComparison.OrdinalIgnoreCase));

        string Text(string key) => configuration[key] is { Length: > 0 } value ? value : throw Wrong(key, "is not set");

        // Tokens travel to every one of these.
        Uri Url(string key) => Uri.TryCreate(Text(key), UriKind.Absolute, out Uri? url) && (url.Scheme == Uri.UriSchemeHttps || url.IsLoopback) ? url : throw Wrong(key, "is no https URL");

        WebhookTarget? Webhook()
        {
            if (configuration["CloudArchive:WebhookUrl"] is not { Length: > 0 } address)
            {
                return null;
            }

            try
            {
                return WebhookTarget.Parse(address, Text("CloudArchive:WebhookSecret"));
            }
            catch (FormatException e)
            {
                throw Wrong("CloudArchive:WebhookUrl", $"or CloudArchive__WebhookSecret is wrong: {e.Message}");
            }
        }

        Uri? Portal() => configuration["CloudArchive:PortalUrl"] is { Length: > 0 } ? Url("CloudArchive:PortalUrl")
            : configuration["WEBSITE_HOSTNAME"] is { Length: > 0 } host ? new Uri($"https://{host}/")
            : null;

        MailServer? Mail()
        {
            if (configuration["CloudArchive:MailServer"] is not { Length: > 0 } server)
            {
                return null;
            }

            try
            {
                return MailServer.Parse(server, configuration["CloudArchive:MailPassword"], configuration["CloudArchive:MailFrom"], configuration["CloudArchive:MailOperator"]);
            }
            catch (FormatException e)
            {
                throw Wrong("CloudArchive:MailServer", $"or CloudArchive__MailPassword, CloudArchive__MailFrom or CloudArchive__MailOperator is wrong: {e.Message}");
            }
        }

        TimeSpan SilentAfter() => configuration["CloudArchive:SilentAfterDays"] switch
        {
            null or "" => VerdictLimits.Default.Silent,
            var text when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int days) && days is >= 1 and <= 365 => TimeSpan.FromDays(days),
            _ => throw Wrong("CloudArchive:SilentAfterDays", "is no number of days from 1 to 365"),
        };

        static InvalidOperationException Wrong(string key, string what) =>
            new($"The app setting {key.Replace(":", "__", StringComparison.Ordinal)} {what}. infra/modules/app.bicep sets it: deploy again.");
    }
}
