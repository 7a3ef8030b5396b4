using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.RestoreTests;

/// <summary>Tells how a run of restore tests went.</summary>
internal static class RestoreTestReport
{
    /// <summary>The document of <c>--json</c>.</summary>
    public static object Document(RestoreTestResponse run) => new
    {
        run.Id,
        run.Clinic,
        result = run.Status,
        tested = run.Passed + run.Failed,
        run.Passed,
        run.Failed,
        run.Sample,
        run.Population,
        run.Instances,
        run.Bytes,
        run.RequestedBy,
        run.RequestedAt,
        run.FinishedAt,
        run.Checkpoint,
        run.Packs,
    };

    public static void Write(CliEnvironment environment, RestoreTestResponse run)
    {
        string verdict = run.Status switch
        {
            RestoreTestStatus.Passed => "PASSED",
            RestoreTestStatus.Failed => "FAILED",
            _ => "still running",
        };
        environment.Out.WriteLine($"Restore test {run.Id}: {verdict}. {run.Passed:N0} of {Texts.Count(run.Sample, "pack")} came back whole (of {run.Population:N0} in the archive): {Texts.Count(run.Instances, "instance")}, {Texts.Size(run.Bytes)}.");
        foreach (RestoreTestPackResponse pack in run.Packs ?? [])
        {
            string result = pack.Passed switch
            {
                true => $"passed  {Texts.Count(pack.Instances, "instance")}, {Texts.Size(pack.Bytes)}, {pack.Steps.Sum(s => s.Milliseconds):N0} ms",
                false => $"FAILED  {Name(pack.Cause)}",
                null => "not tested yet",
            };
            environment.Out.WriteLine($"  {pack.Pack}  {(pack.Pick == RestoreTestPick.Random ? "random" : "oldest"),-7} {result}");
        }
    }

    public static ExitCode CodeOf(RestoreTestResponse run) => run.Status == RestoreTestStatus.Failed ? ExitCode.Integrity : ExitCode.Ok;

    /// <summary>The cause as the service and the runbooks spell it.</summary>
    private static string Name(RestoreTestCause? cause) => System.Text.Json.JsonSerializer.Serialize(cause, Format.FormatJson.Options).Trim('"');
}
