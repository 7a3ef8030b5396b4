using System.Globalization;
using System.Text.Json;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Restores;

/// <summary>
/// Restores in <see cref="RowTable.Work"/>: <c>restore:{id}</c>, kept as the accounting of disclosures; <c>restore-key:{thumbprint}</c>, which
/// makes a repeated request find its restore; and until it is over <c>restore-open:{id}</c> and the plan, <c>restore-pack:{id}:{pack}</c>
/// (with a '-' before the pack where it comes before the others).
/// </summary>
internal static class RestoreRows
{
    public const string Restore = "restore:";
    public const string Key = "restore-key:";
    public const string Open = "restore-open:";
    private const string Pack = "restore-pack:";
    private const string First = "-";
    private const int DigestsPerProperty = 2000; // 64,000 of 65,536 bytes
    private const int BytesPerTransaction = 1024 * 1024;
    private const int RowsPerTransaction = 100;

    /// <summary>All of a plan, in the order in which it is handed out.</summary>
    public static RowRange Plan(WorkId id) => RowRange.Prefix($"{Pack}{id}:");

    /// <summary>What comes after a row of the plan.</summary>
    public static RowRange Plan(WorkId id, Row after) => RowRange.After($"{Pack}{id}:", after.Key[$"{Pack}{id}:".Length..]);

    /// <summary>The row of a pack of a plan, or null.</summary>
    public static async Task<Row?> FindPackAsync(IRowStore rows, ClinicId clinic, WorkId id, PackId pack, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Work, clinic.Value, PackKey(id, pack, first: false), cancellationToken)
        ?? await rows.FindAsync(RowTable.Work, clinic.Value, PackKey(id, pack, first: true), cancellationToken);

    public static RowWrite.Upsert Write(WorkId id, PlannedPack pack)
    {
        Dictionary<string, object> values = new() { ["files"] = (long)pack.Files };
        if (pack.Study is { } study)
        {
            values["study"] = study.Value;
        }

        if (pack.Wanted is { } wanted)
        {
            int chunk = 0;
            foreach (Sha256Digest[] some in wanted.Chunk(DigestsPerProperty))
            {
                values["wanted" + chunk++.ToString(CultureInfo.InvariantCulture)] = some.SelectMany(digest => digest.ToBytes()).ToArray();
            }
        }

        return new RowWrite.Upsert(PackKey(id, pack.Pack, pack.First), values);
    }

    // '-' sorts before all that an id begins with, and after '!', with which a range begins behind a key.
    private static string PackKey(WorkId id, PackId pack, bool first) => $"{Pack}{id}:{(first ? First : "")}{pack}";

    /// <summary>Writes in groups that fit a transaction.</summary>
    public static IEnumerable<IReadOnlyList<RowWrite>> Batches(IEnumerable<RowWrite.Upsert> writes)
    {
        List<RowWrite> batch = [];
        long bytes = 0;
        foreach (RowWrite.Upsert write in writes)
        {
            long size = write.Values.Values.Sum(value => value is byte[] some ? some.Length * 2L : 256);
            if (batch.Count == RowsPerTransaction || (batch.Count > 0 && bytes + size > BytesPerTransaction))
            {
                yield return batch;
                batch = [];
                bytes = 0;
            }

            batch.Add(write);
            bytes += size;
        }

        if (batch.Count > 0)
        {
            yield return batch;
        }
    }

    public static PlannedPack ReadPack(Row row)
    {
        List<Sha256Digest>? wanted = null;
        for (int chunk = 0; row.Bytes("wanted" + chunk.ToString(CultureInfo.InvariantCulture)) is { } bytes; chunk++)
        {
            (wanted ??= []).AddRange(bytes.Chunk(32).Select(digest => Sha256Digest.FromBytes(digest)));
        }

        string pack = row.Key[(row.Key.LastIndexOf(':') + 1)..];
        bool first = pack.StartsWith(First, StringComparison.Ordinal);
        return new PlannedPack(
            PackId.Parse(first ? pack[First.Length..] : pack), row.Text("study") is { } study ? Uid.Parse(study) : null, wanted, (int?)row.Number("files") ?? wanted?.Count ?? 1, first);
    }

    public static Dictionary<string, object> Values(Restore restore)
    {
        Dictionary<string, object> values = new()
        {
            ["status"] = restore.Status.ToString(),
            ["publicKey"] = JsonSerializer.Serialize(restore.PublicKey, FormatJson.Options),
            ["purpose"] = restore.Purpose,
            ["recipient"] = restore.Recipient,
            ["statement"] = restore.Statement.Hex,
            ["salt"] = restore.Salt,
            ["requestedBy"] = restore.RequestedBy,
            ["requestedAt"] = restore.RequestedAt,
            ["expiresAt"] = restore.ExpiresAt,
            ["totals"] = JsonSerializer.Serialize(restore.Totals, FormatJson.Options),
        };
        if (restore.ApprovedBy is not null)
        {
            values["approvedBy"] = restore.ApprovedBy;
        }

        if (restore.Report is not null)
        {
            values["report"] = JsonSerializer.Serialize(restore.Report, FormatJson.Options);
        }

        if (restore.Progress is not null)
        {
            values["progress"] = JsonSerializer.Serialize(restore.Progress, FormatJson.Options);
        }

        if (restore.CatalogueOnly)
        {
            values["catalogueOnly"] = true;
        }

        if (restore.Snapshot is { } snapshot)
        {
            values["snapshot"] = snapshot.ToString();
        }

        if (restore.DeclinedBy is not null)
        {
            values["declinedBy"] = restore.DeclinedBy;
        }

        return values;
    }

    public static Restore Read(Row row) => new(
        WorkId.Parse(row.Key[Restore.Length..]),
        ClinicId.Parse(row.Partition),
        Enum.Parse<RestoreStatus>(row.Text("status")!),
        JsonSerializer.Deserialize<Jwk>(row.Text("publicKey")!, FormatJson.Options)!,
        row.Text("purpose")!,
        row.Text("recipient")!,
        Sha256Digest.Parse(row.Text("statement")!),
        row.Bytes("salt")!,
        row.Text("requestedBy")!,
        row.Time("requestedAt")!.Value,
        row.Time("expiresAt")!.Value,
        JsonSerializer.Deserialize<RestoreTotals>(row.Text("totals")!, FormatJson.Options)!,
        row.Text("approvedBy"),
        row.Text("report") is { } report ? JsonSerializer.Deserialize<RestoreReport>(report, FormatJson.Options) : null,
        row.Text("progress") is { } progress ? JsonSerializer.Deserialize<RestoreReport>(progress, FormatJson.Options) : null,
        row.Flag("catalogueOnly"),
        row.ETag!,
        row.Text("snapshot") is { } snapshot ? PackId.Parse(snapshot) : null,
        row.Text("declinedBy"));
}
