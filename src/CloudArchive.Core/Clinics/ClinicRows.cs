using System.Text.Json;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Core.Clinics;

/// <summary>
/// How clinics, agents and codes lie in <see cref="RowTable.Clinics"/>: a partition a clinic, so that what enrollment changes (code, agent,
/// escrow key) changes in one transaction. docs/catalogue.md lists the rows.
/// </summary>
internal static class ClinicRows
{
    /// <summary>The clinic itself.</summary>
    public const string ClinicKey = "clinic";

    /// <summary>When a pack of the clinic was last committed.</summary>
    public const string LastCommitKey = "last-commit";

    /// <summary>Agents: <c>agent:{id}</c>.</summary>
    public const string AgentPrefix = "agent:";

    /// <summary>Codes: <c>code:{SHA-256}</c>.</summary>
    public const string CodePrefix = "code:";

    /// <summary>The partition with a row for each clinic, for lists.</summary>
    public const string Index = "$clinics";

    /// <summary>The partition that tells a code's clinic: who enrolls knows only the code.</summary>
    public const string CodeIndex = "$codes";

    public static Dictionary<string, object> Values(Clinic clinic)
    {
        Dictionary<string, object> values = new()
        {
            ["name"] = clinic.Name,
            ["retentionYears"] = (long)clinic.Retention.Years,
            ["retention"] = JsonSerializer.Serialize(clinic.Retention, FormatJson.Options),
            ["requireApproval"] = clinic.RequireApproval,
            ["createdAt"] = clinic.CreatedAt,
            ["identifierSecret"] = JsonSerializer.Serialize(clinic.IdentifierSecret, FormatJson.Options),
        };
        if (clinic.EscrowKey is not null)
        {
            values["escrowKey"] = JsonSerializer.Serialize(clinic.EscrowKey, FormatJson.Options);
        }

        if (clinic.Contact is not null)
        {
            values["contact"] = clinic.Contact;
        }

        if (clinic.IdentifierMatch != IdentifierMatch.Exact)
        {
            values["identifierMatch"] = clinic.IdentifierMatch.ToString();
        }

        if (clinic.OwnQuota is { } quota)
        {
            values["dailyBytes"] = quota.Bytes;
            values["dailyPacks"] = (long)quota.Packs;
        }

        if (clinic.OwnObjectives is { } objectives)
        {
            values["rtoHours"] = (long)objectives.RtoHours;
            values["rpoHours"] = (long)objectives.RpoHours;
        }

        return values;
    }

    public static Clinic Clinic(Row row) => new(
        ClinicId.Parse(row.Partition),
        row.Text("name")!,

        // Clinics of before policies had versions have the number alone.
        row.Text("retention") is { } policy ? JsonSerializer.Deserialize<RetentionPolicy>(policy, FormatJson.Options)! : RetentionPolicy.ForYears((int)row.Number("retentionYears")!),
        row.Flag("requireApproval"),
        row.Time("createdAt")!.Value,
        JsonSerializer.Deserialize<WrappedContentKey>(row.Text("identifierSecret")!, FormatJson.Options)!,
        row.Text("escrowKey") is { } key ? JsonSerializer.Deserialize<Jwk>(key, FormatJson.Options) : null,
        row.ETag!,
        row.Text("contact"))
    {
        IdentifierMatch = row.Text("identifierMatch") is { } match ? Enum.Parse<IdentifierMatch>(match) : IdentifierMatch.Exact,
        OwnQuota = row.Number("dailyBytes") is { } bytes && row.Number("dailyPacks") is { } packs ? new DailyQuota(bytes, (int)packs) : null,
        OwnObjectives = row.Number("rtoHours") is { } rto && row.Number("rpoHours") is { } rpo ? new RecoveryObjectives((int)rto, (int)rpo) : null,
    };

    public static Dictionary<string, object> Values(Agent agent)
    {
        Dictionary<string, object> values = new()
        {
            ["name"] = agent.Name,
            ["key"] = JsonSerializer.Serialize(agent.Key, FormatJson.Options),
            ["enrolledAt"] = agent.EnrolledAt,
            ["revoked"] = agent.Revoked,
        };
        if (agent.LastSeenAt is { } seen)
        {
            values["lastSeenAt"] = seen;
        }

        if (agent.KeyRenewedAt is { } renewed)
        {
            values["keyRenewedAt"] = renewed;
        }

        if (agent.RevokedAt is { } revoked)
        {
            values["revokedAt"] = revoked;
        }

        if (agent.RevokedBy is { } by)
        {
            values["revokedBy"] = by;
        }

        return values;
    }

    public static Agent Agent(Row row) => new(
        AgentId.Parse(row.Key[AgentPrefix.Length..]),
        row.Text("name")!,
        JsonSerializer.Deserialize<Jwk>(row.Text("key")!, FormatJson.Options)!,
        row.Time("enrolledAt")!.Value,
        row.Time("lastSeenAt"),
        row.Flag("revoked"),
        row.Time("keyRenewedAt"),
        row.Time("revokedAt"),
        row.Text("revokedBy"));
}
