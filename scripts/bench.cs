#!/usr/bin/env dotnet
#:include setup.lib.cs
// CloudArchive beside a plain SDK client, restic and rclone crypt, on generated images and on this machine (Linux). docs/benchmarks.md.
//   dotnet run scripts/bench.cs                                     every set, three rounds; takes an hour or two
//   dotnet run scripts/bench.cs -- --scale 0.02 --rounds 1          a try
//   dotnet run scripts/bench.cs -- --sets ct cbct --write           some sets, into docs/benchmarks.md

return await Setup.RunAsync(async () =>
{
    Setup.Configuration = "Release";
    await Setup.PrepareAsync("tests/CloudArchive.Benchmarks");
    Console.CancelKeyPress += (_, press) => press.Cancel = true; // it has heard it too, and cleans up
    using var benchmark = Setup.Start("dotnet", [Setup.Assembly("tests/CloudArchive.Benchmarks", "CloudArchive.Benchmarks"), "tools", .. args]);
    await benchmark.WaitForExitAsync();
    return benchmark.ExitCode;
});
