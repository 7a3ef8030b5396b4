using System.Text.Json;

namespace CloudArchive.Format.Signing;

/// <summary>An agent's change of its key, as a compact JWS by each of the two. docs/formats.md, "Key changes".</summary>
/// <param name="Agent">Whose.</param>
/// <param name="Audience">The service that it is for, as in client assertions.</param>
/// <param name="OldKey">RFC 7638 thumbprint.</param>
/// <param name="NewKey">RFC 7638 thumbprint.</param>
/// <param name="Time">When it was signed.</param>
public sealed record AgentKeyChange(string Agent, string Audience, string OldKey, string NewKey, DateTimeOffset Time)
{
    /// <summary>The JWS's <c>typ</c>: a client assertion never passes for a change of the key, nor the other way round.</summary>
    public const string JwsType = "cloudarchive-agent-key+jws";

    /// <summary>How far the two clocks may be apart.</summary>
    public static readonly TimeSpan MostSkew = TimeSpan.FromMinutes(5);

    /// <summary>The statement by one of the two keys; its <c>kid</c> is the thumbprint.</summary>
    public Task<string> SignAsync(System.Security.Cryptography.ECDsa key, CancellationToken cancellationToken) => Jws.SignAsync(
        JwsType,
        CanonicalJson.Serialize(this),
        JwkKeys.FromEcdsa(key).Kid!,
        (data, _) => Task.FromResult(key.SignData(data.Span, System.Security.Cryptography.HashAlgorithmName.SHA256, System.Security.Cryptography.DSASignatureFormat.IeeeP1363FixedFieldConcatenation)),
        cancellationToken);

    /// <summary>Whether a JWS by <paramref name="key"/> states this very change, at about <see cref="Time"/>.</summary>
    public bool IsProvenBy(string jws, Jwk key)
    {
        try
        {
            AgentKeyChange? stated = JsonSerializer.Deserialize<AgentKeyChange>(Jws.Verify(jws, JwsType, new JwkSet([key])).Payload, FormatJson.Options);
            return stated is not null && stated with { Time = Time } == this && (stated.Time - Time).Duration() <= MostSkew;
        }
        catch (Exception e) when (e is JwsException or JsonException)
        {
            return false;
        }
    }
}
