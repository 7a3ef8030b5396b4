using System.Diagnostics;
using System.Globalization;
using System.Text;
using CloudArchive.Azure.Tables;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;

namespace CloudArchive.Benchmarks;

/// <summary>
/// Grouped appends to one log against bare transactions of 100 entities of the same content, on the same Azurite. The two take turns, because
/// a shared machine is faster now and slower then; the ratio of neighbours is what counts. <c>-- audit</c> runs it.
/// </summary>
internal static class AuditAppends
{
    private const int Rounds = 15;
    private const int Groups = 20;
    private const double Wanted = 0.6;

    public static async Task<int> RunAsync()
    {
        using TemporaryFolder folder = new();
        await using LocalStorage storage = await LocalStorage.StartAsync(folder.Path, CancellationToken.None);
        List<double> ratios = [], raw = [], grouped = [];
        for (int round = -2; round < Rounds; round++)
        {
            double bare = await RawAsync(storage.Rows, $"raw-{round + 2:D3}");
            double appended = await GroupedAsync(storage.Rows, $"log-{round + 2:D3}");
            if (round >= 0)
            {
                raw.Add(bare);
                grouped.Add(appended);
                ratios.Add(appended / bare);
            }
        }

        double ratio = Median(ratios);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Transactions of 100 entities: {Median(raw):N0} entities/s. Grouped appends: {Median(grouped):N0} entries/s."));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Ratio: median {ratio:P0}, lowest {ratios.Min():P0}, highest {ratios.Max():P0} of {Rounds} rounds; wanted {Wanted:P0}."));
        return ratio >= Wanted ? 0 : 1;
    }

    /// <summary>Rows as a log's entries are, without a log.</summary>
    private static async Task<double> RawAsync(RowStore rows, string partition)
    {
        byte[] group = new byte[8];
        IReadOnlyList<IReadOnlyList<RowWrite>> transactions = [.. Enumerable.Range(0, Groups).Select(g => Enumerable.Range(0, 100).Select(i => (RowWrite)new RowWrite.Insert(
            $"e_{(g * 100) + i:D16}",
            new Dictionary<string, object> { ["json"] = Json(partition, (g * 100) + i), ["group"] = Convert.ToHexStringLower(group) })).ToList())];
        long start = Stopwatch.GetTimestamp();
        foreach (IReadOnlyList<RowWrite> transaction in transactions)
        {
            await rows.SubmitAsync(RowTable.Audit, partition, transaction, CancellationToken.None);
        }

        return Groups * 100 / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task<double> GroupedAsync(RowStore rows, string log)
    {
        AuditLog audit = new(rows, TimeProvider.System);
        int count = Groups * 99;
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, count).Select(i => audit.AppendAsync(Event(log, i), CancellationToken.None)));
        return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static AuditEvent Event(string log, int number) => new(
        log, AuditActions.PackCommitted, AuditOutcome.Success,
        new AuditActor("smile-dental.0198a000-0000-7000-8000-000000000001", "agent"),
        new AuditSubject(log, "1.2.826.0.1.3680043.8.498.1234567890123456789012345678." + number, "0198a000-0000-7000-8000-000000000002"),
        new AuditOrigin("192.0.2.7", "4bf92f3577b34da6a3ce929d0e0e4736"),
        Details: new Dictionary<string, string>
        {
            ["bytes"] = "67108864",
            ["immutableUntil"] = "2036-07-01T08:00:00Z",
            ["instances"] = "31",
            ["sha256"] = Sha256Digest.Of(BitConverter.GetBytes(number)).Hex,
            ["versionId"] = "2026-07-01T08:00:00.0000000Z",
        });

    private static string Json(string log, int number)
    {
        AuditEvent e = Event(log, number);
        return Encoding.UTF8.GetString(CanonicalJson.Serialize(new AuditEntry(
            AuditEntry.CurrentFormat, e.Log, number, TimeProvider.System.GetUtcNow(), e.Action, e.Outcome, e.Actor, e.Subject, e.Origin, e.Reason, e.Details)));
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
