using CloudArchive.Api.Identity;

namespace CloudArchive.Api.Portal;

/// <summary>A place in the navigation.</summary>
/// <param name="Label">As people read it.</param>
/// <param name="Page">The path below the clinic's, or below the portal's root.</param>
/// <param name="Roles">Who sees it; the endpoint's policy is what keeps others out.</param>
/// <param name="AllClinics">Whether only those see it who reach all clinics.</param>
internal sealed record NavigationItem(string Label, string Page, Roles Roles = Roles.Admin | Roles.Compliance, bool AllClinics = false);

/// <summary>The navigation: one line a page.</summary>
internal static class PortalNavigation
{
    /// <summary>Beside the overview, for the archive as a whole.</summary>
    public static IReadOnlyList<NavigationItem> Archive { get; } =
    [
        new("Alerts", "alerts", AllClinics: true),
        new("Access", "access", AllClinics: true),
    ];

    /// <summary>Of a clinic.</summary>
    public static IReadOnlyList<NavigationItem> Clinic { get; } =
    [
        new("Clinic", ""),
        new("Studies", "studies"),
        new("Snapshots", "snapshots"),
        new("Restores", "restores"),
        new("Restore tests", "restore-tests"),
        new("Reports", "reports"),
        new("Retention", "retention"),
        new("Audit", "audit"),
        new("Agents", "agents"),
        new("Access", "access"),
        new("Alerts", "alerts"),
        new("Disclosures", "disclosures", Roles.Admin),
    ];
}
