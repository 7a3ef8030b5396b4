using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Reflection;

namespace CloudArchive.Cli.Terminal;

/// <summary><c>--help</c>: what the library writes, then lines to copy, and where the manual is.</summary>
internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    /// <summary>The manual's address; a release has its own repository's.</summary>
    public static string Manual { get; } =
        typeof(HelpWithExamples).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(one => one.Key == "Manual")?.Value ?? "docs/cli.md";

    // One home: what a command does stands beside it, how it is mostly used stands here.
    private static readonly Dictionary<string, string[]> s_examples = new(StringComparer.Ordinal)
    {
        [""] = ["cloudarchive setup", "cloudarchive status", "cloudarchive backup", "cloudarchive restore --study 1.2.840.1 --out D:\\Restored --purpose treatment --recipient \"Dr. Lee\""],
        ["setup"] =
        [
            "cloudarchive setup",
            "cloudarchive setup --url https://archive.example.org --code 0T3Y8-E5ZTE-13DZ9-X14W3-9MHV1-G",
            "cloudarchive setup --yes --url https://archive.example.org --code <code> --folder D:\\Images --escrow-out E:\\escrow.pem --escrow-passphrase-file p.txt",
        ],
        ["enroll"] = ["cloudarchive enroll --url https://archive.example.org --code <code>", "cloudarchive enroll --url https://archive.example.org --code <code> --escrow-out E:\\escrow.pem"],
        ["backup"] = ["cloudarchive backup D:\\Images", "cloudarchive backup", "cloudarchive backup --limit-hours 08:00-18:00=500kB/s", "cloudarchive backup D:\\Images --dry-run"],
        ["watch"] = ["cloudarchive watch", "cloudarchive watch D:\\Images --settle 30"],
        ["status"] = ["cloudarchive status", "cloudarchive status --json"],
        ["service"] = ["cloudarchive service install", "cloudarchive service status"],
        ["service install"] = ["cloudarchive service install", "sudo CLOUDARCHIVE_HOME=/home/pacs/.local/share/cloudarchive cloudarchive service install --scope system --run-as pacs"],
        ["folders"] = ["cloudarchive folders add D:\\Images", "cloudarchive folders list"],
        ["folders exclude"] = ["cloudarchive folders exclude D:\\Images \"*.tmp\" cache/"],
        ["login"] = ["cloudarchive login --url https://archive.example.org", "cloudarchive login --device", "cloudarchive login --mfa", "cloudarchive login --status"],
        ["find"] = ["cloudarchive find lindqvist", "cloudarchive find anna lindq 1980-03-01", "cloudarchive find --rebuild"],
        ["restore"] =
        [
            "cloudarchive restore --study 1.2.840.1 --out D:\\Restored --purpose treatment --recipient \"Dr. Lee\"",
            "cloudarchive restore --patient - --out D:\\Restored --purpose treatment --recipient \"the patient\"",
            "cloudarchive restore --everything --out D:\\Images --purpose \"new server\" --recipient \"the clinic\"",
        ],
        ["recover"] = ["cloudarchive recover --from E:\\copy --escrow-key F:\\escrow.pem --out D:\\Images"],
        ["enrollment create"] = ["cloudarchive enrollment create --clinic oak-street"],
        ["clinic create"] = ["cloudarchive clinic create oak-street --name \"Oak Street Dental\""],
        ["clinic show"] = ["cloudarchive clinic show --clinic oak-street"],
        ["hold set"] = ["cloudarchive hold set --study 1.2.840.1 --reason \"claim 4711\""],
        ["evidence verify"] = ["cloudarchive evidence verify evidence-2026-11-02"],
        ["binder get"] = ["cloudarchive binder get --clinic oak-street --from 2026-01-01 --to 2026-04-01 --out oak-street-2026-q1.zip"],
        ["binder verify"] = ["cloudarchive binder verify oak-street-2026-q1.zip --key keys.json"],
        ["clinic objectives"] = ["cloudarchive clinic objectives --clinic oak-street --rto-hours 48 --rpo-hours 24"],
        ["audit verify"] = ["cloudarchive audit verify --live --clinic oak-street"],
    };

    public override int Invoke(ParseResult parseResult)
    {
        int result = help.Invoke(parseResult);
        TextWriter output = parseResult.InvocationConfiguration.Output;
        if (s_examples.TryGetValue(PathOf(parseResult.CommandResult.Command), out string[]? examples))
        {
            output.WriteLine("Examples:");
            foreach (string example in examples)
            {
                output.WriteLine($"  {example}");
            }

            output.WriteLine();
        }

        output.WriteLine($"Manual and exit codes: {Manual}");
        return result;
    }

    /// <summary>Every command that has examples, for a test that reads them.</summary>
    internal static IReadOnlyDictionary<string, string[]> All => s_examples;

    private static string PathOf(Command command) =>
        command is RootCommand ? "" : command.Parents.OfType<Command>().FirstOrDefault() is { } parent and not RootCommand ? $"{PathOf(parent)} {command.Name}" : command.Name;
}
