using System.Text;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.RestoreTests;

public sealed class RestoreTestRunTests(SharedStorage shared)
{
    private static readonly Requester _timer = Requester.System("timer", "test");
    private static readonly RunTrigger _onDemand = new(RunTriggerKind.OnDemand, RequestedBy: "ada");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_tests_its_sample_and_its_evidence_verifies_with_the_public_keys_alone()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        HashSet<PackId> all = [];
        for (int i = 0; i < 5; i++)
        {
            all.Add((await clinic.BackUpAsync()).Pack.Opened.Pack);
        }

        RestoreTestResponse started = await StartAsync(clinic, 4);
        Assert.Equal((RestoreTestStatus.Running, 5, 4), (started.Status, started.Population, started.Sample));
        RestoreTestResponse run = await RunAsync(clinic, started);
        Assert.Equal((RestoreTestStatus.Passed, 4, 0, 8L), (run.Status, run.Passed, run.Failed, run.Instances));
        Assert.All(run.Packs!, pack => Assert.Equal(PackTestOutcome.Recovered, pack.Result!.Outcome));

        EvidenceVerification evidence = await VerifyAsync(clinic, run);
        Assert.Empty(evidence.Findings);
        EvidenceDocument document = evidence.Document!;
        Assert.Equal(RunVerdict.Passed, document.Verdict);
        Assert.Equal(all.Select(pack => pack.ToString()).Order(StringComparer.Ordinal), document.Population.Select(pack => pack.Pack.ToString()));
        Assert.Equal(run.Packs!.Select(pack => pack.Pack), document.Sample.Select(pack => pack.Pack));
        Assert.Equal(9, document.Canaries.Count);
        Assert.All(document.Canaries, canary => Assert.True(canary.AsExpected, $"{canary.Canary}: {canary.Cause} {canary.Detail}"));
        Assert.Equal(RunTriggerKind.OnDemand, document.Trigger.Kind);

        IReadOnlyList<AuditEntry> log = await clinic.LogAsync();
        Assert.Equal(document.Commitment.Entry.Index, Assert.Single(log, entry => entry.Action == AuditActions.RestoreTestStarted).Index);
        AuditEntry finished = Assert.Single(log, entry => entry.Action == AuditActions.RestoreTestFinished);
        Assert.Equal((AuditOutcome.Success, run.EvidenceSha256!.Value.Hex), (finished.Outcome, finished.Details!["evidence"]));
        Assert.DoesNotContain(log, entry => entry.Action == AuditActions.AlertRaised && entry.Subject.Other == run.Id);
    }

    [Fact]
    public async Task The_evidence_is_locked_for_six_years()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync(files: 1);
        RestoreTestResponse run = await RunAsync(clinic, await StartAsync(clinic, 1));
        foreach (string file in EvidenceStore.Files)
        {
            BlobState state = (await shared.Storage.Vault.FindAsync(new BlobName(VaultArea.Records, $"{clinic.Id}/evidence/{run.Id}/{file}"), Cancel))!;
            Assert.True(state.Locked, file);
            Assert.True(state.ImmutableUntil > clinic.Archive.Clock.GetUtcNow().AddYears(6), file);
        }

        Assert.Equal(run.Id, (await clinic.Archive.Evidence.FindLatestAsync(clinic.Id, Cancel)).ToString());
    }

    [Fact]
    public async Task A_pack_that_was_destroyed_in_its_time_after_the_draw_is_no_failure_and_one_that_was_merely_removed_is()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        SealedPack due = await archive.BackUpAsync();
        archive.Clock.Advance(TimeSpan.FromDays(4000));
        SealedPack kept = await archive.BackUpAsync();
        SealedPack removed = await archive.BackUpAsync();
        archive.Clock.Advance(TimeSpan.FromDays(20));
        RestoreTestResponse started = await StartAsync(archive.Clinic, 3);
        Assert.Equal(1, (await archive.RunAsync()).Destroyed);
        archive.Vault.Lose(BlobName.Receipt(archive.Clinic.Id, removed.Opened.Pack));

        RestoreTestResponse run = await RunAsync(archive.Clinic, started);
        Assert.Equal(
            new Dictionary<PackId, (PackTestOutcome, PackFailure?)>
            {
                [due.Opened.Pack] = (PackTestOutcome.NotTestedDestroyed, null),
                [kept.Opened.Pack] = (PackTestOutcome.Recovered, null),
                [removed.Opened.Pack] = (PackTestOutcome.Failed, PackFailure.Missing),
            },
            run.Packs!.ToDictionary(pack => pack.Pack, pack => (pack.Result!.Outcome, pack.Result.Cause)));
        Assert.Equal((1, 1, 1), (run.Passed, run.Failed, run.NotTested));
        EvidenceVerification evidence = await VerifyAsync(archive.Clinic, run);
        Assert.Empty(evidence.Findings);

        // The next run does not look for what is gone by right.
        Assert.Equal(2, (await StartAsync(archive.Clinic, 3)).Population);
    }

    [Fact]
    public async Task The_next_evidence_has_the_earlier_run_in_its_history()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync(files: 1);
        RestoreTestResponse first = await RunAsync(clinic, await StartAsync(clinic, 1));
        clinic.Archive.Clock.Advance(TimeSpan.FromDays(1));
        RestoreTestResponse second = await RunAsync(clinic, await StartAsync(clinic, 1));
        EvidenceVerification evidence = await VerifyAsync(clinic, second);
        Assert.Empty(evidence.Findings);
        Assert.Equal((first.Id, RunVerdict.Passed, 1), Assert.Single(evidence.Document!.History) is var before ? (before.Run, before.Verdict, before.Recovered) : default);
        Assert.Equal(first.Packs![0].Result!.StartedAt, Assert.Single(evidence.Document.Population).LastTestedAt);
    }

    [Fact]
    public async Task What_was_not_tested_comes_first_in_the_next_run()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        List<PackId> all = [];
        for (int i = 0; i < 4; i++)
        {
            all.Add((await clinic.BackUpAsync(files: 1)).Pack.Opened.Pack);
            clinic.Archive.Clock.Advance(TimeSpan.FromSeconds(1));
        }

        HashSet<PackId> tested = [];
        for (int i = 0; i < 4; i++)
        {
            RestoreTestResponse run = await RunAsync(clinic, await StartAsync(clinic, 2));
            PackId random = run.Packs!.Single(pack => pack.Reason == SampleReason.Random).Pack;
            PackId oldest = run.Packs!.Single(pack => pack.Reason == SampleReason.OldestUntested).Pack;

            // As long as there is one that was never tested and that chance did not take, the other half takes such a one.
            Assert.Equal(all.Any(pack => pack != random && !tested.Contains(pack)), !tested.Contains(oldest));
            tested.UnionWith([random, oldest]);
            clinic.Archive.Clock.Advance(TimeSpan.FromDays(1));
        }

        Assert.Equal(4, tested.Count);
        Assert.Equal(4, (await clinic.Archive.Population.LastTestedAsync(clinic.Id, Cancel)).Count);
    }

    [Fact]
    public async Task A_pack_that_fails_fails_the_run_and_calls_for_attention_once()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack good, _) = await clinic.BackUpAsync();
        (SealedPack bad, _) = await clinic.BackUpAsync();
        await ChangeCatalogueAsync(clinic, bad.Opened.Pack, "studyDate", "19000101");
        RestoreTestResponse run = await RunAsync(clinic, await StartAsync(clinic, 10));
        Assert.Equal((RestoreTestStatus.Failed, 1, 1), (run.Status, run.Passed, run.Failed));
        Assert.Equal([RunFault.PackFailed], run.Faults);
        Assert.Equal(PackFailure.CatalogueMismatch, run.Packs!.Single(pack => pack.Pack == bad.Opened.Pack).Result!.Cause);
        Assert.Equal(PackTestOutcome.Recovered, run.Packs!.Single(pack => pack.Pack == good.Opened.Pack).Result!.Outcome);
        EvidenceVerification evidence = await VerifyAsync(clinic, run);
        Assert.Empty(evidence.Findings);
        Assert.Equal(RunVerdict.Failed, evidence.Document!.Verdict);
        IReadOnlyList<AuditEntry> log = await clinic.LogAsync();
        AuditEntry entry = Assert.Single(log, e => e.Action == AuditActions.RestoreTestFinished);
        Assert.Equal(AuditOutcome.Failure, entry.Outcome);
        Assert.Contains(bad.Opened.Pack.ToString(), entry.Details!["failures"], StringComparison.Ordinal);
        AuditEntry alert = Assert.Single(log, e => e.Action == AuditActions.AlertRaised && e.Subject.Other == run.Id);
        Assert.Equal("restore-test-failed", alert.Details!["cause"]);
    }

    [Fact]
    public async Task A_pack_that_somebody_took_out_of_the_catalogue_is_tested_and_found()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync();
        (SealedPack gone, _) = await clinic.BackUpAsync();
        Row row = (await shared.Storage.Rows.FindAsync(RowTable.Catalog, clinic.Id.Value, $"p:{gone.Opened.Pack}", Cancel))!;
        await shared.Storage.Rows.SubmitAsync(RowTable.Catalog, clinic.Id.Value, [new RowWrite.Delete(row.Key, row.ETag!)], Cancel);
        clinic.Archive.Clock.Advance(TimeSpan.FromHours(2));
        RestoreTestResponse run = await RunAsync(clinic, await StartAsync(clinic, 10));
        Assert.Equal((2, 1, 1), (run.Population, run.Passed, run.Failed));
        PackTestResult result = run.Packs!.Single(pack => pack.Pack == gone.Opened.Pack).Result!;
        Assert.Equal((PackFailure.CatalogueMismatch, PackTestStepName.Catalogue), (result.Cause, result.Steps[^1].Step));
        Assert.Empty((await VerifyAsync(clinic, run)).Findings);
    }

    [Fact]
    public async Task A_run_goes_on_wherever_it_died_with_the_same_sample_and_ends_once()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync(files: 1);
        await clinic.BackUpAsync(files: 1);
        await clinic.BackUpAsync(files: 1);
        await RunAsync(clinic, await StartAsync(clinic, 2)); // makes the canaries, which would be most of the calls
        for (int call = 1; ; call += call < 40 ? 2 : 7)
        {
            Doom doom = new(call);
            Archive doomed = new(new DoomedRows(shared.Storage.Rows, doom), new DoomedVault(shared.Storage.Vault, doom), shared.Keys, shared.Keys, new DoomedSigner(shared.Keys, doom), clinic.Archive.Clock);
            int before = (await clinic.Archive.Tests.ListAsync(clinic.Id, null, 1000, Cancel)).Count;
            try
            {
                await doomed.Tests.StartAsync(clinic.Id, new TestBudget(2, 1L << 30), _onDemand, Archive.Admin, Cancel);
                await doomed.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel);
            }
            catch (DeadException)
            {
                // As it should.
            }

            clinic.Archive.Clock.Advance(TimeSpan.FromMinutes(30)); // the lease of the dead runs out
            RestoreTestResponse[] left = [.. (await clinic.Archive.Tests.ListAsync(clinic.Id, null, 1000, Cancel)).Skip(before)];
            string? checkpoint = left.SingleOrDefault()?.Checkpoint;
            Assert.True(await clinic.Archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
            await clinic.Archive.Outbox.DrainAsync(RowTable.Work, clinic.Id.Value, TimeSpan.FromSeconds(-1), Cancel);
            RestoreTestResponse[] runs = [.. (await clinic.Archive.Tests.ListAsync(clinic.Id, null, 1000, Cancel)).Skip(before)];
            IReadOnlyList<AuditEntry> log = await clinic.LogAsync();
            foreach (RestoreTestResponse run in runs)
            {
                Assert.Equal((RestoreTestStatus.Passed, 2), (run.Status, run.Passed));
                Assert.Equal(checkpoint ?? run.Checkpoint, run.Checkpoint);
                Assert.Single(log, entry => entry.Action == AuditActions.RestoreTestStarted && entry.Subject.Other == run.Id);
                Assert.Single(log, entry => entry.Action == AuditActions.RestoreTestFinished && entry.Subject.Other == run.Id);
                Assert.Empty((await VerifyAsync(clinic, run)).Findings);
            }

            Assert.Empty(await shared.Storage.Rows.QueryAsync(RowTable.Work, clinic.Id.Value, RowRange.Prefix("test-population:"), 10, Cancel));
            if (!doom.Struck)
            {
                Assert.Single(runs);
                break;
            }
        }
    }

    [Fact]
    public async Task Of_two_hosts_at_once_one_tests_and_the_run_ends_once()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync(files: 1);
        await clinic.BackUpAsync(files: 1);
        RestoreTestResponse started = await StartAsync(clinic, 2);
        Counting one = new(shared.Keys), two = new(shared.Keys);
        Archive first = new(shared.Storage.Rows, shared.Storage.Vault, shared.Keys, one, shared.Keys, clinic.Archive.Clock);
        Archive second = new(shared.Storage.Rows, shared.Storage.Vault, shared.Keys, two, shared.Keys, clinic.Archive.Clock);
        bool[] ended = await Task.WhenAll(
            first.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel),
            second.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        RestoreTestResponse run = await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel);
        Assert.Equal(RestoreTestStatus.Passed, run.Status);
        Assert.Contains(true, ended);
        Assert.True(one.Unwraps == 0 || two.Unwraps == 0, $"{one.Unwraps} and {two.Unwraps} keys were unwrapped: both worked on one run.");
        Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.RestoreTestFinished);
    }

    [Fact]
    public async Task A_run_stops_between_packs_when_its_time_is_spent()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync(files: 1);
        await clinic.BackUpAsync(files: 1);
        RestoreTestResponse started = await StartAsync(clinic, 2);
        Archive slow = new(shared.Storage.Rows, shared.Storage.Vault, shared.Keys, new SlowUnwrapper(shared.Keys, clinic.Archive.Clock), shared.Keys, clinic.Archive.Clock);
        Assert.False(await slow.TestRunner.RunAsync(clinic.Id, TimeSpan.FromSeconds(30), _timer, Cancel));
        RestoreTestResponse half = await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel);
        Assert.Equal((RestoreTestStatus.Running, 1), (half.Status, half.Passed));
        Assert.True(await slow.TestRunner.RunAsync(clinic.Id, TimeSpan.FromSeconds(90), _timer, Cancel));
        Assert.Equal(RestoreTestStatus.Passed, (await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel)).Status);
    }

    [Fact]
    public async Task A_pack_in_the_archive_tier_beyond_the_budget_is_not_tested_and_says_so()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack cold, _) = await clinic.BackUpAsync();
        Archive archive = clinic.Archive;
        Tiers tiers = new(shared.Storage.Vault, cold.Opened.Pack);
        Archive tiered = new(shared.Storage.Rows, tiers, shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        RestoreTestResponse started = await StartAsync(clinic, 5);
        Assert.True(await tiered.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        RestoreTestResponse run = await archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel);
        Assert.Equal((RestoreTestStatus.NothingTested, 1), (run.Status, run.NotTested));
        Assert.False(tiers.Asked);
        EvidenceVerification evidence = await VerifyAsync(clinic, run);
        Assert.Empty(evidence.Findings);
        Assert.Equal(0, evidence.Document!.Statistics.AtLeastRecoverable);
        Assert.Null(Assert.Single(await archive.Population.ReadAsync(clinic.Id, Cancel)).LastTestedAt);
    }

    [Fact]
    public async Task A_pack_in_the_archive_tier_within_the_budget_is_brought_back_by_the_other_host_and_tested()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack cold, _) = await clinic.BackUpAsync();
        (SealedPack other, _) = await clinic.BackUpAsync();
        Archive archive = clinic.Archive;
        Tiers tiers = new(shared.Storage.Vault, cold.Opened.Pack);
        Archive tiered = new(shared.Storage.Rows, tiers, shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        RestoreTestResponse started = await archive.Tests.StartAsync(clinic.Id, new TestBudget(5, 1L << 30, cold.Ciphertext.Length), _onDemand, Archive.Admin, Cancel);

        // Recovery asks; the reconciler of the ingest host does it; the run waits meanwhile and tests what it can.
        Assert.False(await tiered.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        Assert.False(tiers.Asked);
        Assert.Equal(1, (await archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel)).Passed);
        await tiered.Reconciler.RunAsync(clinic.Id, null, 10_000, Cancel);
        Assert.True(tiers.Asked);
        archive.Clock.Advance(TimeSpan.FromHours(12));
        Assert.False(await tiered.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        tiers.Back = true;
        Assert.True(await tiered.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        RestoreTestResponse run = await archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel);
        Assert.Equal((RestoreTestStatus.Passed, 2), (run.Status, run.Passed));
        Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.RehydrationRequested && entry.Subject.Pack == cold.Opened.Pack.ToString());
        Assert.NotEqual(cold.Opened.Pack, other.Opened.Pack);
    }

    [Fact]
    public async Task A_pack_that_never_comes_back_from_the_archive_tier_is_timed_out()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack cold, _) = await clinic.BackUpAsync();
        Archive tiered = new(shared.Storage.Rows, new Tiers(shared.Storage.Vault, cold.Opened.Pack), shared.Keys, shared.Keys, shared.Keys, clinic.Archive.Clock);
        RestoreTestResponse started = await clinic.Archive.Tests.StartAsync(clinic.Id, new TestBudget(5, 1L << 30, 1L << 30), _onDemand, Archive.Admin, Cancel);
        Assert.False(await tiered.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        clinic.Archive.Clock.Advance(SampledPackTest.RehydrationPatience);
        Assert.True(await tiered.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        Assert.Equal(PackFailure.TimedOut, (await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel)).Packs![0].Result!.Cause);
    }

    [Fact]
    public async Task A_clinic_without_packs_has_nothing_to_test_and_a_budget_of_nothing_is_refused()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Assert.Equal(Refusal.NothingToRestore, (await Assert.ThrowsAsync<RefusedException>(() => StartAsync(clinic, 2))).Refusal);
        Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => StartAsync(clinic, 0))).Refusal);
    }

    private static Task<RestoreTestResponse> StartAsync(TestClinic clinic, int packs) =>
        clinic.Archive.Tests.StartAsync(clinic.Id, new TestBudget(packs, 1L << 30), _onDemand, Archive.Admin, Cancel);

    private static async Task<RestoreTestResponse> RunAsync(TestClinic clinic, RestoreTestResponse started)
    {
        Assert.True(await clinic.Archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        return await clinic.Archive.Tests.GetAsync(clinic.Id, WorkId.Parse(started.Id), Cancel);
    }

    private async Task<EvidenceVerification> VerifyAsync(TestClinic clinic, RestoreTestResponse run)
    {
        async Task<byte[]> ReadAsync(string file) => (await clinic.Archive.Evidence.ReadAsync(clinic.Id, WorkId.Parse(run.Id), file, Cancel))!;
        byte[] json = await ReadAsync(EvidenceFiles.Document);
        Assert.Equal(run.EvidenceSha256, Sha256Digest.Of(json));
        EvidenceBundle bundle = new(json, Encoding.ASCII.GetString(await ReadAsync(EvidenceFiles.Signature)), await ReadAsync(EvidenceFiles.Report), Encoding.ASCII.GetString(await ReadAsync(EvidenceFiles.ReportSignature)));
        return EvidenceVerifier.Verify(bundle, await shared.Keys.GetPublicKeysAsync(Cancel));
    }

    private async Task ChangeCatalogueAsync(TestClinic clinic, PackId pack, string name, object value)
    {
        Row row = (await shared.Storage.Rows.FindAsync(RowTable.Catalog, clinic.Id.Value, $"p:{pack}", Cancel))!;
        await shared.Storage.Rows.SubmitAsync(RowTable.Catalog, clinic.Id.Value, [new RowWrite.Replace(row.Key, new Dictionary<string, object>(row.Values) { [name] = value }, row.ETag!)], Cancel);
    }

    /// <summary>One pack lies in the archive tier until it is said to be back.</summary>
    private sealed class Tiers(IBlobVault inner, PackId cold) : VaultDecorator(inner)
    {
        public bool Asked { get; private set; }

        public bool Back { get; set; }

        public override async Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) =>
            await base.FindAsync(name, versionId, cancellationToken) is { } state ? state with { Archived = !Back && name.Path.EndsWith(cold.ToString(), StringComparison.Ordinal) } : null;

        public override Task RehydrateAsync(BlobName name, string versionId, CancellationToken cancellationToken)
        {
            Asked |= name.Path.EndsWith(cold.ToString(), StringComparison.Ordinal);
            return Task.CompletedTask;
        }
    }

    private sealed class Counting(IKeyUnwrapper inner) : IKeyUnwrapper
    {
        private int _unwraps;

        public int Unwraps => _unwraps;

        public Task<byte[]> UnwrapAsync(string keyId, string algorithm, ReadOnlyMemory<byte> wrapped, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _unwraps);
            return inner.UnwrapAsync(keyId, algorithm, wrapped, cancellationToken);
        }
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
