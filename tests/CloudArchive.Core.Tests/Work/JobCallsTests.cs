using System.Reflection;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Work;

/// <summary>How many calls to storage a job takes for a clinic of five packs: what <see cref="FleetTests"/> reckons with.</summary>
public sealed class JobCallsTests(SharedStorage shared)
{
    /// <summary>At most so many calls, of one due time. Restore tests with their canaries are by far the largest. What is not counted below is reckoned high.</summary>
    public static IReadOnlyDictionary<string, int> Most { get; } = new Dictionary<string, int>
    {
        ["reconcile"] = 14, // once a day; else 9
        ["retention"] = 15,
        ["tiering"] = 6,
        ["watch"] = 60,
        ["restore-test-watch"] = 6,
        ["checkpoint"] = 16,
        ["log-check"] = 20,
        ["restore-test"] = 420,
        ["restores"] = 4,
        ["rewrap"] = 8,
        ["letter"] = 60,
        ["summary"] = 60,
        ["alerts"] = 20,
        ["census"] = 100,
        ["sweep"] = 20,
    };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void Every_job_is_reckoned_with() => Assert.Equal(Jobs.All.Select(job => job.Name).Order(StringComparer.Ordinal), Most.Keys.Order(StringComparer.Ordinal));

    [Fact]
    public async Task The_work_of_a_clinic_of_five_packs_takes_no_more()
    {
        FakeTimeProvider clock = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));
        MemoryVault vault = new(clock);
        MemoryRowStore rows = new();
        IBlobVault counted = DispatchProxy.Create<IBlobVault, Counted>();
        Counted calls = (Counted)(object)counted;
        calls.Vault = vault;
        Archive archive = new(rows, counted, shared.Keys, shared.Keys, shared.Keys, clock);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        for (int i = 0; i < 5; i++)
        {
            SealedPack pack = await clinic.SealAsync(files: 3);
            await vault.WriteNewAsync(BlobName.Pack(clinic.Id, pack.Opened.Pack), pack.Ciphertext, "application/octet-stream", MemoryArchive.Metadata(pack.Sidecar), Cancel);
            await clinic.CommitAsync(pack);
        }

        LogStates states = new(rows, clock);
        Checkpoints checkpoints = new(archive.Reader, counted, shared.Keys, clock);
        Dictionary<string, IWork> works = new()
        {
            ["reconcile"] = archive.Reconciler,
            ["retention"] = archive.Retention,
            ["tiering"] = new TieringRun(rows, archive.Clinics, archive.Catalog, counted, clock, NullLogger<TieringRun>.Instance),
            ["restore-test-watch"] = archive.Watch,
            ["checkpoint"] = new CheckpointRun(checkpoints, archive.Log, archive.Alerts, states, NullLogger<CheckpointRun>.Instance),
            ["log-check"] = new LogCheck(archive.Reader, checkpoints, archive.Commits, archive.Alerts, states, clock, NullLogger<LogCheck>.Instance),
            ["restore-test"] = archive.Schedule,
            ["restores"] = new RestoreSweep(archive.Restores),
            ["rewrap"] = archive.RewrapRun,
        };
        List<string> over = [];
        for (int day = 0; day < 3; day++)
        {
            foreach ((string name, IWork work) in works)
            {
                long before = rows.Reads + rows.Submits + calls.Count;
                SliceEnd end = await work.RunAsync(new Slice(clinic.Id.Value, clock.GetUtcNow(), 0, null, Requester.System(name, "test")), Cancel);
                long took = rows.Reads + rows.Submits + calls.Count - before;
                Assert.Equal((true, 0), (end.Done, end.Failed));
                TestContext.Current.TestOutputHelper?.WriteLine($"day {day}: {name} {took}");
                if (took > Most[name])
                {
                    over.Add($"day {day}: {name} {took}");
                }
            }

            clock.Advance(TimeSpan.FromDays(1));
        }

        Assert.Empty(over);
    }

    /// <summary>Counts every call of a vault.</summary>
    public class Counted : DispatchProxy
    {
        internal IBlobVault Vault { get; set; } = null!;

        internal long Count { get; private set; }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            Count++;
            return targetMethod!.Invoke(Vault, args);
        }
    }
}
