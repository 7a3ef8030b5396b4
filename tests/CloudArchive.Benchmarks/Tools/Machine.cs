using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using CloudArchive.Testing;

namespace CloudArchive.Benchmarks.Tools;

/// <summary>What a table must say of where it came from.</summary>
internal static partial class Machine
{
    private const string DropFile = "/proc/sys/vm/drop_caches";

    /// <summary>Root may.</summary>
    public static bool MayDropCaches => Environment.IsPrivilegedProcess && File.Exists(DropFile);

    /// <summary>Writes out what is dirty, and forgets what was read.</summary>
    public static void DropCaches()
    {
        Sync();
        File.WriteAllText(DropFile, "3");
    }

    public static async Task<IReadOnlyList<string>> DescribeAsync(ComparisonOptions options, CancellationToken cancellationToken)
    {
        string model = Line("/proc/cpuinfo", "model name"), memory = Line("/proc/meminfo", "MemTotal").Replace(" kB", "", StringComparison.Ordinal);
        double gigabytes = long.TryParse(memory, NumberStyles.None, CultureInfo.InvariantCulture, out long kilobytes) ? kilobytes * 1024 / 1e9 : double.NaN;
        DriveInfo disk = new(Path.GetTempPath());
        string azurite = (string?)JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "node_modules", "azurite", "package.json"), cancellationToken))?["version"] ?? "?";
        string load = (await File.ReadAllTextAsync("/proc/loadavg", cancellationToken)).Split(' ')[0];
        string commit = await MeasuredProcess.VersionAsync("git", "rev-parse", "--short", "HEAD") ?? "unknown";
        string rclone = await MeasuredProcess.VersionAsync("rclone", "version") ?? "no rclone", restic = await MeasuredProcess.VersionAsync("restic", "version") ?? "no restic", node = await MeasuredProcess.VersionAsync("node", "--version") ?? "?";
        string command = options.Words.Count == 0 ? "dotnet run scripts/bench.cs" : "dotnet run scripts/bench.cs -- " + string.Join(' ', options.Words);
        return
        [
            string.Create(CultureInfo.InvariantCulture, $"{TimeProvider.System.GetUtcNow():d MMMM yyyy, HH:mm} UTC; commit {commit}: `{command}`"),
            string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessorCount} cores ({model}), {gigabytes:N0} GB of memory, {disk.DriveFormat} on {disk.TotalSize / 1e9:N0} GB; load {load} when it began, so much of the machine was others'"),
            $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}, Node.js {node}, Azurite {azurite}, {restic}, {rclone}",
            options.Published is null ? "ours: as it was built, compiled while it runs" : "ours: compiled ahead (ReadyToRun), as releases are",
            string.Create(CultureInfo.InvariantCulture, $"medians of {options.Rounds} round{(options.Rounds == 1 ? "" : "s")}; page caches {(options.Cold ? "dropped before each backup and each restore" : "not dropped: what was written just before is read from memory, by every tool alike")}"),
        ];
    }

    private static string Line(string file, string name) => File.ReadLines(file).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown";

    [LibraryImport("libc", EntryPoint = "sync")]
    private static partial void Sync();
}
