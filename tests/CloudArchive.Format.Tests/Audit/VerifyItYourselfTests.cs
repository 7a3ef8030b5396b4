using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using CloudArchive.Format.Audit;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests.Audit;

/// <summary>Runs what docs/verify-it-yourself.md tells people to run.</summary>
public sealed partial class VerifyItYourselfTests : IDisposable
{
    private static readonly string Page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "verify-it-yourself.md"));
    private readonly TemporaryFolder _folder = new();
    private readonly MadeUpLog _log = new(40, 0, 10, 30);

    [Fact]
    public void The_script_has_60_lines() => Assert.InRange(Block("js").Split('\n').Count(line => line.Trim().Length > 0), 30, 60);

    [Fact]
    public async Task The_script_confirms_an_export_that_holds()
    {
        (int code, string output) = await RunScriptAsync();
        Assert.Equal((0, "HOLDS: 40 entries of smile-dental, 30 of them signed at 2026-07-02T14:00:00+00:00"), (code, output));
    }

    [Fact]
    public async Task The_script_and_the_verifier_agree_on_what_does_not_hold()
    {
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        (string Expected, Action<MadeUpLog> Tamper)[] tamperings =
        [
            ("the first 30 entries are not those that were signed", log => log.Entries[15] = MadeUpLog.Write(MadeUpLog.Entry(15) with { Reason = "changed" })),
            ("entry 15 is not canonical", log => log.Entries[15] = log.Entries[15].Replace("\"index\":15", "\"index\":15.0")),
            ("entry 15 is not JSON", log => log.Entries[15] = "gone"),
            ("entry 16 stands in the place of entry 15", log => log.Entries.RemoveAt(15)),
            ("entry 20 stands in the place of entry 15", log => (log.Entries[15], log.Entries[20]) = (log.Entries[20], log.Entries[15])),
            ("entry 15 is of the log other-clinic", log => log.Entries[15] = MadeUpLog.Write(MadeUpLog.Entry(15) with { Log = "other-clinic" })),
            ("25 entries are left of the 30", log => log.Entries.RemoveRange(25, 15)),
            ("checkpoint 4 is signed with an unknown key, key-2", log => log.Checkpoints.Add(MadeUpLog.Sign(new Checkpoint(Checkpoint.CurrentFormat, MadeUpLog.Name, 40, log.RootOf(40), MadeUpLog.Start), other, "key-2"))),
            ("checkpoint 4 is not signed with key-1", log => log.Checkpoints.Add(MadeUpLog.Sign(new Checkpoint(Checkpoint.CurrentFormat, MadeUpLog.Name, 40, log.RootOf(40), MadeUpLog.Start), other, "key-1"))),
            ("there is no checkpoint", log => log.Checkpoints.Clear()),
        ];
        foreach ((string expected, Action<MadeUpLog> tamper) in tamperings)
        {
            using MadeUpLog log = new(40, 0, 10, 30);
            tamper(log);
            (int code, string output) = await RunScriptAsync(log);
            Assert.Equal(1, code);
            Assert.Contains(expected, output, StringComparison.Ordinal);
            Assert.False(log.Verify().Holds, expected);
        }
    }

    [Fact]
    public async Task The_shell_commands_confirm_an_export_that_holds()
    {
        SkipWithoutTools();
        (int code, string output) = await RunShellAsync(_log);
        Assert.Equal(0, code);
        foreach (string expected in new[] { "Verified OK", "\"size\": 30", "every line is canonical", "no entry is missing or out of order", "entry 0 is its leaf" })
        {
            Assert.Contains(expected, output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_shell_commands_find_a_forged_signature_and_a_missing_entry()
    {
        SkipWithoutTools();
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using MadeUpLog forged = new(40, 30);
        forged.Checkpoints[0] = MadeUpLog.Sign(new Checkpoint(Checkpoint.CurrentFormat, MadeUpLog.Name, 30, forged.RootOf(30), MadeUpLog.Start), other, "key-1");
        (int code, string output) = await RunShellAsync(forged);
        Assert.NotEqual(0, code);
        Assert.DoesNotContain("Verified OK", output, StringComparison.Ordinal);

        using MadeUpLog cut = new(40, 30);
        cut.Entries.RemoveAt(20);
        (_, output) = await RunShellAsync(cut);
        Assert.Contains("every line is canonical", output, StringComparison.Ordinal);
        Assert.DoesNotContain("no entry is missing", output, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _log.Dispose();
        _folder.Dispose();
    }

    private static void SkipWithoutTools() => Assert.SkipUnless(
        new[] { "bash", "openssl", "jq" }.All(tool => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, tool)))),
        "This computer has not got bash, openssl and jq.");

    private static string Block(string language) => string.Join('\n', Blocks().Matches(Page).Where(block => block.Groups["language"].Value == language).Select(block => block.Groups["code"].Value));

    private async Task<(int Code, string Output)> RunScriptAsync(MadeUpLog? log = null)
    {
        Write(log ?? _log);
        await File.WriteAllTextAsync(_folder["verify.mjs"], Block("js"));
        return await RunAsync("node", "verify.mjs", "export", "keys.json");
    }

    private async Task<(int Code, string Output)> RunShellAsync(MadeUpLog log)
    {
        Write(log);
        await File.WriteAllTextAsync(_folder["verify.sh"], Block("bash"));
        return await RunAsync("bash", "verify.sh");
    }

    private void Write(MadeUpLog log)
    {
        Directory.CreateDirectory(_folder["export"]);
        File.WriteAllText(_folder[Path.Combine("export", AuditExport.EntriesFile)], string.Concat(log.Entries.Select(line => line + "\n")));
        File.WriteAllText(_folder[Path.Combine("export", AuditExport.CheckpointsFile)], string.Concat(log.Checkpoints.Select(line => line + "\n")));
        File.WriteAllText(_folder[Path.Combine("export", AuditExport.LeavesFile)], string.Concat(log.Leaves.Select(line => line + "\n")));
        File.WriteAllBytes(_folder["keys.json"], JsonSerializer.SerializeToUtf8Bytes(log.Keys, FormatJson.Options));
    }

    private async Task<(int Code, string Output)> RunAsync(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { WorkingDirectory = _folder.Path, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        TestContext.Current.TestOutputHelper?.WriteLine(output + await errors);
        return (process.ExitCode, output.Trim());
    }

    [GeneratedRegex(@"^```(?<language>\w+)\n(?<code>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Blocks();
}
