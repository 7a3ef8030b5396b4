using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Catalog;

/// <summary>
/// How the catalogue lies in <see cref="RowTable.Catalog"/>, a partition a clinic (docs/catalogue.md). No row is ever shared by two packs
/// with different content, so commits of one study never contend: a study is the sum of its packs' rows.
/// </summary>
internal static class CatalogRows
{
    /// <summary><c>p:{pack}</c>: the pack.</summary>
    public const string Pack = "p:";

    /// <summary><c>s:{study}:{pack}</c>: what a pack adds to its study.</summary>
    public const string Study = "s:";

    /// <summary><c>i:{study}:{sopInstance}:{sha256}:{pack}</c>: an instance.</summary>
    public const string Instance = "i:";

    /// <summary><c>o:{sopInstance}:{study}</c>: where a SOP instance is.</summary>
    public const string Sop = "o:";

    /// <summary><c>xp:{patientHmac}:{study}</c>.</summary>
    public const string Patient = "xp:";

    /// <summary><c>xa:{accessionHmac}:{study}</c>.</summary>
    public const string Accession = "xa:";

    /// <summary><c>xd:{yyyyMMdd}:{study}</c>.</summary>
    public const string Date = "xd:";

    private static readonly Dictionary<string, object> Nothing = [];

    public static Dictionary<string, object> PackValues(CatalogPack pack)
    {
        Dictionary<string, object> values = new()
        {
            ["study"] = pack.Study.Value,
            ["length"] = pack.Length,
            ["sha256"] = pack.Sha256.Hex,
            ["versionId"] = pack.VersionId,
            ["immutableUntil"] = pack.ImmutableUntil,
            ["instances"] = (long)pack.Instances,
            ["instancesRoot"] = pack.InstancesRoot.Hex,
            ["committedAt"] = pack.CommittedAt,
            ["keyId"] = pack.ContentKey.KeyId,
            ["algorithm"] = pack.ContentKey.Algorithm,
            ["wrappedKey"] = pack.ContentKey.EncryptedKey,
            ["modalities"] = string.Join(',', pack.Modalities),
        };
        Add(values, "studyDate", pack.StudyDate);
        Add(values, "patientHmac", pack.PatientHmac?.Hex);
        Add(values, "accessionHmac", pack.AccessionHmac?.Hex);
        Add(values, "receipt", pack.Receipt);
        AddBornIn(values, pack);
        if (pack.AuditIndex is { } index)
        {
            values["auditIndex"] = index;
        }

        return values;
    }

    /// <exception cref="IntegrityException">The row is none that this code wrote.</exception>
    public static CatalogPack ReadPack(Row row) => Read(row, ToPack);

    /// <exception cref="IntegrityException">The row is none that this code wrote.</exception>
    public static InstanceResponse ReadInstance(Row row) => Read(row, ToInstance);

    private static CatalogPack ToPack(Row row) => new(
        ClinicId.Parse(row.Partition),
        PackId.Parse(row.Key[Pack.Length..]),
        Uid.Parse(row.Text("study")!),
        row.Number("length")!.Value,
        Sha256Digest.Parse(row.Text("sha256")!),
        row.Text("versionId")!,
        row.Time("immutableUntil")!.Value,
        (int)row.Number("instances")!.Value,
        Sha256Digest.Parse(row.Text("instancesRoot")!),
        row.Time("committedAt")!.Value,
        new WrappedContentKey(row.Text("keyId")!, row.Bytes("wrappedKey")!, row.Text("algorithm")!),
        row.Text("studyDate"),
        Modalities(row),
        Digest(row, "patientHmac"),
        Digest(row, "accessionHmac"),
        row.Text("receipt"),
        row.Number("auditIndex"),
        (int?)row.Number("bornIn"));

    /// <summary>A pack's row, its share of its study, and where the study is looked up.</summary>
    public static IReadOnlyList<(string Key, Dictionary<string, object> Values, bool Shared)> ForPack(CatalogPack pack)
    {
        Dictionary<string, object> share = new()
        {
            ["instances"] = (long)pack.Instances,
            ["length"] = pack.Length,
            ["committedAt"] = pack.CommittedAt,
            ["immutableUntil"] = pack.ImmutableUntil,
            ["modalities"] = string.Join(',', pack.Modalities),
        };
        Add(share, "studyDate", pack.StudyDate);
        Add(share, "patientHmac", pack.PatientHmac?.Hex);
        Add(share, "accessionHmac", pack.AccessionHmac?.Hex);
        AddBornIn(share, pack);
        List<(string, Dictionary<string, object>, bool)> rows =
        [
            (Pack + pack.Pack, PackValues(pack), false),
            ($"{Study}{pack.Study}:{pack.Pack}", share, false),
        ];
        if (pack.PatientHmac is { } patient)
        {
            rows.Add(($"{Patient}{patient}:{pack.Study}", Nothing, true));
        }

        if (pack.AccessionHmac is { } accession)
        {
            rows.Add(($"{Accession}{accession}:{pack.Study}", Nothing, true));
        }

        if (pack.StudyDate is { } date)
        {
            rows.Add(($"{Date}{date}:{pack.Study}", Nothing, true));
        }

        return rows;
    }

    /// <summary>An instance's two rows; anyone would write them the same.</summary>
    public static IEnumerable<RowWrite> ForInstance(Sidecar sidecar, SidecarInstance instance)
    {
        Dictionary<string, object> values = new()
        {
            ["length"] = instance.Length,
            ["sopClass"] = instance.SopClass.Value,
            ["transferSyntax"] = instance.TransferSyntax.Value,
        };
        Add(values, "series", instance.Series?.Value);
        Add(values, "modality", instance.Modality);
        yield return new RowWrite.Upsert($"{Instance}{sidecar.Study}:{instance.SopInstance}:{instance.Sha256}:{sidecar.Pack}", values);
        yield return new RowWrite.Upsert($"{Sop}{instance.SopInstance}:{sidecar.Study}", Nothing);
    }

    private static InstanceResponse ToInstance(Row row)
    {
        string[] key = row.Key.Split(':');
        return new InstanceResponse(
            Uid.Parse(key[2]),
            Sha256Digest.Parse(key[3]),
            row.Number("length")!.Value,
            Uid.Parse(key[1]),
            Uid.Parse(row.Text("sopClass")!),
            row.Text("series") is { } series ? Uid.Parse(series) : null,
            row.Text("modality"),
            Uid.Parse(row.Text("transferSyntax")!),
            PackId.Parse(key[4]));
    }

    /// <summary>A study as the sum of its packs' shares. An instance that was archived twice counts twice.</summary>
    public static StudyResponse Sum(Uid study, IReadOnlyList<Row> shares) => new(
        study,
        shares.Select(row => row.Text("studyDate")).FirstOrDefault(date => date is not null),
        [.. shares.SelectMany(Modalities).Distinct().Order(StringComparer.Ordinal)],
        shares.Select(row => Digest(row, "patientHmac")).FirstOrDefault(hmac => hmac is not null),
        shares.Select(row => Digest(row, "accessionHmac")).FirstOrDefault(hmac => hmac is not null),
        shares.Count,
        (int)shares.Sum(row => row.Number("instances")!.Value),
        shares.Sum(row => row.Number("length")!.Value),
        shares.Min(row => row.Time("committedAt")!.Value),
        shares.Max(row => row.Time("committedAt")!.Value),
        shares.Min(row => row.Time("immutableUntil")!.Value));

    /// <summary>What a share says of how long its pack is kept.</summary>
    public static PackFacts ReadFacts(Row share) => new(
        PackOf(share),
        share.Text("studyDate"),
        share.Time("committedAt")!.Value,
        share.Time("immutableUntil")!.Value,
        Digest(share, "patientHmac"),
        (int?)share.Number("bornIn"));

    public static PackId PackOf(Row share) => PackId.Parse(share.Key.Split(':')[2]);

    public static Uid StudyOf(Row share) => Uid.Parse(share.Key.Split(':')[1]);

    private static void AddBornIn(Dictionary<string, object> values, CatalogPack pack)
    {
        if (pack.BornIn is { } born)
        {
            values["bornIn"] = (long)born;
        }
    }

    private static string[] Modalities(Row row) => (row.Text("modalities") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries);

    private static Sha256Digest? Digest(Row row, string name) => row.Text(name) is { } hex ? Sha256Digest.Parse(hex) : null;

    private static T Read<T>(Row row, Func<Row, T> read)
    {
        try
        {
            return read(row);
        }
        catch (Exception e) when (e is FormatException or InvalidCastException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw new IntegrityException(
                $"A row of pack {row.Key[(row.Key.LastIndexOf(':') + 1)..]} in the catalogue of clinic {row.Partition} says what cannot be: it was changed past the service. Run `cloudarchive catalog rebuild`.", e);
        }
    }

    private static void Add(Dictionary<string, object> values, string name, string? value)
    {
        if (value is not null)
        {
            values[name] = value;
        }
    }
}
