using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Core.RestoreTests;

/// <summary>Every pack of a clinic under the archive's promise, with when it was last tested.</summary>
public sealed class RestoreTestPopulation(IRowStore rows, CommittedPacks committed, TimeProvider clock)
{
    /// <summary>The packs, ascending by id.</summary>
    public async Task<IReadOnlyList<PopulationPack>> ReadAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        // A commit writes the receipt a moment before the catalogue has it: until it is settled, that is no mismatch.
        DateTimeOffset settled = clock.GetUtcNow() - CommittedPacks.Settled;
        IReadOnlyDictionary<PackId, DateTimeOffset> tested = await LastTestedAsync(clinic, cancellationToken);
        return
        [
            .. (await committed.ReadAsync(clinic, cancellationToken)).Where(pack => pack.Catalogued is not null || pack.CommittedAt < settled).Select(pack => new PopulationPack(
                pack.Pack, pack.Bytes, pack.CommittedAt.ToUniversalTime(), tested.TryGetValue(pack.Pack, out DateTimeOffset at) ? at.ToUniversalTime() : null)),
        ];
    }

    /// <summary>When each of a clinic's packs was last tested.</summary>
    public async Task<IReadOnlyDictionary<PackId, DateTimeOffset>> LastTestedAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        Dictionary<PackId, DateTimeOffset> tested = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, clinic.Value, RowRange.Prefix(RestoreTestRows.Tested), cancellationToken))
        {
            // One that cannot be read is tested as if it never was.
            if (PackId.TryParse(row.Key[RestoreTestRows.Tested.Length..], null, out PackId pack) && row.Values.GetValueOrDefault("at") is DateTimeOffset at)
            {
                tested[pack] = at;
            }
        }

        return tested;
    }
}
