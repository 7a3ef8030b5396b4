#!/usr/bin/env dotnet
#:include setup.lib.cs
// Sets up, builds, and runs every test, unit and end to end. Closes with `N passed, N failed[, N skipped]`.
//   dotnet run scripts/test.cs                 every test project
//   dotnet run scripts/test.cs -- Format Cli   only the projects whose name contains one of the words

using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;

return await Setup.RunAsync(async () =>
{
    string built = await Setup.PrepareAsync();
    string results = Directory.CreateTempSubdirectory("cloudarchive-results-").FullName;
    int passed = 0, failed = 0, skipped = 0;
    List<string> failures = [];
    try
    {
        foreach (string project in TestProjects(built).Where(p => args.Length == 0 || args.Any(a => p.Contains(a, StringComparison.OrdinalIgnoreCase))))
        {
            Stopwatch watch = Stopwatch.StartNew();
            string assembly = Path.Combine(Setup.Root, "tests", project, "bin", "Debug", "net10.0", project + ".dll");
            string report = project + ".ctrf.json";
            (int code, string output) = await Setup.CaptureAsync("dotnet", [assembly, "--results-directory", results, "--report-ctrf", "--report-ctrf-filename", report, "--no-ansi", "--no-progress",
                // The name of a test that hangs.
                "--xunit-diagnostics", "on", "--long-running", "300"]);
            Counts counts = Read(Path.Combine(results, report));
            // 8: no test ran. Anything else that is not a failed test is a run that broke: that must count.
            bool broke = code != 0 && counts.Failed == 0;
            passed += counts.Passed;
            failed += counts.Failed + (broke ? 1 : 0);
            skipped += counts.Skipped;
            failures.AddRange(counts.Failures);
            Console.WriteLine($"{project,-34} {counts.Passed,5} passed {counts.Failed,3} failed {counts.Skipped,3} skipped  {watch.Elapsed.TotalSeconds,6:0.0} s");
            if (code != 0)
            {
                Console.WriteLine(output.TrimEnd());
                Console.WriteLine(broke ? $"{project} ended with exit code {code} and no failed test: that counts as a failure." : "");
            }

            foreach (string reason in counts.SkipReasons)
            {
                Console.WriteLine($"    skipped: {reason}");
            }
        }
    }
    finally
    {
        Directory.Delete(results, recursive: true);
    }

    if (passed + failed == 0)
    {
        throw new SetupException("No test project matches.");
    }

    Console.WriteLine();
    // Once more and in short, last: what a log keeps is its end.
    failures.ForEach(Console.WriteLine);
    Console.WriteLine($"{passed} passed, {failed} failed" + (skipped > 0 ? $", {skipped} skipped" : ""));
    return failed == 0 ? 0 : 1;
});

static IEnumerable<string> TestProjects(string built) =>
    Projects.Pattern().Matches(File.ReadAllText(Path.Combine(Setup.Root, built)))
        .Select(m => m.Groups[1].Value)
        .Distinct()
        // The slow one last: a broken unit is told first.
        .OrderBy(p => p.EndsWith("EndToEnd", StringComparison.Ordinal))
        .ThenBy(p => p, StringComparer.Ordinal);

static Counts Read(string report)
{
    if (!File.Exists(report))
    {
        return new Counts(0, 0, 0, [], []);
    }

    using JsonDocument document = JsonDocument.Parse(File.ReadAllText(report));
    JsonElement run = document.RootElement.GetProperty("results");
    JsonElement summary = run.GetProperty("summary");
    string[] reasons = [.. run.GetProperty("tests").EnumerateArray()
        .Where(t => t.GetProperty("status").GetString() == "skipped")
        .Select(t => t.GetProperty("name").GetString() + (t.TryGetProperty("message", out JsonElement m) ? ": " + m.GetString() : ""))];
    string[] failures = [.. run.GetProperty("tests").EnumerateArray()
        .Where(t => t.GetProperty("status").GetString() == "failed")
        .Select(t => "failed: " + t.GetProperty("name").GetString() + (t.TryGetProperty("message", out JsonElement m) ? "\n    " + Short(m.GetString() ?? "") : ""))];
    return new Counts(
        summary.GetProperty("passed").GetInt32(),
        summary.GetProperty("failed").GetInt32(),
        summary.GetProperty("skipped").GetInt32(),
        reasons,
        failures);
}

static string Short(string message)
{
    string line = string.Join(" | ", message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
    return line.Length > 600 ? line[..600] + " …" : line;
}

static partial class Projects
{
    [GeneratedRegex(@"(CloudArchive\.(?:\w+\.Tests|EndToEnd))\.csproj")]
    public static partial Regex Pattern();
}

sealed record Counts(int Passed, int Failed, int Skipped, string[] SkipReasons, string[] Failures);
