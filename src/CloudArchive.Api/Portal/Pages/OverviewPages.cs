using System.Collections.Concurrent;
using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>Is every clinic safe, at a glance.</summary>
internal static partial class OverviewPages
{
    private const int ClinicsAPage = 24;
    private static readonly EndpointPolicy _own = new(Roles.Admin | Roles.Compliance, Reach.Own, ArchiveRole.Recovery, AuditActions.RequestRefused);

    public static void Map(PortalTable table) => table.Page("", ShowAsync, _own);

    private static async Task<PortalPage> ShowAsync(
        string? after, ClinicDirectory clinics, ClinicCheck check, ILogger<OverviewModel> logger, HttpContext context, CancellationToken cancellationToken)
    {
        IReadOnlyList<ClinicId> ids = await ClinicEndpoints.InReachAsync(context.Caller(), Paging.After<ClinicId>(after), ClinicsAPage, clinics, cancellationToken);
        ConcurrentBag<ClinicId> unreadable = [];
        CheckedClinic?[] found = await Task.WhenAll(ids.Select(LookAsync));
        return PortalPage.Of<OverviewPage, OverviewModel>("Overview", new OverviewModel([.. found.OfType<CheckedClinic>()], [.. unreadable.OrderBy(id => id.Value, StringComparer.Ordinal)], after is not null, ids.Count == ClinicsAPage ? ids[^1].Value : null));

        async Task<CheckedClinic?> LookAsync(ClinicId id)
        {
            try
            {
                return await clinics.FindAsync(id, cancellationToken) is { } clinic ? await check.RunAsync(clinic, cancellationToken) : null;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One clinic's trouble must not hide how the others are.
                LogUnreadable(logger, e, id);
                unreadable.Add(id);
                return null;
            }
        }
    }

    [LoggerMessage(206, LogLevel.Error, "How clinic {Clinic} is could not be read for the overview.")]
    private static partial void LogUnreadable(ILogger logger, Exception exception, ClinicId clinic);
}

/// <summary>A page of clinics.</summary>
/// <param name="Clinics">Each with its state.</param>
/// <param name="Unreadable">Those of which it cannot be said.</param>
/// <param name="Later">Whether others come before.</param>
/// <param name="Next">Where the next page begins.</param>
public sealed record OverviewModel(IReadOnlyList<CheckedClinic> Clinics, IReadOnlyList<ClinicId> Unreadable, bool Later, string? Next);
