using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.Catalog;

/// <summary>
/// Takes packs that were destroyed out of the catalogue. What leads to a row is removed after it, so a removal that stopped anywhere is
/// finished by repeating it; and a row that a commit of the same study shares stays: its ETag tells.
/// </summary>
public sealed class CatalogRemoval(IRowStore rows)
{
    private const int RowsAtOnce = 100;

    /// <summary>Removes the rows of a study's packs, and the study's look-ups where nothing else of it is there.</summary>
    public async Task RunAsync(ClinicId clinic, Uid study, IReadOnlySet<PackId> packs, CancellationToken cancellationToken)
    {
        await RemoveInstancesAsync(clinic, study, packs, cancellationToken);
        foreach (PackId pack in packs)
        {
            await RemoveAsync(clinic, CatalogRows.Pack + pack, cancellationToken);
        }

        IReadOnlyList<Row> shares = [.. (await SharesAsync(clinic, study, cancellationToken)).Where(row => packs.Contains(CatalogRows.PackOf(row)))];
        foreach (string lookUp in shares.SelectMany(share => LookUps(share)).Distinct())
        {
            // Read before the shares that may keep it: a commit in between changes its ETag.
            if (await rows.FindAsync(RowTable.Catalog, clinic.Value, lookUp, cancellationToken) is { } row
                && !(await SharesAsync(clinic, study, cancellationToken)).Any(share => !packs.Contains(CatalogRows.PackOf(share)) && LookUps(share).Contains(lookUp)))
            {
                await rows.DeleteUnchangedAsync(RowTable.Catalog, clinic.Value, [row], cancellationToken);
            }
        }

        await Spellings.RemoveUnusedAsync(rows, clinic, shares, cancellationToken);
        if (Sets.IsMadeUp(study))
        {
            await RemoveSnapshotsAsync(clinic, study, packs, cancellationToken);
        }

        foreach (Row share in shares)
        {
            await RemoveAsync(clinic, share.Key, cancellationToken);
        }

        // A loss of what is destroyed is none any more: nothing is to come back.
        foreach (PackId pack in packs)
        {
            await RemoveAsync(clinic, LossRows.Lost + pack, cancellationToken, RowTable.Work);
        }
    }

    private async Task RemoveSnapshotsAsync(ClinicId clinic, Uid set, IReadOnlySet<PackId> packs, CancellationToken cancellationToken)
    {
        foreach (string prefix in (string[])[CatalogRows.Snapshot, CatalogRows.Needs])
        {
            List<Row> there = await rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{prefix}{set}:"), cancellationToken).ToListAsync(cancellationToken);
            foreach (Row row in there.Where(row => CatalogRows.TryPackOf(row) is { } pack && packs.Contains(pack)))
            {
                await RemoveAsync(clinic, row.Key, cancellationToken);
            }
        }
    }

    private async Task RemoveInstancesAsync(ClinicId clinic, Uid study, IReadOnlySet<PackId> packs, CancellationToken cancellationToken)
    {
        foreach (PackId pack in packs)
        {
            await RemovePackedAsync(clinic, study, pack, cancellationToken);
        }

        await RemoveInstancesOnceAsync(clinic, study, packs, cancellationToken);
    }

    private async Task RemovePackedAsync(ClinicId clinic, Uid study, PackId pack, CancellationToken cancellationToken)
    {
        IReadOnlyList<Row> packed = await rows.QueryAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Packed}{study}:{pack}:"), RowStoreExtensions.MostRows, cancellationToken);
        foreach ((string beginning, _) in SopIndex.Rows(packed.SelectMany(CatalogRows.ReadSidecarInstances).Select(instance => instance.SopInstance)))
        {
            await RemoveAsync(clinic, $"{CatalogRows.Sop}{beginning}:{study}:{pack}", cancellationToken);
        }

        foreach (Row row in packed)
        {
            await RemoveAsync(clinic, row.Key, cancellationToken);
        }
    }

    /// <summary>Rows as they were once written: two an instance.</summary>
    private async Task RemoveInstancesOnceAsync(ClinicId clinic, Uid study, IReadOnlySet<PackId> packs, CancellationToken cancellationToken)
    {
        List<Row> gone = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Instance}{study}:"), cancellationToken))
        {
            if (packs.Contains(CatalogRows.ReadInstance(row).Pack))
            {
                gone.Add(row);
            }
        }

        foreach (Uid sop in gone.Select(row => CatalogRows.ReadInstance(row).SopInstance).Distinct())
        {
            RowRange versions = RowRange.Prefix($"{CatalogRows.Instance}{study}:{sop}:");
            if (await rows.FindAsync(RowTable.Catalog, clinic.Value, $"{CatalogRows.Sop}{sop}:{study}", cancellationToken) is { } where
                && (await rows.QueryAsync(RowTable.Catalog, clinic.Value, versions, RowStoreExtensions.MostRows, cancellationToken)).All(row => packs.Contains(CatalogRows.ReadInstance(row).Pack)))
            {
                await rows.DeleteUnchangedAsync(RowTable.Catalog, clinic.Value, [where], cancellationToken);
            }
        }

        foreach (Row[] batch in gone.Chunk(RowsAtOnce))
        {
            if (!await rows.TryDeleteAsync(RowTable.Catalog, clinic.Value, batch, cancellationToken))
            {
                foreach (Row row in batch)
                {
                    await RemoveAsync(clinic, row.Key, cancellationToken);
                }
            }
        }
    }

    private async Task RemoveAsync(ClinicId clinic, string key, CancellationToken cancellationToken, RowTable table = RowTable.Catalog)
    {
        while (await rows.FindAsync(table, clinic.Value, key, cancellationToken) is { } row
            && !await rows.TryDeleteAsync(table, clinic.Value, [row], cancellationToken))
        {
            // Written again in between, as by a rebuild: look again.
        }
    }

    private static IEnumerable<string> LookUps(Row share)
    {
        Uid study = CatalogRows.StudyOf(share);
        if (share.Text("patientHmac") is { } patient)
        {
            yield return $"{CatalogRows.Patient}{patient}:{study}";
        }

        if (share.Text("accessionHmac") is { } accession)
        {
            yield return $"{CatalogRows.Accession}{accession}:{study}";
        }

        if (share.Text("studyDate") is { } date)
        {
            yield return $"{CatalogRows.Date}{date}:{study}";
        }
    }

    // All of them: a folder may have more packs than come with one query.
    private async Task<IReadOnlyList<Row>> SharesAsync(ClinicId clinic, Uid study, CancellationToken cancellationToken) =>
        await rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Study}{study}:"), cancellationToken).ToListAsync(cancellationToken);
}
