using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using CloudArchive.Format;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Core.Clinics;

/// <summary>The tenant.</summary>
/// <param name="Id">The slug.</param>
/// <param name="Name">What people call it.</param>
/// <param name="Retention">How long its studies are kept: the current version.</param>
/// <param name="RequireApproval">Whether a restore of more than one study needs a second admin.</param>
/// <param name="CreatedAt">When it was created.</param>
/// <param name="IdentifierSecret">The clinic's identifier secret, wrapped with the clinic's key: only the recovery role can unwrap it.</param>
/// <param name="EscrowKey">Public half; pinned for good by the first agent, null before.</param>
/// <param name="ETag">Of the row.</param>
/// <param name="Contact">Whose mail address gets the clinic's alerts and its weekly letter; null: nobody's.</param>
public sealed record Clinic(
    ClinicId Id,
    string Name,
    RetentionPolicy Retention,
    bool RequireApproval,
    DateTimeOffset CreatedAt,
    WrappedContentKey IdentifierSecret,
    Jwk? EscrowKey,
    string ETag,
    string? Contact = null)
{
    /// <summary>When two spellings of a Patient ID or Accession Number are one to it.</summary>
    public IdentifierMatch IdentifierMatch { get; init; }

    /// <summary>How much it may archive in a day, where that was set for it.</summary>
    public DailyQuota? OwnQuota { get; init; }

    /// <summary>How much it may archive in a day.</summary>
    public DailyQuota Quota => OwnQuota ?? DailyQuota.Default;

    /// <summary>What it wants to be able to rely on, where that was set for it.</summary>
    public RecoveryObjectives? OwnObjectives { get; init; }

    /// <summary>What it wants to be able to rely on.</summary>
    public RecoveryObjectives Objectives => OwnObjectives ?? RecoveryObjectives.Default;
}

/// <summary>How much a clinic may archive in a day (UTC). What is locked can be removed by nobody for years.</summary>
/// <param name="Bytes">As they lie in storage.</param>
/// <param name="Packs">Packs.</param>
public sealed record DailyQuota(long Bytes, int Packs)
{
    /// <summary>The most that can be set: a petabyte and a million packs.</summary>
    public static readonly DailyQuota Max = new(1_000_000_000_000_000, 1_000_000);

    /// <summary>More than a line of 40 Mbit/s takes in a day, and more packs than a practice of twenty years has studies; 500 GB kept for ten years in the cold tier cost about $200.</summary>
    public static readonly DailyQuota Default = new(500_000_000_000, 50_000);
}

/// <summary>An agent's id: <c>{clinic}.{16 characters}</c>. It names the clinic, so that a token request needs no index.</summary>
public readonly record struct AgentId : IParsable<AgentId>
{
    private const string Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
    private const int Length = 16;
    private readonly string? _value;

    private AgentId(ClinicId clinic, string value)
    {
        Clinic = clinic;
        _value = value;
    }

    /// <summary>The agent's clinic.</summary>
    public ClinicId Clinic { get; }

    /// <summary>A new one: 80 random bits.</summary>
    public static AgentId New(ClinicId clinic) => new(clinic, $"{clinic}.{RandomNumberGenerator.GetString(Alphabet, Length)}");

    /// <inheritdoc/>
    public static AgentId Parse(string s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out AgentId id) ? id : throw new FormatException("An agent id is a clinic's id, '.', and 16 characters.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out AgentId result)
    {
        result = default;
        int dot = s?.IndexOf('.', StringComparison.Ordinal) ?? -1;
        if (dot < 0 || !ClinicId.TryParse(s![..dot], null, out ClinicId clinic) || s.Length != dot + 1 + Length || !s.Skip(dot + 1).All(Alphabet.Contains))
        {
            return false;
        }

        result = new AgentId(clinic, s);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}

/// <summary>A computer of a clinic that may add to the archive.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Name">The computer's name, for people.</param>
/// <param name="Key">P-256, public half; the private half never leaves the computer.</param>
/// <param name="EnrolledAt">When.</param>
/// <param name="LastSeenAt">When it last got a token.</param>
/// <param name="Revoked">Whether its key is worth nothing any more.</param>
/// <param name="KeyRenewedAt">When it last changed its key; null where it has the one that it enrolled with.</param>
/// <param name="RevokedAt">When it was revoked.</param>
/// <param name="RevokedBy">Who revoked it.</param>
public sealed record Agent(
    AgentId Id,
    string Name,
    Jwk Key,
    DateTimeOffset EnrolledAt,
    DateTimeOffset? LastSeenAt,
    bool Revoked,
    DateTimeOffset? KeyRenewedAt = null,
    DateTimeOffset? RevokedAt = null,
    string? RevokedBy = null)
{
    /// <summary>Since when it has its key.</summary>
    public DateTimeOffset KeySince => KeyRenewedAt ?? EnrolledAt;
}
