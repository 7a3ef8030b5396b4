using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary><c>restores list</c>.</summary>
internal static class RestoresListCommand
{
    public static Command Create(CliEnvironment environment) => StaffCommand.List<RestoreResponse>(
        environment,
        "list",
        "List restores and where they stand.",
        [],
        call => $"{call.Clinic}/restores",
        ["Restore", "Status", "Requested", "By", "Approved by", "Studies", "Files", "Size"],
        r => [r.Id, Status(r.Status), r.RequestedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), r.RequestedBy, r.ApprovedBy ?? "", r.Studies.ToString("N0"), r.Instances.ToString("N0"), Texts.Size(r.Bytes)],
        "There are no restores.");

    private static string Status(RestoreStatus status) => status switch
    {
        RestoreStatus.PendingApproval => "waits for approval",
        RestoreStatus.Ready => "ready",
        RestoreStatus.Expired => "expired",
        _ => "done",
    };
}
