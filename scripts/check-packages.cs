#!/usr/bin/env dotnet
#:include setup.lib.cs
// Whether a package that CloudArchive uses has a known vulnerability. Exit code 0: none is known; 1: some are, and are named; 2: not checked.
//   dotnet run scripts/check-packages.cs

using System.Text.Json;
using System.Xml.Linq;

return await Setup.RunAsync(async () =>
{
    string solution = await Feed.FillAsync();
    if ((await Packages.FindAsync(await Packages.KnownAsync())).Length == 0)
    {
        Console.WriteLine("Not checked: this NuGet source serves no advisories (it knows nothing against a package that is known to be vulnerable).");
        return 2;
    }

    string[] found = await Packages.FindAsync(solution);
    foreach (string line in found)
    {
        Console.WriteLine(line);
    }

    Console.WriteLine(found.Length == 0 ? $"No package of {solution} has a known vulnerability." : $"{found.Length} vulnerable packages: raise them in Directory.Packages.props.");
    return found.Length == 0 ? 0 : 1;
});

static class Packages
{
    /// <summary>A project of nothing but a package with an advisory (GHSA-5crp-9r3c-p9vr): a source that says nothing of it says nothing.</summary>
    public static Task<string> KnownAsync() => Setup.WriteProjectAsync(
        new XElement("PropertyGroup", new XElement("NuGetAudit", "false")),
        new XElement("ItemGroup", new XElement("PackageReference", new XAttribute("Include", "Newtonsoft.Json"), new XAttribute("Version", "9.0.1"))));

    /// <summary>The vulnerable packages of a project or solution, each with its advisory.</summary>
    public static async Task<string[]> FindAsync(string target)
    {
        (int restored, string said) = await Setup.CaptureAsync("dotnet", ["restore", target]);
        (int code, string output) = restored == 0 ? await Setup.CaptureAsync("dotnet", ["list", target, "package", "--vulnerable", "--include-transitive", "--no-restore", "--format", "json"]) : (restored, said);
        if (code != 0)
        {
            Console.Error.WriteLine(output.TrimEnd());
            throw new SetupException($"The packages of {target} could not be listed; see above.");
        }

        using JsonDocument document = JsonDocument.Parse(output[output.IndexOf('{', StringComparison.Ordinal)..]);
        return [.. Vulnerable(document.RootElement).Distinct().Order(StringComparer.Ordinal)];
    }

    private static IEnumerable<string> Vulnerable(JsonElement root) =>
        from project in Each(root, "projects")
        from framework in Each(project, "frameworks")
        from package in Each(framework, "topLevelPackages").Concat(Each(framework, "transitivePackages"))
        from advisory in Each(package, "vulnerabilities")
        select $"{package.GetProperty("id").GetString()} {package.GetProperty("resolvedVersion").GetString()}: {advisory.GetProperty("severity").GetString()}, {advisory.GetProperty("advisoryurl").GetString()}";

    private static IEnumerable<JsonElement> Each(JsonElement of, string name) => of.TryGetProperty(name, out JsonElement list) ? list.EnumerateArray() : [];
}
