using System.Text.Json;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Retention;

/// <summary>
/// The archive's signed statement that a study, a folder's files or a computer's snapshots were destroyed after its time, kept as canonical JSON with a detached JWS of type
/// <see cref="JwsType"/> beside it. It says what is gone by ids and hashes, so that a receipt can be matched with it; no PHI.
/// </summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Id">The destruction's id.</param>
/// <param name="Clinic">Whose it was.</param>
/// <param name="Study">Its Study Instance UID, or the id of a folder's files or a computer's snapshots.</param>
/// <param name="KeptUntil">Until when it had to be kept.</param>
/// <param name="Policy">The clinic's policy when destruction was asked for.</param>
/// <param name="RequestedBy">The plan's run, or an admin.</param>
/// <param name="RequestedAt">When.</param>
/// <param name="ApprovedBy">Who approved it; null where the clinic wants no approval.</param>
/// <param name="ApprovedAt">When.</param>
/// <param name="DestroyedAt">When storage was seen to have nothing left of it.</param>
/// <param name="Packs">What is gone, in ascending order of ids.</param>
public sealed record DestructionCertificate(
    string Format,
    string Id,
    ClinicId Clinic,
    Uid Study,
    DateTimeOffset KeptUntil,
    RetentionPolicy Policy,
    string RequestedBy,
    DateTimeOffset RequestedAt,
    string? ApprovedBy,
    DateTimeOffset? ApprovedAt,
    DateTimeOffset DestroyedAt,
    IReadOnlyList<DestroyedPack> Packs)
{
    /// <summary>Version 1.</summary>
    public const string CurrentFormat = "cloudarchive/destruction-certificate/1";

    /// <summary>The JWS header's <c>typ</c>.</summary>
    public const string JwsType = "cloudarchive-destruction+jws";

    /// <summary>The kind of record among the archive's records.</summary>
    public const string Kind = "certificates";

    /// <summary>The file with the certificate.</summary>
    public const string File = "certificate.json";

    /// <summary>The file with its signature.</summary>
    public const string SignatureFile = "certificate.jws";
}

/// <summary>A pack that is gone, as its receipt described it.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Sha256">SHA-256 of the ciphertext.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Instances">How many instances it held.</param>
/// <param name="InstancesRoot">As in its receipt: their list cannot have been another.</param>
/// <param name="LockedUntil">Until when it was locked.</param>
public sealed record DestroyedPack(PackId Pack, Sha256Digest Sha256, long Length, int Instances, Sha256Digest InstancesRoot, DateTimeOffset LockedUntil);

/// <summary>What verification of a certificate found.</summary>
/// <param name="Certificate">The certificate, where it can be read at all.</param>
/// <param name="SignedBy">The key that signed it; null where no known key did.</param>
/// <param name="Findings">What does not hold. Empty: everything does.</param>
public sealed record CertificateVerification(DestructionCertificate? Certificate, string? SignedBy, IReadOnlyList<string> Findings)
{
    /// <summary>Whether everything holds.</summary>
    public bool Holds => Findings.Count == 0;
}

/// <summary>Writes certificates and verifies them, offline, from their two files and the archive's public keys alone.</summary>
public static class DestructionCertificates
{
    /// <summary>The bytes that lie at rest, and that are signed.</summary>
    public static byte[] Serialize(DestructionCertificate certificate) => CanonicalJson.Serialize(certificate);

    /// <summary>Verifies; whatever the files hold, the answer is findings, not an exception.</summary>
    public static CertificateVerification Verify(ReadOnlyMemory<byte> certificate, string signature, JwkSet keys)
    {
        List<string> findings = [];
        string? signedBy = null;
        try
        {
            signedBy = Jws.VerifyDetached(signature.Trim(), certificate.Span, DestructionCertificate.JwsType, keys);
        }
        catch (Exception e) when (e is JwsException or FormatException)
        {
            findings.Add($"{DestructionCertificate.SignatureFile}: {e.Message}");
        }

        DestructionCertificate? read = null;
        try
        {
            read = JsonSerializer.Deserialize<DestructionCertificate>(certificate.Span, FormatJson.Options);
            if (!CanonicalJson.Canonicalize(certificate).AsSpan().SequenceEqual(certificate.Span))
            {
                findings.Add($"{DestructionCertificate.File}: it is not in canonical form (RFC 8785).");
            }
        }
        catch (JsonException e)
        {
            findings.Add($"{DestructionCertificate.File}: it is no certificate of this version: {e.Message}");
        }

        if (read is not null)
        {
            findings.AddRange(Contradictions(read).Select(what => $"{DestructionCertificate.File}: {what}"));
        }

        return new CertificateVerification(read, signedBy, findings);
    }

    private static IEnumerable<string> Contradictions(DestructionCertificate certificate)
    {
        if (certificate.Format != DestructionCertificate.CurrentFormat)
        {
            yield return $"it is not of the format {DestructionCertificate.CurrentFormat}.";
        }

        if (certificate.DestroyedAt < certificate.KeptUntil || certificate.Packs.Any(pack => pack.LockedUntil > certificate.DestroyedAt))
        {
            yield return "it says that the study was destroyed before its time was over.";
        }

        if (certificate.RequestedAt > certificate.DestroyedAt || certificate.ApprovedAt < certificate.RequestedAt || certificate.ApprovedAt > certificate.DestroyedAt)
        {
            yield return "its times are not in order.";
        }

        if (certificate.ApprovedBy is { } approver && approver == certificate.RequestedBy)
        {
            yield return "who asked for it approved it.";
        }

        if (certificate.Packs.Count == 0 || certificate.Packs.Zip(certificate.Packs.Skip(1)).Any(pair => string.CompareOrdinal(pair.First.Pack.ToString(), pair.Second.Pack.ToString()) >= 0))
        {
            yield return "it names no pack, one twice, or not in order.";
        }
    }
}
