using System.Formats.Tar;
using System.IO.Compression;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>What scripts/release.cs makes: it is installed here, as far as this machine has the means.</summary>
public sealed class ReleaseTests
{
    public static bool HasDpkg => OperatingSystem.IsLinux() && File.Exists("/usr/bin/dpkg-deb") && File.Exists("/usr/bin/dpkg");

    [Fact(SkipUnless = nameof(HasDpkg), Skip = "needs dpkg-deb")]
    public async Task The_packages_carry_the_program_and_name_each_other_by_hash()
    {
        using TemporaryFolder folder = new();
        foreach (string runtime in (string[])["linux-x64", "linux-arm64", "osx-arm64", "win-x64"])
        {
            string program = folder[$"published/{runtime}/cloudarchive{(runtime == "win-x64" ? ".exe" : "")}"];
            Directory.CreateDirectory(Path.GetDirectoryName(program)!);
            await File.WriteAllTextAsync(program, $"#!/bin/sh\necho {runtime}\n", TestContext.Current.CancellationToken);
        }

        (int code, string output) = await RepositoryScript.RunAsync("release.cs", "--version", "9.8.7-rc.1", "--out", folder["out"], "--published", folder["published"], "--repository", "https://example.org/o/r");
        Assert.True(code == 0, output);

        // The .deb, installed into a root of its own.
        Assert.Equal("linux-x64\n", await InstallAsync(folder, folder["out/cloudarchive_9.8.7~rc.1_amd64.deb"], "amd64"));
        Assert.Contains("Version: 9.8.7~rc.1\n", await File.ReadAllTextAsync(folder["root/var/lib/dpkg/status"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Contains("Version:        9.8.7~rc.1\n", await File.ReadAllTextAsync(folder["out/cloudarchive.spec"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.True(File.Exists(folder["out/cloudarchive_9.8.7~rc.1_arm64.deb"]));

        // What a package manager downloads has the hash that it is told.
        foreach (string template in (string[])["cloudarchive.rb", "CloudArchive.CloudArchive.installer.yaml", "install.ps1", "cloudarchive.spec"])
        {
            string text = await File.ReadAllTextAsync(folder[$"out/{template}"], TestContext.Current.CancellationToken);
            Assert.DoesNotContain("{version}", text, StringComparison.Ordinal);
            Assert.DoesNotContain("sha256:", text, StringComparison.Ordinal);
            Assert.Contains("https://example.org/o/r", text, StringComparison.Ordinal);
        }

        Assert.Contains(Practice.HashOf(folder["out/cloudarchive-9.8.7-rc.1-win-x64.zip"]), await File.ReadAllTextAsync(folder["out/install.ps1"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Contains(Practice.HashOf(folder["out/cloudarchive-9.8.7-rc.1-osx-arm64.tar.gz"]), await File.ReadAllTextAsync(folder["out/cloudarchive.rb"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
        foreach (string[] line in File.ReadLines(folder["out/SHA256SUMS"]).Select(line => line.Split("  ")))
        {
            Assert.Equal(line[0], Practice.HashOf(folder[$"out/{line[1]}"]));
        }

        await using GZipStream unzipped = new(File.OpenRead(folder["out/cloudarchive-9.8.7-rc.1-linux-arm64.tar.gz"]), CompressionMode.Decompress);
        await using TarReader tar = new(unzipped);
        TarEntry entry = (await tar.GetNextEntryAsync(cancellationToken: TestContext.Current.CancellationToken))!;
        Assert.Equal("cloudarchive", entry.Name);
        Assert.True(entry.Mode.HasFlag(UnixFileMode.UserExecute));
    }

    [Fact]
    public async Task A_version_that_is_none_and_a_system_that_is_none_are_refused_in_a_line()
    {
        Assert.Contains("is no version", (await RepositoryScript.RunAsync("release.cs", "--version", "v1")).Output, StringComparison.Ordinal);
        Assert.Contains("no release for", (await RepositoryScript.RunAsync("release.cs", "--version", "1.0.0", "--runtime", "beos")).Output, StringComparison.Ordinal);
    }

    /// <summary>The real thing takes minutes: before a release.</summary>
    [Fact(Explicit = true)]
    public async Task The_program_of_the_Debian_package_brings_everything_that_it_needs()
    {
        using TemporaryFolder folder = new();
        (int code, string output) = await RepositoryScript.RunAsync("release.cs", "--version", "9.8.7", "--runtime", "linux-x64", "--out", folder["out"]);
        Assert.True(code == 0, output);
        Assert.StartsWith("9.8.7", await InstallAsync(folder, folder["out/cloudarchive_9.8.7_amd64.deb"], "amd64"), StringComparison.Ordinal);
    }

    /// <summary>Installs into a root of its own and says what the program there says of its version.</summary>
    private static async Task<string> InstallAsync(TemporaryFolder folder, string deb, string arch)
    {
        string root = folder["root"];
        Directory.CreateDirectory(Path.Combine(root, "var/lib/dpkg/info"));
        Directory.CreateDirectory(Path.Combine(root, "var/lib/dpkg/updates"));
        await File.WriteAllTextAsync(Path.Combine(root, "var/lib/dpkg/status"), "", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(root, "var/lib/dpkg/arch"), arch + "\n", TestContext.Current.CancellationToken);
        await RunAsync("dpkg", $"--root={root}", "--force-not-root", "--force-depends", "--force-script-chrootless", "--force-architecture", "--log=/dev/null", "-i", deb);
        Assert.Contains("install ok installed", await File.ReadAllTextAsync(Path.Combine(root, "var/lib/dpkg/status"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(root, "usr/share/doc/cloudarchive/copyright")));
        return await RunAsync(Path.Combine(root, "usr/bin/cloudarchive"), "--version");
    }

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        (int exit, string output, string errors) = await Programs.RunAsync(program, arguments, TestContext.Current.CancellationToken);
        Assert.True(exit == 0, $"{program} {string.Join(' ', arguments)}: {output}{errors}");
        return output;
    }
}
