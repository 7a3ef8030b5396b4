using System.ComponentModel;
using System.Diagnostics;

namespace CloudArchive.Testing;

/// <summary>Other people's programs: those that must understand what is written here, and those of the system.</summary>
public static class Programs
{
    /// <summary>Whether it is on the PATH; for <c>Assert.SkipUnless</c>.</summary>
    public static bool Has(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Any(folder => File.Exists(Path.Combine(folder, OperatingSystem.IsWindows() ? name + ".exe" : name)));

    /// <summary>Runs it to its end.</summary>
    public static async Task<(int Exit, string Output, string Errors)> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        // The names in packs are UTF-8, whatever the system's language is.
        ProcessStartInfo start = new(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true, Environment = { ["LC_ALL"] = "C.UTF-8" } };
        using Process process = Process.Start(start) ?? throw new Win32Exception(program);
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        string errors = await process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return (process.ExitCode, await output, errors);
    }
}

/// <summary>Programs of the system that note what they are asked, in a folder for the PATH. Unix alone.</summary>
public sealed class StandIns : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public StandIns() => Directory.CreateDirectory(Bin);

    /// <summary>Where they lie.</summary>
    public string Bin => _folder["bin"];

    /// <summary>A place of their own beside it.</summary>
    public string this[string relative] => _folder[relative];

    /// <summary>Adds one.</summary>
    /// <param name="name">What it is called.</param>
    /// <param name="script">What it does once it has noted what it was asked, for /bin/sh.</param>
    public void Add(string name, string script)
    {
        File.WriteAllText(_folder[$"bin/{name}"], $"#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"$0.asked\"\n{script}\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(_folder[$"bin/{name}"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    /// <summary>What it was asked, a line each time.</summary>
    public string[] Asked(string name) => File.Exists(_folder[$"bin/{name}.asked"]) ? [.. File.ReadLines(_folder[$"bin/{name}.asked"]).Select(line => line.TrimEnd())] : [];

    public void Dispose() => _folder.Dispose();
}
