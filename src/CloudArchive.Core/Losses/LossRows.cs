using System.Text.Json;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Losses;

/// <summary>
/// Lost packs, in <see cref="RowTable.Work"/>: <c>lost:{pack}</c>, with what the pack held as the catalogue had it then. The row goes when the pack is found
/// whole, or is destroyed. The audit log has every loss: the rebuild of the catalogue writes these rows again.
/// </summary>
internal static class LossRows
{
    public const string Lost = "lost:";
    public const string ReplacedAt = "replacedAt";

    public static string Name(PackLossCause cause) => JsonNamingPolicy.KebabCaseLower.ConvertName(cause.ToString());

    public static PackLossCause? ParseCause(string? name) => Enum.GetValues<PackLossCause>().Where(cause => Name(cause) == name).Select(cause => (PackLossCause?)cause).FirstOrDefault();

    /// <summary>All of a clinic's lost packs: one query, as a rule without a row.</summary>
    public static async Task<IReadOnlyDictionary<PackId, LostPack>> ListAsync(IRowStore rows, ClinicId clinic, CancellationToken cancellationToken)
    {
        Dictionary<PackId, LostPack> lost = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, clinic.Value, RowRange.Prefix(Lost), cancellationToken))
        {
            LostPack pack = Read(row);
            lost[pack.Pack] = pack;
        }

        return lost;
    }

    public static Dictionary<string, object> Values(LostPack pack, IReadOnlyList<SidecarInstance> instances)
    {
        Dictionary<string, object> values = new()
        {
            ["cause"] = Name(pack.Cause),
            ["detail"] = pack.Detail,
            ["since"] = pack.Since,
            ["instances"] = (long)pack.Instances,
            ["bytes"] = pack.Bytes,
        };
        if (pack.Study is { } study)
        {
            values["study"] = study.Value;
        }

        // Of plain files, of which little is known, all that go into a pack go into a row.
        if (instances.Count > 0 && (instances.Count <= PackedInstances.PerRow || instances.All(instance => instance.Kind is not null)))
        {
            PackedInstances.Write(values, instances);
        }

        return values;
    }

    /// <summary>The loss; where its row says what cannot be, that the pack is lost all the same.</summary>
    public static LostPack Read(Row row)
    {
        try
        {
            return ToLost(row);
        }
        catch (Exception e) when (DamagedRow.Is(e) && PackId.TryParse(row.Key[Lost.Length..], null, out PackId pack))
        {
            ArchiveMetrics.RowsDamaged.Add(1);
            return new LostPack(pack, null, PackLossCause.Damaged, "unreadable", pack.CreatedAt, 0, 0, null, row.ETag!);
        }
    }

    private static LostPack ToLost(Row row) => new(
        PackId.Parse(row.Key[Lost.Length..]),
        row.Text("study") is { } study ? Uid.Parse(study) : null,
        ParseCause(row.Text("cause")) ?? PackLossCause.Damaged,
        row.Text("detail") ?? "",
        row.Time("since")!.Value,
        (int)(row.Number("instances") ?? 0),
        row.Number("bytes") ?? 0,
        row.Time(ReplacedAt),
        row.ETag!);

    /// <summary>What the pack held, where the row has it.</summary>
    public static IReadOnlyList<ArchivedContent> ReadInstances(Row row) => [.. PackedInstances.Read(row).Select(instance => new ArchivedContent(instance.SopInstance, instance.Sha256))];
}
