using System.Globalization;
using System.Text.Json;
using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>A clinic's audit log: to search, and to verify.</summary>
internal static class AuditPages
{
    private const int EntriesAPage = 50;
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.AuditRead);

    public static void Map(PortalTable table)
    {
        table.Page("/clinics/{clinic}/audit", ListAsync, _read);
        table.Form("/clinics/{clinic}/audit", SearchAsync, _read);
        table.Form("/clinics/{clinic}/audit/verify", VerifyAsync, _read);
    }

    /// <summary>Without a question the newest entries, the newest first; with one those that fit, the oldest first.</summary>
    private static Task<PortalPage> ListAsync(
        ClinicId clinic, string? from, string? to, string? action, string? after, ClinicDirectory clinics, AuditReader reader, AuditSearch search, IAuditLog audit, HttpContext context, CancellationToken cancellationToken)
    {
        AuditEndpoints.RefuseActorInUrl(context);
        return FindAsync(clinic, new AuditQuery(from, to, action, null, after), clinics, reader, search, audit, context, cancellationToken);
    }

    /// <summary>In a form, because it may name a person.</summary>
    private static Task<PortalPage> SearchAsync(
        ClinicId clinic, ClinicDirectory clinics, AuditReader reader, AuditSearch search, IAuditLog audit, HttpContext context, CancellationToken cancellationToken)
    {
        AuditQuery query = new(context.Field("from"), context.Field("to"), context.Field("action"), context.Field("actor"), context.Field("after"));
        return FindAsync(clinic, query, clinics, reader, search, audit, context, cancellationToken);
    }

    private static async Task<PortalPage> FindAsync(
        ClinicId clinic, AuditQuery query, ClinicDirectory clinics, AuditReader reader, AuditSearch search, IAuditLog audit, HttpContext context, CancellationToken cancellationToken)
    {
        string log = (await clinics.GetAsync(clinic, cancellationToken)).Id.Value;
        AuditFilter filter = new(Day(query.From, "from", 0), Day(query.To, "to", 1), Text(query.Action, "action"), Text(query.Actor, "actor"));
        bool newest = filter == new AuditFilter() && query.After is null;
        long size = (await reader.GetHeadAsync(log, cancellationToken)).Size;
        long? after = newest ? Math.Max(0, size - EntriesAPage) - 1 : Paging.After<long>(query.After);
        (IReadOnlyList<StoredEntry> entries, long? next) = await search.FindAsync(log, filter, after, EntriesAPage, cancellationToken);
        await AuditEndpoints.RecordAsync(log, filter, entries.Count, context, audit, cancellationToken);
        IEnumerable<StoredEntry> shown = newest ? entries.Reverse() : entries;
        return PortalPage.Of<AuditPage, AuditModel>("Audit", new AuditModel([.. shown.Select(ShownEntry.Of)], newest, size, newest ? null : next, query));
    }

    private static async Task<PortalPage> VerifyAsync(
        ClinicId clinic, ClinicDirectory clinics, AuditCheck check, IAuditLog audit, TimeProvider clock, HttpContext context, CancellationToken cancellationToken)
    {
        string log = (await clinics.GetAsync(clinic, cancellationToken)).Id.Value;
        long began = clock.GetTimestamp();
        AuditReport report = await check.RunAsync(log, cancellationToken);
        TimeSpan took = clock.GetElapsedTime(began);
        await AuditEndpoints.RecordAsync(log, new AuditFilter(), (int)report.Entries, context, audit, cancellationToken);
        return PortalPage.Of<AuditVerifyPage, AuditVerifyModel>(AuditVerifyModel.TitleOf(report), new AuditVerifyModel(report, took));
    }

    private static DateTimeOffset? Day(string? text, string name, int days) => string.IsNullOrWhiteSpace(text) ? null
        : DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out DateOnly day) && day < DateOnly.MaxValue
            ? new DateTimeOffset(day.AddDays(days).ToDateTime(TimeOnly.MinValue), TimeSpan.Zero)
            : throw new RefusedException(Refusal.RequestInvalid, $"{name}: a date such as 2026-07-31.");

    private static string? Text(string? text, string name) => string.IsNullOrWhiteSpace(text) ? null
        : text.Length <= 200 ? text.Trim() : throw new RefusedException(Refusal.RequestInvalid, $"{name}: at most 200 characters.");
}

/// <summary>What the log is searched by.</summary>
public sealed record AuditQuery(string? From, string? To, string? Action, string? Actor, string? After);

/// <summary>An entry as it lies in storage, read where it can be.</summary>
/// <param name="Index">Its row's place.</param>
/// <param name="Entry">Null where it is none.</param>
public sealed record ShownEntry(long Index, AuditEntry? Entry)
{
    internal static ShownEntry Of(StoredEntry stored) => new(stored.Index, stored.TryRead());
}

/// <summary>Entries that were found.</summary>
/// <param name="Entries">The page.</param>
/// <param name="Newest">Whether these are the newest, the newest first.</param>
/// <param name="Size">How many the log has.</param>
/// <param name="Next">Where to go on.</param>
/// <param name="Query">What was asked.</param>
public sealed record AuditModel(IReadOnlyList<ShownEntry> Entries, bool Newest, long Size, long? Next, AuditQuery Query);

/// <summary>What came of verifying.</summary>
/// <param name="Report">The verifier's report.</param>
/// <param name="Took">How long it took.</param>
public sealed record AuditVerifyModel(AuditReport Report, TimeSpan Took)
{
    internal static string TitleOf(AuditReport report) => report.Verdict switch
    {
        AuditVerdict.Holds => "The log holds",
        AuditVerdict.NotVouchedFor => "Nothing vouches for the log yet",
        _ => "The log does not hold",
    };
}
