using System.Security.Cryptography;
using Azure.Core.Pipeline;

namespace CloudArchive.Azure;

/// <summary>
/// Marks what the doctor asks for and must be refused (docs/decisions/0046): the services' logs carry a request's client id, and the alerts of
/// infra/alerts.json leave out what has this mark and touches nothing. It excuses no other request: neither that nor a refusal's place in the log.
/// </summary>
internal static class DoctorProbe
{
    /// <summary>How the ids begin. Key Vault keeps only GUIDs.</summary>
    public const string Mark = "d0c7041e-";

    /// <summary>Requests of this flow carry the mark until it is disposed of.</summary>
    public static IDisposable Begin() => HttpPipeline.CreateClientRequestIdScope(Mark + new Guid(RandomNumberGenerator.GetBytes(16)).ToString()[Mark.Length..]);
}
