using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Evidence;

/// <summary><c>evidence list</c>.</summary>
internal static class EvidenceListCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> json = CommonOptions.Json();
        Command command = new("list", "List the evidence of restore tests (admin, compliance).") { json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            List<EvidenceResponse> all = await client.GetPagesAsync<EvidenceResponse>($"v1/clinics/{connection.Clinic(parsed)}/evidence", cancellationToken).ToListAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(all);
                return (int)ExitCode.Ok;
            }

            environment.WriteTable(
                ["Run", "Verdict", "Finished", "Recovered", "Of all", "Tested in a year", "At least"],
                all.Select(e => new[]
                {
                    e.Run, Verdict(e.Verdict), e.FinishedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), $"{e.Summary.Recovered:N0} of {e.Summary.Tested:N0}",
                    e.Summary.PopulationPacks.ToString("N0"), $"{100m * e.Summary.CoveredPacks / Math.Max(1, e.Summary.PopulationPacks):0.#}%", $"{e.Statistics.AtLeastPerMillion / 10_000m:0.##}%",
                }),
                "There is no evidence yet: no restore test has ended.");
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static string Verdict(RunVerdict verdict) => verdict switch
    {
        RunVerdict.Passed => "passed",
        RunVerdict.Failed => "FAILED",
        _ => "nothing tested",
    };
}
