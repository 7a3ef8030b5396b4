using System.IO.Compression;
using System.Text;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests;

/// <summary>docs/design.md, invariant 6, at the service's seams: whatever it writes, of studies, folders and snapshots, no path, name, birth date or ID is in it.</summary>
public sealed class NoNamesTests(SharedStorage shared)
{
    /// <summary>In paths, contents, labels and identifiers of what is archived below.</summary>
    private static readonly string[] s_names = ["Lindqvist", "19800417", "PID-4711", "Befund", "PID-7", "Muster^Anna", @"C:\Imaging", "Imaging"];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_blob_row_or_audit_entry_holds_a_path_a_name_a_birth_date_or_an_id()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        ClinicId id = archive.Clinic.Id;
        TestFile photo = PlainSets.Plain("Lindqvist 19800417/PID-4711.jpg", "Lindqvist"), letter = PlainSets.Plain("Lindqvist 19800417/Befund.pdf", "%PDF-1.7 Lindqvist, 19800417");
        SealedPack study = await archive.BackUpAsync();
        SealedPack folder = await archive.BackUpFolderAsync("Lindqvist 19800417", photo, letter);
        SealedPack first = await archive.BackUpSnapshotAsync([(photo, folder.Opened.Pack), (study.Files[0], study.Opened.Pack)]);
        SealedPack snapshot = await archive.BackUpSnapshotAsync([(letter, folder.Opened.Pack)], [first.Opened.Pack]);

        // All that the service does with them.
        using System.Security.Cryptography.RSA key = System.Security.Cryptography.RSA.Create(2048);
        RestoreRequest request = new(JwkKeys.FromRsa(key), "after an attack", "the practice", Snapshot: snapshot.Opened.Pack);
        Restore restore = await archive.Core.Restores.RequestAsync(id, request, Archive.Admin, Cancel);
        Assert.Equal(4, (await archive.Core.Results.ReadAsync(id, restore.Id, null, Archive.Admin, Cancel)).Items.Count);
        await archive.Core.Holds.SetAsync(id, folder.Sidecar.Study, null, "a case", Archive.Admin, Cancel);
        archive.Clock.Advance(TimeSpan.FromHours(2));
        await archive.Core.Tests.StartAsync(id, new TestBudget(100, 1L << 30), new RunTrigger(RunTriggerKind.OnDemand), Archive.Admin, Cancel);
        Assert.True(await archive.Core.TestRunner.RunAsync(id, TimeSpan.FromHours(1), Archive.Admin, Cancel));
        await archive.Core.Losses.RecordAsync(id, folder.Opened.Pack, PackLossCause.Damaged, "test", Archive.Admin, Cancel);
        await archive.RunAsync();
        Assert.Empty((await archive.Core.Rebuild.RunAsync(id, null, 100, Archive.Admin, Cancel)).Problems);

        int looked = 0;
        List<string> found = [];
        foreach ((string where, byte[] bytes) in await EverythingAsync(archive))
        {
            looked++;
            found.AddRange(s_names.Where(name => Contains(bytes, name)).Select(name => $"{where}: {name}"));
        }

        Assert.Empty(found);
        Assert.True(looked > 100, $"{looked}"); // it looked at something
        Assert.True(Contains(Encoding.UTF8.GetBytes("x Lindqvist y"), "lindqvist"));
        Assert.True(Contains(Unpacked(Brotli("Lindqvist")), "Lindqvist"));
    }

    private static async Task<List<(string Where, byte[] Bytes)>> EverythingAsync(MemoryArchive archive)
    {
        List<(string, byte[])> all = [];
        foreach (VaultArea area in Enum.GetValues<VaultArea>())
        {
            foreach ((BlobName name, BlobState state) in archive.Vault.All(area))
            {
                all.Add(($"name of {name}", Encoding.UTF8.GetBytes(name.Path)));
                all.Add(($"metadata of {name}", Encoding.UTF8.GetBytes(string.Join('\n', state.Metadata.Concat(archive.Vault.TagsOf(name)).Select(pair => $"{pair.Key}={pair.Value}")))));
                await using Stream content = await archive.Vault.OpenReadAsync(name, state.VersionId, Cancel);
                using MemoryStream bytes = new();
                await content.CopyToAsync(bytes, Cancel);
                all.Add((name.ToString(), bytes.ToArray()));
            }
        }

        foreach (RowTable table in Enum.GetValues<RowTable>())
        {
            await foreach (string partition in archive.Rows.PartitionsAsync(table, Cancel))
            {
                await foreach (Row row in archive.Rows.ReadAllAsync(table, partition, RowRange.All, Cancel))
                {
                    all.Add(($"key {row.Key}", Encoding.UTF8.GetBytes(row.Key)));
                    foreach ((string name, object value) in row.Values)
                    {
                        all.Add(($"{table} {row.Key} {name}", value as byte[] ?? Encoding.UTF8.GetBytes($"{value}")));
                        all.AddRange(value is byte[] packed ? [($"{table} {row.Key} {name}, unpacked", Unpacked(packed))] : []);
                    }
                }
            }
        }

        return all;
    }

    private static bool Contains(byte[] bytes, string name) => Encoding.Latin1.GetString(bytes).Contains(name, StringComparison.OrdinalIgnoreCase);

    /// <summary>What was compressed as rows are.</summary>
    private static byte[] Unpacked(byte[] bytes)
    {
        using MemoryStream plain = new();
        try
        {
            using BrotliStream brotli = new(new MemoryStream(bytes), CompressionMode.Decompress);
            brotli.CopyTo(plain);
        }
        catch (InvalidDataException)
        {
            // As much of it as is Brotli.
        }
        catch (InvalidOperationException)
        {
            // The same.
        }

        return plain.ToArray();
    }

    private static byte[] Brotli(string text)
    {
        using MemoryStream packed = new();
        using (BrotliStream brotli = new(packed, CompressionLevel.Optimal))
        {
            brotli.Write(Encoding.UTF8.GetBytes(text));
        }

        return packed.ToArray();
    }
}
