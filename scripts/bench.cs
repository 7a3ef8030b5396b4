#!/usr/bin/env dotnet
#:include setup.lib.cs
// CloudArchive beside a plain SDK client, restic and rclone crypt, on generated images and on this machine (Linux). docs/benchmarks.md.
//   dotnet run scripts/bench.cs                                     every set, three rounds; takes an hour or two
//   dotnet run scripts/bench.cs -- --scale 0.02 --rounds 1          a try
//   dotnet run scripts/bench.cs -- --sets ct cbct --write           some sets, into docs/benchmarks.md

using System.Runtime.InteropServices;

return await Setup.RunAsync(async () =>
{
    Setup.Configuration = "Release";
    await Setup.PrepareAsync("tests/CloudArchive.Benchmarks");
    string published = Path.Combine(Setup.Root, "artifacts", "bench");
    bool ahead = await PublishAsync("CloudArchive.Cli", "cli") && await PublishAsync("CloudArchive.LocalHost", "localhost");
    Console.CancelKeyPress += (_, press) => press.Cancel = true; // it has heard it too, and cleans up
    using var benchmark = Setup.Start("dotnet", [Setup.Assembly("tests/CloudArchive.Benchmarks", "CloudArchive.Benchmarks"), "tools", .. args, .. ahead ? ["--published", published] : Array.Empty<string>()]);
    await benchmark.WaitForExitAsync();
    return benchmark.ExitCode;
});

// Compiled ahead for this system, as releases are. What that takes comes from NuGet, and a partial mirror may not have it.
async Task<bool> PublishAsync(string project, string name)
{
    string target = Path.Combine(Setup.Root, "artifacts", "bench", name);
    Console.WriteLine($"Publishing src/{project} ...");
    (int code, string output) = await Setup.CaptureAsync(
        "dotnet", ["publish", $"src/{project}", "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier, "--self-contained", "false", "-o", target, "-v", "quiet", "-clp:ErrorsOnly;NoSummary", "-p:RunAnalyzers=false"]);
    if (code != 0)
    {
        Console.WriteLine($"It cannot be compiled ahead here, and is measured as it was built: {output.Trim().Split('\n')[0]}");
    }

    return code == 0;
}
