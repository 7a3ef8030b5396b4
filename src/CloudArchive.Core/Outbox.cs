using System.Text.Json;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core;

/// <summary>
/// A state change and its audit entry, together or not at all. The entry is written as a row of the very transaction that changes the
/// state, then appended to the log, then the row is deleted. What a crash leaves between is appended by the reconciler; the entry's
/// <see cref="AuditEvent.Once"/> makes a second append nothing. So every state change has exactly one entry (docs/design.md, invariant 4).
/// </summary>
public sealed class Outbox(IRowStore rows, IAuditLog log, TimeProvider clock)
{
    private const string Prefix = "outbox:";

    /// <summary>Changes the state and appends the entry.</summary>
    /// <exception cref="RowConflictException">As <see cref="IRowStore.SubmitAsync"/>; then neither happened.</exception>
    public async Task<AuditPlace> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, AuditEvent entry, CancellationToken cancellationToken)
    {
        string key = Prefix + Guid.CreateVersion7(clock.GetUtcNow()).ToString("N");
        entry = entry with { Once = entry.Once ?? key };
        Dictionary<string, object> values = new()
        {
            ["entry"] = JsonSerializer.SerializeToUtf8Bytes(entry, FormatJson.Options),
            ["at"] = clock.GetUtcNow(),
        };
        IReadOnlyList<string> etags = await rows.SubmitAsync(table, partition, [.. writes, new RowWrite.Insert(key, values)], cancellationToken);
        AuditPlace place = await log.AppendAsync(entry, cancellationToken);
        await rows.DeleteUnchangedAsync(table, partition, [new Row(partition, key, values, etags[^1])], cancellationToken);
        return place;
    }

    /// <summary>Appends what crashes left in a partition, at most 100 entries that are older than <paramref name="age"/>. Returns how many.</summary>
    /// <exception cref="AggregateException">Some could not be appended; the others were.</exception>
    public async Task<int> DrainAsync(RowTable table, string partition, TimeSpan age, CancellationToken cancellationToken)
    {
        int drained = 0;
        List<Exception> failed = [];
        DateTimeOffset before = clock.GetUtcNow() - age;
        foreach (Row row in await rows.QueryAsync(table, partition, RowRange.Prefix(Prefix), 100, cancellationToken))
        {
            try
            {
                if (row.Time("at") > before)
                {
                    continue;
                }

                AuditEvent entry = DamagedRow.Read(row, one => JsonSerializer.Deserialize<AuditEvent>(one.Bytes("entry")!, FormatJson.Options))
                    ?? throw new IntegrityException($"Outbox row {row.Key} of {table}/{partition} holds no audit entry.");
                await log.AppendAsync(entry, cancellationToken);
                await rows.DeleteUnchangedAsync(table, partition, [row], cancellationToken);
                drained++;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // An entry that cannot be appended must not keep those behind it out of the log.
                failed.Add(e);
            }
        }

        return failed.Count == 0 ? drained : throw new AggregateException($"{failed.Count} entries of the outbox of {table}/{partition} could not be appended.", failed);
    }
}
