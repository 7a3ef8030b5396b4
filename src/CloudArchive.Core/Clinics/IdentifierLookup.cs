using CloudArchive.Core.Catalog;
using CloudArchive.Core.Storage;
using CloudArchive.Dicom;
using CloudArchive.Format;

namespace CloudArchive.Core.Clinics;

/// <summary>What the catalogue may know an identifier by.</summary>
/// <param name="Own">
/// HMACs of its text, of the bytes that the common encodings write for it, and of the spellings that the clinic takes for the same: no other identifier's.
/// </param>
/// <param name="Shared">
/// HMACs of its text with U+FFFD for what could not be decoded, as older agents hashed it: other identifiers have them too. For what must miss
/// nothing and may keep too much: a hold.
/// </param>
/// <param name="Match">Which spellings the clinic takes for the same.</param>
/// <param name="Form">What those share; null: only the same is the same.</param>
public sealed record IdentifierHmacs(IReadOnlyList<Sha256Digest> Own, IReadOnlyList<Sha256Digest> Shared, IdentifierMatch Match = IdentifierMatch.Exact, Sha256Digest? Form = null)
{
    /// <summary>Both.</summary>
    public IReadOnlyList<Sha256Digest> All => [.. Own, .. Shared];

    /// <summary>Without what was archived of other spellings up to now: the same whenever it is asked. With <see cref="Form"/>, what a hold names.</summary>
    public required IReadOnlyList<Sha256Digest> Named { get; init; }

    /// <summary>Whether a sidecar's forms are those of a spelling that counts as the same.</summary>
    public bool IsFormOf(IdentifierForms? forms) => Form is { } form && forms is not null && (forms.Spelling == form || forms.Zeros == form);
}

/// <summary>Turns identifiers that a person typed into what the catalogue knows. They are neither kept nor logged.</summary>
public sealed class IdentifierLookup(ClinicDirectory clinics, IdentifierSecrets secrets, IRowStore rows)
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
        Clinic clinic = await clinics.GetAsync(id, cancellationToken);
        using IdentifierSecret secret = await secrets.UnwrapAsync(clinic, cancellationToken);
        return (await OfAsync(clinic, secret, patientId, cancellationToken), await OfAsync(clinic, secret, accession, cancellationToken));
    }

    private async Task<IdentifierHmacs?> OfAsync(Clinic clinic, IdentifierSecret secret, string? identifier, CancellationToken cancellationToken)
    {
        if (identifier is null || secret.Hmac(identifier) is null)
        {
            return null;
        }

        Sha256Digest[] own =
        [
            .. TextSpellings.Of(identifier).Select(bytes => secret.Hmac(bytes))
                .Concat(IdentifierForms.LikelySpellings(identifier, clinic.IdentifierMatch).Select(secret.Hmac)).OfType<Sha256Digest>().Distinct(),
        ];
        Sha256Digest[] shared = [.. TextSpellings.MisreadOf(identifier).Select(text => secret.Hmac(text)).OfType<Sha256Digest>().Distinct().Except(own)];
        Sha256Digest? form = secret.Form(identifier, clinic.IdentifierMatch);
        IReadOnlyList<Sha256Digest> archived = form is { } one ? await Spellings.OfAsync(rows, clinic.Id, one, cancellationToken) : [];
        return new IdentifierHmacs([.. own.Union(archived)], shared, clinic.IdentifierMatch, form) { Named = [.. own, .. shared] };
    }

    private static void Check(string? identifier, string name)
    {
        if (identifier is not null && (string.IsNullOrWhiteSpace(identifier) || identifier.Length > MostCharacters))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"{name}: 1 to {MostCharacters} characters.");
        }
    }
}
