using CloudArchive.Api.Identity;

namespace CloudArchive.Api.Portal;

/// <summary>A place in the navigation.</summary>
/// <param name="Label">As people read it.</param>
/// <param name="Page">The path below the clinic's, or below the portal's root.</param>
/// <param name="Roles">Who sees it; the endpoint's policy is what keeps others out.</param>
/// <param name="AllClinics">Whether only those see it who reach all clinics.</param>
internal sealed record NavigationItem(string Label, string Page, Roles Roles = Roles.Admin | Roles.Compliance, bool AllClinics = false);

/// <summary>Pages that belong together.</summary>
/// <param name="Label">As people read it.</param>
/// <param name="Pages">The pages.</param>
internal sealed record NavigationGroup(string Label, IReadOnlyList<NavigationItem> Pages);

/// <summary>The navigation: one entry a page.</summary>
internal static class PortalNavigation
{
    /// <summary>Beside the overview, for the archive as a whole.</summary>
    public static IReadOnlyList<NavigationItem> Archive { get; } =
    [
        new("Alerts", "alerts", AllClinics: true),
        new("Access", "access", AllClinics: true),
    ];

    /// <summary>Of a clinic: its own page, and four groups of pages. A group's link leads to the first of them.</summary>
    public static IReadOnlyList<NavigationGroup> Clinic { get; } =
    [
        new("Clinic", [new("Clinic", "")]),
        new("Images", [new("Studies", "studies"), new("Snapshots", "snapshots"), new("Restores", "restores")]),
        new("Proof", [new("Restore tests", "restore-tests"), new("Reports", "reports"), new("Audit", "audit"), new("Disclosures", "disclosures", Roles.Admin)]),
        new("Health", [new("Alerts", "alerts"), new("Agents", "agents")]),
        new("Rules", [new("Retention", "retention"), new("Access", "access")]),
    ];
}
