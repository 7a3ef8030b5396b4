using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.Core;
using CloudArchive.Format;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api.Portal;

/// <summary>
/// The last search of a session for a patient or a visit, so that its results are a page to come back to. A cookie has it, as the HMACs by which the catalogue
/// finds studies: one for each way to write the identifier, some dozens at the most. What was typed is kept nowhere, and the address has a fingerprint of the cookie
/// alone. It opens nothing: an admin may ask for any HMAC.
/// </summary>
internal sealed record KeptSearch(ClinicId Clinic, IReadOnlyList<Sha256Digest>? Patient, IReadOnlyList<Sha256Digest>? Accession)
{
    private const string Name = "cloudarchive-search";
    private const int HmacLength = 32;
    private const int Longest = 4000; // browsers keep cookies of 4,096 bytes

    /// <summary>Keeps it, and says where its results are.</summary>
    public string Keep(HttpContext context)
    {
        string value = $"{context.Session()!.Id}.{Clinic}.{Text(Patient)}.{Text(Accession)}";
        if (value.Length >= Longest)
        {
            throw new RefusedException(Refusal.RequestInvalid, "That ID can stand in too many spellings for one page: search for the patient or for the visit alone, or over the API.");
        }

        context.Response.Cookies.Append(Name, value, Cookie(context, Clinic));
        return $"{PortalView.ClinicPath(Clinic, "studies")}?found={Fingerprint(value)}";
    }

    /// <summary>The search that an address means; null where it is not this session's last.</summary>
    public static KeptSearch? Find(HttpContext context, ClinicId clinic, string found)
    {
        if (context.Request.Cookies[Name] is not { Length: < Longest } value || Fingerprint(value) != found || value.Split('.') is not [var session, var of, var patient, var accession]
            || session != context.Session()?.Id || of != clinic.Value)
        {
            return null;
        }

        return new KeptSearch(clinic, Read(patient), Read(accession)) is { } search && (search.Patient ?? search.Accession) is not null ? search : null;
    }

    private static string Text(IReadOnlyList<Sha256Digest>? hmacs) => hmacs is null ? "" : Base64Url.EncodeToString([.. hmacs.SelectMany(hmac => hmac.ToBytes())]);

    private static Sha256Digest[]? Read(string text) =>
        text.Length == 0 || !Base64Url.IsValid(text, out int length) || length % HmacLength != 0 ? null : [.. Base64Url.DecodeFromChars(text).Chunk(HmacLength).Select(bytes => Sha256Digest.FromBytes(bytes))];

    private static string Fingerprint(string value) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(value)))[..16];

    // To the pages of studies of that clinic alone, and gone with the browser.
    private static CookieOptions Cookie(HttpContext context, ClinicId clinic) => new()
    {
        HttpOnly = true,
        Secure = context.RequestServices.GetRequiredService<CloudArchiveOptions>().Portal.Secure,
        SameSite = SameSiteMode.Lax,
        Path = PortalView.ClinicPath(clinic, "studies"),
        IsEssential = true,
    };
}
