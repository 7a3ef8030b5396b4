#!/usr/bin/env dotnet
#:include setup.lib.cs
#:include infra-rules.lib.cs
#:include infra-rights.lib.cs
// Checks infra/ without Azure: the Bicep compiler builds and lints it and predicts two deployments, and rules are held against these.
//   dotnet run scripts/check-infra.cs                        infra/
//   dotnet run scripts/check-infra.cs -- <folder>...         copies of it
//   dotnet run scripts/check-infra.cs -- --keep <folder>     infra/, and a copy of it with what the compiler made
//   dotnet run scripts/check-infra.cs -- --kept <folder>...  such copies, without the compiler

using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml.Linq;

return await Setup.RunAsync(async () =>
{
    bool kept = args.Contains("--kept"), keep = args.Contains("--keep");
    string[] named = [.. args.Where(a => !a.StartsWith("--", StringComparison.Ordinal)).Select(Path.GetFullPath)];
    string[] folders = keep || named.Length == 0 ? [Path.Combine(Setup.Root, "infra")] : named;
    if (folders.FirstOrDefault(f => !Directory.Exists(f)) is { } missing)
    {
        throw new SetupException($"There is no folder {missing}.");
    }

    string? compiler = kept ? null : await Compiler.FindAsync();
    if (compiler is null && !kept)
    {
        // Nothing was checked. On CI that is a failure; a person may have no compiler for their system.
        Console.WriteLine("infra: not checked: there is no Bicep compiler. On Linux (x64) it comes from NuGet; elsewhere put `bicep` on the PATH, or its path into CLOUDARCHIVE_BICEP.");
        return Environment.GetEnvironmentVariable("CI") == "true" ? 1 : 0;
    }

    bool sound = true;
    foreach (string folder in folders)
    {
        List<Finding> findings = [];
        DirectoryInfo work = kept ? new(folder) : Directory.CreateTempSubdirectory("cloudarchive-infra-");
        try
        {
            if (compiler is not null)
            {
                await Compiler.RunAsync(compiler, folder, work.FullName, findings);
            }

            if (findings.Count == 0)
            {
                JsonNode[] made = [.. Compiler.Made.Select(f => JsonNode.Parse(File.ReadAllText(Path.Combine(work.FullName, f)))!)];
                findings.AddRange(new InfraRules(folder, made[0], made[1], made[2]).Check());
            }

            if (keep)
            {
                Compiler.Copy(work.FullName, named[0]);
            }
        }
        finally
        {
            if (!kept)
            {
                work.Delete(recursive: true);
            }
        }

        string name = Path.GetRelativePath(Setup.Root, folder) is var relative && relative.StartsWith("..", StringComparison.Ordinal) ? folder : relative;
        foreach (Finding finding in findings)
        {
            Console.WriteLine($"{name}: {finding.Rule}: {finding.Message}");
        }

        Console.WriteLine($"{name}: {(findings.Count == 0 ? "sound" : $"{findings.Count} fault{(findings.Count == 1 ? "" : "s")}")}{(kept ? "" : ", built, linted and predicted")}");
        sound &= findings.Count == 0;
    }

    return sound ? 0 : 1;
});

/// <summary>The Bicep compiler.</summary>
static partial class Compiler
{
    private const string Package = "Azure.Bicep.CommandLine.linux-x64", Version = "0.49.2";

    /// <summary>What a run leaves: the template, and a snapshot for each of <see cref="InfraRules.Environments"/>.</summary>
    public static string[] Made { get; } = ["template.json", "full.json", "elsewhere.json"];

    /// <summary>Its path, or null where there is none.</summary>
    public static async Task<string?> FindAsync()
    {
        if (Environment.GetEnvironmentVariable("CLOUDARCHIVE_BICEP") is { Length: > 0 } given)
        {
            return File.Exists(given) ? given : null;
        }

        if (OperatingSystem.IsLinux() && System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64)
        {
            (_, string cache) = await Setup.CaptureAsync("dotnet", ["nuget", "locals", "global-packages", "--list", "--force-english-output"]);
            string path = Path.Combine(cache.Split(": ", 2)[^1].Trim(), Package.ToLowerInvariant(), Version, "tools", "bicep");
            if (!File.Exists(path))
            {
                Console.WriteLine($"Fetching {Package} {Version} ...");
                string project = await Setup.WriteProjectAsync(new XElement("ItemGroup", new XElement("PackageDownload", new XAttribute("Include", Package), new XAttribute("Version", $"[{Version}]"))));
                (int code, string output) = await Setup.CaptureAsync("dotnet", ["restore", project]);
                Console.Write(code == 0 ? "" : output);
            }

            if (File.Exists(path))
            {
                return path;
            }
        }

        try
        {
            return (await Setup.CaptureAsync("bicep", ["--version"])).ExitCode == 0 ? "bicep" : null;
        }
        catch (SetupException)
        {
            return null;
        }
    }

    /// <summary>Builds, lints (which <c>build</c> does too) and predicts a copy of a folder. A warning counts: an unknown property is one.</summary>
    public static async Task RunAsync(string compiler, string folder, string work, List<Finding> findings)
    {
        Copy(folder, work);
        string parameters = Path.Combine(work, "main.bicepparam");
        (int code, string output) = await Setup.CaptureAsync(compiler, ["build-params", parameters, "--stdout"], environment: InfraRules.Environments[0]);
        Match[] told = [.. Diagnostic().Matches(output).DistinctBy(m => m.Value)];
        findings.AddRange(told.Select(m => new Finding("bicep", $"{Path.GetRelativePath(work, m.Groups[1].Value)}({m.Groups[2]}): {m.Groups[3]}")));
        if (code != 0 || told.Length > 0)
        {
            if (told.Length == 0)
            {
                findings.Add(new Finding("bicep", $"bicep build-params ended with exit code {code}: {output.Trim()}"));
            }

            return;
        }

        JsonNode built = JsonNode.Parse(output[output.IndexOf('{')..])!;
        await File.WriteAllTextAsync(Path.Combine(work, Made[0]), $"{built["templateJson"]}");
        foreach ((IReadOnlyDictionary<string, string> environment, string file) in InfraRules.Environments.Zip(Made[1..]))
        {
            const string nobody = "00000000-0000-0000-0000-000000000002";
            (code, output) = await Setup.CaptureAsync(compiler, ["snapshot", parameters, "--mode", "overwrite", "--subscription-id", nobody, "--tenant-id", nobody, "--location", environment["AZURE_LOCATION"]], environment: environment);
            if (code != 0)
            {
                findings.Add(new Finding("bicep", $"bicep snapshot ended with exit code {code}: {output.Trim()}"));
                return;
            }

            File.Move(Path.Combine(work, "main.snapshot.json"), Path.Combine(work, file));
        }
    }

    public static void Copy(string from, string to)
    {
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target, overwrite: true);
        }
    }

    [GeneratedRegex(@"(?m)^(\S+)\((\d+),\d+\) : (?:Warning|Error) (.*?)\r?$")]
    private static partial Regex Diagnostic();
}
