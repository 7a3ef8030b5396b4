using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Cli;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.RestoreTests;

/// <summary>
/// Every kind of damage that somebody can do to what is stored, one to a pack: a restore test names each for what it is, and calls nothing damaged
/// that is whole. (Flipped bytes, at 200 places: CorruptionTests in CloudArchive.Core.Tests.)
/// </summary>
public sealed class DamageTests
{
    private const int Studies = 75;
    private const int RegionBytes = (4 << 20) + 28; // docs/formats.md: where a cut decrypts cleanly
    private const string Sidecar = ".sidecar.json";
    private const string Receipt = ".receipt.jws";

    [Fact]
    public async Task A_run_over_all_packs_names_every_kind_of_damage_and_calls_nothing_else_damaged()
    {
        await using TamperedArchive archive = await TamperedArchive.CreateAsync();
        IReadOnlyList<PackId> underOldKey = [.. await archive.BackUpAsync("old", studies: 2), .. await archive.SnapshotsAsync()];
        await archive.RotateKeyAsync();
        SampleStudies.WriteClinic(archive["clinic"], cbctSide: 170);
        IReadOnlyList<PackId> clinic = await archive.BackUpAsync("clinic");
        PackId large = PackId.Parse((await archive.CatalogueAsync("p:")).MaxBy(row => row.Number("length"))!.Key[2..]);
        Damages damages = new(await archive.BackUpAsync("many", studies: Studies));

        int snapshots = (await archive.SnapshotsAsync()).Count;
        Assert.Equal(3, snapshots);

        await AlterCatalogueAsync(archive, damages);
        await using (TamperedStorage storage = await archive.StopAsync())
        {
            await CutAndDeleteAsync(storage, damages, large);
            await SwapAsync(storage, damages);
            await LoosenAsync(storage, damages);
            storage.DeleteOldestKey();
            foreach (PackId pack in underOldKey) damages.Add(pack, PackFailure.KeyUnavailable, "key gone");
        }

        // A receipt without a catalogue row is a commit under way for the first hour.
        await archive.StartAsync(TimeSpan.FromHours(2));
        JsonObject run = (await archive.RunAsync("admin", "restore-test", "run", "--clinic", TamperedArchive.Clinic, "--packs", "10000", "--bytes", "100000000000", "--json")).Expect(ExitCode.Integrity).Json;

        Dictionary<PackId, string> found = run["packs"]!.AsArray().ToDictionary(pack => PackId.Parse((string)pack!["pack"]!), pack => (string?)pack!["result"]!["cause"] ?? (string)pack["result"]!["outcome"]!);
        Assert.Equal(underOldKey.Count + clinic.Count + Studies + snapshots - 1, found.Count); // the first snapshot is under the old key
        Assert.True(damages.Left >= 10, "Some packs must stay whole.");
        Assert.Empty(found.Where(pack => pack.Value != damages.Expected(pack.Key)).Select(pack => $"{damages.What(pack.Key)}: {pack.Value}, not {damages.Expected(pack.Key)}"));
        Assert.All(run["canaries"]!.AsArray(), canary => Assert.Equal((string?)canary!["expected"], (string?)canary["cause"]));
        Assert.Equal(["pack-failed"], run["faults"]!.AsArray().Select(fault => (string)fault!));
    }

    private static async Task CutAndDeleteAsync(TamperedStorage storage, Damages damages, PackId large)
    {
        damages.Add(large, PackFailure.HashMismatch, "cut where a region ends");
        await storage.ChangeAsync(large, "", bytes => bytes[..RegionBytes]);
        await storage.ChangeAsync(damages.Next(PackFailure.HashMismatch, "cut by a byte"), "", bytes => bytes[..^1]);
        await storage.ChangeAsync(damages.Next(PackFailure.HashMismatch, "emptied"), "", _ => []);
        await storage.ChangeAsync(damages.Next(PackFailure.HashMismatch, "grown by a byte"), "", bytes => [.. bytes, 0]);
        await storage.ChangeAsync(damages.Next(PackFailure.CatalogueMismatch, "sidecar cut by a byte"), Sidecar, bytes => bytes[..^1]);
        await storage.ChangeAsync(damages.Next(PackFailure.CatalogueMismatch, "sidecar emptied"), Sidecar, _ => []);
        await storage.ChangeAsync(damages.Next(PackFailure.CatalogueMismatch, "receipt cut by a byte"), Receipt, bytes => bytes[..^1]);
        await storage.ChangeAsync(damages.Next(PackFailure.CatalogueMismatch, "receipt emptied"), Receipt, _ => []);
        foreach (string extension in (string[])["", Sidecar, Receipt])
        {
            await storage.DeleteAsync(damages.Next(PackFailure.Missing, "deleted" + extension), extension);
        }
    }

    private static async Task SwapAsync(TamperedStorage storage, Damages damages)
    {
        await storage.SwapAsync(damages.Next(PackFailure.HashMismatch, "swapped"), damages.Next(PackFailure.HashMismatch, "swapped"), "");
        await storage.SwapAsync(damages.Next(PackFailure.HashMismatch, "swapped with its keys"), damages.Next(PackFailure.HashMismatch, "swapped with its keys"), "", "encryptiondata");
        await storage.SwapAsync(damages.Next(PackFailure.CatalogueMismatch, "sidecar swapped"), damages.Next(PackFailure.CatalogueMismatch, "sidecar swapped"), Sidecar);
        await storage.SwapAsync(damages.Next(PackFailure.CatalogueMismatch, "receipt swapped"), damages.Next(PackFailure.CatalogueMismatch, "receipt swapped"), Receipt);
    }

    /// <summary>Policies, and what a pack's blob says of its keys and version.</summary>
    private static async Task LoosenAsync(TamperedStorage storage, Damages damages)
    {
        foreach (string extension in (string[])["", Sidecar, Receipt])
        {
            await storage.ChangePolicyAsync(damages.Next(PackFailure.ImmutabilityLost, "policy gone" + extension), extension, null);
            await storage.ChangePolicyAsync(damages.Next(PackFailure.ImmutabilityLost, "policy unlocked" + extension), extension, "locked = 0");
            await storage.ChangePolicyAsync(damages.Next(PackFailure.ImmutabilityLost, "policy a year shorter" + extension), extension, $"until = until - {TimeSpan.FromDays(365).Ticks}");
        }

        await storage.ChangeMetadataAsync(damages.Next(PackFailure.CatalogueMismatch, "wrapped key gone"), metadata => metadata.Remove("encryptiondata"));
        await storage.ChangeMetadataAsync(damages.Next(PackFailure.CatalogueMismatch, "wrapped key garbled"), metadata => metadata["encryptiondata"] = metadata["encryptiondata"].Replace("RSA-OAEP-256", "RSA-OAEP"));
        await storage.ChangeMetadataAsync(damages.Next(PackFailure.CatalogueMismatch, "escrow key gone"), metadata => metadata.Remove("cloudarchive_escrow"));
        await storage.ChangeMetadataAsync(damages.Next(PackFailure.Missing, "another version"), metadata => metadata["cloudarchive_worm_version"] = "2026-01-01T00:00:00.0000000Z");
    }

    private static async Task AlterCatalogueAsync(TamperedArchive archive, Damages damages)
    {
        ILookup<string, Row> rows = (await archive.CatalogueAsync()).ToLookup(row => row.Key[..row.Key.IndexOf(':')]);
        foreach ((string name, object value) in ((string, object)[])
        [
            ("length", 1L), ("length", -1L), ("length", long.MaxValue), ("committedAt", DateTimeOffset.UnixEpoch), ("sha256", new string('0', 64)), ("sha256", "no digest"), ("study", "no uid"), ("studyDate", "19000101"), ("versionId", "another"), ("wrappedKey", new byte[384]),
            ("patientHmac", new string('0', 64)), ("receipt", "no.receipt.here"), ("immutableUntil", DateTimeOffset.UnixEpoch), ("instances", "many"),
        ])
        {
            PackId pack = damages.Next(PackFailure.CatalogueMismatch, $"pack's row: other {name}");
            await ReplaceAsync(rows["p"].Single(row => row.Key.EndsWith(pack.ToString(), StringComparison.Ordinal)), name, value);
        }

        await DeleteAsync("p", "pack's row gone", (row, pack, _) => row.Key.EndsWith(pack, StringComparison.Ordinal));
        await DeleteAsync("s", "study's row gone", (row, pack, _) => row.Key.EndsWith(pack, StringComparison.Ordinal));
        await DeleteAsync("k", "instances' row gone", (row, pack, _) => row.Key.Contains($":{pack}:", StringComparison.Ordinal));
        await DeleteAsync("o", "row o of its index gone", (row, pack, _) => row.Key.EndsWith(pack, StringComparison.Ordinal));
        foreach (string index in (string[])["xp", "xa", "xd"])
        {
            await DeleteAsync(index, $"row {index} of its index gone", (row, _, study) => row.Key.EndsWith(study, StringComparison.Ordinal));
        }

        await RepackAsync("other length", instances => instances[0]!["length"] = 1);
        await RepackAsync("other class", instances => instances[0]!["sopClass"] = "no uid");
        await RepackAsync("one that is not there", instances =>
        {
            JsonNode more = instances[0]!.DeepClone();
            more["sha256"] = new string('0', 64);
            instances.Add(more);
        });
        await RepackAsync("none", instances => instances.Clear());
        PackId garbled = damages.Next(PackFailure.CatalogueMismatch, "instances' row: garbled");
        await ReplaceAsync(Instances(garbled), "i00", new byte[] { 1, 2, 3 });
        PackId counted = damages.Next(PackFailure.CatalogueMismatch, "study's row: other count");
        await ReplaceAsync(rows["s"].Single(row => row.Key.EndsWith(counted.ToString(), StringComparison.Ordinal)), "instances", 7L);

        Row Instances(PackId pack) => rows["k"].Single(row => row.Key.Contains($":{pack}:", StringComparison.Ordinal));

        async Task RepackAsync(string what, Action<JsonArray> change)
        {
            Row row = Instances(damages.Next(PackFailure.CatalogueMismatch, $"instances' row: {what}"));
            JsonArray instances;
            await using (BrotliStream packed = new(new MemoryStream(row.Bytes("i00")!), CompressionMode.Decompress))
            {
                instances = (await JsonNode.ParseAsync(packed, cancellationToken: TestContext.Current.CancellationToken))!.AsArray();
            }

            change(instances);
            using MemoryStream changed = new();
            await using (BrotliStream packed = new(changed, CompressionLevel.Fastest, leaveOpen: true))
            {
                await packed.WriteAsync(Encoding.UTF8.GetBytes(instances.ToJsonString()), TestContext.Current.CancellationToken);
            }

            await ReplaceAsync(row, "i00", changed.ToArray());
        }

        Task ReplaceAsync(Row row, string name, object value) => archive.WriteCatalogueAsync(new RowWrite.Upsert(row.Key, new Dictionary<string, object>(row.Values) { [name] = value }));

        async Task DeleteAsync(string kind, string what, Func<Row, string, string, bool> isIts)
        {
            string pack = damages.Next(PackFailure.CatalogueMismatch, what).ToString();
            string study = rows["p"].Single(row => row.Key.EndsWith(pack, StringComparison.Ordinal)).Text("study")!;
            Row row = rows[kind].Single(row => isIts(row, pack, study));
            await archive.WriteCatalogueAsync(new RowWrite.Delete(row.Key, row.ETag!));
        }
    }

    /// <summary>What was done to which pack, one thing to each.</summary>
    private sealed class Damages(IReadOnlyList<PackId> packs)
    {
        private readonly Dictionary<PackId, (PackFailure Cause, string What)> _done = [];
        private readonly Queue<PackId> _whole = new(packs);

        public int Left => _whole.Count;

        /// <summary>The next whole pack, which is about to suffer this.</summary>
        public PackId Next(PackFailure cause, string what)
        {
            PackId pack = _whole.Dequeue();
            Add(pack, cause, what);
            return pack;
        }

        public void Add(PackId pack, PackFailure cause, string what) => _done.Add(pack, (cause, what));

        public string Expected(PackId pack) => JsonNamingPolicy.KebabCaseLower.ConvertName(_done.TryGetValue(pack, out (PackFailure Cause, string What) damage) ? damage.Cause.ToString() : nameof(PackTestOutcome.Recovered));

        public string What(PackId pack) => _done.TryGetValue(pack, out (PackFailure Cause, string What) damage) ? damage.What : "whole";
    }
}
