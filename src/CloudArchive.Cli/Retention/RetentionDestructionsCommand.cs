using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention destructions</c>.</summary>
internal static class RetentionDestructionsCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> pending = new("--pending") { Description = "Only those that wait for approval" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("destructions", "List destructions of studies whose time is over, and where they stand (admin, compliance).") { pending, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            bool only = parsed.GetValue(pending);
            List<DestructionResponse> all = await client.GetPagesAsync<DestructionResponse>($"v1/clinics/{connection.Clinic(parsed)}/destructions", cancellationToken)
                .Where(destruction => !only || destruction.Status == DestructionStatus.PendingApproval)
                .ToListAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(all);
                return (int)ExitCode.Ok;
            }

            environment.WriteTable(
                ["Destruction", "Status", "Study", "Kept until", "By policy", "Requested", "By", "Decided by", "Files", "Size"],
                all.Select(d => new[]
                {
                    d.Destruction, RetentionTexts.Describe(d), d.Study.Value, $"{d.KeptUntil:yyyy-MM-dd}", d.Policy.ToString("N0"), d.RequestedAt.ToLocalTime().ToString("yyyy-MM-dd"), d.RequestedBy, d.DecidedBy ?? "",
                    d.Instances.ToString("N0"), Texts.Size(d.Bytes),
                }),
                "There are no destructions.");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
