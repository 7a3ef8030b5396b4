using System.Diagnostics;
using System.Text;
using CloudArchive.Core.Storage;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;

namespace CloudArchive.LocalHost.Tests.Storage;

/// <summary>What storage answered for is there after it was killed; Azurite alone forgets up to five seconds of it.</summary>
public sealed class AzuriteJournalTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Journal => Directory.GetFiles(_folder["azurite/table"], "*.journal-*").OrderBy(File.GetLastWriteTimeUtc).Last();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Rows_and_blobs_that_were_answered_for_outlive_a_kill_of_both_processes_and_of_the_next_ones()
    {
        Random random = new(11);
        Dictionary<string, long> rows = [];
        List<string> blobs = [];
        for (int round = 0; round < 4; round++)
        {
            LocalStorage storage = await LocalStorage.StartAsync(_folder.Path, Cancel);
            try
            {
                await CompareAsync(storage, rows, blobs);
                for (int i = 0; i < 20; i++)
                {
                    string key = $"row-{random.Next(30)}";
                    long value = random.NextInt64();
                    if (rows.ContainsKey(key) && random.Next(3) == 0)
                    {
                        await storage.Rows.SubmitAsync(RowTable.Work, "p", [new RowWrite.Delete(key, (await storage.Rows.FindAsync(RowTable.Work, "p", key, Cancel))!.ETag!)], Cancel);
                        rows.Remove(key);
                    }
                    else
                    {
                        await storage.Rows.SubmitAsync(RowTable.Work, "p", [Write(key, value)], Cancel);
                        rows[key] = value;
                    }
                }

                string blob = $"blob-{round}";
                await storage.Vault.WriteNewAsync(new BlobName(VaultArea.Records, blob), Encoding.UTF8.GetBytes(blob), "text/plain", Cancel);
                blobs.Add(blob);
            }
            finally
            {
                Kill(storage);
                await storage.DisposeAsync();
            }
        }

        await using LocalStorage last = await LocalStorage.StartAsync(_folder.Path, Cancel);
        await CompareAsync(last, rows, blobs);
    }

    [Fact]
    public async Task A_transaction_that_a_kill_interrupts_is_there_whole_or_not_at_all()
    {
        for (int round = 0; round < 3; round++)
        {
            LocalStorage storage = await LocalStorage.StartAsync(_folder.Path, Cancel);
            try
            {
                await CountAsync(storage);
                string partition = $"round-{round}";
                Task writing = Task.Run(
                    async () =>
                    {
                        for (int i = 0; ; i++)
                        {
                            await storage.Rows.SubmitAsync(RowTable.Work, "batches", [.. Enumerable.Range(0, 50).Select(n => Write($"{partition}-{i:D4}-{n:D2}", n))], Cancel);
                        }
                    },
                    Cancel);
                await Task.Delay(400 + (200 * round), Cancel);
                Kill(storage);
                await Assert.ThrowsAnyAsync<Exception>(() => writing.WaitAsync(TimeSpan.FromMinutes(2), Cancel));
            }
            finally
            {
                await storage.DisposeAsync();
            }
        }

        await using LocalStorage last = await LocalStorage.StartAsync(_folder.Path, Cancel);
        Assert.NotEqual(0, await CountAsync(last));
    }

    [Fact]
    public async Task A_record_that_was_cut_off_is_left_out_and_one_that_was_changed_in_the_middle_stops_the_start()
    {
        LocalStorage storage = await LocalStorage.StartAsync(_folder.Path, Cancel);
        for (int i = 0; i < 3; i++)
        {
            await storage.Rows.SubmitAsync(RowTable.Work, "p", [Write($"row-{i}", i)], Cancel);
        }

        Kill(storage);
        await storage.DisposeAsync();
        string journal = Journal;
        byte[] whole = await File.ReadAllBytesAsync(journal, Cancel);
        int lastLine = Array.LastIndexOf(whole, (byte)'\n', whole.Length - 2) + 1;

        // Somewhere before the last record: what stands behind it was answered for, so nothing may be left out in silence.
        byte[] changed = [.. whole];
        changed[lastLine - 20] ^= 1;
        await File.WriteAllBytesAsync(journal, changed, Cancel);
        LocalHostException refused = await Assert.ThrowsAsync<LocalHostException>(() => LocalStorage.StartAsync(_folder.Path, Cancel));
        Assert.Contains("damaged at byte", refused.Message, StringComparison.Ordinal);

        await File.WriteAllBytesAsync(journal, whole[..^7], Cancel);
        await using LocalStorage again = await LocalStorage.StartAsync(_folder.Path, Cancel);
        Assert.Equal(["row-0", "row-1"], (await again.Rows.QueryAsync(RowTable.Work, "p", "row", "s", 10, Cancel)).Select(row => row.Key));
    }

    private static RowWrite.Upsert Write(string key, long value) => new(key, new Dictionary<string, object> { ["value"] = value });

    private static void Kill(LocalStorage storage)
    {
        foreach (int id in storage.ProcessIds)
        {
            using Process process = Process.GetProcessById(id);
            process.Kill();
            process.WaitForExit();
        }
    }

    private static async Task CompareAsync(LocalStorage storage, Dictionary<string, long> rows, List<string> blobs)
    {
        Assert.Equal(
            rows.OrderBy(row => row.Key, StringComparer.Ordinal),
            (await storage.Rows.QueryAsync(RowTable.Work, "p", "row", "s", 100, Cancel)).Select(row => KeyValuePair.Create(row.Key, row.Number("value")!.Value)));
        foreach (string blob in blobs)
        {
            BlobState state = (await storage.Vault.FindAsync(new BlobName(VaultArea.Records, blob), Cancel))!;
            using StreamReader text = new(await storage.Vault.OpenReadAsync(new BlobName(VaultArea.Records, blob), state.VersionId, Cancel));
            Assert.Equal(blob, await text.ReadToEndAsync(Cancel));
        }
    }

    /// <summary>How many transactions there are, none of them in part.</summary>
    private static async Task<int> CountAsync(LocalStorage storage)
    {
        ILookup<string, Row> byTransaction = (await storage.Rows.QueryAsync(RowTable.Work, "batches", "round", "s", 100_000, Cancel)).ToLookup(row => row.Key[..^3]);
        Assert.All(byTransaction, transaction => Assert.Equal(50, transaction.Count()));
        return byTransaction.Count;
    }
}
