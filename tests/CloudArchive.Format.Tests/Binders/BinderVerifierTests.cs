using CloudArchive.Format.Binders;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Signing;
using CloudArchive.Testing.Binders;
using CloudArchive.Testing.Evidence;

namespace CloudArchive.Format.Tests.Binders;

public sealed class BinderVerifierTests
{
    [Fact]
    public async Task A_binder_as_it_was_made_is_verified_file_by_file()
    {
        using BinderSample sample = new();
        Dictionary<string, byte[]> files = await sample.MakeAsync();
        BinderVerification verification = Verify(files, sample.Evidence.Keys);
        Assert.Equal((BinderState.Verified, sample.Evidence.Keys.Keys[0].Kid), (verification.State, verification.SignedBy));
        Assert.Equal(files.Keys.Where(name => name != BinderFiles.IndexSignature).Order(StringComparer.Ordinal), verification.Items.Select(item => item.Path));
        Assert.Equal("carol", verification.Index!.MadeFor);
    }

    [Fact]
    public void The_golden_binder_still_verifies()
    {
        string folder = Path.Combine(CloudArchive.Testing.Repository.Root, "tests", "vectors", "binder-1");
        JwkSet keys = System.Text.Json.JsonSerializer.Deserialize<JwkSet>(File.ReadAllBytes(Path.Combine(folder, "jwks.json")), FormatJson.Options)!;
        using FileStream zip = File.OpenRead(Path.Combine(folder, "binder.zip"));
        BinderVerification verification = BinderVerifier.Verify(zip, keys);
        Assert.Equal(
            [new BinderItem("reports/riverside-dental-2026-11", BinderState.NotChecked, "Not included: It could not be read.")],
            verification.Items.Where(item => item.State != BinderState.Verified));
        Assert.Equal(8, verification.Items.Count(item => item.State == BinderState.Verified));
    }

    [Theory]
    [InlineData(EvidenceFiles.Document)]
    [InlineData(EvidenceFiles.Signature)]
    [InlineData(EvidenceFiles.Report)]
    [InlineData(EvidenceFiles.ReportSignature)]
    public async Task One_byte_changed_in_a_file_is_named_and_nothing_else_is(string file)
    {
        using BinderSample sample = new();
        Dictionary<string, byte[]> files = await sample.MakeAsync();
        files[sample.Run + file][^3] ^= 1;
        BinderVerification verification = Verify(files, sample.Evidence.Keys);
        Assert.Equal(BinderState.Failed, verification.State);
        BinderItem failed = Assert.Single(verification.Items, item => item.State == BinderState.Failed);
        Assert.Equal((sample.Run + file, "Its bytes are not those that the index names: it was changed."), (failed.Path, failed.Why));
    }

    [Fact]
    public async Task A_file_that_was_taken_out_added_or_put_in_twice_is_named()
    {
        using BinderSample sample = new();
        Dictionary<string, byte[]> files = await sample.MakeAsync();
        Dictionary<string, byte[]> without = new(files);
        without.Remove(BinderFiles.Alerts);
        AssertFailed(Verify(without, sample.Evidence.Keys), BinderFiles.Alerts, "It is missing.");
        AssertFailed(Verify(new Dictionary<string, byte[]>(files) { ["reports/better.pdf"] = [1] }, sample.Evidence.Keys), "reports/better.pdf", "The index does not name it: it was added.");
        AssertFailed(Verify([.. files, KeyValuePair.Create(BinderFiles.Alerts, "{}"u8.ToArray())], sample.Evidence.Keys), BinderFiles.Alerts, "It is in the ZIP twice.");
    }

    [Fact]
    public async Task A_changed_index_fails_and_what_it_alone_vouches_for_is_not_checked_while_evidence_still_is()
    {
        using BinderSample sample = new();
        Dictionary<string, byte[]> files = await sample.MakeAsync();
        files[BinderFiles.Index] = System.Text.Encoding.UTF8.GetBytes(System.Text.Encoding.UTF8.GetString(files[BinderFiles.Index]).Replace("Riverside Dental", "Another practice", StringComparison.Ordinal));
        BinderVerification verification = Verify(files, sample.Evidence.Keys);
        AssertFailed(verification, BinderFiles.IndexSignature, "The signature does not fit.");
        Assert.Null(verification.SignedBy);
        Assert.Equal(BinderState.NotChecked, State(verification, BinderFiles.Alerts));
        Assert.Equal(BinderState.Verified, State(verification, sample.Run + EvidenceFiles.Document));
        Assert.Equal(BinderState.Verified, State(verification, BinderFiles.Checkpoint));
    }

    [Fact]
    public async Task Evidence_that_does_not_hold_fails_under_a_whole_index_too()
    {
        // Whoever has the signing key for the index alone would still have to make the numbers fit.
        using BinderSample sample = new();
        Dictionary<string, byte[]> files = await sample.MakeAsync();
        EvidenceDocument better = EvidenceWriter.Parse(files[sample.Run + EvidenceFiles.Document]);
        EvidenceBundle signed = await sample.Evidence.SignAsync(better with { Summary = better.Summary with { Recovered = better.Summary.Recovered + 1 } });
        files[sample.Run + EvidenceFiles.Document] = signed.Document.ToArray();
        files[sample.Run + EvidenceFiles.Signature] = System.Text.Encoding.ASCII.GetBytes(signed.Signature);
        BinderIndex index = System.Text.Json.JsonSerializer.Deserialize<BinderIndex>(files[BinderFiles.Index], FormatJson.Options)!;
        byte[] json = CanonicalJson.Serialize(index with { Files = [.. index.Files.Select(file => new BinderFile(file.Path, files[file.Path].Length, Sha256Digest.Of(files[file.Path])))] });
        files[BinderFiles.Index] = json;
        files[BinderFiles.IndexSignature] = System.Text.Encoding.ASCII.GetBytes(await sample.Evidence.SignDetachedAsync(BinderIndex.JwsType, json));
        BinderVerification verification = Verify(files, sample.Evidence.Keys);
        Assert.Equal(BinderState.Verified, State(verification, BinderFiles.Index));
        Assert.Contains("/summary/recovered", Assert.Single(verification.Items, item => item.Path == sample.Run + EvidenceFiles.Document && item.State == BinderState.Failed).Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Evidence_under_another_runs_name_and_a_checkpoint_of_another_log_fail()
    {
        using BinderSample sample = new();
        Dictionary<string, byte[]> files = await sample.MakeAsync(index => index with
        {
            Clinic = ClinicId.Parse("another-clinic"),
        });
        BinderVerification verification = Verify(files, sample.Evidence.Keys);
        Assert.Equal("It is the evidence of another run.", Why(verification, sample.Run + EvidenceFiles.Document));
        Assert.Equal("It is of another log.", Why(verification, BinderFiles.Checkpoint));
    }

    [Fact]
    public async Task What_is_not_included_is_not_checked_with_its_cause()
    {
        using BinderSample sample = new() { Gaps = [new BinderGap("restore-tests/0199", "It is not in storage.")] };
        BinderVerification verification = Verify(await sample.MakeAsync(), sample.Evidence.Keys);
        Assert.Equal(BinderState.NotChecked, verification.State);
        Assert.Equal("Not included: It is not in storage.", Why(verification, "restore-tests/0199"));
    }

    [Fact]
    public async Task Without_keys_from_elsewhere_nothing_is_called_verified_as_a_whole()
    {
        using BinderSample sample = new();
        Dictionary<string, byte[]> files = await sample.MakeAsync();
        BinderVerification own = Verify(files, null);
        Assert.Equal(BinderState.NotChecked, own.State);
        Assert.Contains(own.Items, item => item is { Path: BinderFiles.Keys, State: BinderState.NotChecked } && item.Why!.StartsWith("Nobody but the binder vouches", StringComparison.Ordinal));

        using EvidenceSample stranger = new();
        BinderVerification other = Verify(files, stranger.Keys);
        Assert.Equal(BinderState.Failed, other.State);
        Assert.Equal(BinderState.Failed, State(other, sample.Run + EvidenceFiles.Document));
    }

    [Fact]
    public async Task What_is_no_binder_is_an_answer_and_no_exception()
    {
        using BinderSample sample = new();
        byte[] whole = BinderSample.Zip(await sample.MakeAsync()).ToArray();
        JwkSet keys = sample.Evidence.Keys;
        foreach (byte[] zip in (byte[][])[[], "no ZIP at all"u8.ToArray(), whole[..(whole.Length / 2)], BinderSample.Zip([]).ToArray()])
        {
            Assert.Equal(BinderState.Failed, BinderVerifier.Verify(new MemoryStream(zip), keys).State);
        }

        foreach (string index in (string[])["", "null", "{}", "[]", "{\"format\":\"cloudarchive/binder/2\"}", "{\"files\":[null]}"])
        {
            Dictionary<string, byte[]> files = await sample.MakeAsync();
            files[BinderFiles.Index] = System.Text.Encoding.UTF8.GetBytes(index);
            Assert.Equal(BinderState.Failed, Verify(files, keys).State);
        }

        // Wherever one byte is another, something fails, and nothing throws.
        for (int at = 0; at < whole.Length; at += 97)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= 0x40;
            BinderVerifier.Verify(new MemoryStream(damaged), keys);
        }
    }

    private static BinderVerification Verify(IEnumerable<KeyValuePair<string, byte[]>> files, JwkSet? keys) => BinderVerifier.Verify(BinderSample.Zip(files), keys);

    private static BinderState State(BinderVerification verification, string path) => Assert.Single(verification.Items, item => item.Path == path).State;

    private static string? Why(BinderVerification verification, string path) => Assert.Single(verification.Items, item => item.Path == path && item.State != BinderState.Verified).Why;

    private static void AssertFailed(BinderVerification verification, string path, string why)
    {
        Assert.Equal(BinderState.Failed, verification.State);
        Assert.Contains(verification.Items, item => item == new BinderItem(path, BinderState.Failed, why));
    }
}
