using System.Xml.Linq;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>The direction of docs/design.md: Format, Dicom &lt;- Core &lt;- Azure, Reports &lt;- Api &lt;- hosts; the CLI knows the service by its HTTP API alone.</summary>
public sealed class StructureTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Format"] = [],
        ["Dicom"] = [],
        ["Core"] = ["Format", "Dicom"],
        ["Azure"] = ["Core", "Format"],
        ["Reports"] = ["Core", "Format"],
        ["Api"] = ["Reports", "Core", "Format"],
        ["Functions"] = ["Api", "Azure", "Reports", "Core", "Format"],
        ["LocalHost"] = ["Api", "Azure", "Reports", "Core", "Format"],
        ["Cli"] = ["Format", "Dicom"],
        ["Dimse"] = ["Format", "Dicom"],
    };

    [Fact]
    public void Every_project_references_only_what_the_design_lets_it()
    {
        foreach (string project in Projects())
        {
            string[] allowed = Allowed[NameOf(project)];
            Assert.All(References(project, "ProjectReference"), r => Assert.Contains(NameOf(r.Replace('\\', '/')), allowed));
        }
    }

    [Fact]
    public void Format_and_Dicom_stand_on_the_base_class_library_alone()
    {
        foreach (string project in Projects().Where(p => NameOf(p) is "Format" or "Dicom"))
        {
            Assert.Empty(References(project, "PackageReference"));
            Assert.Empty(References(project, "FrameworkReference"));
        }
    }

    [Fact]
    public void Only_Azure_and_the_agents_recovery_reference_the_Azure_SDK()
    {
        foreach (string project in Projects())
        {
            string[] sdk = [.. References(project, "PackageReference").Where(p => p.StartsWith("Azure.", StringComparison.Ordinal))];
            string[] allowed = NameOf(project) switch
            {
                "Azure" => sdk,
                "Cli" => ["Azure.Core", "Azure.Storage.Blobs"],
                "Functions" => ["Azure.Monitor.OpenTelemetry.Exporter"],
                _ => [],
            };
            Assert.All(sdk, p => Assert.Contains(p, allowed));
        }
    }

    [Fact]
    public void The_partial_filter_leaves_out_Dimse_and_nothing_else()
    {
        string[] all = [.. Projects().Concat(Projects("tests"))
            .Select(Path.GetFileNameWithoutExtension).OfType<string>().Order(StringComparer.Ordinal)];
        string solution = File.ReadAllText(Path.Combine(Repository.Root, "CloudArchive.sln"));
        string filter = File.ReadAllText(Path.Combine(Repository.Root, "CloudArchive.PartialFeed.slnf"));

        Assert.All(all, p => Assert.Contains($"\\{p}.csproj", solution));
        Assert.All(all, p => Assert.Equal(!p.Contains("Dimse", StringComparison.Ordinal), filter.Contains($"\\\\{p}.csproj", StringComparison.Ordinal)));
    }

    // A folder per project: what lies deeper is generated (the Functions SDK writes a WorkerExtensions.csproj under obj).
    private static IEnumerable<string> Projects(string under = "src") =>
        Directory.EnumerateDirectories(Path.Combine(Repository.Root, under)).SelectMany(folder => Directory.EnumerateFiles(folder, "*.csproj"));

    private static string NameOf(string path) => Path.GetFileNameWithoutExtension(path)["CloudArchive.".Length..];

    private static IEnumerable<string> References(string project, string kind) =>
        XDocument.Load(project).Descendants(kind).Select(e => (string)e.Attribute("Include")!);
}
