using System.CommandLine;
using System.Text.Json;
using CloudArchive.Format;

namespace CloudArchive.Cli;

/// <summary>What several commands share.</summary>
internal static class CommonOptions
{
    private static readonly JsonSerializerOptions Indented = new(FormatJson.Options) { WriteIndented = true };

    /// <summary><c>--json</c>.</summary>
    public static Option<bool> Json() => new("--json") { Description = "Print one JSON document on standard output and nothing else there" };

    /// <summary>Prints the document of <c>--json</c>.</summary>
    public static void WriteJson<T>(this CliEnvironment environment, T document) => environment.Out.WriteLine(JsonSerializer.Serialize(document, Indented));
}
