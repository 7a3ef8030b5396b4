using System.Globalization;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>Studies and instances, and the rebuild of the catalogue.</summary>
internal static class CatalogEndpoints
{
    private const int PacksPerRebuild = 200;

    private static readonly EndpointPolicy _studies = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.StudiesQueried);
    private static readonly EndpointPolicy _instances = new(Roles.Admin | Roles.Agent, Reach.Clinic, ArchiveRole.Both, AuditActions.StudiesQueried, Look: true);
    private static readonly EndpointPolicy _snapshots = new(Roles.Admin | Roles.Compliance | Roles.Agent, Reach.Clinic, ArchiveRole.Both, AuditActions.StudiesQueried, Look: true);
    private static readonly EndpointPolicy _rebuild = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.CatalogRebuilt);

    public static void Map(EndpointTable table)
    {
        table.Get("/v1/clinics/{clinic}/studies", ListAsync, _studies)?.WithSummary("Studies and folders' plain files, by date, HMAC or kind (set). To compliance without HMACs.");
        table.Post("/v1/clinics/{clinic}/studies/search", SearchAsync, _studies with { Roles = Roles.Admin })?.WithSummary("Studies, by identifiers that must not stand in a URL.");
        table.Get("/v1/clinics/{clinic}/studies/{study}", GetAsync, _studies)?.WithSummary("A study, a folder's plain files, or a computer's snapshots.");
        table.Get("/v1/clinics/{clinic}/snapshots", SnapshotsAsync, _snapshots)?.WithSummary("What stood where after a backup: by computer (set), the latest first. No names.");
        table.Get("/v1/clinics/{clinic}/instances", InstancesAsync, _instances)?.WithSummary("Instances: what an agent needs to rebuild its state.");
        table.Post("/v1/clinics/{clinic}/catalog/rebuild", RebuildAsync, _rebuild)?.WithSummary("Recreates a part of the catalogue from sidecars. Call again with next until there is none.");
    }

    private static async Task<Ok<Page<StudyResponse>>> ListAsync(
        ClinicId clinic, [AsParameters] StudyQuery query, CatalogReader catalog, IAuditLog log, HttpContext context, CancellationToken cancellationToken)
    {
        if (context.Request.Query.ContainsKey("patientId") || context.Request.Query.ContainsKey("accession"))
        {
            throw new RefusedException(Refusal.RequestInvalid, "Identifiers must not stand in a URL: send them in the body of POST .../studies/search.");
        }

        if (context.Info().ActingAs != Roles.Admin && (query.PatientHmac ?? query.AccessionHmac) is not null)
        {
            throw new DeniedException(Problems.Forbidden("Only an admin may look for a patient or visit."));
        }

        StudyFilter filter = new(query.Study, One(query.PatientHmac), One(query.AccessionHmac), Date(query.From, "from"), Date(query.To, "to"), Kind(query.Set));
        return TypedResults.Ok(await FindAsync(clinic, filter, query.After, query.Take, catalog, log, context, cancellationToken));
    }

    private static async Task<Ok<Page<StudyResponse>>> SearchAsync(
        ClinicId clinic, StudySearchRequest body, IdentifierLookup lookup, CatalogReader catalog, IAuditLog log, HttpContext context, CancellationToken cancellationToken)
    {
        (IdentifierHmacs? patient, IdentifierHmacs? accession) = await lookup.HmacAsync(clinic, body.PatientId, body.Accession, cancellationToken);
        StudyFilter filter = new(null, patient?.Own, accession?.Own, Date(body.From, "from"), Date(body.To, "to"));
        return TypedResults.Ok(await FindAsync(clinic, filter, body.After, body.Take, catalog, log, context, cancellationToken));
    }

    private static async Task<Ok<StudyResponse>> GetAsync(ClinicId clinic, Uid study, CatalogReader catalog, IAuditLog log, HttpContext context, CancellationToken cancellationToken)
    {
        StudyFilter filter = new(study);
        Page<StudyResponse> page = await FindAsync(clinic, filter, null, null, catalog, log, context, cancellationToken);
        return page.Items is [{ } found] ? TypedResults.Ok(found) : throw new RefusedException(Refusal.StudyUnknown, $"Clinic {clinic} has no study or folder {study}.");
    }

    private static async Task<Ok<Page<InstanceResponse>>> InstancesAsync(ClinicId clinic, Uid? study, string? after, int? take, CatalogReader catalog, CancellationToken cancellationToken) =>
        TypedResults.Ok(await catalog.ListInstancesAsync(clinic, study, after, Paging.Take(take), cancellationToken));

    private static async Task<Ok<Page<SnapshotResponse>>> SnapshotsAsync(ClinicId clinic, Uid? set, string? after, int? take, SnapshotCatalog snapshots, CancellationToken cancellationToken) =>
        TypedResults.Ok(await snapshots.ListAsync(clinic, set, after, Paging.Take(take), cancellationToken));

    private static async Task<Ok<RebuildResponse>> RebuildAsync(ClinicId clinic, string? after, CatalogRebuild rebuild, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok(await rebuild.RunAsync(clinic, Paging.After<PackId>(after), PacksPerRebuild, context.Requester(), cancellationToken));

    internal static async Task<Page<StudyResponse>> FindAsync(
        ClinicId clinic, StudyFilter filter, string? after, int? take, CatalogReader catalog, IAuditLog log, HttpContext context, CancellationToken cancellationToken)
    {
        Page<StudyResponse> page = await catalog.ListStudiesAsync(clinic, filter, after, Paging.Take(take), cancellationToken);

        // Who looked, by what kind of thing and how much they saw; never for whom.
        Requester by = context.Requester();
        Dictionary<string, string> details = new() { ["by"] = Kind(filter), ["studies"] = page.Items.Count.ToString(CultureInfo.InvariantCulture) };
        AuditEvent entry = new(clinic.Value, AuditActions.StudiesQueried, AuditOutcome.Success, by.Actor, new AuditSubject(clinic.Value, filter.Study?.Value), by.Origin, Details: details);
        await log.AppendAsync(entry, cancellationToken);
        return context.Info().ActingAs == Roles.Admin ? page : page with { Items = [.. page.Items.Select(study => study with { PatientHmac = null, AccessionHmac = null })] };
    }

    private static string Kind(StudyFilter filter) => filter switch
    {
        { Study: not null } => "study",
        { Patient: not null } => "patient",
        { Accession: not null } => "accession",
        { From: null, To: null, Set: { } set } => System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(set.ToString()),
        { From: null, To: null } => "all",
        _ => "date",
    };

    private static IReadOnlyList<Sha256Digest>? One(Sha256Digest? hmac) => hmac is { } one ? [one] : null;

    private static string? Date(string? text, string name) =>
        text is null || DicomValues.ParseDate(text) is not null
            ? text
            : throw new RefusedException(Refusal.RequestInvalid, $"{name}: a date as yyyyMMdd.");

    /// <summary>A kind of set as a query names it: as in answers.</summary>
    internal static SetKind? Kind(string? set) => set switch
    {
        null => null,
        "study" => SetKind.Study,
        "folder" => SetKind.Folder,
        "snapshot" => SetKind.Snapshot,
        _ => throw new RefusedException(Refusal.RequestInvalid, "set: study, folder or snapshot."),
    };

    /// <summary>The query of a listing of studies.</summary>
    internal sealed record StudyQuery(string? From, string? To, Uid? Study, Sha256Digest? PatientHmac, Sha256Digest? AccessionHmac, string? Set, string? After, int? Take);
}
