using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;

namespace CloudArchive.Cli.Receipts;

/// <summary><c>receipts list</c>.</summary>
internal static class ReceiptsListCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<bool> json = CommonOptions.Json();
        Option<string?> after = CommonOptions.After();
        Command command = new("list", "List the receipts that this computer holds.") { after, json };
        command.SetAction(async (parsed, _) =>
        {
            PackId? from = parsed.GetValue(after) is not { } text ? null : PackId.TryParse(text, null, out PackId pack) ? pack : throw new UsageException($"'{text}' is no pack's id.");
            using AgentState? state = LocalReceipts.Open(environment, out AgentIdentity _);
            IEnumerable<StoredReceipt> receipts = state?.Receipts(from) ?? [];
            if (parsed.GetValue(json))
            {
                List<StoredReceipt> listed = [.. receipts.Take(CommonOptions.MostListed + 1)];
                environment.WriteJson(listed.Take(CommonOptions.MostListed).Select(r => new { r.Pack, r.Study, r.Instances, r.Length, r.IssuedAt, r.ImmutableUntil }));
                await environment.TellRestAsync(listed.Count > CommonOptions.MostListed ? listed[^2].Pack.ToString() : null);
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
