using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;
using CloudArchive.LocalHost.Keys;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.RestoreTests;

/// <summary>Damage done straight to what lies on the disk, behind the service's and the WORM layer's back.</summary>
public sealed class CorruptionTests
{
    private const int Flips = 200;
    private const int Sound = 10;
    private const int Seed = 20261126;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_over_all_packs_finds_every_corruption_with_its_cause_and_nothing_else()
    {
        using TemporaryFolder folder = new();
        using LocalKeys keys = await LocalKeys.OpenAsync(folder["keys"], Cancel);
        FakeTimeProvider clock = new(DateTimeOffset.UtcNow);
        Random random = new(Seed);
        Dictionary<PackId, (PackFailure Cause, string What)> expected = [];
        TestClinic clinic;
        List<PackId> packs = [];
        await using (LocalStorage storage = await LocalStorage.StartAsync(new LocalStorageOptions(folder["storage"]), TimeProvider.System, Cancel))
        {
            clinic = await TestClinic.CreateAsync(new Archive(storage.Rows, storage.Vault, keys, keys, keys, clock));

            // Sealed under the first version of the clinic's key; all others under the second, and the clinic's own secret was opened already.
            PackId keyless = (await clinic.BackUpAsync(files: 1)).Pack.Opened.Pack;
            await keys.RotateAsync(clinic.Id, Cancel);
            expected[keyless] = (PackFailure.KeyUnavailable, "key removed");
            for (int i = 0; i < Flips + Sound + 7; i++)
            {
                packs.Add((await clinic.BackUpAsync(files: 1)).Pack.Opened.Pack);
            }

            // The catalogue, past the service.
            PackId altered = packs[^1];
            Row row = (await storage.Rows.FindAsync(RowTable.Catalog, clinic.Id.Value, $"p:{altered}", Cancel))!;
            Dictionary<string, object> values = new(row.Values) { ["wrappedKey"] = new byte[384] };
            await storage.Rows.SubmitAsync(RowTable.Catalog, clinic.Id.Value, [new RowWrite.Replace(row.Key, values, row.ETag!)], Cancel);
            expected[altered] = (PackFailure.CatalogueMismatch, "catalogue altered");

            // With its blobs, below: every trace of it but the log's.
            IReadOnlyList<Row> rows = await storage.Rows.QueryAsync(RowTable.Catalog, clinic.Id.Value, "!", "~", 10_000, Cancel);
            await storage.Rows.TryDeleteAsync(RowTable.Catalog, clinic.Id.Value, [.. rows.Where(row => row.Key.Contains(packs[^2].ToString(), StringComparison.Ordinal))], Cancel);
            expected[packs[^2]] = (PackFailure.Missing, "erased");
        }

        string Name(PackId pack) => $"{clinic.Id}/{pack}";
        StorageOnDisk disk = StorageOnDisk.Open(folder["storage"]);
        for (int i = 0; i < Flips; i++)
        {
            // Anywhere in what belongs to the pack, each byte as likely as any other.
            (string Suffix, PackFailure Cause)[] blobs = [("", PackFailure.HashMismatch), (".sidecar.json", PackFailure.CatalogueMismatch), (".receipt.jws", PackFailure.CatalogueMismatch)];
            long at = random.NextInt64(blobs.Sum(blob => disk.Length("packs", Name(packs[i]) + blob.Suffix)));
            foreach ((string suffix, PackFailure cause) in blobs)
            {
                long length = disk.Length("packs", Name(packs[i]) + suffix);
                if (at < length)
                {
                    int bit = random.Next(8);
                    disk.Flip("packs", Name(packs[i]) + suffix, at, bit);
                    expected[packs[i]] = (cause, $"bit {bit} of byte {at} of pack{suffix} flipped");
                    break;
                }

                at -= length;
            }
        }

        PackId[] rest = [.. packs.Skip(Flips + Sound)];
        disk.Truncate("packs", Name(rest[0]), 1);
        expected[rest[0]] = (PackFailure.HashMismatch, "truncated");
        disk.Delete("packs", Name(rest[1]));
        expected[rest[1]] = (PackFailure.Missing, "deleted");
        disk.Swap("packs", Name(rest[2]), Name(rest[3]));
        expected[rest[2]] = expected[rest[3]] = (PackFailure.HashMismatch, "swapped");
        disk.DropPolicy("packs", Name(rest[4]));
        expected[rest[4]] = (PackFailure.ImmutabilityLost, "policy dropped");
        foreach (string suffix in (string[])["", ".sidecar.json", ".receipt.jws"])
        {
            disk.Delete("packs", Name(rest[5]) + suffix);
        }

        disk.Save();
        string[] versions = [.. Directory.GetFiles(folder["keys"], "*.pem", SearchOption.AllDirectories).Where(file => file.Contains($"kek-{clinic.Id}", StringComparison.Ordinal)).OrderBy(File.GetLastWriteTimeUtc)];
        Assert.Equal(2, versions.Length);
        File.Delete(versions[0]);

        clock.Advance(TimeSpan.FromHours(2)); // What only the log knows may be a commit that is under way.
        await using LocalStorage again = await LocalStorage.StartAsync(new LocalStorageOptions(folder["storage"]), TimeProvider.System, Cancel);
        Archive archive = new(again.Rows, again.Vault, keys, keys, keys, clock);
        RestoreTestResponse started = await archive.Tests.StartAsync(clinic.Id, TestBudget.Everything with { Packs = 1000, Bytes = 1L << 40, ArchivedBytes = 0 }, new RunTrigger(RunTriggerKind.OnDemand), Archive.Admin, Cancel);
        Assert.Equal(Flips + Sound + 8, started.Sample);
        Assert.True(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), Requester.System("timer", "test"), Cancel));
        RestoreTestResponse run = await archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel);
        foreach (PackTestResult result in run.Packs!.Select(pack => pack.Result!))
        {
            (PackFailure? cause, string what) = expected.TryGetValue(result.Pack, out (PackFailure Cause, string What) damage) ? (damage.Cause, damage.What) : ((PackFailure?)null, "sound");
            Assert.True(cause == result.Cause, $"{what}: expected {cause}, found {result.Cause} ({result.Detail}) at {result.Steps[^1].Step}.");
        }

        Assert.Equal((expected.Count, Sound), (run.Failed, run.Passed));
        Assert.All(run.Canaries!, canary => Assert.True(canary.AsExpected, canary.Canary));
        Assert.Equal([RunFault.PackFailed], run.Faults);
    }
}
