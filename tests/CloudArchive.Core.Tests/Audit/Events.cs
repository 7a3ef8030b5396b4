using System.Text;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Tests.Audit;

/// <summary>Events to append, and a look at a log with nothing but its rows.</summary>
internal static class Events
{
    public const string Log = "smile-dental";

    public static AuditEvent Make(int number, string log = Log, string? once = null) => new(
        log,
        AuditActions.PackCommitted,
        AuditOutcome.Success,
        new AuditActor("agent-1", "agent"),
        new AuditSubject(log, "1.2.840.99." + number, "0198a000-0000-7000-8000-000000000001"),
        new AuditOrigin("192.0.2.7", "correlation-" + number),
        Details: new Dictionary<string, string> { ["number"] = number.ToString() },
        Once: once);

    /// <summary>The entries of a log by its rows, after checking that nothing is missing, doubled or not under the head.</summary>
    public static async Task<IReadOnlyList<AuditEntry>> CheckAsync(IRowStore rows, string log = Log)
    {
        AuditReader reader = new(rows);
        List<AuditEntry> entries = [];
        List<Sha256Digest> leaves = [];
        CompactRange range = new();
        while (await reader.ReadAsync(log, entries.Count, AuditReader.LargestRead, default) is { Count: > 0 } page)
        {
            foreach (StoredEntry stored in page)
            {
                byte[] json = Encoding.UTF8.GetBytes(stored.Json);
                Assert.Equal(CanonicalJson.Canonicalize(json), json);
                AuditEntry entry = System.Text.Json.JsonSerializer.Deserialize<AuditEntry>(json, FormatJson.Options)!;
                Assert.Equal(entries.Count, stored.Index);
                Assert.Equal(entries.Count, entry.Index);
                Assert.Equal(log, entry.Log);
                Assert.Equal(AuditEntry.CurrentFormat, entry.Format);
                Assert.True(entries.Count == 0 || entry.Time >= entries[^1].Time);
                range.Append(Merkle.LeafHash(json));
                leaves.Add(Merkle.LeafHash(json));
                entries.Add(entry);
            }
        }

        TreeHead head = await reader.GetHeadAsync(log, default);
        Assert.Equal(range.Size, head.Size);
        Assert.Equal(range.Root, head.Root);
        Assert.Equal(leaves, await reader.ReadLeavesAsync(log, 0, int.MaxValue, default));
        return entries;
    }
}
