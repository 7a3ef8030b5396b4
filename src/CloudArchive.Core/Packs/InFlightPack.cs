using CloudArchive.Core.Clinics;
using CloudArchive.Format;

namespace CloudArchive.Core.Packs;

/// <summary>Where a pack stands that has no receipt yet. Committed packs are in the catalogue and nowhere else.</summary>
public enum PackState
{
    /// <summary>The agent may upload.</summary>
    Open,

    /// <summary>The agent said what it uploaded; the sidecar is kept.</summary>
    Committing,

    /// <summary>One version of the blob was read back and is what the sidecar says. From here the way is to the receipt.</summary>
    Verified,

    /// <summary>What was read back is something else. From here there is no way but to removal.</summary>
    Rejected,

    /// <summary>Rejected, and the blob is gone: the row only answers a repeated commit.</summary>
    Cleared,

    /// <summary>Nothing was committed in time. From here there is no way but to removal.</summary>
    Abandoned,
}

/// <summary>A pack between opening and receipt.</summary>
/// <param name="Clinic">Whose.</param>
/// <param name="Pack">The pack.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Agent">Who opened it and alone may commit it.</param>
/// <param name="Study">The study it was opened for.</param>
/// <param name="PlannedBytes">As the agent planned.</param>
/// <param name="OpenedAt">When.</param>
/// <param name="KeyId">The wrapping key that the agent was given.</param>
/// <param name="ChangedAt">When the state last changed.</param>
/// <param name="SidecarSha256">From <see cref="PackState.Committing"/> on: of the sidecar's canonical JSON.</param>
/// <param name="VersionId">From <see cref="PackState.Verified"/> on: the version that was read back.</param>
/// <param name="LockUntil">From <see cref="PackState.Verified"/> on: until when it is to be locked.</param>
/// <param name="Fault">Of a <see cref="PackState.Rejected"/> pack: what was found.</param>
/// <param name="ETag">Of the row.</param>
public sealed record InFlightPack(
    ClinicId Clinic,
    PackId Pack,
    PackState State,
    AgentId Agent,
    Uid Study,
    long PlannedBytes,
    DateTimeOffset OpenedAt,
    string KeyId,
    DateTimeOffset ChangedAt,
    Sha256Digest? SidecarSha256 = null,
    string? VersionId = null,
    DateTimeOffset? LockUntil = null,
    string? Fault = null,
    string ETag = "");
