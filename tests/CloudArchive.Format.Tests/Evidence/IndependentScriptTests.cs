using CloudArchive.Format.Evidence;
using CloudArchive.Testing;
using CloudArchive.Testing.Evidence;

namespace CloudArchive.Format.Tests.Evidence;

/// <summary>docs/redraw-sample.py draws a sample again with nothing of this code base. Where there is no Python, tests/vectors/sampling.json holds what it drew.</summary>
public sealed class IndependentScriptTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_script_draws_the_same_sample_from_the_evidence_alone()
    {
        using EvidenceSample sample = new();
        EvidenceDocument document = await sample.DocumentAsync();
        (int exit, string output) = await RunAsync(EvidenceWriter.Serialize(document));
        Assert.Equal(0, exit);
        Assert.Equal(document.Sample.Select(pack => pack.Pack.ToString()), output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')[0]));
    }

    [Fact]
    public async Task The_script_sees_a_pack_that_was_not_drawn()
    {
        using EvidenceSample sample = new();
        EvidenceDocument document = await sample.DocumentAsync();
        PackId other = document.Population.Select(pack => pack.Pack).First(pack => document.Sample.All(drawn => drawn.Pack != pack));
        (int exit, _) = await RunAsync(EvidenceWriter.Serialize(document with { Sample = [.. document.Sample.Skip(1).Prepend(new SampledPack(other, SampleReason.Random))] }));
        Assert.Equal(1, exit);
    }

    private async Task<(int Exit, string Output)> RunAsync(byte[] evidence)
    {
        Assert.SkipUnless(Programs.Has("python3"), "There is no python3 on the PATH.");
        await File.WriteAllBytesAsync(_folder["evidence.json"], evidence);
        string[] script = [Path.Combine(Repository.Root, "docs", "redraw-sample.py"), _folder["evidence.json"]];
        (int exit, string output, string errors) = await Programs.RunAsync("python3", script, TestContext.Current.CancellationToken);
        Assert.Equal("", errors);
        return (exit, output);
    }
}
