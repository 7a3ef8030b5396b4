using System.Security.Cryptography;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>An archive with one enrolled clinic: what most of these tests begin with.</summary>
public sealed class Practice : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();

    private Practice(string clinic) => Clinic = clinic;

    public string Clinic { get; }

    public ArchiveProcess Archive { get; private set; } = null!;

    /// <summary>The clinic's computer.</summary>
    public Cli Agent { get; private set; } = null!;

    /// <summary>An admin's computer.</summary>
    public Cli Admin { get; private set; } = null!;

    public string EscrowKey => _folder["escrow.pem"];

    public string PassphraseFile => _folder["passphrase.txt"];

    /// <summary>A path of this test's own.</summary>
    public string this[string relative] => _folder[relative];

    public static async Task<Practice> OpenAsync(string clinic = "test-clinic", bool approval = false, string name = "Test Clinic")
    {
        Practice practice = new(clinic);
        practice.Archive = await ArchiveProcess.StartAsync(practice["archive"]);
        practice.UseArchive();
        string[] create = ["clinic", "create", clinic, "--name", name];
        (await practice.Admin.RunAsync(approval ? create : [.. create, "--no-approval"])).Expect(0);
        await File.WriteAllTextAsync(practice.PassphraseFile, "correct horse battery staple");
        await practice.EnrollAsync("--escrow-out", practice.EscrowKey, "--escrow-passphrase-file", practice.PassphraseFile);
        return practice;
    }

    /// <summary>Enrolls the agent with a new code.</summary>
    public async Task EnrollAsync(params string[] more)
    {
        CliRun code = (await Admin.RunAsync("enrollment", "create", "--clinic", Clinic, "--json")).Expect(0);
        (await Agent.RunAsync(["enroll", "--url", Archive.Url, "--code", (string)code.Json["code"]!, "--name", "test-pc", .. more])).Expect(0);
    }

    public async Task<CliRun> BackUpAsync(string folder) => (await Agent.RunAsync("backup", folder, "--json")).Expect(0);

    public async Task<CliRun> RestoreEverythingAsync(string target) =>
        await Admin.RunAsync("restore", "--clinic", Clinic, "--everything", "--out", target, "--purpose", "test", "--recipient", "test", "--json");

    /// <summary>The service goes away; what is stored stays.</summary>
    public Task StopArchiveAsync() => Archive.StopAsync();

    /// <summary>What is stored, without the service, which must have stopped: no keys, no API.</summary>
    public Task<LocalStorage> StorageAloneAsync() => LocalStorage.StartAsync(Archive.Data, TestContext.Current.CancellationToken);

    /// <summary>Copies the packs of a stopped archive, with all that lies beside them.</summary>
    public async Task CopyPacksAsync(string target)
    {
        await using LocalStorage storage = await StorageAloneAsync();
        BlobContainerClient packs = StoredArchive.Service(storage.BlobUrl.ToString()).GetBlobContainerClient("packs");
        foreach (BlobItem blob in packs.GetBlobs())
        {
            string path = Path.Combine(target, blob.Name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await packs.GetBlobClient(blob.Name).DownloadToAsync(path);
        }
    }

    /// <summary>Starts the service again on the same data.</summary>
    public async Task RestartArchiveAsync()
    {
        await Archive.DisposeAsync();
        Archive = await ArchiveProcess.StartAsync(this["archive"]);
        UseArchive();
    }

    /// <summary>SHA-256 of every file below a folder, sorted: two folders with the same list hold the same contents.</summary>
    public static string[] Contents(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(HashOf).Order(StringComparer.Ordinal)];

    public async ValueTask DisposeAsync()
    {
        await Archive.DisposeAsync();
        _folder.Dispose();
    }

    private void UseArchive()
    {
        Agent = new Cli(this["agent"]);
        Admin = new Cli(this["admin"], Archive.Url, Archive.AdminToken);
    }

    public static string HashOf(string file)
    {
        using FileStream stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
