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
        string? after, ClinicDirectory clinics, ClinicCheck check, ApprovalPages approvals, ILogger<OverviewModel> logger, HttpContext context, CancellationToken cancellationToken)
    {
        IReadOnlyList<ClinicId> ids = await ClinicEndpoints.InReachAsync(context.Caller(), Paging.After<ClinicId>(after), ClinicsAPage, clinics, cancellationToken);
        ConcurrentBag<ClinicId> unreadable = [];
        CheckedClinic?[] found = await Task.WhenAll(ids.Select(LookAsync));
        ConcurrentBag<ClinicId> unlisted = [];
        IReadOnlyList<PendingApproval>[] pending = context.Caller().Roles.HasFlag(Roles.Admin) ? await Task.WhenAll(ids.Select(PendAsync)) : [];
        return PortalPage.Of<OverviewPage, OverviewModel>("Overview", new OverviewModel([.. found.OfType<CheckedClinic>()], [.. unreadable.OrderBy(id => id.Value, StringComparer.Ordinal)], after is not null, ids.Count == ClinicsAPage ? ids[^1].Value : null)
        {
            Approvals = [.. pending.SelectMany(of => of).OrderBy(one => one.RequestedAt)],
            WithoutApprovals = [.. unlisted.Except(unreadable).OrderBy(id => id.Value, StringComparer.Ordinal)],
        });

        async Task<IReadOnlyList<PendingApproval>> PendAsync(ClinicId id)
        {
            try
            {
                return await approvals.FindAsync(id, context, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One clinic's trouble must not hide what waits in the others.
                LogUnlisted(logger, e, id);
                unlisted.Add(id);
                return [];
            }
        }

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

    [LoggerMessage(208, LogLevel.Error, "What waits for approval in clinic {Clinic} could not be read for the overview.")]
    private static partial void LogUnlisted(ILogger logger, Exception exception, ClinicId clinic);

    [LoggerMessage(206, LogLevel.Error, "How clinic {Clinic} is could not be read for the overview.")]
    private static partial void LogUnreadable(ILogger logger, Exception exception, ClinicId clinic);
}

/// <summary>A page of clinics.</summary>
/// <param name="Clinics">Each with its state.</param>
/// <param name="Unreadable">Those of which it cannot be said.</param>
/// <param name="Later">Whether others come before.</param>
/// <param name="Next">Where the next page begins.</param>
public sealed record OverviewModel(IReadOnlyList<CheckedClinic> Clinics, IReadOnlyList<ClinicId> Unreadable, bool Later, string? Next)
{
    /// <summary>What waits for a second admin, the oldest first; for admins.</summary>
    public IReadOnlyList<PendingApproval> Approvals { get; init; } = [];

    /// <summary>The clinics of which what waits could not be read.</summary>
    public IReadOnlyList<ClinicId> WithoutApprovals { get; init; } = [];
}
