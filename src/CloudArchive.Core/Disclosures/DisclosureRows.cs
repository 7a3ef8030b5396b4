using CloudArchive.Core.Catalog;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.Disclosures;

/// <summary>
/// What was handed out, in <see cref="RowTable.Work"/>: <c>disclosed:{HMAC of the patient ID, or none}:{restore}:{pack}</c>, written in the very
/// transaction that records the hand-out, and never deleted: an index of the restores by patient.
/// </summary>
internal static class DisclosureRows
{
    private const string Prefix = "disclosed:";
    private const string NoPatient = "none";

    /// <summary>Every patient's.</summary>
    public static RowRange All => RowRange.Prefix(Prefix);

    public static RowRange Of(Sha256Digest patient) => RowRange.Prefix($"{Prefix}{patient.Hex}:");

    /// <summary>What nobody's HMAC is known of.</summary>
    public static RowRange OfNobody => RowRange.Prefix($"{Prefix}{NoPatient}:");

    /// <summary>A pack, as a restore hands it out.</summary>
    public static RowWrite.Upsert Write(WorkId restore, CatalogPack pack, PlannedPack planned, DateTimeOffset at) => new(
        $"{Prefix}{pack.PatientHmac?.Hex ?? NoPatient}:{restore}:{pack.Pack}",
        new Dictionary<string, object> { ["at"] = at, ["study"] = pack.Study.Value, ["instances"] = (long)(planned.Wanted?.Count ?? pack.Instances) });

    public static DisclosedPack Read(Row row)
    {
        string[] parts = row.Key.Split(':');
        return new DisclosedPack(WorkId.Parse(parts[2]), PackId.Parse(parts[3]), Uid.Parse(row.Text("study")!), (int)row.Number("instances")!.Value, row.Time("at")!.Value);
    }
}

/// <summary>A pack that was handed out.</summary>
internal sealed record DisclosedPack(WorkId Restore, PackId Pack, Uid Study, int Instances, DateTimeOffset At);
