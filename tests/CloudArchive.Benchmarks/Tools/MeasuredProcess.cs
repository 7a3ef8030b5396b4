using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace CloudArchive.Benchmarks.Tools;

/// <summary>Something that a tool did not do, with the reason. It is told in the table, and the other tools go on.</summary>
internal sealed class ToolFailedException(string message) : Exception(message);

/// <summary>What a run of a program took, and what it printed.</summary>
/// <param name="Seconds">From before its start to its end.</param>
/// <param name="CpuSeconds">Its own and that of all that it started and waited for, as the kernel counts them.</param>
/// <param name="PeakBytes">The most memory that was resident (VmHWM), of it and what it started together.</param>
internal sealed record ProcessUse(double Seconds, double CpuSeconds, long PeakBytes, string Output);

/// <summary>Runs programs one after the other, and measures them. Linux.</summary>
internal static partial class MeasuredProcess
{
    private const int Children = -1;
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(60);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(50);

    // The kernel's ticks in /proc: 100 a second on every Linux that .NET runs on (sysconf(_SC_CLK_TCK)).
    private const double TicksOfSecond = 100;

    /// <summary>Runs a program to its end. Where it fails, or takes too long, a <see cref="ToolFailedException"/> says so; where the wait is given up, it is ended.</summary>
    public static async Task<ProcessUse> RunAsync(string program, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment, CancellationToken cancellationToken)
    {
        ProcessStartInfo info = new(program, arguments) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
        {
            info.Environment[name] = value;
        }

        double cpu = CpuOfChildren();
        long start = Stopwatch.GetTimestamp();
        using Process process = Process.Start(info)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None), error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        Dictionary<int, long> peaks = [];
        try
        {
            Task ended = process.WaitForExitAsync(cancellationToken);
            while (await Task.WhenAny(ended, Task.Delay(LookEvery, CancellationToken.None)) != ended)
            {
                NotePeaks(process.Id, peaks);
                if (Stopwatch.GetElapsedTime(start) > Longest)
                {
                    throw new ToolFailedException($"`{Name(program, arguments)}` had not ended after {Longest.TotalMinutes} minutes.");
                }
            }

            await ended;
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync(CancellationToken.None);
            }
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        string said = await output, complained = await error;
        return process.ExitCode == 0
            ? new ProcessUse(seconds, CpuOfChildren() - cpu, peaks.Values.Sum(), said)
            : throw new ToolFailedException($"`{Name(program, arguments)}` ended with {process.ExitCode}: {LastOf(said + '\n' + complained)}");
    }

    /// <summary>The first line of what a program says of itself; null where it is not installed.</summary>
    public static async Task<string?> VersionAsync(string program, params string[] arguments)
    {
        try
        {
            return (await RunAsync(program, arguments, null, CancellationToken.None)).Output.Split('\n')[0].Trim();
        }
        catch (Exception error) when (error is Win32Exception or ToolFailedException)
        {
            return null;
        }
    }

    /// <summary>CPU seconds of a process that runs, with what it started and waited for.</summary>
    public static double CpuOf(int id)
    {
        // proc(5): the name in parentheses may have anything in it; utime, stime, cutime and cstime are fields 14 to 17.
        string stat = File.ReadAllText($"/proc/{id}/stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return fields[11..15].Sum(field => double.Parse(field, CultureInfo.InvariantCulture)) / TicksOfSecond;
    }

    private static string Name(string program, IReadOnlyList<string> arguments) => string.Join(' ', arguments.Where(a => !a.Contains("sig=", StringComparison.Ordinal)).Prepend(program).Select(Path.GetFileName).Take(3));

    private static string LastOf(string text)
    {
        text = text.Trim().ReplaceLineEndings(" ");
        return text.Length <= 400 ? text : "... " + text[^400..];
    }

    private static void NotePeaks(int id, Dictionary<int, long> peaks)
    {
        try
        {
            string? line = File.ReadLines($"/proc/{id}/status").FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
            if (line is not null)
            {
                peaks[id] = long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
            }

            foreach (string child in Directory.EnumerateDirectories($"/proc/{id}/task").SelectMany(task => File.ReadAllText(Path.Combine(task, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            {
                NotePeaks(int.Parse(child, CultureInfo.InvariantCulture), peaks);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It ended meanwhile.
        }
    }

    private static double CpuOfChildren()
    {
        Span<long> usage = stackalloc long[18]; // struct rusage of 64-bit Linux: user and system time, then fourteen counters
        return GetUsage(Children, usage) == 0 ? usage[0] + usage[2] + ((usage[1] + usage[3]) / 1e6) : throw new PlatformNotSupportedException("getrusage");
    }

    [LibraryImport("libc", EntryPoint = "getrusage")]
    private static partial int GetUsage(int who, Span<long> usage);
}
