using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.RestoreTests;

public sealed class RestoreTestRunTests(SharedStorage shared)
{
    private static readonly Requester _timer = Requester.System("timer", "test");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_tests_its_sample_and_anyone_can_recompute_that()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Dictionary<PackId, Receipt> receipts = [];
        for (int i = 0; i < 5; i++)
        {
            (SealedPack pack, string jws) = await clinic.BackUpAsync();
            receipts[pack.Opened.Pack] = Receipts.Verify(jws, await shared.Keys.GetPublicKeysAsync(Cancel));
        }

        RestoreTestResponse started = await clinic.Archive.Tests.StartAsync(clinic.Id, 4, Archive.Admin, Cancel);
        Assert.Equal((RestoreTestStatus.Running, 5, 4), (started.Status, started.Population, started.Sample));
        Assert.True(await clinic.Archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        RestoreTestResponse run = await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel);
        Assert.Equal((RestoreTestStatus.Passed, 4, 0, 8), (run.Status, run.Passed, run.Failed, run.Instances));
        Assert.All(run.Packs!, pack => Assert.True(pack.Passed));

        // With nothing but the public keys, the receipts and the run's checkpoint.
        Checkpoint checkpoint = SignedCheckpoint.Verify(run.Checkpoint, await shared.Keys.GetPublicKeysAsync(Cancel)).Statement;
        Assert.All(receipts.Values, receipt => Assert.True(receipt.AuditIndex < checkpoint.Size));
        Candidate[] population = [.. receipts.Values.Select(receipt => new Candidate(receipt.Pack, receipt.Study, null))];
        IEnumerable<string> expected = Sampling.Choose(population, checkpoint.Root, 4).Where(pack => pack.Pick == RestoreTestPick.Random).Select(pack => pack.Pack.ToString());
        Assert.Equal(expected.Order(StringComparer.Ordinal), run.Packs!.Where(pack => pack.Pick == RestoreTestPick.Random).Select(pack => pack.Pack.ToString()).Order(StringComparer.Ordinal));

        IReadOnlyList<AuditEntry> log = await clinic.LogAsync();
        Assert.Equal(checkpoint.Root.Hex, Assert.Single(log, entry => entry.Action == AuditActions.RestoreTestStarted).Details!["checkpointRoot"]);
        Assert.Equal(AuditOutcome.Success, Assert.Single(log, entry => entry.Action == AuditActions.RestoreTestFinished).Outcome);
    }

    [Fact]
    public async Task What_was_not_tested_comes_first_in_the_next_run()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        List<PackId> all = [];
        for (int i = 0; i < 4; i++)
        {
            all.Add((await clinic.BackUpAsync(files: 1)).Pack.Opened.Pack);
        }

        HashSet<PackId> tested = [];
        for (int i = 0; i < 4; i++)
        {
            RestoreTestResponse started = await clinic.Archive.Tests.StartAsync(clinic.Id, 2, Archive.Admin, Cancel);
            await clinic.Archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel);
            RestoreTestResponse run = await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel);

            // As long as there is one that was never tested and that chance did not take, the other half takes such a one.
            PackId random = run.Packs!.Single(pack => pack.Pick == RestoreTestPick.Random).Pack;
            PackId oldest = run.Packs!.Single(pack => pack.Pick == RestoreTestPick.LongestUntested).Pack;
            Assert.Equal(all.Any(pack => pack != random && !tested.Contains(pack)), !tested.Contains(oldest));
            tested.UnionWith([random, oldest]);
            clinic.Archive.Clock.Advance(TimeSpan.FromDays(1));
        }

        Assert.Equal(4, tested.Count);
        Assert.Equal(4, (await clinic.Archive.Tests.LastTestedAsync(clinic.Id, Cancel)).Count);
    }

    [Fact]
    public async Task A_pack_that_fails_fails_the_run_and_the_others_are_tested_all_the_same()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack good, _) = await clinic.BackUpAsync();
        (SealedPack bad, _) = await clinic.BackUpAsync();
        Row row = (await shared.Storage.Rows.FindAsync(RowTable.Catalog, clinic.Id.Value, $"p:{bad.Opened.Pack}", Cancel))!;
        await shared.Storage.Rows.SubmitAsync(RowTable.Catalog, clinic.Id.Value, [new RowWrite.Replace(row.Key, new Dictionary<string, object>(row.Values) { ["length"] = 1L }, row.ETag!)], Cancel);
        RestoreTestResponse started = await clinic.Archive.Tests.StartAsync(clinic.Id, 10, Archive.Admin, Cancel);
        await clinic.Archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel);
        RestoreTestResponse run = await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel);
        Assert.Equal((RestoreTestStatus.Failed, 1, 1), (run.Status, run.Passed, run.Failed));
        Assert.Equal(RestoreTestCause.CatalogueMismatch, run.Packs!.Single(pack => pack.Pack == bad.Opened.Pack).Cause);
        Assert.True(run.Packs!.Single(pack => pack.Pack == good.Opened.Pack).Passed);
        AuditEntry entry = Assert.Single(await clinic.LogAsync(), e => e.Action == AuditActions.RestoreTestFinished);
        Assert.Equal(AuditOutcome.Failure, entry.Outcome);
        Assert.Contains(bad.Opened.Pack.ToString(), entry.Details!["failures"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_goes_on_where_it_died_and_finishes_once()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync(files: 1);
        await clinic.BackUpAsync(files: 1);
        for (int call = 1; ; call += 3)
        {
            RestoreTestResponse started = await clinic.Archive.Tests.StartAsync(clinic.Id, 2, Archive.Admin, Cancel);
            Doom doom = new(call);
            Archive doomed = new(new DoomedRows(shared.Storage.Rows, doom), shared.Storage.Vault, shared.Keys, shared.Keys, shared.Keys, clinic.Archive.Clock);
            try
            {
                await doomed.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel);
            }
            catch (DeadException)
            {
                // As it should.
            }

            await clinic.Archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel);
            await clinic.Archive.Outbox.DrainAsync(RowTable.Work, clinic.Id.Value, TimeSpan.FromSeconds(-1), Cancel);
            RestoreTestResponse run = await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel);
            Assert.Equal((RestoreTestStatus.Passed, 2), (run.Status, run.Passed));
            Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.RestoreTestFinished && entry.Subject.Other == run.Id);
            if (!doom.Struck)
            {
                break;
            }
        }
    }

    [Fact]
    public async Task A_run_stops_between_packs_when_its_budget_is_spent()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync(files: 1);
        await clinic.BackUpAsync(files: 1);
        RestoreTestResponse started = await clinic.Archive.Tests.StartAsync(clinic.Id, 2, Archive.Admin, Cancel);
        Archive slow = new(shared.Storage.Rows, shared.Storage.Vault, shared.Keys, new SlowUnwrapper(shared.Keys, clinic.Archive.Clock), shared.Keys, clinic.Archive.Clock);
        Assert.False(await slow.TestRunner.RunAsync(clinic.Id, TimeSpan.FromSeconds(30), _timer, Cancel));
        Assert.Equal(1, (await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel)).Packs!.Count(pack => pack.Passed is not null));
        Assert.True(await slow.TestRunner.RunAsync(clinic.Id, TimeSpan.FromSeconds(30), _timer, Cancel));
        Assert.Equal(RestoreTestStatus.Passed, (await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel)).Status);
    }

    [Fact]
    public async Task A_clinic_without_packs_has_nothing_to_test()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Assert.Equal(Refusal.NothingToRestore, (await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Tests.StartAsync(clinic.Id, 2, Archive.Admin, Cancel))).Refusal);
        Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Tests.StartAsync(clinic.Id, 0, Archive.Admin, Cancel))).Refusal);
    }

    private sealed class SlowUnwrapper(IKeyUnwrapper inner, FakeTimeProvider clock) : IKeyUnwrapper
    {
        public Task<byte[]> UnwrapAsync(string keyId, string algorithm, ReadOnlyMemory<byte> wrapped, CancellationToken cancellationToken)
        {
            clock.Advance(TimeSpan.FromMinutes(1));
            return inner.UnwrapAsync(keyId, algorithm, wrapped, cancellationToken);
        }
    }
}
