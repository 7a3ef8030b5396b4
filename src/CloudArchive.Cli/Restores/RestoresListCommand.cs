using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary><c>restores list</c>.</summary>
internal static class RestoresListCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> json = CommonOptions.Json();
        Command command = new("list", "List restores and where they stand.") { json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            List<RestoreResponse> restores = await client.GetPagesAsync<RestoreResponse>($"v1/clinics/{connection.Clinic(parsed)}/restores", cancellationToken).ToListAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(restores);
                return (int)ExitCode.Ok;
            }

            environment.WriteTable(
                ["Restore", "Status", "Requested", "By", "Approved by", "Studies", "Files", "Size"],
                restores.Select(r => new[]
                {
                    r.Id, Status(r.Status), r.RequestedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), r.RequestedBy, r.ApprovedBy ?? "", r.Studies.ToString("N0"), r.Instances.ToString("N0"), Texts.Size(r.Bytes),
                }),
                "There are no restores.");
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static string Status(RestoreStatus status) => status switch
    {
        RestoreStatus.PendingApproval => "waits for approval",
        RestoreStatus.Ready => "ready",
        RestoreStatus.Expired => "expired",
        _ => "done",
    };
}
