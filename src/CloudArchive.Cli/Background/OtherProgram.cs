using System.Diagnostics;

namespace CloudArchive.Cli.Background;

/// <summary>How a program of the system ended.</summary>
/// <param name="Code">Its exit code; null where it could not be started, or did not end in time.</param>
/// <param name="Output">What it said, on both streams.</param>
internal sealed record ProgramEnd(int? Code, string Output)
{
    /// <summary>Whether it said that all went well.</summary>
    public bool IsGood => Code == 0;
}

/// <summary>Runs a program of the system, found on the PATH that the command was given. Never longer than half a minute: none of those that are asked here has a reason to.</summary>
internal static class OtherProgram
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>Where it is; null where it is not.</summary>
    public static string? Find(CliEnvironment environment, string name) => (environment.Variable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, OperatingSystem.IsWindows() && !name.EndsWith(".exe", StringComparison.OrdinalIgnoreCase) ? name + ".exe" : name))
        .FirstOrDefault(File.Exists);

    /// <summary>Runs it to its end. That it is not there, or does not end, is an answer and no exception.</summary>
    public static async Task<ProgramEnd> RunAsync(CliEnvironment environment, string name, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        if (Find(environment, name) is not { } path)
        {
            return new ProgramEnd(null, $"{name} is not on this computer.");
        }

        ProcessStartInfo info = new(path, arguments)
        {
            UseShellExecute = false,
            CreateNoWindow = true,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using Process process = Process.Start(info)!;
            process.StandardInput.Close();
            using CancellationTokenSource enough = new(s_patience, environment.Clock);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, enough.Token);
            try
            {
                Task<string> output = process.StandardOutput.ReadToEndAsync(either.Token);
                Task<string> error = process.StandardError.ReadToEndAsync(either.Token);
                await process.WaitForExitAsync(either.Token);
                return new ProgramEnd(process.ExitCode, $"{await output}{await error}".Trim());
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                cancellationToken.ThrowIfCancellationRequested();
                return new ProgramEnd(null, $"{name} did not end within {s_patience.TotalSeconds:0} seconds.");
            }
        }
        catch (Exception error) when (error is System.ComponentModel.Win32Exception or InvalidOperationException or IOException)
        {
            return new ProgramEnd(null, $"{name} could not be run: {error.Message}");
        }
    }
}
