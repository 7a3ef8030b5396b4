#!/usr/bin/env dotnet
#:include setup.lib.cs
#:include bicep.lib.cs
#:include infra-rules.lib.cs
#:include infra-data.lib.cs
// Checks infra/ without Azure: syntax, modules, outputs, rights, secure defaults, lifecycle. With a bicep on the PATH it also builds and lints.
//   dotnet run scripts/check-infra.cs                             infra/
//   dotnet run scripts/check-infra.cs -- [--no-compiler] <folder>...   copies of it

return await Setup.RunAsync(async () =>
{
    bool compile = !args.Contains("--no-compiler");
    string[] folders = [.. args.Where(a => !a.StartsWith("--", StringComparison.Ordinal)).Select(Path.GetFullPath)];
    if (folders.Length == 0)
    {
        folders = [Path.Combine(Setup.Root, "infra")];
    }

    if (folders.FirstOrDefault(f => !Directory.Exists(f)) is { } missing)
    {
        throw new SetupException($"There is no folder {missing}.");
    }

    Dictionary<string, List<BicepFile>> parsed = await BicepFile.ParseAsync(folders);
    bool sound = true;
    foreach (string folder in folders)
    {
        IReadOnlyList<BicepFile> files = parsed.GetValueOrDefault(folder, []);
        List<Finding> findings = [.. new InfraRules(folder, files).Check()];
        string compiler = "";
        if (compile)
        {
            compiler = await CompileAsync(folder, findings) ? ", built and linted" : ", no bicep on the PATH to build it with";
        }

        string name = Path.GetRelativePath(Setup.Root, folder) is var relative && relative.StartsWith("..", StringComparison.Ordinal) ? folder : relative;
        foreach (Finding finding in findings)
        {
            Console.WriteLine($"{name}/{finding.File}:{finding.Line}: {finding.Rule}: {finding.Message}");
        }

        Console.WriteLine($"{name}: {(findings.Count == 0 ? "sound" : $"{findings.Count} fault{(findings.Count == 1 ? "" : "s")}")}, {files.Count} files{compiler}");
        sound &= findings.Count == 0;
    }

    return sound ? 0 : 1;
});

// The compiler's warnings count: an unknown property is one.
static async Task<bool> CompileAsync(string folder, List<Finding> findings)
{
    string main = Path.Combine(folder, "main.bicep");
    foreach (string[] command in new[] { new[] { "build", main, "--stdout" }, ["lint", main] })
    {
        string output;
        int code;
        try
        {
            (code, output) = await Setup.CaptureAsync("bicep", command);
        }
        catch (SetupException)
        {
            return false;
        }

        string[] told = [.. output.Split('\n').Where(l => l.Contains(") : Warning ", StringComparison.Ordinal) || l.Contains(") : Error ", StringComparison.Ordinal)).Select(l => l.Trim())];
        findings.AddRange(told.Select(l => new Finding("main.bicep", 1, "bicep", l)).Where(f => !findings.Contains(f)));
        if (code != 0 && told.Length == 0)
        {
            findings.Add(new Finding("main.bicep", 1, "bicep", $"bicep {command[0]} ended with exit code {code}."));
        }
    }

    return true;
}
