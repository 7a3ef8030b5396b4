using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Evidence;

/// <summary><c>evidence list</c>.</summary>
internal static class EvidenceListCommand
{
    public static Command Create(CliEnvironment environment) => StaffCommand.List<EvidenceResponse>(
        environment,
        "list",
        "List the evidence of restore tests (admin, compliance).",
        [],
        call => $"{call.Clinic}/evidence",
        ["Run", "Verdict", "Finished", "Recovered", "Of all", "Tested in a year", "At least"],
        e =>
        [
            e.Run, Verdict(e.Verdict), e.FinishedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), $"{e.Summary.Recovered:N0} of {e.Summary.Tested:N0}",
            e.Summary.PopulationPacks.ToString("N0"), $"{100m * e.Summary.CoveredPacks / Math.Max(1, e.Summary.PopulationPacks):0.#}%", $"{e.Statistics.AtLeastPerMillion / 10_000m:0.##}%",
        ],
        "There is no evidence yet: no restore test has ended.");

    private static string Verdict(RunVerdict verdict) => verdict switch
    {
        RunVerdict.Passed => "passed",
        RunVerdict.Failed => "FAILED",
        _ => "nothing tested",
    };
}
