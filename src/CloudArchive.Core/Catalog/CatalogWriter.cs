using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.Catalog;

/// <summary>Writes the catalogue. Every write can be repeated, by anyone, at any time.</summary>
public sealed class CatalogWriter(IRowStore rows)
{
    private const int InstancesAtOnce = 50; // two rows each, 100 a transaction

    /// <summary>Adds a pack that was verified and locked, without its receipt. Where it is there already, it stays as it is.</summary>
    public async Task AddAsync(CatalogPack pack, Sidecar sidecar, CancellationToken cancellationToken)
    {
        await WriteInstancesAsync(sidecar, cancellationToken);
        try
        {
            await rows.SubmitAsync(
                RowTable.Catalog,
                pack.Clinic.Value,
                [.. CatalogRows.ForPack(pack).Select(row => row.Shared ? (RowWrite)new RowWrite.Upsert(row.Key, row.Values) : new RowWrite.Insert(row.Key, row.Values))],
                cancellationToken);
        }
        catch (RowConflictException)
        {
            // Written before a crash, or by another commit of the same pack; it may have its receipt already, which must stay.
        }
    }

    /// <summary>Writes a pack with its receipt over whatever is there: what the rebuild does.</summary>
    public async Task RestoreAsync(CatalogPack pack, Sidecar sidecar, CancellationToken cancellationToken)
    {
        await WriteInstancesAsync(sidecar, cancellationToken);
        await rows.SubmitAsync(
            RowTable.Catalog, pack.Clinic.Value, [.. CatalogRows.ForPack(pack).Select(row => new RowWrite.Upsert(row.Key, row.Values))], cancellationToken);
    }

    /// <summary>Gives a pack its receipt: from here on it is committed.</summary>
    public async Task SetReceiptAsync(CatalogPack pack, string receipt, long auditIndex, CancellationToken cancellationToken)
    {
        string key = CatalogRows.Pack + pack.Pack;
        while (true)
        {
            Row row = await rows.FindAsync(RowTable.Catalog, pack.Clinic.Value, key, cancellationToken)
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
                // Another commit of the same pack, or a rebuild: look again.
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

    private async Task WriteInstancesAsync(Sidecar sidecar, CancellationToken cancellationToken)
    {
        foreach (SidecarInstance[] batch in sidecar.Instances.Chunk(InstancesAtOnce))
        {
            // Two versions of one SOP instance share their "o:" row; a transaction takes a key once.
            RowWrite[] writes = [.. batch.SelectMany(instance => CatalogRows.ForInstance(sidecar, instance)).DistinctBy(write => write.Key)];
            await rows.SubmitAsync(RowTable.Catalog, sidecar.Clinic.Value, writes, cancellationToken);
        }
    }
}
