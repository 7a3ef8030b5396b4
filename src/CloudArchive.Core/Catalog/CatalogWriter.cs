using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.Catalog;

/// <summary>Writes the catalogue. Every write can be repeated, by anyone, at any time.</summary>
public sealed class CatalogWriter(IRowStore rows)
{
    private const int RowsAtOnce = 100;
    private const int BytesAtOnce = 2 * 1024 * 1024; // as base64 below a transaction's 4 MiB, with room

    /// <summary>
    /// Adds a pack that was verified and locked, without its receipt, and returns the ETag of its row. Where it is there already, it stays as it is: null.
    /// </summary>
    public async Task<string?> AddAsync(CatalogPack pack, Sidecar sidecar, CancellationToken cancellationToken)
    {
        RowWrite[] last = [.. CatalogRows.ForPack(pack).Select(row => row.Shared ? (RowWrite)new RowWrite.Upsert(row.Key, row.Values) : new RowWrite.Insert(row.Key, row.Values))];
        try
        {
            return await WriteAsync(sidecar, last, cancellationToken);
        }
        catch (RowConflictException)
        {
            return null; // written before a crash, or by another commit of the same pack; it may have its receipt already, which must stay
        }
    }

    /// <summary>Writes a pack with its receipt over whatever is there: what the rebuild does.</summary>
    public async Task RestoreAsync(CatalogPack pack, Sidecar sidecar, CancellationToken cancellationToken)
    {
        await WriteAsync(sidecar, [.. CatalogRows.ForPack(pack).Select(row => new RowWrite.Upsert(row.Key, row.Values))], cancellationToken);
        await RemoveOthersAsync(sidecar, cancellationToken);
    }

    /// <summary>Gives a pack its receipt: from here on it is committed.</summary>
    /// <param name="pack">The pack.</param>
    /// <param name="etag">Its row's, where this call follows the one that added it.</param>
    /// <param name="receipt">The receipt.</param>
    /// <param name="auditIndex">Its entry in the log.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task SetReceiptAsync(CatalogPack pack, string? etag, string receipt, long auditIndex, CancellationToken cancellationToken)
    {
        string key = CatalogRows.Pack + pack.Pack;
        Row? row = etag is null ? null : new Row(pack.Clinic.Value, key, CatalogRows.PackValues(pack), etag);
        while (true)
        {
            row ??= await rows.FindAsync(RowTable.Catalog, pack.Clinic.Value, key, cancellationToken)
                ?? throw new IntegrityException($"Pack {pack.Pack} vanished from the catalogue while it was committed. Rebuild the catalogue.");
            if (row.Text("receipt") == receipt)
            {
                return;
            }

            Dictionary<string, object> values = new(row.Values) { ["receipt"] = receipt, ["auditIndex"] = auditIndex };
            try
            {
                await rows.SubmitAsync(RowTable.Catalog, pack.Clinic.Value, [new RowWrite.Replace(key, values, row.ETag!)], cancellationToken);
                return;
            }
            catch (RowConflictException)
            {
                row = null; // another commit of the same pack, or a rebuild: look again
            }
        }
    }

    /// <summary>Notes that a pack is locked longer than the catalogue says. An earlier date is left alone: locks do not become shorter.</summary>
    public async Task NoteLockAsync(ClinicId clinic, Uid study, PackId pack, DateTimeOffset until, CancellationToken cancellationToken)
    {
        foreach (string key in (string[])[CatalogRows.Pack + pack, $"{CatalogRows.Study}{study}:{pack}"])
        {
            while (await rows.FindAsync(RowTable.Catalog, clinic.Value, key, cancellationToken) is { } row && row.Time("immutableUntil") < until)
            {
                try
                {
                    RowWrite write = new RowWrite.Replace(key, new Dictionary<string, object>(row.Values) { ["immutableUntil"] = until }, row.ETag!);
                    await rows.SubmitAsync(RowTable.Catalog, clinic.Value, [write], cancellationToken);
                }
                catch (RowConflictException)
                {
                    // A receipt was set, or a rebuild wrote it: look again.
                }
            }
        }
    }

    /// <summary>The rows of a pack's instances, and last what leads to them; in one transaction as a rule. The ETag of the first that leads to them, which is the pack's.</summary>
    private async Task<string> WriteAsync(Sidecar sidecar, IReadOnlyList<RowWrite> last, CancellationToken cancellationToken)
    {
        List<RowWrite> batch = [];
        long bytes = 0;
        foreach ((string key, Dictionary<string, object> values) in CatalogRows.ForInstances(sidecar.Study, sidecar.Pack, sidecar.Instances))
        {
            long size = values.Values.Sum(value => ((byte[])value).LongLength);
            if (bytes + size > BytesAtOnce)
            {
                await rows.SubmitAsync(RowTable.Catalog, sidecar.Clinic.Value, batch, cancellationToken);
                (batch, bytes) = ([], 0);
            }

            batch.Add(new RowWrite.Upsert(key, values));
            bytes += size;
        }

        return (await rows.SubmitAsync(RowTable.Catalog, sidecar.Clinic.Value, [.. batch, .. last], cancellationToken))[batch.Count];
    }

    /// <summary>Removes what else the catalogue has of the pack's instances: rows as they were once written, and rows that nobody wrote.</summary>
    private async Task RemoveOthersAsync(Sidecar sidecar, CancellationToken cancellationToken)
    {
        HashSet<string> wanted = [.. CatalogRows.ForInstances(sidecar.Study, sidecar.Pack, sidecar.Instances).Select(row => row.Key)];
        List<Row> others = [];
        HashSet<string> kept = new(StringComparer.Ordinal);
        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, sidecar.Clinic.Value, RowRange.Prefix($"{CatalogRows.Instance}{sidecar.Study}:"), cancellationToken))
        {
            if (row.Key.EndsWith($":{sidecar.Pack}", StringComparison.Ordinal))
            {
                others.Add(row);
            }
            else
            {
                kept.Add(row.Key.Split(':')[2]); // of another pack, which has not been rebuilt yet
            }
        }

        foreach (string sop in others.Select(row => row.Key.Split(':')[2]).Distinct(StringComparer.Ordinal).Where(sop => !kept.Contains(sop)).ToList())
        {
            if (await rows.FindAsync(RowTable.Catalog, sidecar.Clinic.Value, $"{CatalogRows.Sop}{sop}:{sidecar.Study}", cancellationToken) is { } where)
            {
                others.Add(where);
            }
        }

        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, sidecar.Clinic.Value, RowRange.Prefix($"{CatalogRows.Packed}{sidecar.Study}:{sidecar.Pack}:"), cancellationToken))
        {
            if (!wanted.Contains(row.Key))
            {
                others.Add(row);
            }
        }

        foreach (Row[] batch in others.Chunk(RowsAtOnce))
        {
            await rows.DeleteUnchangedAsync(RowTable.Catalog, sidecar.Clinic.Value, batch, cancellationToken);
        }
    }
}
