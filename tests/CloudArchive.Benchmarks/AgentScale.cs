using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using CloudArchive.LocalHost;
using CloudArchive.Testing;

namespace CloudArchive.Benchmarks;

/// <summary>
/// What a practice with many small files takes: 50 in each folder, backed up by the real program against a LocalHost on the same machine, then looked at again with
/// nothing changed. <c>-- agent [files] [studies]</c> runs it; docs/benchmarks.md has its numbers.
/// </summary>
internal static partial class AgentScale
{
    private const int FilesOfFolder = 50;
    private const string Clinic = "benchmark";

    public static async Task<int> RunAsync(int files, int studies)
    {
        using TemporaryFolder folder = new();
        using MeterListener meter = new();
        long requests = 0;
        meter.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "http.server.request.duration")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        meter.SetMeasurementEventCallback<double>((_, _, _, _) => Interlocked.Increment(ref requests));
        meter.Start();
        await using LocalArchive archive = await LocalArchive.StartAsync(new LocalHostOptions(folder["archive"]) { Port = 0, Timers = false, LogFile = folder["log"] }, CancellationToken.None);
        Program agent = new(folder["agent"], archive), admin = new(folder["admin"], archive, isAdmin: true);
        await EnrollAsync(archive, agent, admin, folder);
        string clinic = folder["clinic"], state = Path.Combine(folder["agent"], Clinic + ".db");
        long bytes = WriteFiles(clinic, files, studies);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{files:N0} files of {bytes / (double)files / 1000:N1} KB in {studies:N0} studies; {Environment.ProcessorCount} cores, {RuntimeInformation.FrameworkDescription}."));
        Console.WriteLine();
        Console.WriteLine("| step | time | CPU time of the program | peak memory | requests answered | written to disk | state |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        await StepAsync("first backup", agent, "backup", clinic, "--json");
        await StepAsync("nothing changed", agent, "backup", clinic, "--json");
        await StepAsync("nothing changed, again", agent, "backup", clinic, "--json");
        await StepAsync("`status`", agent, "status");
        await StepAsync("`status --quick`", agent, "status", "--quick");
        SampleStudies.WriteOne(Path.Combine(clinic, "one more.dcm"), "one more");
        await StepAsync("one new image", agent, "backup", clinic, "--json");
        string study = SampleStudies.UidOf("study study 0");
        await StepAsync("restore of one study", admin, "restore", "--clinic", Clinic, "--study", study, "--out", folder["back"], "--purpose", "benchmark", "--recipient", "benchmark");
        int back = Directory.GetFiles(folder["back"], "*.dcm", SearchOption.AllDirectories).Length;
        return back == (files + studies - 1) / studies ? 0 : throw new InvalidOperationException($"{back} files came back.");

        async Task StepAsync(string step, Program program, params string[] arguments)
        {
            long before = Interlocked.Read(ref requests);
            Usage used = await program.RunAsync(arguments);
            long size = ((string[])[state, state + "-wal"]).Where(File.Exists).Sum(file => new FileInfo(file).Length);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {step} | {used.Time.TotalSeconds:N1} s | {used.Cpu.TotalSeconds:N1} s | {used.PeakBytes / 1e6:N0} MB | {Interlocked.Read(ref requests) - before:N0} | {used.WrittenBytes / 1e3:N0} KB | {size / 1e6:N1} MB |"));
        }
    }

    private static async Task EnrollAsync(LocalArchive archive, Program agent, Program admin, TemporaryFolder folder)
    {
        await admin.RunAsync("clinic", "create", Clinic, "--name", "Benchmark", "--no-approval");
        string code = (string)JsonNode.Parse((await admin.RunAsync("enrollment", "create", "--clinic", Clinic, "--json")).Output)!["code"]!;
        await File.WriteAllTextAsync(folder["passphrase"], "correct horse battery staple");
        await agent.RunAsync("enroll", "--url", archive.Url.AbsoluteUri, "--code", code, "--name", "benchmark", "--escrow-out", folder["escrow.pem"], "--escrow-passphrase-file", folder["passphrase"]);
    }

    /// <summary>A study after the other; a large one spreads over folders, as series do.</summary>
    private static long WriteFiles(string folder, int files, int studies)
    {
        long bytes = 0;
        Parallel.For(0, files, file =>
        {
            int study = (int)((long)file * studies / files), place = file / FilesOfFolder;
            string path = Path.Combine(folder, $"{place / 100:D3}", $"{place:D5}", $"{file % FilesOfFolder:D2}.dcm");
            SampleStudies.WriteOne(path, $"image {file}", $"study {study}", $"P-{study}");
            Interlocked.Add(ref bytes, new FileInfo(path).Length);
        });
        return bytes;
    }

    /// <summary>What a run of the program took.</summary>
    private sealed record Usage(string Output, TimeSpan Time, TimeSpan Cpu, long PeakBytes, long WrittenBytes);

    /// <summary>The real program at somebody's data folder.</summary>
    private sealed partial class Program(string home, LocalArchive archive, bool isAdmin = false)
    {
        private const int Children = -1;
        private const int BlockBytes = 512;

        public async Task<Usage> RunAsync(params string[] arguments)
        {
            ProcessStartInfo info = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "cloudarchive.dll"), .. arguments])
            {
                UseShellExecute = false,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            info.Environment["CLOUDARCHIVE_HOME"] = home;
            info.Environment["CLOUDARCHIVE_URL"] = isAdmin ? archive.Url.AbsoluteUri : null;
            info.Environment["CLOUDARCHIVE_TOKEN"] = isAdmin ? archive.Issuer.Issue("admin-1", "admin", TimeSpan.FromHours(1)) : null;
            (TimeSpan cpu, long blocks) = Used();
            long start = Stopwatch.GetTimestamp();
            using Process process = Process.Start(info)!;
            process.StandardInput.Close();
            Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
            Task exit = process.WaitForExitAsync();
            long peak = 0;
            while (await Task.WhenAny(exit, Task.Delay(20)) != exit)
            {
                try
                {
                    process.Refresh();
                    peak = Math.Max(peak, process.PeakWorkingSet64);
                }
                catch (InvalidOperationException)
                {
                    // It ended between the two lines.
                }
            }

            TimeSpan time = Stopwatch.GetElapsedTime(start);
            (TimeSpan cpuAfter, long blocksAfter) = Used();
            return process.ExitCode == 0
                ? new Usage(await output, time, cpuAfter - cpu, peak, (blocksAfter - blocks) * BlockBytes)
                : throw new InvalidOperationException($"{arguments[0]} ended with {process.ExitCode}.\n{await output}\n{await error}");
        }

        /// <summary>What the kernel counts of this process's children that ended: the time they computed, the blocks that they dirtied of files.</summary>
        private static (TimeSpan Cpu, long Blocks) Used()
        {
            Span<long> usage = stackalloc long[18]; // struct rusage of 64-bit Linux: user and system time, then fourteen counters: the ninth is ru_oublock
            return GetUsage(Children, usage) == 0
                ? (TimeSpan.FromSeconds(usage[0] + usage[2]) + TimeSpan.FromMicroseconds(usage[1] + usage[3]), usage[12])
                : throw new PlatformNotSupportedException("getrusage");
        }

        [LibraryImport("libc", EntryPoint = "getrusage")]
        private static partial int GetUsage(int who, Span<long> usage);
    }
}
