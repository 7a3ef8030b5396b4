using System.Text.Json;
using System.Text.Json.Serialization;
using CloudArchive.Format;
using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Agent;

/// <summary>What <c>enroll</c> pinned: whom this agent is, and the only keys that it believes. Nothing secret.</summary>
/// <param name="Service">The service's root URL.</param>
/// <param name="Clinic">The clinic.</param>
/// <param name="ClinicName">What people call it.</param>
/// <param name="AgentId">This agent.</param>
/// <param name="Audience">The <c>aud</c> of client assertions.</param>
/// <param name="WrappingKey">The clinic's key-encryption key, public half.</param>
/// <param name="EscrowKey">The clinic's escrow key, public half.</param>
/// <param name="SigningKeys">What receipts and checkpoints verify against.</param>
/// <param name="EnrolledAt">When.</param>
/// <param name="KeyRenewedAt">When the agent last changed its own key.</param>
/// <param name="KeysStatedAt">When the archive stated the keys that are pinned; null for those of the enrollment.</param>
/// <param name="AgentName">What this computer was called when it was enrolled; null: by an agent that did not note it.</param>
public sealed record AgentIdentity(
    Uri Service,
    ClinicId Clinic,
    string ClinicName,
    string AgentId,
    string Audience,
    Jwk WrappingKey,
    Jwk EscrowKey,
    JwkSet SigningKeys,
    DateTimeOffset EnrolledAt,
    DateTimeOffset? KeyRenewedAt = null,
    DateTimeOffset? KeysStatedAt = null,
    string? AgentName = null)
{
    /// <summary>What restores call this computer.</summary>
    [JsonIgnore]
    public string Computer => AgentName ?? Environment.MachineName;

    /// <summary>The identity, or null where this computer is not enrolled.</summary>
    public static AgentIdentity? TryLoad(AgentHome home)
    {
        try
        {
            return JsonSerializer.Deserialize<AgentIdentity>(File.ReadAllBytes(home.Identity), FormatJson.Options);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (JsonException error)
        {
            throw new LocalFailureException($"{home.Identity} is damaged. Ask your archive's admin for a new code and enroll again; nothing that is archived is lost.", error);
        }
    }

    /// <summary>The identity; <see cref="NotEnrolledException"/> where there is none.</summary>
    public static AgentIdentity Load(AgentHome home) => TryLoad(home) ?? throw new NotEnrolledException(home.Path);

    /// <summary>Writes it, whole or not at all.</summary>
    public void Save(AgentHome home) => ProtectedFile.WritePlain(home.Identity, JsonSerializer.SerializeToUtf8Bytes(this, FormatJson.Options));
}
