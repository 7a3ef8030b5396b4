// What every script needs before its own work: the repository's root, the prerequisites, Azurite, packages, a build.
// Included with `#:include setup.lib.cs`.

using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using System.Reflection;
using System.Text;
using System.Xml.Linq;

/// <summary>Something that the person at the keyboard must do first. One line, no stack trace.</summary>
sealed class SetupException(string message) : Exception(message);

static class Setup
{
    public static string Root { get; } = FindRoot();

    /// <summary>What is built and run: Debug, but where speed is measured.</summary>
    public static string Configuration { get; set; } = "Debug";

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
    /// <returns>All that this machine can build, relative to <see cref="Root"/>: the solution, or its filter.</returns>
    public static async Task<string> PrepareAsync(params IReadOnlyList<string> projects)
    {
        if (Environment.Version.Major < 10)
        {
            throw new SetupException($"CloudArchive needs the .NET 10 SDK, and this is .NET {Environment.Version}. Install .NET 10 and try again.");
        }

        await InstallAzuriteAsync();
        string all = await Feed.FillAsync();
        foreach (string target in projects.Count > 0 ? projects : [all])
        {
            Console.WriteLine($"Building {target} ...");
            // A project a line, as each is done: a first build takes minutes.
            Stopwatch watch = Stopwatch.StartNew();
            (int code, string output) = await CaptureAsync("dotnet", ["build", target, "-c", Configuration, "-v", "minimal", "-tl:off", "-clp:NoSummary", .. projects.Count > 0 ? ["-p:RunAnalyzers=false"] : Array.Empty<string>()],
                heard: line => Console.Write(line.Split(" -> ") is [var built, _] ? $"   {built.Trim()} ({watch.Elapsed.TotalSeconds:0} s)\n" : ""));
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

        Console.WriteLine("Installing Azurite (npm ci), half a minute ...");
        (int code, string output) = await CaptureAsync("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"]);
        if (code != 0)
        {
            Console.Error.WriteLine(output.TrimEnd());
            throw new SetupException("npm ci failed; see above. Check that the npm registry can be reached and try again.");
        }

        File.SetLastWriteTimeUtc(installed, DateTime.UtcNow);
    }

    /// <summary>What the build made of a project, e.g. <c>src/CloudArchive.Cli</c>.</summary>
    public static string Assembly(string project, string name) => Path.Combine(Root, project, "bin", Configuration, "net10.0", name + ".dll");

    /// <summary>Runs a program to its end, for an hour at most: no step of ours takes that long (the tests end to end take half of it), and one that hangs must be told.</summary>
    public static async Task<(int ExitCode, string Output)> CaptureAsync(string program, IReadOnlyList<string> arguments, string? directory = null, IReadOnlyDictionary<string, string>? environment = null, Action<string>? heard = null)
    {
        TimeSpan limit = TimeSpan.FromMinutes(60), grace = TimeSpan.FromSeconds(20);
        using Process process = Start(program, arguments, directory, redirect: true, environment: environment);
        StringBuilder said = new();
        Task reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError)), ended = process.WaitForExitAsync();
        if (await Task.WhenAny(ended, Task.Delay(limit)) != ended)
        {
            process.Kill(entireProcessTree: true);
            Say($"{program} had not ended after {limit.TotalMinutes} minutes, and was stopped.");
            await ended;
        }

        // What it started and left behind may still hold the other end.
        if (await Task.WhenAny(reading, Task.Delay(grace)) != reading)
        {
            Say($"{program} left a process behind.");
        }

        lock (said)
        {
            return (process.ExitCode, said.ToString());
        }

        async Task ReadAsync(StreamReader reader)
        {
            while (await reader.ReadLineAsync() is { } line)
            {
                heard?.Invoke(line);
                Say(line);
            }
        }

        void Say(string line)
        {
            lock (said)
            {
                said.AppendLine(line);
            }
        }
    }

    public static Process Start(string program, IReadOnlyList<string> arguments, string? directory = null, bool redirect = false, bool redirectInput = false, IReadOnlyDictionary<string, string>? environment = null)
    {
        // npm and az are batch files on Windows, which CreateProcess only finds through the command interpreter.
        bool batch = OperatingSystem.IsWindows() && program is "npm" or "npx" or "az";
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

    /// <summary>A project of nothing but this, in a folder of its own.</summary>
    public static async Task<string> WriteProjectAsync(params XElement[] content)
    {
        string file = Path.Combine(Directory.CreateTempSubdirectory("cloudarchive-project-").FullName, "only.csproj");
        await File.WriteAllTextAsync(file, new XElement("Project", new XAttribute("Sdk", "Microsoft.NET.Sdk"), new XElement("PropertyGroup", new XElement("TargetFramework", "net10.0")), content).ToString());
        return file;
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

/// <summary>
/// Fills local-feed/ where the NuGet sources of this machine lack Azure.Security.KeyVault.Keys, and leaves DIMSE out where they lack fo-dicom
/// (docs/decisions/0002-local-feed.md).
/// </summary>
static class Feed
{
    private const string Full = "CloudArchive.sln";
    private const string Partial = "CloudArchive.PartialFeed.slnf";
    private const string Keys = "Azure.Security.KeyVault.Keys";

    // The npm package that carries the assembly as Microsoft built and signed it.
    private const string NpmPackage = "@azure/mcp-linux-x64@0.0.21";

    /// <returns>What this machine can build: the solution, or all of it but DIMSE.</returns>
    public static async Task<string> FillAsync()
    {
        Console.WriteLine("Restoring packages; the first time they are downloaded, a minute or two ...");
        if (!await CanRestoreAsync("src/CloudArchive.Azure", Keys))
        {
            Console.WriteLine($"This NuGet source lacks {Keys}; taking its assembly from npm's {NpmPackage} ...");
            await FillFromNpmAsync();
        }

        bool dimse = await CanRestoreAsync("src/CloudArchive.Dimse", "fo-dicom");
        if (!dimse)
        {
            Console.WriteLine("This NuGet source lacks fo-dicom: CloudArchive.Dimse and its tests are left out.");
        }

        return dimse ? Full : Partial;
    }

    private static async Task<bool> CanRestoreAsync(string project, string package)
    {
        (int code, string output) = await Setup.CaptureAsync("dotnet", ["restore", project]);
        if (code == 0)
        {
            return true;
        }

        // NU1101 and NU1102: no such package, or no such version of it.
        if (output.Contains($"Unable to find package {package}", StringComparison.Ordinal))
        {
            return false;
        }

        Console.Error.WriteLine(output.TrimEnd());
        throw new SetupException($"{project} could not be restored; see above. Check the network and `dotnet nuget list source`, and try again.");
    }

    private static async Task FillFromNpmAsync()
    {
        string version = XDocument.Load(Path.Combine(Setup.Root, "Directory.Packages.props")).Descendants("PackageVersion").Single(p => (string?)p.Attribute("Include") == Keys).Attribute("Version")!.Value;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("cloudarchive-feed-");
        try
        {
            (int code, string output) = await Setup.CaptureAsync("npm", ["pack", NpmPackage, "--loglevel=error"], folder.FullName);
            if (code != 0)
            {
                Console.Error.WriteLine(output.TrimEnd());
                throw new SetupException($"npm could not fetch {NpmPackage}; see above. Check that the npm registry can be reached and try again.");
            }

            await using (GZipStream unzipped = new(folder.EnumerateFiles("*.tgz").Single().OpenRead(), CompressionMode.Decompress))
            {
                await TarFile.ExtractToDirectoryAsync(unzipped, folder.FullName, overwriteFiles: false);
            }

            string? assembly = Directory.EnumerateFiles(folder.FullName, Keys + ".dll", SearchOption.AllDirectories).FirstOrDefault();
            if (assembly is null || AssemblyName.GetAssemblyName(assembly).Version?.ToString(3) != version)
            {
                throw new SetupException($"{NpmPackage} does not carry {Keys} {version}; a NuGet source with it is needed.");
            }

            WritePackage(version, assembly);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void WritePackage(string version, string assembly)
    {
        XNamespace ns = "http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd";
        XElement nuspec = new(ns + "package", new XElement(ns + "metadata",
            new XElement(ns + "id", Keys),
            new XElement(ns + "version", version),
            new XElement(ns + "authors", "Microsoft"),
            new XElement(ns + "description", $"{Keys} {version}: the assembly as npm's {NpmPackage} carries it"),
            new XElement(ns + "dependencies", new XElement(ns + "group", new XAttribute("targetFramework", "net8.0"),
                new XElement(ns + "dependency", new XAttribute("id", "Azure.Core"), new XAttribute("version", "1.44.1"))))));
        using ZipArchive package = ZipFile.Open(Path.Combine(Setup.Root, "local-feed", $"{Keys}.{version}.nupkg"), ZipArchiveMode.Create);
        package.CreateEntryFromFile(assembly, $"lib/net8.0/{Keys}.dll");
        using Stream stream = package.CreateEntry($"{Keys}.nuspec").Open();
        stream.Write(Encoding.UTF8.GetBytes(nuspec.ToString()));
    }
}
