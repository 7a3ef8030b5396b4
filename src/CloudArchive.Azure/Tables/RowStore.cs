using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Azure;
using Azure.Core;
using Azure.Data.Tables;
using Azure.Data.Tables.Models;
using CloudArchive.Core.Storage;

namespace CloudArchive.Azure.Tables;

/// <summary>Azure Table Storage.</summary>
public sealed class RowStore : IRowStore
{
    private const int TransactionLimit = 100;
    private const int PageLimit = 1000;

    private readonly TableServiceClient _service;
    private readonly ConcurrentDictionary<RowTable, TableClient> _tables = new();

    private RowStore(TableServiceClient service) => _service = service;

    /// <summary>An account on Azure, by identity.</summary>
    public static RowStore Connect(Uri service, TokenCredential identity) => new(new TableServiceClient(service, identity, new TableClientOptions()));

    /// <summary>An account by its key: LocalHost's.</summary>
    public static RowStore Connect(Uri service, string account, string key) => new(new TableServiceClient(service, new TableSharedKeyCredential(account, key), new TableClientOptions()));

    /// <inheritdoc/>
    public async Task EnsureReadyAsync(CancellationToken cancellationToken)
    {
        foreach (RowTable table in Enum.GetValues<RowTable>())
        {
            if (!await ExistsAsync(table, cancellationToken))
            {
                await Table(table).CreateIfNotExistsAsync(cancellationToken);
            }
        }
    }

    /// <inheritdoc/>
    public async Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken)
    {
        RowRules.CheckKey(partition);
        RowRules.CheckKey(key);
        NullableResponse<TableEntity> response = await Table(table).GetEntityIfExistsAsync<TableEntity>(partition, key, cancellationToken: cancellationToken);
        return response.HasValue ? ToRow(response.Value!) : null;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken)
    {
        RowRules.CheckKey(partition);
        RowRules.CheckBound(from);
        RowRules.CheckBound(to);
        ArgumentOutOfRangeException.ThrowIfNegative(take);
        List<Row> rows = [];
        if (take == 0 || string.CompareOrdinal(from, to) >= 0)
        {
            return rows;
        }

        // A page may be short, even empty, where a query meets a server's boundary: fewer than asked for must mean that there are no more.
        string filter = TableClient.CreateQueryFilter($"PartitionKey eq {partition} and RowKey ge {from} and RowKey lt {to}");
        await foreach (TableEntity entity in Table(table).QueryAsync<TableEntity>(filter, Math.Min(take, PageLimit), cancellationToken: cancellationToken))
        {
            rows.Add(ToRow(entity));
            if (rows.Count == take)
            {
                break;
            }
        }

        return rows;
    }

    /// <inheritdoc/>
    /// <remarks>One small query a partition: each asks for the first row after the last partition that was seen.</remarks>
    public async IAsyncEnumerable<string> PartitionsAsync(RowTable table, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string last = "";
        while (await FirstPartitionAfterAsync(table, last, cancellationToken) is { } partition)
        {
            yield return partition;
            last = partition;
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Where an answer is lost on the way, the SDK asks again, and the second try may meet the first one's rows: a conflict can be one's own write.
    /// Who must know reads back.
    /// </remarks>
    public async Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken)
    {
        RowRules.CheckKey(partition);
        if (writes.Count is < 1 or > TransactionLimit)
        {
            throw new ArgumentException($"A transaction has 1 to {TransactionLimit} writes, not {writes.Count}.", nameof(writes));
        }

        HashSet<string> keys = new(StringComparer.Ordinal);
        List<TableTransactionAction> actions = [];
        foreach (RowWrite write in writes)
        {
            RowRules.CheckKey(write.Key);
            if (!keys.Add(write.Key))
            {
                throw new ArgumentException($"A transaction writes a row once; {write.Key} is there twice.", nameof(writes));
            }

            actions.Add(ToAction(partition, write));
        }

        try
        {
            Response<IReadOnlyList<Response>> response = await Table(table).SubmitTransactionAsync(actions, cancellationToken);
            return [.. response.Value.Select((item, index) => writes[index] is RowWrite.Delete ? "" : item.Headers.ETag!.Value.ToString())];
        }
        catch (TableTransactionFailedException e) when (IsConflict(e))
        {
            string? key = e.FailedTransactionActionIndex is { } index && index >= 0 && index < writes.Count ? writes[index].Key : null;
            throw new RowConflictException(table, partition, key, e);
        }
        catch (RequestFailedException e) when (IsConflict(e))
        {
            throw new RowConflictException(table, partition, writes.Count == 1 ? writes[0].Key : null, e);
        }
    }

    private static bool IsConflict(RequestFailedException e) =>
        e.Status == 412
        || (e.Status == 409 && e.ErrorCode == TableErrorCode.EntityAlreadyExists)
        || (e.Status == 404 && (e.ErrorCode == TableErrorCode.ResourceNotFound || e.ErrorCode == TableErrorCode.EntityNotFound));

    private static TableTransactionAction ToAction(string partition, RowWrite write) => write switch
    {
        RowWrite.Insert insert => new(TableTransactionActionType.Add, ToEntity(partition, insert.Key, insert.Values)),
        RowWrite.Replace replace => new(TableTransactionActionType.UpdateReplace, ToEntity(partition, replace.Key, replace.Values), new ETag(replace.ETag)),
        RowWrite.Upsert upsert => new(TableTransactionActionType.UpsertReplace, ToEntity(partition, upsert.Key, upsert.Values)),
        RowWrite.Delete delete => new(TableTransactionActionType.Delete, new TableEntity(partition, delete.Key), new ETag(delete.ETag)),
        _ => throw new ArgumentOutOfRangeException(nameof(write)),
    };

    private static TableEntity ToEntity(string partition, string key, IReadOnlyDictionary<string, object> values)
    {
        TableEntity entity = new(partition, key);
        foreach ((string name, object value) in values)
        {
            RowRules.CheckValue(name, value);
            entity[name] = value;
        }

        return entity;
    }

    private static Row ToRow(TableEntity entity)
    {
        Dictionary<string, object> values = new(StringComparer.Ordinal);
        foreach ((string name, object value) in entity)
        {
            if (value is not null && !RowRules.IsReserved(name))
            {
                values.Add(name, value);
            }
        }

        return new Row(entity.PartitionKey, entity.RowKey, values, entity.ETag.ToString());
    }

    // Create Table asks for the right to create even where the table is there; on Azure infra/ made it, and the apps have no such right.
    private async Task<bool> ExistsAsync(RowTable table, CancellationToken cancellationToken)
    {
        try
        {
            await FirstPartitionAfterAsync(table, "~", cancellationToken);
            return true;
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            return false;
        }
    }

    private async Task<string?> FirstPartitionAfterAsync(RowTable table, string partition, CancellationToken cancellationToken)
    {
        string filter = TableClient.CreateQueryFilter($"PartitionKey gt {partition}");
        await foreach (TableEntity entity in Table(table).QueryAsync<TableEntity>(filter, 1, ["PartitionKey"], cancellationToken))
        {
            return entity.PartitionKey;
        }

        return null;
    }

    private TableClient Table(RowTable table) => _tables.GetOrAdd(table, static (name, service) => service.GetTableClient(name.ToString()), _service);
}
