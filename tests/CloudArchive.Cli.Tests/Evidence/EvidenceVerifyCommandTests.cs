using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Testing;
using CloudArchive.Testing.Evidence;

namespace CloudArchive.Cli.Tests.Evidence;

public sealed class EvidenceVerifyCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly EvidenceSample _sample = new() { Packs = 20, Fails = place => place == 1 ? PackFailure.HashMismatch : null };

    public void Dispose()
    {
        _folder.Dispose();
        _sample.Dispose();
    }

    [Fact]
    public async Task Evidence_that_holds_is_said_to_and_its_verdict_is_told()
    {
        await WriteAsync();
        (int exit, string output, _) = await RunAsync("evidence", "verify", _folder.Path, "--key", _folder["keys.json"]);
        Assert.Equal((int)ExitCode.Ok, exit);
        Assert.Contains("holds: signatures, proof, sample and numbers", output);
        Assert.Contains("The run FAILED: 1 of 20 packs did not come back; 0 of 4 canaries were not as expected.", output);
        Assert.Contains("With 95% confidence", output);
    }

    [Theory]
    [InlineData("\"recovered\":19", "\"recovered\":20", "/summary/recovered")]
    [InlineData("\"cause\":\"hash-mismatch\"", "\"cause\":\"missing\"", "/results/1/cause")]
    public async Task Evidence_that_was_changed_fails_and_the_place_is_named(string from, string to, string where)
    {
        await WriteAsync();
        string json = await File.ReadAllTextAsync(_folder[EvidenceFiles.Document], TestContext.Current.CancellationToken);
        Assert.Contains(from, json);
        await File.WriteAllTextAsync(_folder[EvidenceFiles.Document], json.Replace(from, to), TestContext.Current.CancellationToken);
        (int exit, string output, _) = await RunAsync("evidence", "verify", _folder.Path, "--key", _folder["keys.json"]);
        Assert.Equal((int)ExitCode.Integrity, exit);
        Assert.Contains("DOES NOT HOLD", output);
        Assert.Contains(EvidenceFiles.Signature, output);
        Assert.Contains(where[..where.LastIndexOf('/')], output);
    }

    [Fact]
    public async Task Another_pack_in_the_sample_fails_and_the_place_is_named()
    {
        await WriteAsync(new EvidenceSample { Packs = 40 });
        JsonNode document = JsonNode.Parse(await File.ReadAllTextAsync(_folder[EvidenceFiles.Document], TestContext.Current.CancellationToken))!;
        string[] drawn = [.. document["sample"]!.AsArray().Select(pack => pack!["pack"]!.GetValue<string>())];
        document["sample"]![0]!["pack"] = document["population"]!.AsArray().Select(pack => pack!["pack"]!.GetValue<string>()).First(pack => !drawn.Contains(pack));
        await File.WriteAllBytesAsync(_folder[EvidenceFiles.Document], CanonicalJson.Serialize(document), TestContext.Current.CancellationToken);
        (int exit, string output, _) = await RunAsync("evidence", "verify", _folder.Path, "--key", _folder["keys.json"]);
        Assert.Equal((int)ExitCode.Integrity, exit);
        Assert.Contains("/sample/0: Drawn again, this is pack " + drawn[0], output);
    }

    [Fact]
    public async Task A_report_that_was_changed_is_found()
    {
        await WriteAsync();
        await File.AppendAllTextAsync(_folder[EvidenceFiles.Report], " ", TestContext.Current.CancellationToken);
        (int exit, string output, _) = await RunAsync("evidence", "verify", _folder.Path, "--key", _folder["keys.json"]);
        Assert.Equal((int)ExitCode.Integrity, exit);
        Assert.Contains("report.jws: The signature does not fit.", output);
    }

    [Fact]
    public async Task Evidence_without_its_report_holds_by_itself()
    {
        await WriteAsync();
        File.Delete(_folder[EvidenceFiles.Report]);
        File.Delete(_folder[EvidenceFiles.ReportSignature]);
        (int exit, string output, _) = await RunAsync("evidence", "verify", _folder.Path, "--key", _folder["keys.json"]);
        Assert.Equal((int)ExitCode.Ok, exit);
        Assert.Contains("holds", output);
    }

    [Fact]
    public async Task The_answer_as_a_document_holds_the_findings()
    {
        await WriteAsync();
        File.Delete(_folder[EvidenceFiles.ReportSignature]);
        (int exit, string output, _) = await RunAsync("evidence", "verify", _folder.Path, "--key", _folder["keys.json"], "--json");
        Assert.Equal((int)ExitCode.Integrity, exit);
        using JsonDocument answer = JsonDocument.Parse(output);
        Assert.False(answer.RootElement.GetProperty("holds").GetBoolean());
        Assert.Equal(EvidenceFiles.ReportSignature, Assert.Single(answer.RootElement.GetProperty("findings").EnumerateArray()).GetProperty("where").GetString());
        Assert.Equal("failed", answer.RootElement.GetProperty("verdict").GetString());
    }

    [Fact]
    public async Task Keys_that_are_none_and_a_folder_without_evidence_are_errors_of_their_own()
    {
        await WriteAsync();
        await File.WriteAllTextAsync(_folder["keys.json"], "{}", TestContext.Current.CancellationToken);
        Assert.Equal((int)ExitCode.Usage, (await RunAsync("evidence", "verify", _folder.Path, "--key", _folder["keys.json"])).Exit);
        Assert.Equal((int)ExitCode.Usage, (await RunAsync("evidence", "verify", _folder.Path)).Exit);
        await WriteAsync();
        Assert.Equal((int)ExitCode.Local, (await RunAsync("evidence", "verify", _folder["nowhere"], "--key", _folder["keys.json"])).Exit);
    }

    private async Task WriteAsync(EvidenceSample? other = null)
    {
        EvidenceSample sample = other ?? _sample;
        EvidenceBundle bundle = await sample.SignAsync(await sample.DocumentAsync());
        byte[] report = Encoding.ASCII.GetBytes("%PDF-1.7 stands for one");
        await File.WriteAllBytesAsync(_folder[EvidenceFiles.Document], bundle.Document.ToArray(), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_folder[EvidenceFiles.Signature], bundle.Signature, TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(_folder[EvidenceFiles.Report], report, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_folder[EvidenceFiles.ReportSignature], await sample.SignDetachedAsync(EvidenceDocument.ReportJwsType, report), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_folder[EvidenceFiles.Keys], JsonSerializer.Serialize(sample.Keys, FormatJson.Options), TestContext.Current.CancellationToken);
    }

    private async Task<(int Exit, string Output, string Error)> RunAsync(params string[] args)
    {
        using StringWriter output = new(), error = new();
        CliEnvironment environment = new() { Out = output, Error = error, In = TextReader.Null, Variable = name => name == "CLOUDARCHIVE_HOME" ? _folder["home"] : null };
        return (await CloudArchiveCli.RunAsync(args, environment, TestContext.Current.CancellationToken), output.ToString(), error.ToString());
    }
}
