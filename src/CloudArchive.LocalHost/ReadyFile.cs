using System.Text.Json;
using CloudArchive.Format;

namespace CloudArchive.LocalHost;

/// <summary>What a script needs to use a LocalHost that it started. Holds tokens: only this user can read the file.</summary>
/// <param name="Url">The API; the staff's, where the clinics' computers have an address of their own.</param>
/// <param name="AgentUrl">Where the clinics' computers ask.</param>
/// <param name="PortalUrl">The portal, with the code that lets one in.</param>
/// <param name="BlobUrl">Blob storage, behind the WORM layer.</param>
/// <param name="TableUrl">Table storage.</param>
/// <param name="ProcessIds">This process and those that it started.</param>
/// <param name="Tokens">Bearer tokens of the staff.</param>
internal sealed record ReadyFile(string Url, string AgentUrl, string PortalUrl, string BlobUrl, string TableUrl, IReadOnlyList<int> ProcessIds, ReadyFile.StaffTokens Tokens)
{
    private static readonly TimeSpan TokenLifetime = TimeSpan.FromDays(1);

    /// <summary>For a day, for all clinics.</summary>
    public sealed record StaffTokens(string Admin, string Admin2, string Compliance)
    {
        public override string ToString() => "**redacted**";
    }

    /// <summary>Describes a running archive.</summary>
    public static ReadyFile Of(LocalArchive archive) => new(
        archive.Url.AbsoluteUri.TrimEnd('/'),
        archive.AgentUrl.AbsoluteUri.TrimEnd('/'),
        archive.PortalUrl.AbsoluteUri,
        archive.Storage.BlobUrl.AbsoluteUri,
        archive.Storage.TableUrl.AbsoluteUri,
        [Environment.ProcessId, .. archive.Storage.ProcessIds],
        new StaffTokens(
            archive.Issuer.Issue("local-admin", "admin", TokenLifetime),
            archive.Issuer.Issue("local-admin-2", "admin", TokenLifetime),
            archive.Issuer.Issue("local-compliance", "compliance", TokenLifetime)));

    /// <summary>Writes it whole: a script that sees the file can read it.</summary>
    public void Write(string path) => PrivateFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(this, FormatJson.Options));
}
