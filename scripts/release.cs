#!/usr/bin/env dotnet
#:include setup.lib.cs
// What a release consists of: `cloudarchive` in one file for each system, a .deb, and the files by which package managers find it.
//   dotnet run scripts/release.cs -- --version 1.2.3 [--runtime linux-x64 ...] [--out artifacts/release] [--repository https://github.com/o/r] [--published <folder>]
// --published takes what was published before to <folder>/<runtime> instead of publishing it. A .deb is built where dpkg-deb is on the PATH.

using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

return await Setup.RunAsync(async () =>
{
    Release release = Release.Of(args);
    Directory.CreateDirectory(release.Out);
    foreach (string runtime in release.Runtimes)
    {
        string program = await release.PublishAsync(runtime);
        await release.ArchiveAsync(runtime, program);
        if (runtime.StartsWith("linux-", StringComparison.Ordinal))
        {
            await release.BuildDebAsync(runtime, program);
        }
    }

    release.FillTemplates();
    release.WriteSums();
    return 0;
});

sealed record Release(string Version, IReadOnlyList<string> Runtimes, string Out, string Repository, string? Published)
{
    private static readonly string[] s_all = ["win-x64", "linux-x64", "linux-arm64", "osx-arm64"];
    private static readonly DateTimeOffset s_time = DateTimeOffset.FromUnixTimeSeconds(long.TryParse(Environment.GetEnvironmentVariable("SOURCE_DATE_EPOCH"), out long epoch) ? epoch : 1_767_225_600);

    /// <summary>As dpkg and rpm write it: to both, a prerelease is older than its release by a ~ alone.</summary>
    private string PackageVersion => Version.Replace('-', '~');

    public static Release Of(string[] args)
    {
        ILookup<string, string> given = args.Chunk(2).ToLookup(pair => pair[0], pair => pair.Length == 2 ? pair[1] : throw new SetupException($"{pair[0]} has no value."));
        string[] known = ["--version", "--runtime", "--out", "--repository", "--published"];
        if (given.FirstOrDefault(option => !known.Contains(option.Key)) is { Key: { } other })
        {
            throw new SetupException($"There is no option {other}: {string.Join(", ", known)}.");
        }

        string version = given["--version"].LastOrDefault() ?? throw new SetupException("Which version? --version 1.2.3");
        if (!Regex.IsMatch(version, @"^\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?$"))
        {
            throw new SetupException($"'{version}' is no version: 1.2.3, or 1.2.3-rc.1.");
        }

        string[] runtimes = [.. given["--runtime"].DefaultIfEmpty("").SelectMany(runtime => runtime.Length == 0 ? s_all : [runtime])];
        return runtimes.FirstOrDefault(runtime => !s_all.Contains(runtime)) is { } strange
            ? throw new SetupException($"There is no release for {strange}: {string.Join(", ", s_all)}.")
            : new Release(
                version, runtimes, Path.GetFullPath(given["--out"].LastOrDefault() ?? Path.Combine(Setup.Root, "artifacts", "release")),
                (given["--repository"].LastOrDefault() ?? "https://github.com/cloudarchive/cloudarchive").TrimEnd('/'), given["--published"].LastOrDefault());
    }

    /// <summary>The program for a system, in one file with its runtime.</summary>
    public async Task<string> PublishAsync(string runtime)
    {
        string name = runtime.StartsWith("win-", StringComparison.Ordinal) ? "cloudarchive.exe" : "cloudarchive";
        string target = Path.GetFullPath(Path.Combine(Published ?? Path.Combine(Out, "..", "published"), runtime));
        if (Published is null)
        {
            Console.WriteLine($"Publishing for {runtime} ...");
            (int code, string output) = await Setup.CaptureAsync(
                "dotnet",
                [
                    "publish", Path.Combine(Setup.Root, "src", "CloudArchive.Cli"), "-c", "Release", "-r", runtime, "--self-contained", "-v", "quiet", "-p:PublishSingleFile=true",
                    "-p:IncludeNativeLibrariesForSelfExtract=true", "-p:DebugType=embedded", $"-p:Version={Version}", $"-p:Manual={Repository}/blob/v{Version}/docs/cli.md", "-o", target,
                ]);
            if (code != 0)
            {
                Console.Error.WriteLine(output.TrimEnd());
                throw new SetupException($"Publishing for {runtime} failed; its first error is above.");
            }
        }

        string program = Path.Combine(target, name);
        return File.Exists(program) ? program : throw new SetupException($"There is no {program}.");
    }

    /// <summary>A ZIP for Windows, a .tar.gz for the others.</summary>
    public async Task ArchiveAsync(string runtime, string program)
    {
        string name = $"cloudarchive-{Version}-{runtime}";
        if (runtime.StartsWith("win-", StringComparison.Ordinal))
        {
            string zip = Path.Combine(Out, name + ".zip");
            File.Delete(zip);
            using ZipArchive archive = ZipFile.Open(zip, ZipArchiveMode.Create);
            ZipArchiveEntry entry = archive.CreateEntry(Path.GetFileName(program), CompressionLevel.SmallestSize);
            entry.LastWriteTime = s_time;
            await using Stream target = await entry.OpenAsync();
            await using FileStream source = File.OpenRead(program);
            await source.CopyToAsync(target);
            return;
        }

        await using FileStream file = File.Create(Path.Combine(Out, name + ".tar.gz"));
        await using GZipStream zipped = new(file, CompressionLevel.SmallestSize);
        await using TarWriter tar = new(zipped);
        await using FileStream content = File.OpenRead(program);
        await tar.WriteEntryAsync(new UstarTarEntry(TarEntryType.RegularFile, "cloudarchive") { DataStream = content, ModificationTime = s_time, Mode = (UnixFileMode)0b111_101_101 });
    }

    /// <summary>The Debian package, where this machine can build one.</summary>
    public async Task BuildDebAsync(string runtime, string program)
    {
        if (OperatingSystem.IsWindows() || !(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "dpkg-deb"))))
        {
            Console.WriteLine("No .deb: dpkg-deb is not on the PATH.");
            return;
        }

        string arch = runtime == "linux-x64" ? "amd64" : "arm64";
        DirectoryInfo root = Directory.CreateTempSubdirectory("cloudarchive-deb-");
        try
        {
            Put("usr/bin/cloudarchive", File.ReadAllBytes(program), executable: true);
            Put("usr/share/doc/cloudarchive/copyright", File.ReadAllBytes(Path.Combine(Setup.Root, "LICENSE")), executable: false);
            Put("DEBIAN/control", Encoding.UTF8.GetBytes(Fill(ReadTemplate("deb-control")).Replace("{arch}", arch, StringComparison.Ordinal)), executable: false);
            Put("DEBIAN/postinst", Encoding.UTF8.GetBytes(ReadTemplate("deb-postinst")), executable: true);
            string deb = Path.Combine(Out, $"cloudarchive_{PackageVersion}_{arch}.deb");
            (int code, string output) = await Setup.CaptureAsync("dpkg-deb", ["--root-owner-group", "--build", root.FullName, deb]);
            if (code != 0)
            {
                throw new SetupException($"dpkg-deb says: {output.Trim()}");
            }
        }
        finally
        {
            root.Delete(recursive: true);
        }

        void Put(string path, byte[] content, bool executable)
        {
            string file = Path.Combine(root.FullName, path);
            for (DirectoryInfo at = Directory.CreateDirectory(Path.GetDirectoryName(file)!); at.FullName.Length >= root.FullName.Length; at = at.Parent!)
            {
                File.SetUnixFileMode(at.FullName, (UnixFileMode)0b111_101_101);
            }

            File.WriteAllBytes(file, content);
            File.SetUnixFileMode(file, (UnixFileMode)(executable ? 0b111_101_101 : 0b110_100_100));
        }
    }

    /// <summary>What names files of this release by their hashes. A file whose system was not published stays out.</summary>
    public void FillTemplates()
    {
        string folder = Path.Combine(Setup.Root, "packaging");
        foreach (string template in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(file => !Path.GetFileName(file).StartsWith("deb-", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            string relative = Path.GetRelativePath(folder, template);
            string text = Fill(File.ReadAllText(template));
            if (Regex.Match(text, @"\{sha256:([^{}]+)\}") is { Success: true } missing)
            {
                Console.WriteLine($"No {relative}: it names {missing.Groups[1].Value}, which was not made.");
                continue;
            }

            File.WriteAllText(Path.Combine(Out, Path.GetFileName(relative)), text);
        }
    }

    /// <summary>SHA256SUMS of everything there.</summary>
    public void WriteSums()
    {
        string sums = Path.Combine(Out, "SHA256SUMS");
        File.Delete(sums);
        string[] lines = [.. Directory.EnumerateFiles(Out).Order(StringComparer.Ordinal).Select(file => $"{HashOf(file)}  {Path.GetFileName(file)}")];
        File.WriteAllText(sums, string.Join('\n', lines) + "\n");
        Console.WriteLine($"{lines.Length} files in {Out}.");
    }

    private static string ReadTemplate(string name) => File.ReadAllText(Path.Combine(Setup.Root, "packaging", name)).ReplaceLineEndings("\n");

    private string Fill(string template)
    {
        string text = template.ReplaceLineEndings("\n").Replace("{version}", Version, StringComparison.Ordinal).Replace("{package-version}", PackageVersion, StringComparison.Ordinal).Replace("{repository}", Repository, StringComparison.Ordinal);
        return Regex.Replace(text, @"\{sha256:([^{}]+)\}", match => File.Exists(Path.Combine(Out, match.Groups[1].Value)) ? HashOf(Path.Combine(Out, match.Groups[1].Value)) : match.Value);
    }

    private static string HashOf(string file)
    {
        using FileStream stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
