namespace CloudArchive.Format.Packs;

/// <summary>
/// The archive's statement that a pack is stored, verified and locked; the payload of a compact JWS (ES256) of type
/// <c>cloudarchive-receipt+jws</c>. It must only be signed after the stored bytes were re-read and hashed and the policy was locked and read back.
/// </summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Clinic">Whose pack it is.</param>
/// <param name="Pack">The pack.</param>
/// <param name="Study">Its Study Instance UID.</param>
/// <param name="Sha256">SHA-256 of the ciphertext as it was read back from storage.</param>
/// <param name="Length">Bytes of ciphertext as they were read back.</param>
/// <param name="VersionId">The blob version that was read and locked.</param>
/// <param name="ImmutableUntil">The locked policy's date as it was read back, UTC.</param>
/// <param name="InstancesRoot">As in the sidecar.</param>
/// <param name="InstanceCount">How many instances the root covers.</param>
/// <param name="AuditLog">The audit log with the entry of this commit: the clinic's.</param>
/// <param name="AuditIndex">That entry's index, from 0.</param>
/// <param name="IssuedAt">When, UTC.</param>
public sealed record Receipt(
    string Format,
    ClinicId Clinic,
    PackId Pack,
    Uid Study,
    Sha256Digest Sha256,
    long Length,
    string VersionId,
    DateTimeOffset ImmutableUntil,
    Sha256Digest InstancesRoot,
    int InstanceCount,
    string AuditLog,
    long AuditIndex,
    DateTimeOffset IssuedAt)
{
    /// <summary>Version 1.</summary>
    public const string CurrentFormat = "cloudarchive/receipt/1";

    /// <summary>The JWS header's <c>typ</c>.</summary>
    public const string JwsType = "cloudarchive-receipt+jws";
}
