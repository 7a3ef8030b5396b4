using CloudArchive.Format;

namespace CloudArchive.Core.Clinics;

/// <summary>Turns identifiers that a person typed into what the catalogue knows. They are neither kept nor logged.</summary>
public sealed class IdentifierLookup(ClinicDirectory clinics, IdentifierSecrets secrets)
{
    private const int MostCharacters = 64; // PS3.5 §6.2, VR LO

    /// <summary>The HMACs of a patient ID and an accession number, each null where that is.</summary>
    public async Task<(Sha256Digest? Patient, Sha256Digest? Accession)> HmacAsync(ClinicId id, string? patientId, string? accession, CancellationToken cancellationToken)
    {
        if (patientId is null && accession is null)
        {
            return (null, null);
        }

        Check(patientId, "patientId");
        Check(accession, "accession");
        using IdentifierSecret secret = await secrets.UnwrapAsync(await clinics.GetAsync(id, cancellationToken), cancellationToken);
        return (secret.Hmac(patientId), secret.Hmac(accession));
    }

    private static void Check(string? identifier, string name)
    {
        if (identifier is not null && (string.IsNullOrWhiteSpace(identifier) || identifier.Length > MostCharacters))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"{name}: 1 to {MostCharacters} characters.");
        }
    }
}
