using CloudArchive.Core.Audit;
using CloudArchive.Format.Audit;
using CloudArchive.LocalHost.Tests.Storage;

namespace CloudArchive.LocalHost.Tests.Audit;

/// <summary>What Core.Tests/Audit shows on a store in memory, once more on tables.</summary>
public sealed class StoredAuditLogTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Thirty_two_writers_in_four_processes_make_one_log()
    {
        const int writers = 32, each = 10;
        using StoredLog log = await StoredLog.CreateAsync(shared);
        AuditLog[] processes = [.. Enumerable.Range(0, 4).Select(_ => new AuditLog(log.Rows, TimeProvider.System))];
        AuditPlace[][] places = await Task.WhenAll(Enumerable.Range(0, writers).Select(writer => Task.Run(
            async () =>
            {
                List<AuditPlace> mine = [];
                for (int i = 0; i < each; i++)
                {
                    mine.Add(await processes[writer % processes.Length].AppendAsync(log.Event((writer * each) + i), Cancel));
                }

                return mine.ToArray();
            },
            Cancel)));

        Assert.Equal(Enumerable.Range(0, writers * each).Select(i => (long)i), places.SelectMany(mine => mine).Select(place => place.Index).Order());
        foreach ((AuditPlace place, int number) in places.SelectMany(mine => mine).Select((place, number) => (place, number)))
        {
            Assert.Contains($"\"1.2.3.{number}\"", (await log.EntryAsync(place.Index)).Text("json"), StringComparison.Ordinal);
        }

        await log.Checkpoints.MakeAsync(log.Name, Cancel);
        AuditReport report = await log.VerifyAsync();
        Assert.Empty(report.Findings);
        Assert.Equal(writers * each, report.Covered);
    }

    [Fact]
    public async Task Processes_that_append_the_same_event_once_agree_on_its_place()
    {
        using StoredLog log = await StoredLog.CreateAsync(shared);
        AuditPlace[] places = await Task.WhenAll(Enumerable.Range(0, 24).Select(i => Task.Run(
            () => new AuditLog(log.Rows, TimeProvider.System).AppendAsync(log.Event(i) with { Once = $"event/{i % 4}" }, Cancel), Cancel)));
        Assert.Equal(4, places.Distinct().Count());
        Assert.Equal(4, (await log.Reader.GetHeadAsync(log.Name, Cancel)).Size);
    }

    [Fact]
    public async Task Proofs_across_complete_and_growing_tiles_verify()
    {
        using StoredLog log = await StoredLog.CreateAsync(shared);
        await log.AppendAsync(256);
        Checkpoint older = (await log.Checkpoints.MakeAsync(log.Name, Cancel)).Statement;
        await log.AppendAsync(300);
        Checkpoint newer = (await log.Checkpoints.MakeAsync(log.Name, Cancel)).Statement;

        ConsistencyProof proof = await log.Reader.ProveConsistencyAsync(log.Name, older.Size, newer.Size, Cancel);
        Assert.Null(LogContinuity.FindBreak(older, newer, proof));
        foreach (int index in new[] { 0, 255, 256, 511, 512, 555 })
        {
            byte[] entry = System.Text.Encoding.UTF8.GetBytes((await log.EntryAsync(index)).Text("json")!);
            Assert.True((await log.Reader.ProveInclusionAsync(log.Name, index, newer.Size, Cancel)).Proves(Merkle.LeafHash(entry), newer.Root), $"{index}");
        }
    }
}
