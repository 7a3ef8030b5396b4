using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Core.Catalog;

/// <summary>A pack in the catalogue: verified and locked. It is committed when it has its receipt.</summary>
/// <param name="Clinic">Whose.</param>
/// <param name="Pack">The pack.</param>
/// <param name="Study">The id of its set.</param>
/// <param name="Length">Bytes of ciphertext.</param>
/// <param name="Sha256">SHA-256 of the ciphertext.</param>
/// <param name="VersionId">The version that was verified and locked.</param>
/// <param name="ImmutableUntil">As the lock was read back.</param>
/// <param name="Instances">How many.</param>
/// <param name="InstancesRoot">As in the sidecar.</param>
/// <param name="CommittedAt">When.</param>
/// <param name="ContentKey">Wrapped with the clinic's key.</param>
/// <param name="StudyDate">As in the sidecar.</param>
/// <param name="Modalities">Of its instances, sorted.</param>
/// <param name="PatientHmac">As in the sidecar.</param>
/// <param name="AccessionHmac">As in the sidecar.</param>
/// <param name="Receipt">The JWS; null until it is issued.</param>
/// <param name="AuditIndex">Of the commit's entry in the clinic's log, as the receipt states it.</param>
/// <param name="BornIn">As in the sidecar.</param>
/// <param name="Set">As in the sidecar; null: a study.</param>
/// <param name="Kinds">Of its plain files, sorted; null of a study.</param>
/// <param name="Snapshot">As in the sidecar. Null where this was read from the pack's row: <see cref="SnapshotCatalog"/> has it.</param>
public sealed record CatalogPack(
    ClinicId Clinic,
    PackId Pack,
    Uid Study,
    long Length,
    Sha256Digest Sha256,
    string VersionId,
    DateTimeOffset ImmutableUntil,
    int Instances,
    Sha256Digest InstancesRoot,
    DateTimeOffset CommittedAt,
    WrappedContentKey ContentKey,
    string? StudyDate,
    IReadOnlyList<string> Modalities,
    Sha256Digest? PatientHmac,
    Sha256Digest? AccessionHmac,
    string? Receipt,
    long? AuditIndex,
    int? BornIn = null,
    SetKind? Set = null,
    IReadOnlyList<FileKind>? Kinds = null,
    SidecarSnapshot? Snapshot = null)
{
    /// <summary>Each HMAC of an identifier with those of its forms, as in the sidecar. Null where this was read from the pack's row.</summary>
    public IReadOnlyList<(Sha256Digest Hmac, IdentifierForms Forms)>? Identifiers { get; init; }

    /// <summary>What the catalogue keeps of a sidecar whose pack was verified and locked.</summary>
    public static CatalogPack For(Sidecar sidecar, string versionId, DateTimeOffset immutableUntil, DateTimeOffset committedAt, string? receipt = null, long? auditIndex = null) => new(
        sidecar.Clinic,
        sidecar.Pack,
        sidecar.Study,
        sidecar.Length,
        sidecar.Sha256,
        versionId,
        immutableUntil,
        sidecar.Instances.Count,
        sidecar.InstancesRoot,
        committedAt,
        sidecar.Encryption.WrappedContentKey,
        sidecar.StudyDate,
        [.. sidecar.Instances.Select(i => i.Modality).OfType<string>().Distinct().Order(StringComparer.Ordinal)],
        sidecar.PatientHmac,
        sidecar.AccessionHmac,
        receipt,
        auditIndex,
        sidecar.Retention?.BornIn,
        sidecar.Set,
        sidecar.Set is null ? null : [.. sidecar.Instances.Select(i => i.Kind).OfType<FileKind>().Distinct().Order()],
        sidecar.Snapshot)
    {
        Identifiers = [.. IdentifiersOf(sidecar).Distinct()],
    };

    private static IEnumerable<(Sha256Digest Hmac, IdentifierForms Forms)> IdentifiersOf(Sidecar sidecar)
    {
        if (sidecar is { PatientHmac: { } patient, PatientForms: { } ofPatient })
        {
            yield return (patient, ofPatient);
        }

        if (sidecar is { AccessionHmac: { } accession, AccessionForms: { } ofAccession })
        {
            yield return (accession, ofAccession);
        }
    }
}
