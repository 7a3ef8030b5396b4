using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Packs;

/// <summary>
/// What the catalogue knows of a pack, kept as <c>{packId}.sidecar.json</c> beside it. No PHI beyond UIDs and the study's date: no path,
/// no name, no date of birth; identifiers only as HMAC-SHA256 under the clinic's identifier secret.
/// </summary>
/// <param name="Format"><see cref="CurrentFormat"/>, <see cref="FormatOfSets"/> or <see cref="FormatWithoutRetention"/>.</param>
/// <param name="Clinic">Whose pack it is.</param>
/// <param name="Pack">The pack.</param>
/// <param name="Study">The id of its one set: a Study Instance UID, or one of <see cref="Sets"/>.</param>
/// <param name="CreatedAt">When the agent sealed it, UTC.</param>
/// <param name="Length">Bytes of ciphertext.</param>
/// <param name="Sha256">SHA-256 of the ciphertext. With <paramref name="Length"/>, what every reader must check before it trusts a byte.</param>
/// <param name="PlaintextLength">Bytes of the ZIP inside.</param>
/// <param name="Encryption">The blob's <c>encryptiondata</c>, so that a bare copy of blob and sidecar can be opened.</param>
/// <param name="Escrow">The same content key, wrapped to the clinic's escrow key.</param>
/// <param name="InstancesRoot">RFC 6962 tree head over the canonical JSON of <paramref name="Instances"/>, in order.</param>
/// <param name="Instances">What the pack holds, in the order of the manifest.</param>
/// <param name="StudyDate">(0008,0020), <c>yyyyMMdd</c>, where it is there and valid.</param>
/// <param name="PatientHmac">HMAC-SHA256 of Patient ID (0010,0020), 64 hex digits.</param>
/// <param name="AccessionHmac">HMAC-SHA256 of Accession Number (0008,0050), 64 hex digits.</param>
/// <param name="Retention">Until when the agent says the study is to be kept; from version 2 on.</param>
/// <param name="Set">What kind of set it is; null: a study.</param>
/// <param name="Snapshot">What it needs, where it is a snapshot.</param>
public sealed record Sidecar(
    string Format,
    ClinicId Clinic,
    PackId Pack,
    Uid Study,
    DateTimeOffset CreatedAt,
    long Length,
    Sha256Digest Sha256,
    long PlaintextLength,
    EncryptionData Encryption,
    WrappedContentKey Escrow,
    Sha256Digest InstancesRoot,
    IReadOnlyList<SidecarInstance> Instances,
    string? StudyDate = null,
    Sha256Digest? PatientHmac = null,
    Sha256Digest? AccessionHmac = null,
    SidecarRetention? Retention = null,
    SetKind? Set = null,
    SidecarSnapshot? Snapshot = null)
{
    /// <summary>Of Patient ID, what other spellings of it share; of agents that know of it, where the text is known.</summary>
    public IdentifierForms? PatientForms { get; init; }

    /// <summary>The same of Accession Number.</summary>
    public IdentifierForms? AccessionForms { get; init; }

    /// <summary>Version 3: of a set that is no study.</summary>
    public const string FormatOfSets = "cloudarchive/sidecar/3";

    /// <summary>Version 2: with <see cref="Retention"/>.</summary>
    public const string CurrentFormat = "cloudarchive/sidecar/2";

    /// <summary>Version 1: of agents that know no policy. The archive works the date out from the study's date alone.</summary>
    public const string FormatWithoutRetention = "cloudarchive/sidecar/1";
}

/// <summary>What the agent worked out from the data set and the clinic's policy, so that a date of birth need not leave the clinic.</summary>
/// <param name="Policy">The version of the policy that it knew.</param>
/// <param name="Until">Until when the study is to be kept, by that policy.</param>
/// <param name="BornIn">The patient's year of birth, only where the patient was young enough for any rule for minors: a later policy may ask.</param>
public sealed record SidecarRetention(int Policy, DateTimeOffset Until, int? BornIn = null);

/// <summary>A file, as far as the catalogue may know it: an instance, or a plain file.</summary>
/// <param name="SopInstance">(0008,0018); of a plain file <see cref="Sets.InstanceOf"/>.</param>
/// <param name="SopClass">(0008,0016); null of a plain file.</param>
/// <param name="Series">(0020,000E), where it is there.</param>
/// <param name="Modality">(0008,0060), where it is there.</param>
/// <param name="TransferSyntax">(0002,0010), or what the reader took it to be where there is no meta header; null of a plain file.</param>
/// <param name="Length">Bytes of the file.</param>
/// <param name="Sha256">SHA-256 of the file as it was captured.</param>
/// <param name="Kind">Of a plain file; null: an instance.</param>
public sealed record SidecarInstance(
    Uid SopInstance,
    Uid? SopClass,
    Uid? Series,
    string? Modality,
    Uid? TransferSyntax,
    long Length,
    Sha256Digest Sha256,
    FileKind? Kind = null)
{
    /// <summary>A plain file.</summary>
    public static SidecarInstance Plain(FileKind kind, long length, Sha256Digest sha256) => new(Sets.InstanceOf(sha256), null, null, null, null, length, sha256, kind);
}
