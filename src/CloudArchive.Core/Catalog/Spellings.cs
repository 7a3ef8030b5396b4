using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.Catalog;

/// <summary>The rows that lead from what spellings of an identifier share (a form) to each spelling's exact HMAC.</summary>
internal static class Spellings
{
    /// <summary>The HMACs of all spellings that share a form.</summary>
    public static async Task<IReadOnlyList<Sha256Digest>> OfAsync(IRowStore rows, ClinicId clinic, Sha256Digest form, CancellationToken cancellationToken)
    {
        List<Sha256Digest> spellings = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Spelling}{form}:"), cancellationToken))
        {
            if (Sha256Digest.TryParse(row.Key[(row.Key.LastIndexOf(':') + 1)..], null, out Sha256Digest spelling)) // a row that is none of ours names nobody
            {
                spellings.Add(spelling);
            }
        }

        return spellings;
    }

    /// <summary>Removes those of some shares of studies by which nothing is looked up any more.</summary>
    public static async Task RemoveUnusedAsync(IRowStore rows, ClinicId clinic, IReadOnlyList<Row> shares, CancellationToken cancellationToken)
    {
        foreach (string[] one in shares.SelectMany(share => (share.Text(CatalogRows.Forms) ?? "").Split(' ')).Distinct().Select(text => text.Split(':')).Where(parts => parts.Length == 3))
        {
            foreach (string key in one[1..].Distinct().Select(form => $"{CatalogRows.Spelling}{form}:{one[0]}"))
            {
                // Read before what may keep it: a commit in between changes its ETag.
                if (await rows.FindAsync(RowTable.Catalog, clinic.Value, key, cancellationToken) is { } row && !await IsLookedUpAsync(rows, clinic, one[0], cancellationToken))
                {
                    await rows.DeleteUnchangedAsync(RowTable.Catalog, clinic.Value, [row], cancellationToken);
                }
            }
        }
    }

    private static async Task<bool> IsLookedUpAsync(IRowStore rows, ClinicId clinic, string hmac, CancellationToken cancellationToken)
    {
        foreach (string kind in (string[])[CatalogRows.Patient, CatalogRows.Accession])
        {
            if ((await rows.QueryAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{kind}{hmac}:"), 1, cancellationToken)).Count > 0)
            {
                return true;
            }
        }

        return false;
    }
}
