using CloudArchive.Dicom;
using CloudArchive.Format;

namespace CloudArchive.Core.Clinics;

/// <summary>What the catalogue may know an identifier by.</summary>
/// <param name="Own">HMACs of its text, and of the bytes that the common encodings write for it: no other identifier's.</param>
/// <param name="Shared">
/// HMACs of its text with U+FFFD for what could not be decoded, as older agents hashed it: other identifiers have them too. For what must miss
/// nothing and may keep too much: a hold.
/// </param>
public sealed record IdentifierHmacs(IReadOnlyList<Sha256Digest> Own, IReadOnlyList<Sha256Digest> Shared)
{
    /// <summary>Both.</summary>
    public IReadOnlyList<Sha256Digest> All => [.. Own, .. Shared];
}

/// <summary>Turns identifiers that a person typed into what the catalogue knows. They are neither kept nor logged.</summary>
public sealed class IdentifierLookup(ClinicDirectory clinics, IdentifierSecrets secrets)
{
    private const int MostCharacters = 64; // PS3.5 §6.2, VR LO

    /// <summary>The HMACs of a patient ID and an accession number, each null where that is, or where nothing but padding is left of it.</summary>
    public async Task<(IdentifierHmacs? Patient, IdentifierHmacs? Accession)> HmacAsync(ClinicId id, string? patientId, string? accession, CancellationToken cancellationToken)
    {
        if (patientId is null && accession is null)
        {
            return (null, null);
        }

        Check(patientId, "patientId");
        Check(accession, "accession");
        using IdentifierSecret secret = await secrets.UnwrapAsync(await clinics.GetAsync(id, cancellationToken), cancellationToken);
        return (Of(secret, patientId), Of(secret, accession));
    }

    private static IdentifierHmacs? Of(IdentifierSecret secret, string? identifier)
    {
        if (identifier is null || secret.Hmac(identifier) is null)
        {
            return null;
        }

        Sha256Digest[] own = [.. TextSpellings.Of(identifier).Select(bytes => secret.Hmac(bytes)).OfType<Sha256Digest>().Distinct()];
        return new IdentifierHmacs(own, [.. TextSpellings.MisreadOf(identifier).Select(text => secret.Hmac(text)).OfType<Sha256Digest>().Distinct().Except(own)]);
    }

    private static void Check(string? identifier, string name)
    {
        if (identifier is not null && (string.IsNullOrWhiteSpace(identifier) || identifier.Length > MostCharacters))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"{name}: 1 to {MostCharacters} characters.");
        }
    }
}
