using System.Diagnostics;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>Runs a program of scripts/ as a person would.</summary>
internal static class RepositoryScript
{
    /// <summary>Its exit code, and what it wrote to both of its outputs.</summary>
    public static Task<(int Code, string Output)> RunAsync(string script, params string[] arguments) => RunAsync(script, arguments, new Dictionary<string, string>());

    /// <summary>With more in its environment.</summary>
    public static async Task<(int Code, string Output)> RunAsync(string script, string[] arguments, IReadOnlyDictionary<string, string> environment)
    {
        ProcessStartInfo start = new("dotnet", ["run", Path.Combine(Repository.Root, "scripts", script), "--", .. arguments])
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, (await output + await errors).ReplaceLineEndings("\n"));
    }
}
