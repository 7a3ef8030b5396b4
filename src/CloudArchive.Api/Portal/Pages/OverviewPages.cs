using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>Is every clinic safe, at a glance.</summary>
internal static partial class OverviewPages
{
    private const int ClinicsAPage = 24;
    private static readonly EndpointPolicy _own = new(Roles.Admin | Roles.Compliance, Reach.Own, ArchiveRole.Recovery, AuditActions.RequestRefused);

    public static void Map(PortalTable table) => table.Page("", ShowAsync, _own);

    /// <summary>A page of clinics: which, and in which order, by their last look; how they are, by one that is made now.</summary>
    private static async Task<PortalPage> ShowAsync(
        string? state, string? find, int? page, ClinicStates states, ClinicDirectory clinics, ClinicCheck check, ApprovalPages approvals, ILogger<OverviewModel> logger, HttpContext context, CancellationToken cancellationToken)
    {
        OverviewFilter filter = OverviewFilter.Parse(state, find);
        IReadOnlyList<ClinicState> all = await states.ListAsync(context.Caller().Clinics, cancellationToken);
        ClinicState[] fitting = [.. all.Where(filter.Fits)];
        int number = Math.Clamp(page ?? 1, 1, Math.Max(1, (fitting.Length + ClinicsAPage - 1) / ClinicsAPage));
        ClinicId[] ids = [.. fitting.Skip((number - 1) * ClinicsAPage).Take(ClinicsAPage).Select(clinic => clinic.Id)];
        ConcurrentBag<ClinicId> unreadable = [];
        CheckedClinic?[] found = await Task.WhenAll(ids.Select(LookAsync));
        ConcurrentBag<ClinicId> unlisted = [];
        IReadOnlyList<PendingApproval>[] pending = context.Caller().Roles.HasFlag(Roles.Admin) ? await Task.WhenAll(ids.Select(PendAsync)) : [];
        return PortalPage.Of<OverviewPage, OverviewModel>("Overview", new OverviewModel([.. found.OfType<CheckedClinic>()], [.. unreadable.OrderBy(id => id.Value, StringComparer.Ordinal)])
        {
            All = all,
            Fitting = fitting.Length,
            Filter = filter,
            Number = number,
            More = number * ClinicsAPage < fitting.Length,
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

/// <summary>Which clinics are listed.</summary>
/// <param name="State">Those that were so at their last look, as one of <see cref="States"/>; empty: all.</param>
/// <param name="Find">Those whose name or id has this; empty: all.</param>
public sealed record OverviewFilter(string State, string Find)
{
    private const string Unknown = "unknown";

    /// <summary>How a clinic may have been at its last look, the worst first; where nobody has looked yet, that is unknown.</summary>
    public static IReadOnlyList<string> States { get; } = [Word(VerdictState.NotSafe), Word(VerdictState.Attention), Word(VerdictState.Safe), Unknown];

    /// <summary>Whether it lets everything through.</summary>
    public bool IsEmpty => State.Length + Find.Length == 0;

    /// <summary>A state's word in an address.</summary>
    public static string Word(VerdictState? state) => state is { } known ? JsonNamingPolicy.KebabCaseLower.ConvertName(known.ToString()) : Unknown;

    /// <summary>Reads an address.</summary>
    public static OverviewFilter Parse(string? state, string? find) => string.IsNullOrEmpty(state) || States.Contains(state)
        ? new(state ?? "", find?.Trim() ?? "")
        : throw new RefusedException(Refusal.RequestInvalid, $"state: one of {string.Join(", ", States)}.");

    /// <summary>The same as an address.</summary>
    public string ToPath(int page = 1)
    {
        string[] parts = [.. new[] { ("state", State), ("find", Find), ("page", page > 1 ? page.ToString(CultureInfo.InvariantCulture) : "") }
            .Where(part => part.Item2.Length > 0).Select(part => $"{part.Item1}={Uri.EscapeDataString(part.Item2)}")];
        return PortalTable.Root + (parts.Length == 0 ? "" : "?" + string.Join('&', parts));
    }

    internal bool Fits(ClinicState clinic) => (State.Length == 0 || Word(clinic.State) == State)
        && (Find.Length == 0 || clinic.Id.Value.Contains(Find, StringComparison.OrdinalIgnoreCase) || clinic.Name.Contains(Find, StringComparison.OrdinalIgnoreCase));
}

/// <summary>A page of clinics.</summary>
/// <param name="Clinics">Each with its state.</param>
/// <param name="Unreadable">Those of which it cannot be said.</param>
public sealed record OverviewModel(IReadOnlyList<CheckedClinic> Clinics, IReadOnlyList<ClinicId> Unreadable)
{
    /// <summary>Every clinic in reach, as last looked at.</summary>
    public IReadOnlyList<ClinicState> All { get; init; } = [];

    /// <summary>How many the filter lets through.</summary>
    public int Fitting { get; init; }

    /// <summary>Which are listed.</summary>
    public OverviewFilter Filter { get; init; } = new("", "");

    /// <summary>The page's number, from 1.</summary>
    public int Number { get; init; } = 1;

    /// <summary>Whether others come behind.</summary>
    public bool More { get; init; }

    /// <summary>What waits for a second admin, the oldest first; for admins.</summary>
    public IReadOnlyList<PendingApproval> Approvals { get; init; } = [];

    /// <summary>The clinics of which what waits could not be read.</summary>
    public IReadOnlyList<ClinicId> WithoutApprovals { get; init; } = [];
}
