using CloudArchive.Core.Audit;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.RestoreTests;

public sealed class CanariesTests(SharedStorage shared)
{
    private static readonly Requester _timer = Requester.System("timer", "test");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task There_is_one_for_every_cause_but_time_and_one_that_is_sound_and_each_comes_out_as_it_must()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        IReadOnlyList<CanaryResult> canaries = await clinic.Archive.Canaries.RunAsync(clinic.Id, _timer, Cancel);
        Assert.Equal(
            Enum.GetValues<PackFailure>().Where(cause => cause != PackFailure.TimedOut).Select(cause => (PackFailure?)cause).Append(null).OrderBy(cause => cause),
            canaries.Select(canary => canary.Expected).OrderBy(cause => cause));
        Assert.All(canaries, canary => Assert.Equal((canary.Canary, canary.Expected), (canary.Canary, canary.Cause)));
        Assert.Equal(PackTestOutcome.Recovered, canaries.Single(canary => canary.Expected is null).Outcome);
    }

    [Fact]
    public async Task They_are_made_once_with_an_entry_each_and_no_list_of_packs_has_them()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync(files: 1);
        await clinic.Archive.Canaries.RunAsync(clinic.Id, _timer, Cancel);
        await clinic.Archive.Canaries.RunAsync(clinic.Id, _timer, Cancel);
        Assert.Equal(9, (await clinic.LogAsync()).Count(entry => entry.Action == AuditActions.CanaryMade));
        Assert.Single((await clinic.Archive.Catalog.ListPacksAsync(clinic.Id, null, 1000, Cancel)).Packs);
        Assert.Single((await clinic.Archive.Catalog.ListStudiesAsync(clinic.Id, new(), null, 1000, Cancel)).Items);
        Assert.Single(await clinic.Archive.Population.ReadAsync(clinic.Id, Cancel));
        await foreach (ListedBlob blob in shared.Storage.Vault.ListAsync(VaultArea.Packs, $"{clinic.Id}/", null, Cancel))
        {
            Assert.DoesNotContain("canaries", blob.Name.Path, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_canary_that_somebody_repaired_fails_the_run_and_calls_for_attention()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync(files: 1);
        await clinic.Archive.Canaries.RunAsync(clinic.Id, _timer, Cancel);

        // Somebody means well: the catalogue's study date is put right.
        Row known = (await shared.Storage.Rows.FindAsync(RowTable.Work, clinic.Id.Value, "canary:catalogue-mismatch", Cancel))!;
        await foreach (Row row in shared.Storage.Rows.ReadAllAsync(RowTable.Catalog, $"$canaries-{clinic.Id}", new RowRange("p:", "t"), Cancel))
        {
            if (row.Key.EndsWith(known.Text("pack")!, StringComparison.Ordinal))
            {
                Dictionary<string, object> mended = new(row.Values);
                Assert.True(mended.Remove("studyDate"));
                await shared.Storage.Rows.SubmitAsync(RowTable.Catalog, row.Partition, [new RowWrite.Replace(row.Key, mended, row.ETag!)], Cancel);
            }
        }

        RestoreTestResponse run = await RunAsync(clinic, clinic.Archive);
        Assert.Equal((RestoreTestStatus.Failed, 1, 0), (run.Status, run.Passed, run.Failed));
        Assert.Equal([RunFault.CanaryNotAsExpected], run.Faults);
        Assert.Equal("canary-failed", Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.AlertRaised && entry.Subject.Other == run.Id).Details!["cause"]);
    }

    [Theory]
    [InlineData("immutability-lost")]
    [InlineData("hash-mismatch")]
    public async Task A_test_that_sees_no_damage_is_found_out(string blind)
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync(files: 1);
        await clinic.Archive.Canaries.RunAsync(clinic.Id, _timer, Cancel);
        IBlobVault storage = blind == "immutability-lost" ? new AlwaysLocked(shared.Storage.Vault) : new Mending(shared.Storage.Vault);
        Archive lying = new(shared.Storage.Rows, storage, shared.Keys, shared.Keys, shared.Keys, clinic.Archive.Clock);
        RestoreTestResponse run = await RunAsync(clinic, lying);
        Assert.Equal(RestoreTestStatus.Failed, run.Status);
        Assert.Contains(RunFault.CanaryNotAsExpected, run.Faults);
        Assert.False(run.Canaries!.Single(canary => canary.Canary == blind).AsExpected);
    }

    private static async Task<RestoreTestResponse> RunAsync(TestClinic clinic, Archive archive)
    {
        RestoreTestResponse started = await clinic.Archive.Tests.StartAsync(clinic.Id, new TestBudget(5, 1L << 30), new RunTrigger(RunTriggerKind.OnDemand), Archive.Admin, Cancel);
        Assert.True(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        return await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel);
    }

    private sealed class AlwaysLocked(IBlobVault inner) : VaultDecorator(inner)
    {
        public override async Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) =>
            await base.FindAsync(name, versionId, cancellationToken) is { } state ? state with { Locked = true, ImmutableUntil = state.ImmutableUntil ?? DateTimeOffset.MaxValue } : null;
    }

    /// <summary>Storage that mends the last byte of what it reads, as a test that never compares would have it.</summary>
    private sealed class Mending(IBlobVault inner) : VaultDecorator(inner)
    {
        public override async Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken)
        {
            await using Stream stream = await base.OpenReadAsync(name, versionId, cancellationToken);
            using MemoryStream copy = new();
            await stream.CopyToAsync(copy, cancellationToken);
            byte[] bytes = copy.ToArray();
            if (name.Path.Contains("/canaries/", StringComparison.Ordinal) && await IsDamagedAsync(name))
            {
                bytes[^1] ^= 1;
            }

            return new MemoryStream(bytes);
        }

        private async Task<bool> IsDamagedAsync(BlobName name)
        {
            if (name.Path.Contains(".sidecar", StringComparison.Ordinal) || name.Path.Contains(".receipt", StringComparison.Ordinal))
            {
                return false;
            }

            // Only the one whose bytes differ from its sidecar.
            BlobName sidecar = new(name.Area, name.Path + ".sidecar.json");
            BlobState state = (await base.FindAsync(sidecar, CancellationToken.None))!;
            await using Stream json = await base.OpenReadAsync(sidecar, state.VersionId, CancellationToken.None);
            using MemoryStream copy = new();
            await json.CopyToAsync(copy);
            Sha256Digest expected = Format.Packs.Sidecars.Parse(copy.ToArray()).Sha256;
            BlobState pack = (await base.FindAsync(name, CancellationToken.None))!;
            await using Stream ciphertext = await base.OpenReadAsync(name, pack.VersionId, CancellationToken.None);
            using MemoryStream bytes = new();
            await ciphertext.CopyToAsync(bytes);
            return Sha256Digest.Of(bytes.ToArray()) != expected;
        }
    }
}
