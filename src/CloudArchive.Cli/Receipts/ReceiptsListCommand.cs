using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;

namespace CloudArchive.Cli.Receipts;

/// <summary><c>receipts list</c>.</summary>
internal static class ReceiptsListCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<bool> json = CommonOptions.Json();
        Command command = new("list", "List the receipts that this computer holds.") { json };
        command.SetAction(parsed =>
        {
            using AgentState? state = LocalReceipts.Open(environment, out _);
            IEnumerable<StoredReceipt> receipts = state?.Receipts() ?? [];
            if (parsed.GetValue(json))
            {
                environment.WriteJson(receipts.Select(r => new { r.Pack, r.Study, r.Instances, r.Length, r.IssuedAt, r.ImmutableUntil }));
                return (int)ExitCode.Ok;
            }

            environment.WriteTable(
                ["Pack", "Study", "Instances", "Size", "Issued", "Immutable until"],
                receipts.Select(r => new[] { r.Pack.ToString(), r.Study.Value, r.Instances.ToString("N0"), Texts.Size(r.Length), r.IssuedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), r.ImmutableUntil.ToString("yyyy-MM-dd") }),
                "There are no receipts yet.");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}

/// <summary>The state, for commands that only look at receipts.</summary>
internal static class LocalReceipts
{
    public static AgentState? Open(CliEnvironment environment, out AgentIdentity identity)
    {
        AgentHome home = AgentHome.Of(environment);
        identity = AgentIdentity.Load(home);
        return AgentState.OpenToRead(home.State(identity.Clinic));
    }
}
