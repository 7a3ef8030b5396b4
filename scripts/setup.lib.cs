// What every script needs before its own work: the repository's root, the prerequisites, Azurite, packages, a build.
// Included with `#:include setup.lib.cs`.

using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

/// <summary>Something that the person at the keyboard must do first. One line, no stack trace.</summary>
sealed class SetupException(string message) : Exception(message);

static class Setup
{
    public static string Root { get; } = FindRoot();

    /// <summary>Runs a script's body; a <see cref="SetupException"/> becomes one line and exit code 1.</summary>
    public static async Task<int> RunAsync(Func<Task<int>> body)
    {
        try
        {
            return await body();
        }
        catch (SetupException e)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }
    }

    /// <summary>Checks the SDK and Node, installs Azurite as package-lock.json pins it, fills the feed, builds.</summary>
    /// <param name="projects">What to build, without the analyzers, which are for whoever changes the code; none: everything, with them.</param>
    /// <returns>All that this machine can build, relative to <see cref="Root"/>: the solution, or its filter and what can be had beside it.</returns>
    public static async Task<IReadOnlyList<string>> PrepareAsync(params IReadOnlyList<string> projects)
    {
        if (Environment.Version.Major < 10)
        {
            throw new SetupException($"CloudArchive needs the .NET 10 SDK, and this is .NET {Environment.Version}. Install .NET 10 and try again.");
        }

        await InstallAzuriteAsync();
        IReadOnlyList<string> all = await Feed.FillAsync();
        foreach (string target in projects.Count > 0 ? projects : all)
        {
            Console.WriteLine($"Building {target} ...");
            (int code, string output) = await CaptureAsync("dotnet", ["build", target, "-v", "quiet", "-clp:ErrorsOnly;NoSummary", .. projects.Count > 0 ? ["-p:RunAnalyzers=false"] : Array.Empty<string>()]);
            if (code != 0)
            {
                // A compiler's message is the developer's to read.
                Console.Error.WriteLine(output.TrimEnd());
                throw new SetupException($"The build of {target} failed; its first error is above.");
            }
        }

        return all;
    }

    private static async Task InstallAzuriteAsync()
    {
        string? node = await VersionOfAsync("node", "--version");
        if (node is null)
        {
            throw new SetupException("Node.js is not on the PATH. Install Node.js 20 or later (it runs Azurite, the storage emulator) and try again.");
        }

        if (!Version.TryParse(node.TrimStart('v').Trim(), out Version? version) || version.Major < 20)
        {
            throw new SetupException($"Node.js {node.Trim()} is too old for Azurite. Install Node.js 20 or later and try again.");
        }

        string installed = Path.Combine(Root, "node_modules", ".package-lock.json");
        string wanted = Path.Combine(Root, "package-lock.json");
        string azurite = Path.Combine(Root, "node_modules", "azurite", "package.json");
        if (File.Exists(azurite) && File.Exists(installed) && File.GetLastWriteTimeUtc(installed) >= File.GetLastWriteTimeUtc(wanted))
        {
            return;
        }

        Console.WriteLine("Installing Azurite (npm ci) ...");
        (int code, string output) = await CaptureAsync("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"]);
        if (code != 0)
        {
            Console.Error.WriteLine(output.TrimEnd());
            throw new SetupException("npm ci failed; see above. Check that the npm registry can be reached and try again.");
        }

        File.SetLastWriteTimeUtc(installed, DateTime.UtcNow);
    }

    /// <summary>What the build made of a project, e.g. <c>src/CloudArchive.Cli</c>.</summary>
    public static string Assembly(string project, string name) => Path.Combine(Root, project, "bin", "Debug", "net10.0", name + ".dll");

    public static async Task<(int ExitCode, string Output)> CaptureAsync(string program, IReadOnlyList<string> arguments, string? directory = null)
    {
        using Process process = Start(program, arguments, directory, redirect: true);
        Task<string> stdout = process.StandardOutput.ReadToEndAsync();
        Task<string> stderr = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await stdout + await stderr);
    }

    public static Process Start(string program, IReadOnlyList<string> arguments, string? directory = null, bool redirect = false, bool redirectInput = false, IReadOnlyDictionary<string, string>? environment = null)
    {
        // npm is a batch file on Windows, which CreateProcess only finds through the command interpreter.
        bool batch = OperatingSystem.IsWindows() && program is "npm" or "npx";
        ProcessStartInfo info = new(batch ? "cmd.exe" : program, batch ? ["/c", program, .. arguments] : arguments)
        {
            WorkingDirectory = directory ?? Root,
            RedirectStandardOutput = redirect,
            RedirectStandardError = redirect,
            RedirectStandardInput = redirectInput,
        };
        // A server left running by MSBuild or the compiler would outlive the script.
        info.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        info.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        info.Environment["UseSharedCompilation"] = "false";
        foreach ((string key, string value) in environment ?? new Dictionary<string, string>())
        {
            info.Environment[key] = value;
        }

        try
        {
            return Process.Start(info) ?? throw new SetupException($"'{program}' did not start.");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new SetupException($"'{program}' is not on the PATH. Install it and try again.");
        }
    }

    private static async Task<string?> VersionOfAsync(string program, string argument)
    {
        try
        {
            (int code, string output) = await CaptureAsync(program, [argument]);
            return code == 0 ? output : null;
        }
        catch (SetupException)
        {
            return null;
        }
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? at = new(Environment.CurrentDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "CloudArchive.sln")))
            {
                return at.FullName;
            }
        }

        throw new SetupException("Run this inside a clone of the repository: no CloudArchive.sln in this folder or above it.");
    }
}

/// <summary>Fills local-feed/ where the NuGet sources of this machine lack a pinned Azure SDK package (docs/decisions/0002-local-feed.md).</summary>
static partial class Feed
{
    private const string Full = "CloudArchive.sln";
    private const string Partial = "CloudArchive.PartialFeed.slnf";

    // The npm package that carries the assemblies as Microsoft built and signed them.
    private const string NpmPackage = "@azure/mcp-linux-x64@0.0.21";

    private static readonly (string Id, string Version, (string Id, string Version)[] Dependencies)[] Packages =
    [
        ("Azure.Storage.Blobs", "12.24.0", [("Azure.Storage.Common", "12.23.0"), ("Azure.Core", "1.44.1")]),
        ("Azure.Storage.Common", "12.23.0", [("Azure.Core", "1.44.1"), ("System.IO.Hashing", "6.0.0")]),
        ("System.IO.Hashing", "6.0.0", []),
        ("Azure.Data.Tables", "12.10.0", [("Azure.Core", "1.44.1")]),
        ("Azure.Security.KeyVault.Keys", "4.7.0", [("Azure.Core", "1.44.1")]),
    ];

    // What the projects outside the filter need, each with its tests. The worker's build restores the host's side of its bindings by itself:
    // Microsoft.NET.Sdk.Functions.
    private static readonly (string Tests, (string Id, string Version)[] Packages)[] OutsideTheFilter =
    [
        ("tests/CloudArchive.Functions.Tests", [("Microsoft.Azure.Functions.Worker", "2.52.0"), ("Microsoft.NET.Sdk.Functions", "4.6.0")]),
        ("tests/CloudArchive.Dimse.Tests", [("fo-dicom", "5.2.2")]),
    ];

    /// <returns>What this machine can build: the solution where every package can be had; else the filter, and what can be had of the rest.</returns>
    public static async Task<IReadOnlyList<string>> FillAsync()
    {
        string feed = Path.Combine(Setup.Root, "local-feed");
        string verdict = Path.Combine(feed, "probed.txt");
        // The answer holds until the pinned versions change.
        string versions = string.Join('\n', OutsideTheFilter.SelectMany(o => o.Packages).Concat(Packages.Select(p => (p.Id, p.Version))).Select(p => $"{p.Id} {p.Version}"));
        if (File.Exists(verdict))
        {
            string[] known = File.ReadAllText(verdict).Split("\n---\n");
            if (known.Length == 2 && known[0] == versions)
            {
                return known[1].Split('\n', StringSplitOptions.RemoveEmptyEntries);
            }
        }

        Console.WriteLine("Looking for the pinned packages ...");
        (string Id, string Version)[] azure = [.. Packages.Select(p => (p.Id, p.Version))];
        HashSet<string> missing = (await ProbeAsync(azure)).Missing;
        if (missing.Count > 0)
        {
            Console.WriteLine($"This NuGet source lacks {string.Join(", ", azure.Where(p => missing.Contains(p.Id)).Select(p => $"{p.Id} {p.Version}"))}; taking the assemblies from npm's {NpmPackage} ...");
            await FillFromNpmAsync(feed);
            missing = (await ProbeAsync(azure)).Missing;
            if (azure.FirstOrDefault(p => missing.Contains(p.Id)) is { Id: not null } still)
            {
                throw new SetupException($"{still.Id} {still.Version} cannot be restored, from NuGet or from local-feed/. Check the NuGet sources (dotnet nuget list source) and try again.");
            }
        }

        List<string> buildable = [];
        List<string> without = [];
        foreach ((string tests, (string Id, string Version)[] packages) in OutsideTheFilter)
        {
            if ((await ProbeAsync(packages)).Restored)
            {
                buildable.Add(tests);
            }
            else
            {
                without.Add(tests);
                Console.WriteLine($"This NuGet source lacks {string.Join(" or ", packages.Select(p => $"{p.Id} {p.Version}"))}, or what they need: {tests} and what it tests are left out.");
            }
        }

        IReadOnlyList<string> all = without.Count == 0 ? [Full] : [Partial, .. buildable];
        File.WriteAllText(verdict, $"{versions}\n---\n{string.Join('\n', all)}\n");
        return all;
    }

    /// <summary>Restores a project that asks for each package exactly: whether it can be restored, and which of them cannot be had.</summary>
    private static async Task<(bool Restored, HashSet<string> Missing)> ProbeAsync(IReadOnlyList<(string Id, string Version)> packages)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("cloudarchive-probe-");
        try
        {
            XElement project = new("Project", new XAttribute("Sdk", "Microsoft.NET.Sdk"),
                new XElement("PropertyGroup",
                    new XElement("TargetFramework", "net10.0"),
                    new XElement("NuGetAudit", "false"),
                    new XElement("RestoreAdditionalProjectSources", Path.Combine(Setup.Root, "local-feed"))),
                new XElement("ItemGroup",
                    packages.Select(p =>
                        new XElement("PackageReference", new XAttribute("Include", p.Id), new XAttribute("Version", $"[{p.Version}]")))));
            string file = Path.Combine(folder.FullName, "probe.csproj");
            await File.WriteAllTextAsync(file, project.ToString());
            (int code, string output) = await Setup.CaptureAsync("dotnet", ["restore", file], folder.FullName);
            if (output.Contains("NU1301", StringComparison.Ordinal))
            {
                throw new SetupException("A NuGet source of this machine cannot be reached (NU1301). Check the network and `dotnet nuget list source`, and try again.");
            }

            return (code == 0, [.. MissingPackage().Matches(output).Select(m => m.Groups[1].Value).Where(id => packages.Any(p => p.Id == id))]);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [GeneratedRegex(@"NU110[123]: Unable to find (?:a stable )?package ([A-Za-z0-9.\-]+?)(?:\.| with| \()\s", RegexOptions.CultureInvariant)]
    private static partial Regex MissingPackage();

    private static async Task FillFromNpmAsync(string feed)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("cloudarchive-feed-");
        try
        {
            (int code, string output) = await Setup.CaptureAsync("npm", ["pack", NpmPackage, "--loglevel=error"], folder.FullName);
            if (code != 0)
            {
                Console.Error.WriteLine(output.TrimEnd());
                throw new SetupException($"npm could not fetch {NpmPackage}; see above. Check that the npm registry can be reached and try again.");
            }

            string archive = folder.EnumerateFiles("*.tgz").Single().FullName;
            Dictionary<string, byte[]> assemblies = [];
            await using (GZipStream unzipped = new(File.OpenRead(archive), CompressionMode.Decompress))
            await using (System.Formats.Tar.TarReader tar = new(unzipped))
            {
                while (await tar.GetNextEntryAsync() is { } entry)
                {
                    string name = Path.GetFileNameWithoutExtension(entry.Name);
                    if (entry.DataStream is not null && entry.Name.EndsWith(".dll", StringComparison.Ordinal) && Packages.Any(p => p.Id == name))
                    {
                        using MemoryStream bytes = new();
                        await entry.DataStream.CopyToAsync(bytes);
                        assemblies[name] = bytes.ToArray();
                    }
                }
            }

            foreach ((string id, string version, (string Id, string Version)[] dependencies) in Packages)
            {
                WritePackage(feed, id, version, dependencies, assemblies.TryGetValue(id, out byte[]? dll)
                    ? dll
                    : throw new SetupException($"{NpmPackage} no longer carries {id}.dll; a NuGet source with {id} {version} is needed."));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void WritePackage(string feed, string id, string version, (string Id, string Version)[] dependencies, byte[] assembly)
    {
        XNamespace ns = "http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd";
        XElement nuspec = new(ns + "package", new XElement(ns + "metadata",
            new XElement(ns + "id", id),
            new XElement(ns + "version", version),
            new XElement(ns + "authors", "Microsoft"),
            new XElement(ns + "description", $"{id} {version}: the assembly as {NpmPackage} carries it"),
            new XElement(ns + "dependencies", new XElement(ns + "group", new XAttribute("targetFramework", "net8.0"),
                dependencies.Select(d => new XElement(ns + "dependency", new XAttribute("id", d.Id), new XAttribute("version", d.Version)))))));
        string path = Path.Combine(feed, $"{id}.{version}.nupkg");
        using ZipArchive package = new(File.Create(path), ZipArchiveMode.Create);
        Write(package, $"{id}.nuspec", Encoding.UTF8.GetBytes(nuspec.ToString()));
        Write(package, $"lib/net8.0/{id}.dll", assembly);

        static void Write(ZipArchive package, string name, byte[] bytes)
        {
            ZipArchiveEntry entry = package.CreateEntry(name);
            entry.LastWriteTime = new DateTimeOffset(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);
            using Stream stream = entry.Open();
            stream.Write(bytes);
        }
    }
}
