using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Format;
using CloudArchive.Format.Binders;
using CloudArchive.Testing;
using CloudArchive.Testing.Binders;

namespace CloudArchive.Cli.Tests.Binders;

public sealed class BinderVerifyCommandTests : IDisposable
{
    private readonly TestCli _cli = new();
    private readonly TemporaryFolder _folder = new();
    private readonly BinderSample _sample = new() { Gaps = [new BinderGap("reports/riverside-2026-11", "It could not be read.")] };

    public void Dispose()
    {
        _cli.Dispose();
        _folder.Dispose();
        _sample.Dispose();
    }

    [Fact]
    public async Task The_exit_code_and_the_output_say_what_is_verified_what_failed_and_what_was_not_checked()
    {
        using BinderSample whole = new();
        Write(await whole.MakeAsync(), whole);
        (ExitCode code, string output, _) = await VerifyAsync("--all");
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("The binder of riverside-dental, 2026-11-01 to 2026-12-01 (not included), is verified: 8 files", output, StringComparison.Ordinal);
        Assert.Contains("  verified: alerts.json", output, StringComparison.Ordinal);

        Write(await _sample.MakeAsync(), _sample);
        (code, output, _) = await VerifyAsync();
        Assert.Equal(ExitCode.NotChecked, code);
        Assert.Contains("holds as far as it could be checked: 8 verified, 1 not checked.", output, StringComparison.Ordinal);
        Assert.Contains("  not checked: reports/riverside-2026-11: Not included: It could not be read.", output, StringComparison.Ordinal);
        Assert.DoesNotContain("verified: alerts.json", output, StringComparison.Ordinal);

        Dictionary<string, byte[]> files = await _sample.MakeAsync();
        files[BinderFiles.Alerts] = "{}"u8.ToArray();
        Write(files, _sample);
        (code, output, _) = await VerifyAsync("--json");
        JsonNode answer = JsonNode.Parse(output)!;
        Assert.Equal((ExitCode.Integrity, "failed"), (code, (string)answer["state"]!));
        Assert.Equal(BinderFiles.Alerts, (string)Assert.Single(answer["items"]!.AsArray(), item => (string)item!["state"]! == "failed")!["path"]!);
    }

    [Fact]
    public async Task Without_keys_the_binders_own_are_taken_and_that_is_said()
    {
        using BinderSample whole = new();
        Write(await whole.MakeAsync(), whole);
        (ExitCode code, string output, _) = await _cli.RunAsync("binder", "verify", _folder["binder.zip"]);
        Assert.Equal(ExitCode.NotChecked, code);
        Assert.Contains("  not checked: keys.json: Nobody but the binder vouches for its keys.", output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Local, (await _cli.RunAsync("binder", "verify", _folder["none.zip"])).Code);
    }

    private void Write(Dictionary<string, byte[]> files, BinderSample sample)
    {
        File.WriteAllBytes(_folder["binder.zip"], BinderSample.Zip(files).ToArray());
        File.WriteAllBytes(_folder["keys.json"], JsonSerializer.SerializeToUtf8Bytes(sample.Evidence.Keys, FormatJson.Options));
    }

    private async Task<(ExitCode Code, string Output, string Error)> VerifyAsync(params string[] more) => await _cli.RunAsync(["binder", "verify", _folder["binder.zip"], "--key", _folder["keys.json"], .. more]);
}
