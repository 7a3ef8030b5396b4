using System.Globalization;
using System.Security.Cryptography;
using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Restores;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>Finds studies, and asks for restores of them. What names a patient or a visit travels in forms alone.</summary>
internal static class StudyPages
{
    /// <summary>The latest study date first; the earliest first; by UID, which has also those without a date.</summary>
    internal const string Newest = "newest", Oldest = "oldest", ByUid = "uid";

    private const int StudiesAPage = 50;
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.StudiesQueried);
    private static readonly EndpointPolicy _search = _read with { Roles = Roles.Admin };
    private static readonly EndpointPolicy _restore = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RestoreRequested, Mfa: true, MostBytes: 256 * 1024);

    public static void Map(PortalTable table)
    {
        table.Page("/clinics/{clinic}/studies", ListAsync, _read);
        table.Form("/clinics/{clinic}/studies", SearchAsync, _search);
        table.Page("/clinics/{clinic}/studies/{study}", ShowAsync, _read);
        table.Form("/clinics/{clinic}/restores", AskAsync, _restore);
    }

    private static async Task<IResult> ListAsync(
        ClinicId clinic, string? from, string? to, string? study, string? set, string? order, string? after, string? found, ClinicDirectory clinics, CatalogReader catalog, IAuditLog log, TimeProvider clock, HttpContext context, CancellationToken cancellationToken)
    {
        await clinics.GetAsync(clinic, cancellationToken);
        if (found is not null)
        {
            // Another session's, or one before the last: its address leads to the search.
            return context.Info().ActingAs == Roles.Admin && KeptSearch.Find(context, clinic, found) is { } kept
                ? await ShowFoundAsync(kept, catalog, log, context, cancellationToken)
                : PortalPage.SeeOther(PortalView.ClinicPath(clinic, "studies"));
        }

        Uid? uid = string.IsNullOrWhiteSpace(study) ? null
            : Uid.TryParse(study.Trim(), null, out Uid parsed) ? parsed : throw new RefusedException(Refusal.RequestInvalid, "study: a Study Instance UID is up to 64 digits and dots.");
        string by = string.IsNullOrEmpty(order) ? Newest : order;
        if (by is not (Newest or Oldest or ByUid))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"order: {Newest}, {Oldest} or {ByUid}.");
        }

        // The earliest first is the order of dates: from some date on. By UID there are no dates, and all is there.
        string? first = Date(from, "from"), last = Date(to, "to");
        StudyFilter filter = new(
            uid, From: first ?? (by == Oldest ? "0" : null), To: last, Set: CatalogEndpoints.Kind(string.IsNullOrEmpty(set) ? null : set), NewestAt: by == Newest ? clock.GetUtcNow() : null);
        Page<StudyResponse> page = await CatalogEndpoints.FindAsync(clinic, filter, after, StudiesAPage, catalog, log, context, cancellationToken);
        return Page(new StudiesModel(page.Items, page.Next, after is not null, from ?? "", to ?? "", study ?? "", set ?? "", by, Searched.No));
    }

    /// <summary>Then the results are a page of their own, which "back" finds again without sending a form.</summary>
    private static async Task<IResult> SearchAsync(ClinicId clinic, IdentifierLookup lookup, HttpContext context, CancellationToken cancellationToken)
    {
        string? patient = context.Field("patientId"), accession = context.Field("accession");
        if (patient is null && accession is null)
        {
            throw new RefusedException(Refusal.RequestInvalid, "Fill in a patient ID or an accession number, as it stands in the images.");
        }

        (IdentifierHmacs? patients, IdentifierHmacs? accessions) = await lookup.HmacAsync(clinic, patient, accession, cancellationToken);
        return PortalPage.SeeOther(new KeptSearch(clinic, patients?.Own, accessions?.Own).Keep(context));
    }

    private static async Task<PortalPage> ShowFoundAsync(KeptSearch search, CatalogReader catalog, IAuditLog log, HttpContext context, CancellationToken cancellationToken)
    {
        Page<StudyResponse> page = await CatalogEndpoints.FindAsync(search.Clinic, new StudyFilter(null, search.Patient, search.Accession), null, 200, catalog, log, context, cancellationToken);
        Searched by = search.Patient is null ? Searched.Accession : search.Accession is null ? Searched.Patient : Searched.Both;
        return Page(new StudiesModel([.. page.Items.OrderByDescending(study => study.StudyDate, StringComparer.Ordinal)], null, false, "", "", "", "", Newest, by));
    }

    private static async Task<PortalPage> ShowAsync(ClinicId clinic, Uid study, CatalogReader catalog, IAuditLog log, HttpContext context, CancellationToken cancellationToken)
    {
        Page<StudyResponse> page = await CatalogEndpoints.FindAsync(clinic, new StudyFilter(study), null, 1, catalog, log, context, cancellationToken);
        return page.Items is [{ } found]
            ? PortalPage.Of<StudyPage, StudyResponse>(found.Set is { } kind ? SetView.Word(kind) : "Study", found)
            : throw new RefusedException(Refusal.StudyUnknown, $"Clinic {clinic} has no study or folder {study}.");
    }

    private static async Task<IResult> AskAsync(ClinicId clinic, RestoreDesk desk, HttpContext context, CancellationToken cancellationToken)
    {
        FormFaults faults = new();
        Uid[] studies = [.. context.Request.Form["study"].OfType<string>().Select(text => Uid.TryParse(text, null, out Uid uid) ? uid : throw new RefusedException(Refusal.RequestInvalid, "study: a UID."))];
        PackId? snapshot = context.Field("snapshot") is not { } pack ? null
            : PackId.TryParse(pack, null, out PackId id) ? id : throw new RefusedException(Refusal.RequestInvalid, "snapshot: a pack's id.");
        if (studies.Length == 0 && snapshot is null)
        {
            faults.Add("Choose at least one study or folder, or a snapshot.");
        }

        string? purpose = context.Field("purpose"), recipient = context.Field("recipient");
        if (purpose is null)
        {
            faults.Add("purpose", "say why the images are brought back; the accounting of disclosures needs it.");
        }

        if (recipient is null)
        {
            faults.Add("recipient", "say who gets the images; the accounting of disclosures needs it.");
        }

        Jwk? key = Key(context.Field("publicKey") ?? "", faults);
        faults.ThrowIfAny();
        RestoreRequest request = new(key!, purpose!, recipient!, studies.Length == 0 ? null : studies, Snapshot: snapshot);
        Restore restore = await desk.RequestAsync(clinic, request, context.Requester(), cancellationToken);
        return PortalPage.SeeOther($"{PortalTable.Root}/clinics/{clinic}/restores/{restore.Id}");
    }

    private static Jwk? Key(string pem, FormFaults faults)
    {
        using RSA rsa = RSA.Create();
        try
        {
            rsa.ImportFromPem(pem);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            faults.Add("publicKey", "paste an RSA public key in PEM form, or have your browser make one.", Refusal.KeyInvalid);
            return null;
        }

        // Whoever pastes the private half has given it away: it is not used, and they are told.
        if (pem.Contains("PRIVATE", StringComparison.Ordinal))
        {
            faults.Add("publicKey", "that is a private key. Keep it to yourself; make a new one, and paste its public half.", Refusal.KeyInvalid);
            return null;
        }

        return JwkKeys.FromRsa(rsa);
    }

    private static PortalPage Page(StudiesModel model) => PortalPage.Of<StudiesPage, StudiesModel>("Studies", model);

    private static string? Date(string? text, string name) => string.IsNullOrWhiteSpace(text) ? null
        : DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out DateOnly day) ? day.ToString("yyyyMMdd", CultureInfo.InvariantCulture)
        : throw new RefusedException(Refusal.RequestInvalid, $"{name}: a date such as 2026-07-31.");
}

/// <summary>What a list of studies was searched by, without the value.</summary>
public enum Searched
{
    /// <summary>By nothing that names anybody.</summary>
    No,

    /// <summary>By a patient ID.</summary>
    Patient,

    /// <summary>By an accession number.</summary>
    Accession,

    /// <summary>By both.</summary>
    Both,
}

/// <summary>A page of studies.</summary>
/// <param name="Studies">The page.</param>
/// <param name="Next">Where the next one begins.</param>
/// <param name="Later">Whether others come before.</param>
/// <param name="From">The first study date that was asked for.</param>
/// <param name="To">The last one.</param>
/// <param name="Study">The UID that was asked for.</param>
/// <param name="Set">The kind of set that was asked for.</param>
/// <param name="Order">In which order.</param>
/// <param name="Searched">What the form was filled in with.</param>
public sealed record StudiesModel(IReadOnlyList<StudyResponse> Studies, string? Next, bool Later, string From, string To, string Study, string Set, string Order, Searched Searched);
