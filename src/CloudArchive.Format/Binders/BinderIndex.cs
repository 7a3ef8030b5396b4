namespace CloudArchive.Format.Binders;

/// <summary>
/// What an auditor's binder of a clinic and a period holds: canonical JSON (RFC 8785) with a detached JWS (ES256) of type <see cref="JwsType"/> beside it. So every file
/// of the binder is signed, also those that have no signature of their own.
/// </summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Product">The program that made it, with its version.</param>
/// <param name="Clinic">Whose.</param>
/// <param name="ClinicName">What people call it.</param>
/// <param name="From">The period's first moment.</param>
/// <param name="To">The first moment after it.</param>
/// <param name="MadeAt">When.</param>
/// <param name="MadeFor">Who asked for it: the person's id.</param>
/// <param name="Files">Every file but this one and its signature, in the order of their paths.</param>
/// <param name="NotIncluded">What belongs into it and could not be read.</param>
public sealed record BinderIndex(
    string Format,
    string Product,
    ClinicId Clinic,
    string ClinicName,
    DateTimeOffset From,
    DateTimeOffset To,
    DateTimeOffset MadeAt,
    string MadeFor,
    IReadOnlyList<BinderFile> Files,
    IReadOnlyList<BinderGap> NotIncluded)
{
    /// <summary>Version 1.</summary>
    public const string CurrentFormat = "cloudarchive/binder/1";

    /// <summary>The <c>typ</c> of the detached JWS over the index.</summary>
    public const string JwsType = "cloudarchive-binder+jws";
}

/// <summary>A file of a binder.</summary>
/// <param name="Path">Its name in the ZIP.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Sha256">Their SHA-256.</param>
public sealed record BinderFile(string Path, long Length, Sha256Digest Sha256);

/// <summary>What is missing in a binder.</summary>
/// <param name="What">What.</param>
/// <param name="Why">Why, in a sentence.</param>
public sealed record BinderGap(string What, string Why);

/// <summary>The names of a binder's files.</summary>
public static class BinderFiles
{
    /// <summary>The index.</summary>
    public const string Index = "index.json";

    /// <summary>The detached JWS over it.</summary>
    public const string IndexSignature = "index.jws";

    /// <summary>What it is all about, for people.</summary>
    public const string Cover = "cover.pdf";

    /// <summary>How to check it.</summary>
    public const string Guide = "VERIFY.txt";

    /// <summary>A verifier in standard Python.</summary>
    public const string Script = "verify.py";

    /// <summary>The archive's public keys as it served them when the binder was made. Whoever verifies takes keys from elsewhere.</summary>
    public const string Keys = "keys.json";

    /// <summary>The last signed state of the clinic's log: a compact JWS.</summary>
    public const string Checkpoint = "checkpoint.jws";

    /// <summary>Alerts and their ends.</summary>
    public const string Alerts = "alerts.json";

    /// <summary>What restores handed out.</summary>
    public const string Disclosures = "disclosures.json";

    /// <summary>Restore tests: a folder a run, with the files of <see cref="Evidence.EvidenceFiles"/>.</summary>
    public const string Runs = "restore-tests/";

    /// <summary>Roll-up reports.</summary>
    public const string Reports = "reports/";

    /// <summary>Attested access reviews: a folder each.</summary>
    public const string Reviews = "access-reviews/";

    /// <summary>Certificates of destruction: a folder each.</summary>
    public const string Destructions = "destructions/";
}
