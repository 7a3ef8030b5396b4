using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.LocalHost.Keys;
using CloudArchive.LocalHost.Tests.Storage;
using CloudArchive.Testing;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.LocalHost.Tests.Audit;

/// <summary>A log of its own in real storage, with real keys: what the service does with it, and what somebody with the storage account's key can do.</summary>
internal sealed class StoredLog : IDisposable
{
    private static int s_number;
    private readonly TemporaryFolder _folder;

    private StoredLog(SharedStorage shared, LocalKeys keys, TemporaryFolder folder)
    {
        _folder = folder;
        Storage = shared;
        Keys = keys;
        Log = new AuditLog(Rows, Clock);
        Reader = new AuditReader(Rows);
        Checkpoints = CheckpointsOn(Vault);
    }

    public string Name { get; } = string.Create(CultureInfo.InvariantCulture, $"audit-{Interlocked.Increment(ref s_number):D4}");

    public FakeTimeProvider Clock { get; } = new(TimeProvider.System.GetUtcNow());

    public SharedStorage Storage { get; }

    public LocalKeys Keys { get; }

    public AuditLog Log { get; }

    public AuditReader Reader { get; }

    public Checkpoints Checkpoints { get; }

    public IRowStore Rows => Storage.Storage.Rows;

    public IBlobVault Vault => Storage.Storage.Vault;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<StoredLog> CreateAsync(SharedStorage shared)
    {
        TemporaryFolder folder = new();
        return new StoredLog(shared, await LocalKeys.OpenAsync(folder.Path, Cancel), folder);
    }

    public Checkpoints CheckpointsOn(IBlobVault vault) => new(Reader, vault, Keys, Clock);

    public async Task AppendAsync(int count, string action = AuditActions.PackCommitted)
    {
        await Task.WhenAll(Enumerable.Range(0, count).Select(i => Log.AppendAsync(Event(i, action), Cancel)));
        Clock.Advance(TimeSpan.FromHours(1));
    }

    public AuditEvent Event(int number, string action = AuditActions.PackCommitted) => new(
        Name, action, AuditOutcome.Success, new AuditActor("agent-1", "agent"), new AuditSubject(Name, "1.2.3." + number), new AuditOrigin("192.0.2.7", "c-" + number));

    /// <summary>The log as an export has it.</summary>
    public async Task<AuditReport> VerifyAsync(params string[] seen)
    {
        List<string> entries = [];
        long next = 0;
        while (await Reader.ReadAsync(Name, next, AuditReader.LargestRead, Cancel) is { Count: > 0 } page)
        {
            entries.AddRange(page.Select(entry => entry.Json));
            next = page[^1].Index + 1;
        }

        (IReadOnlyList<string> checkpoints, _) = await Checkpoints.ListAsync(Name, null, Checkpoints.LargestList, Cancel);
        IReadOnlyList<Sha256Digest> leaves = await Reader.ReadLeavesAsync(Name, 0, int.MaxValue, Cancel);
        AuditExport export = new(entries, checkpoints, leaves.Select(leaf => leaf.Hex), await Reader.GetHeadAsync(Name, Cancel));
        return AuditVerifier.Verify(export, await Keys.GetPublicKeysAsync(Cancel), seen);
    }

    /// <summary>Every row of the log.</summary>
    public async Task<IReadOnlyList<Row>> RowsAsync() => await Rows.QueryAsync(RowTable.Audit, Name, "", "~", int.MaxValue, Cancel);

    public async Task<Row> EntryAsync(long index) => (await Rows.FindAsync(RowTable.Audit, Name, KeyOf(index), Cancel))!;

    public static string KeyOf(long index) => string.Create(CultureInfo.InvariantCulture, $"e_{index:D16}");

    public async Task WriteAsync(params RowWrite[] writes)
    {
        foreach (RowWrite[] some in writes.Chunk(100))
        {
            await Rows.SubmitAsync(RowTable.Audit, Name, some, Cancel);
        }
    }

    /// <summary>An entry's text, changed, in its row.</summary>
    public async Task ChangeAsync(long index, Func<string, string> change)
    {
        Row row = await EntryAsync(index);
        string changed = change(row.Text("json")!);
        Assert.NotEqual(row.Text("json"), changed);
        await WriteAsync(new RowWrite.Upsert(row.Key, new Dictionary<string, object>(row.Values) { ["json"] = changed }));
    }

    /// <summary>The partition as it was.</summary>
    public async Task RollBackAsync(IReadOnlyList<Row> then)
    {
        IReadOnlyList<Row> now = await RowsAsync();
        HashSet<string> kept = [.. then.Select(row => row.Key)];
        await WriteAsync([
            .. then.Select(row => new RowWrite.Upsert(row.Key, row.Values)),
            .. now.Where(row => !kept.Contains(row.Key)).Select(row => new RowWrite.Delete(row.Key, row.ETag!))]);
    }

    public void Dispose()
    {
        Keys.Dispose();
        _folder.Dispose();
    }
}
