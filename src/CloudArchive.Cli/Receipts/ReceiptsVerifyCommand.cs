using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Receipts;

/// <summary><c>receipts verify</c>.</summary>
internal static class ReceiptsVerifyCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<bool> json = CommonOptions.Json();
        Command command = new("verify", "Verify every receipt against the pinned keys and the files that it covers; needs no network.") { json };
        command.SetAction(parsed =>
        {
            using AgentState? state = LocalReceipts.Open(environment, out AgentIdentity identity);
            int verified = 0;
            List<(PackId Pack, string Problem)> problems = [];
            foreach (StoredReceipt stored in state?.Receipts() ?? [])
            {
                if (FindProblem(state!, identity, stored) is { } problem) problems.Add((stored.Pack, problem));
                else verified++;
            }

            if (parsed.GetValue(json))
            {
                environment.WriteJson(new { verified, problems = problems.Take(CommonOptions.MostListed).Select(p => new { p.Pack, p.Problem }), problemsNotListed = CommonOptions.NotListed(problems.Count) });
            }
            else
            {
                foreach ((PackId pack, string problem) in problems) environment.Out.WriteLine($"PROBLEM  {pack}: {problem}");
                environment.Out.WriteLine(problems.Count == 0 ? $"{Texts.Count(verified, "receipt")} verified." : $"{Texts.Count(verified, "receipt")} verified, {problems.Count:N0} NOT.");
            }

            return (int)(problems.Count == 0 ? ExitCode.Ok : ExitCode.Integrity);
        });
        return command;
    }

    private static string? FindProblem(AgentState state, AgentIdentity identity, StoredReceipt stored)
    {
        try
        {
            Receipt receipt = ReceiptCheck.Verify(stored.Jws, identity.SigningKeys);
            if (receipt.Pack != stored.Pack || receipt.Clinic != identity.Clinic) return "it is of another pack or clinic";
            IReadOnlyList<SidecarInstance> instances = state.InstancesOf(stored.Pack);

            // The same bytes may have gone into two packs (from two computers): then the state keeps them under one, and this root cannot be remade. Of a
            // snapshot it keeps none.
            return instances.Count == receipt.InstanceCount && InstancesRoot.Of(instances) != receipt.InstancesRoot ? "it covers other instances than those that this computer noted for the pack" : null;
        }
        catch (IntegrityException error)
        {
            return error.Message;
        }
    }
}
