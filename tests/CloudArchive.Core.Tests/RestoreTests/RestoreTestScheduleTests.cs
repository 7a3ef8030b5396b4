using CloudArchive.Core.Audit;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.RestoreTests;

public sealed class RestoreTestScheduleTests(SharedStorage shared)
{
    private static readonly Requester _timer = Requester.System("timer", "test");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_clinic_with_packs_gets_a_run_with_its_own_budget_and_no_second_one_while_it_is_under_way()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        TestClinic empty = await TestClinic.CreateAsync(archive);
        await clinic.BackUpAsync(files: 1);
        await archive.Budgets.SetAsync(clinic.Id, new TestBudget(7, 123_456, 5), Archive.Admin, Cancel);
        DateTimeOffset due = archive.Clock.GetUtcNow();
        Assert.True(await archive.Schedule.StartAsync(clinic.Id, due, _timer, Cancel));
        Assert.False(await archive.Schedule.StartAsync(clinic.Id, due, _timer, Cancel));
        Assert.False(await archive.Schedule.StartAsync(empty.Id, due, _timer, Cancel));
        RestoreTestResponse run = Assert.Single(await archive.Tests.ListAsync(clinic.Id, null, 10, Cancel));
        Assert.Equal(new TestBudget(7, 123_456, 5), run.Budget);
        RestoreTestRun kept = RestoreTestRows.Read<RestoreTestRun>((await archive.Rows.FindAsync(RowTable.Work, clinic.Id.Value, RestoreTestRows.Run + run.Id, Cancel))!);
        Assert.Equal($"{due.Second} {due.Minute} {due.Hour} * * *", kept.Trigger.Schedule);
        Assert.Empty(await archive.Tests.ListAsync(empty.Id, null, 10, Cancel));
        await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel);
        Assert.False(await archive.Schedule.StartAsync(clinic.Id, due, _timer, Cancel)); // there was one
        archive.Clock.Advance(TimeSpan.FromDays(1));
        Assert.True(await archive.Schedule.StartAsync(clinic.Id, due.AddDays(1), _timer, Cancel));
        Assert.Equal(2, (await archive.Tests.ListAsync(clinic.Id, null, 10, Cancel)).Count);
        Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.RestoreTestBudgetChanged);
    }

    [Fact]
    public async Task Where_nobody_set_a_budget_every_pack_has_its_turn_within_a_year_and_what_was_set_can_be_taken_back()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        await clinic.BackUpAsync(files: 1);
        TestBudget yearly = TestBudget.WithinAYear(await archive.Population.ReadAsync(clinic.Id, Cancel));
        Assert.Equal(yearly, await RunAsync(0));
        await archive.Budgets.SetAsync(clinic.Id, new ClinicBudget(5, ArchivedBytes: 7), Archive.Admin, Cancel);
        Assert.Equal(yearly with { Packs = 5, ArchivedBytes = 7 }, await RunAsync(1));
        await archive.Budgets.SetAsync(clinic.Id, new ClinicBudget(), Archive.Admin, Cancel);
        Assert.Equal(yearly, await RunAsync(2));

        async Task<TestBudget> RunAsync(int day)
        {
            archive.Clock.Advance(TimeSpan.FromDays(day > 0 ? 1 : 0));
            Assert.True(await archive.Schedule.StartAsync(clinic.Id, archive.Clock.GetUtcNow(), _timer, Cancel));
            await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel);
            return (await archive.Tests.ListAsync(clinic.Id, null, 10, Cancel))[day].Budget;
        }
    }

    [Fact]
    public void A_budget_follows_the_population_as_far_as_nobody_set_it_and_never_beyond_what_can_be_set()
    {
        PopulationPack[] many = [.. Enumerable.Range(0, 2_000).Select(_ => new PopulationPack(PackId.New(TimeProvider.System), 1L << 30, DateTimeOffset.UnixEpoch))];
        Assert.Equal(TestBudget.WithinAYear(many), new ClinicBudget().For(many));
        Assert.Equal(10, new ClinicBudget().For(many).Packs);
        Assert.Equal(new TestBudget(3, 20L << 30, 7), new ClinicBudget(3, ArchivedBytes: 7).For(many));
        Assert.Equal(new TestBudget(10, 1), new ClinicBudget(Bytes: 1).For(many));
        PopulationPack[] huge = [new(PackId.New(TimeProvider.System), 1L << 50, DateTimeOffset.UnixEpoch)];
        Assert.Equal(new TestBudget(2, RestoreTestBudgets.MostBytes), new ClinicBudget().For(huge));
    }

    [Fact]
    public async Task A_budget_that_is_none_is_refused()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Assert.Equal(new ClinicBudget(), await clinic.Archive.Budgets.GetAsync(clinic.Id, Cancel));
        foreach (TestBudget budget in (TestBudget[])[new(0, 1), new(1, 0), new(1, 1, -1), new(RestoreTestBudgets.MostPacks + 1, 1)])
        {
            Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Budgets.SetAsync(clinic.Id, budget, Archive.Admin, Cancel))).Refusal);
        }
    }

    [Fact]
    public async Task A_clinic_without_a_run_for_two_days_calls_for_attention_and_one_without_packs_does_not()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        TestClinic empty = await TestClinic.CreateAsync(archive);
        await clinic.BackUpAsync(files: 1);
        archive.Clock.Advance(TimeSpan.FromHours(47));
        Assert.False(await archive.Watch.RunAsync(clinic.Id, _timer, Cancel));
        archive.Clock.Advance(TimeSpan.FromHours(2));
        Assert.True(await archive.Watch.RunAsync(clinic.Id, _timer, Cancel));
        await archive.Watch.RunAsync(clinic.Id, _timer, Cancel);
        Assert.False(await archive.Watch.RunAsync(empty.Id, _timer, Cancel));
        Assert.Equal("schedule-missed", Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.AlertRaised).Details!["cause"]);
        Assert.DoesNotContain(await empty.LogAsync(), entry => entry.Action == AuditActions.AlertRaised);

        await archive.Tests.StartAsync(clinic.Id, new TestBudget(1, 1000), new RunTrigger(RunTriggerKind.OnDemand), Archive.Admin, Cancel);
        await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel);
        Assert.False(await archive.Watch.RunAsync(clinic.Id, _timer, Cancel));
    }
}
