using CloudArchive.Api.Portal.Pages;

namespace CloudArchive.Api.Portal;

/// <summary>The portal's pages: one line a page (docs/portal.md, "Adding a page").</summary>
internal static class PortalEndpoints
{
    public static void Map(EndpointTable table)
    {
        PortalTable portal = new(table);
        PortalAssets.Map(portal);
        SignInPages.Map(portal);
        OverviewPages.Map(portal);
        ClinicPages.Map(portal);
        StudyPages.Map(portal);
        SnapshotPages.Map(portal);
        RestorePages.Map(portal);
        ApprovalPages.Map(portal);
        RestoreTestPages.Map(portal);
        ReportPages.Map(portal);
        RetentionPages.Map(portal);
        AuditPages.Map(portal);
        AgentPages.Map(portal);
        AccessPages.Map(portal);
        AlertPages.Map(portal);
        DisclosurePages.Map(portal);
    }
}
