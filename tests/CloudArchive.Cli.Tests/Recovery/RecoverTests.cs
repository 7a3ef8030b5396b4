using System.Text.Json.Nodes;
using CloudArchive.Cli.Enrollment;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Recovery;

/// <summary><c>recover</c> on packs in a folder, with an escrow key in its file: nothing listens anywhere.</summary>
public sealed class RecoverTests : IDisposable
{
    private const string Passphrase = "a passphrase of some length";
    private readonly TemporaryFolder _folder = new();
    private readonly Packs _packs = new();
    private readonly TestCli _cli = new();

    public RecoverTests()
    {
        File.WriteAllText(_folder["escrow.pem"], _packs.Escrow.ExportEncryptedPkcs8PrivateKeyPem(Passphrase, new(System.Security.Cryptography.PbeEncryptionAlgorithm.Aes256Cbc, System.Security.Cryptography.HashAlgorithmName.SHA256, 1000)));
        File.WriteAllText(_folder["passphrase"], Passphrase + "\n");
    }

    private string Container => _folder["container"];

    private string Out => _folder["out"];

    public void Dispose()
    {
        _cli.Dispose();
        _packs.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Packs_and_sidecars_in_a_folder_and_the_escrow_key_are_enough()
    {
        await WriteAsync("demo-dental", ("Doe_Jane/a.dcm", "first"), ("Doe_Jane/b.dcm", "second"));
        await WriteAsync("demo-dental", ("c.dcm", "third"));
        (ExitCode code, JsonNode report) = await RecoverAsync();
        Assert.Equal(ExitCode.Ok, code);
        Assert.Equal(3, (int)report["restored"]!);
        Assert.Equal("first", File.ReadAllText(Path.Combine(Out, "Doe_Jane", "a.dcm")));
        Assert.Equal("third", File.ReadAllText(Path.Combine(Out, "c.dcm")));
        Assert.Equal(Packs.Modified(1).UtcDateTime, File.GetLastWriteTimeUtc(Path.Combine(Out, "Doe_Jane", "b.dcm")));
        Assert.Equal(3, Directory.GetFiles(Out, "*", SearchOption.AllDirectories).Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public async Task A_damaged_pack_is_reported_file_by_file_and_the_others_come_back(int at)
    {
        Sidecar bad = await WriteAsync("x", ("bad1", new string('a', 300_000)), ("bad2", new string('b', 300_000)));
        await WriteAsync("x", ("good", "good"));
        string path = Path.Combine(Container, "x", bad.Pack.ToString());
        byte[] bytes = await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken);
        bytes[at] ^= 1;
        await File.WriteAllBytesAsync(path, bytes, TestContext.Current.CancellationToken);
        (ExitCode code, JsonNode report) = await RecoverAsync();
        Assert.Equal(ExitCode.Integrity, code);
        Assert.Equal((1, 2), ((int)report["restored"]!, (int)report["failed"]!));
        Assert.Equal("good", Assert.Single(Directory.GetFiles(Out, "*", SearchOption.AllDirectories).Select(Path.GetFileName)));
        Assert.All(report["files"]!.AsArray().Where(f => (string)f!["outcome"]! == "failed"), f => Assert.StartsWith("Altered", (string)f!["why"]!, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_truncated_pack_gives_no_file()
    {
        Sidecar bad = await WriteAsync("x", ("bad", new string('a', 300_000)));
        string path = Path.Combine(Container, "x", bad.Pack.ToString());
        await using (FileStream file = File.OpenWrite(path)) file.SetLength(file.Length - 1);
        (ExitCode code, JsonNode report) = await RecoverAsync();
        Assert.Equal(ExitCode.Integrity, code);
        Assert.StartsWith("Truncated", (string)report["files"]![0]!["why"]!, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(Out, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_pack_under_another_packs_name_is_found_out()
    {
        Sidecar a = await WriteAsync("x", ("a", "a"));
        Sidecar b = await WriteAsync("x", ("b", "b"));
        File.Move(Path.Combine(Container, "x", a.Pack.ToString()), Path.Combine(Container, "x", "tmp"));
        File.Move(Path.Combine(Container, "x", b.Pack.ToString()), Path.Combine(Container, "x", a.Pack.ToString()));
        File.Move(Path.Combine(Container, "x", "tmp"), Path.Combine(Container, "x", b.Pack.ToString()));
        (ExitCode code, JsonNode report) = await RecoverAsync();
        Assert.Equal(ExitCode.Integrity, code);
        Assert.Equal(0, (int)report["restored"]!);
    }

    [Fact]
    public async Task A_pack_that_is_missing_beside_its_sidecar_is_reported_for_each_of_its_files()
    {
        Sidecar gone = await WriteAsync("x", ("a", "a"), ("b", "b"));
        File.Delete(Path.Combine(Container, "x", gone.Pack.ToString()));
        (ExitCode code, JsonNode report) = await RecoverAsync();
        Assert.Equal(ExitCode.Integrity, code);
        Assert.Equal(2, (int)report["failed"]!);
    }

    [Fact]
    public async Task A_pack_without_sidecar_in_a_folder_is_reported()
    {
        Sidecar alone = await WriteAsync("x", ("a", "a"));
        File.Delete(Path.Combine(Container, "x", $"{alone.Pack}.sidecar.json"));
        (ExitCode code, JsonNode report) = await RecoverAsync();
        Assert.Equal(ExitCode.Integrity, code);
        Assert.Contains("no sidecar", (string)report["files"]![0]!["why"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_clinics_escrow_key_opens_nothing_and_is_named()
    {
        using Packs other = new() { Escrow = Packs.OtherEscrow };
        await other.WriteAsync(Container, PackId.New(TimeProvider.System), ("a", Packs.Bytes("a")));
        (ExitCode code, JsonNode report) = await RecoverAsync();
        Assert.Equal(ExitCode.Integrity, code);
        Assert.Contains(JwkKeys.Thumbprint(JwkKeys.FromRsa(other.Escrow)), (string)report["files"]![0]!["why"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_study_can_be_picked()
    {
        await WriteAsync("x", ("a", "a"));
        (ExitCode code, JsonNode report) = await RecoverAsync("--study", "9.9.9");
        Assert.Equal((ExitCode.NothingFound, 0), (code, (int)report["restored"]!));
        (code, report) = await RecoverAsync("--study", Packs.Study.Value);
        Assert.Equal((ExitCode.Ok, 1), (code, (int)report["restored"]!));
    }

    [Fact]
    public async Task The_newest_version_of_a_path_has_the_plain_name()
    {
        await WriteAsync("x", ("a.dcm", "older"));
        await Task.Delay(5, TestContext.Current.CancellationToken); // ids sort by their millisecond
        await WriteAsync("x", ("a.dcm", "newer"));
        (ExitCode code, _) = await RecoverAsync();
        Assert.Equal(ExitCode.Ok, code);
        Assert.Equal("newer", File.ReadAllText(Path.Combine(Out, "a.dcm")));
        Assert.Equal(2, Directory.GetFiles(Out).Length);
    }

    [Fact]
    public async Task Doing_it_again_finds_everything_there()
    {
        await WriteAsync("x", ("a", "a"));
        await RecoverAsync();
        (ExitCode code, JsonNode report) = await RecoverAsync();
        Assert.Equal((ExitCode.Ok, 0, 1), (code, (int)report["restored"]!, (int)report["skipped"]!));
    }

    [Fact]
    public async Task A_wrong_passphrase_is_a_usage_error_and_writes_nothing()
    {
        await WriteAsync("x", ("a", "a"));
        File.WriteAllText(_folder["passphrase"], "wrong");
        (ExitCode code, _, string error) = await _cli.RunAsync("recover", "--from", Container, "--escrow-key", _folder["escrow.pem"], "--escrow-passphrase-file", _folder["passphrase"], "--out", Out);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("passphrase", error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Out));
    }

    [Fact]
    public async Task A_folder_without_packs_is_told()
    {
        Directory.CreateDirectory(Container);
        (ExitCode code, _, string error) = await _cli.RunAsync("recover", "--from", Container, "--escrow-key", _folder["escrow.pem"], "--escrow-passphrase-file", _folder["passphrase"], "--out", Out);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("No pack", error, StringComparison.Ordinal);
    }

    private Task<Sidecar> WriteAsync(string below, params (string Path, string Content)[] files) =>
        _packs.WriteAsync(Path.Combine(Container, below), PackId.New(TimeProvider.System), [.. files.Select(f => (f.Path, Packs.Bytes(f.Content)))]);

    private async Task<(ExitCode Code, JsonNode Report)> RecoverAsync(params string[] more)
    {
        (ExitCode code, string output, string error) = await _cli.RunAsync(["recover", "--from", Container, "--escrow-key", _folder["escrow.pem"], "--escrow-passphrase-file", _folder["passphrase"], "--out", Out, "--json", .. more]);
        Assert.True(output.Length > 0, error);
        return (code, JsonNode.Parse(output)!);
    }
}
