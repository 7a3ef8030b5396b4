using System.IO.Compression;
using System.Text.Json.Nodes;
using Azure.Data.Tables;
using Azure.Storage.Blobs;
using Azure.Storage.Sas;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>Invariant 7: losing any one of {agent's disk, catalogue tables, Key Vault, service} loses no image. (The agent's disk: RoundTripTests.)</summary>
public sealed class LossTests
{
    [Fact]
    public async Task With_the_catalogue_tables_deleted_a_rebuild_from_sidecars_brings_everything_back()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        await using Practice practice = await Practice.OpenAsync();
        SampleStudies.WriteMixed(practice["clinic"], 300);
        await practice.BackUpAsync(practice["clinic"]);
        TableClient catalog = StoredArchive.Tables(practice.Archive.TableUrl).GetTableClient("Catalog");
        string[] receipts = await ReceiptsAsync(practice);
        int deleted = 0;
        foreach (TableEntity row in catalog.Query<TableEntity>(cancellationToken: cancellationToken).ToList())
        {
            await catalog.DeleteEntityAsync(row.PartitionKey, row.RowKey, cancellationToken: cancellationToken);
            deleted++;
        }

        Assert.True(deleted > 30); // a row a pack and some for look-ups
        await practice.RestartArchiveAsync();
        CliRun rebuild = (await practice.Admin.RunAsync("catalog", "rebuild", "--clinic", practice.Clinic, "--json")).Expect(0);
        Assert.Equal(300 + 2, (int)rebuild.Json["instances"]!); // a snapshot has two files

        (await practice.RestoreEverythingAsync(practice["restored"])).Expect(0);
        Assert.Equal(Practice.Contents(practice["clinic"]), Practice.Contents(practice["restored"]));
        Assert.Equal(receipts, await ReceiptsAsync(practice));
        Assert.Equal(0, (int)(await practice.BackUpAsync(practice["clinic"])).Json["packs"]!);
    }

    [Fact]
    public async Task With_the_service_down_and_the_clinics_key_gone_recover_opens_every_pack_with_the_escrow_key()
    {
        await using Practice practice = await Practice.OpenAsync();
        SampleStudies.WriteMixed(practice["clinic"], 200);
        SampleStudies.WriteClinic(practice["clinic"], cbctSide: 64);
        await practice.BackUpAsync(practice["clinic"]);
        await practice.StopArchiveAsync();
        Directory.Delete(practice.Agent.Home, recursive: true);
        await practice.CopyPacksAsync(practice["copy"]);

        Cli stranger = new(practice["stranger"]);
        CliRun recover = (await stranger.RunAsync("recover", "--from", practice["copy"], "--escrow-key", practice.EscrowKey, "--escrow-passphrase-file", practice.PassphraseFile, "--out", practice["recovered"], "--json")).Expect(0);

        Assert.Equal(207, (int)recover.Json["restored"]!);
        Assert.Equal(Practice.Contents(practice["clinic"]), Practice.Contents(practice["recovered"]));
    }

    [Fact]
    public async Task With_the_service_down_recover_reads_straight_from_the_container()
    {
        await using Practice practice = await Practice.OpenAsync();
        SampleStudies.WriteMixed(practice["clinic"], 50);
        await practice.BackUpAsync(practice["clinic"]);
        await practice.StopArchiveAsync();
        await using LocalStorage storage = await practice.StorageAloneAsync();
        BlobContainerClient packs = StoredArchive.Service(storage.BlobUrl.ToString()).GetBlobContainerClient("packs");
        Uri container = packs.GenerateSasUri(BlobContainerSasPermissions.Read | BlobContainerSasPermissions.List, TimeProvider.System.GetUtcNow().AddHours(1));

        CliRun recover = (await new Cli(practice["stranger"]).RunAsync("recover", "--from", container.ToString(), "--escrow-key", practice.EscrowKey, "--escrow-passphrase-file", practice.PassphraseFile, "--out", practice["recovered"], "--json")).Expect(0);

        Assert.Equal(50, (int)recover.Json["restored"]!);
        Assert.Equal(Practice.Contents(practice["clinic"]), Practice.Contents(practice["recovered"]));
    }

    [Fact]
    public async Task A_stock_Azure_SDK_client_and_unzip_open_a_pack_with_the_escrow_key()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        await using Practice practice = await Practice.OpenAsync();
        SampleStudies.WriteOne(Path.Combine(practice["clinic"], "one.dcm"), "one");
        await practice.BackUpAsync(practice["clinic"]);
        await practice.StopArchiveAsync();
        await using StockClient stock = await StockClient.OpenAsync(practice);
        byte[] zip = await stock.OpenAsync((await Task.WhenAll(stock.Names().Select(async name => (Name: name, Sidecar: await stock.SidecarAsync(name))))).Single(pack => pack.Sidecar["set"] is null).Name);

        using ZipArchive unzip = new(new MemoryStream(zip));
        ZipArchiveEntry entry = unzip.Entries.Single(e => e.FullName.EndsWith("one.dcm", StringComparison.Ordinal));
        using MemoryStream restored = new();
        await using (Stream content = entry.Open()) await content.CopyToAsync(restored, cancellationToken);
        Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(practice["clinic"], "one.dcm"), cancellationToken), restored.ToArray());
        Assert.Contains(unzip.Entries, e => e.FullName == "manifest.json");
    }

    private static async Task<string[]> ReceiptsAsync(Practice practice)
    {
        using HttpClient client = practice.Archive.Client(practice.Archive.AdminToken);
        JsonNode page = JsonNode.Parse(await client.GetStringAsync($"/v1/clinics/{practice.Clinic}/receipts?take=1000", TestContext.Current.CancellationToken))!;
        return [.. page["items"]!.AsArray().Select(r => (string)r!["receipt"]!).Order(StringComparer.Ordinal)];
    }
}
