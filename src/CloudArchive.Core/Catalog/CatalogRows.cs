using System.Globalization;
using CloudArchive.Core.Losses;
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

    /// <summary><c>k:{study}:{pack}:{nnn}</c>: a pack's instances, some thousands a row (<see cref="PackedInstances"/>).</summary>
    public const string Packed = "k:";

    /// <summary><c>o:{beginning of SOP instance UIDs}:{study}:{pack}</c>: where SOP instances are (<see cref="SopIndex"/>); and as below.</summary>
    public const string Sop = "o:";

    /// <summary>
    /// <c>i:{study}:{sopInstance}:{sha256}:{pack}</c>: an instance, and <c>o:{sopInstance}:{study}</c> where it is: two rows an instance, of packs from before
    /// they were packed. Read, and written no more: the rebuild replaces them.
    /// </summary>
    public const string Instance = "i:";

    /// <summary><c>xp:{patientHmac}:{study}</c>.</summary>
    public const string Patient = "xp:";

    /// <summary><c>xa:{accessionHmac}:{study}</c>.</summary>
    public const string Accession = "xa:";

    /// <summary>
    /// <c>xn:{HMAC of a form}:{HMAC of a spelling}</c>: a spelling of an identifier that has this form. It stays when the last study of the patient is destroyed: what was
    /// handed out of it is still accounted for.
    /// </summary>
    public const string Spelling = "xn:";

    /// <summary>Of a share: each exact HMAC with those of its forms.</summary>
    public const string Forms = "forms";

    /// <summary><c>xd:{yyyyMMdd}:{study}</c>.</summary>
    public const string Date = "xd:";

    /// <summary><c>t:{set}:{time, the latest first}:{pack}</c>: a snapshot, as lists have it (<see cref="SnapshotRows"/>).</summary>
    public const string Snapshot = "t:";

    /// <summary><c>n:{set}:{pack}</c>: which packs a snapshot needs.</summary>
    public const string Needs = "n:";

    private static readonly Dictionary<string, object> Nothing = [];

    /// <summary>The shares of sets that have no UID of their own, and of studies that look as if they had none. ':' sorts behind every digit, and a key may have it.</summary>
    public static RowRange MadeUp { get; } = new(Study + Sets.Root, Study + Sets.Root + ":");

    /// <summary>Whether what a caller passed as the next of a page can be part of a key.</summary>
    public static bool IsToken(string after, int most, string alphabet) => after.Length <= most && after.All(alphabet.Contains);

    /// <summary>The keys of a kind that a study has, or all of that kind.</summary>
    public static RowRange OfStudy(string prefix, Uid? study) => RowRange.Prefix(study is { } one ? $"{prefix}{one}:" : prefix);

    /// <summary>A range from <paramref name="from"/> on: where that leads out of it, from its beginning.</summary>
    public static RowRange Within(RowRange range, string? from) => string.CompareOrdinal(from, range.From) > 0 ? range with { From = from! } : range;

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
        AddSet(values, pack);
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
        (int?)row.Number("bornIn"),
        Set(row),
        Kinds(row));

    /// <summary>A pack's row, its share of its set, where a study is looked up, and what a snapshot is.</summary>
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
        // By which a destruction finds the rows of spellings.
        Add(share, Forms, pack.Identifiers is { Count: > 0 } known ? string.Join(' ', known.Select(one => $"{one.Hmac}:{one.Forms.Spelling}:{one.Forms.Zeros}")) : null);
        AddBornIn(share, pack);
        AddSet(share, pack);
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

        foreach ((Sha256Digest hmac, IdentifierForms forms) in pack.Identifiers ?? [])
        {
            rows.Add(($"{Spelling}{forms.Spelling}:{hmac}", Nothing, true));
            rows.Add(($"{Spelling}{forms.Zeros}:{hmac}", Nothing, true));
        }

        if (pack.Snapshot is { } snapshot)
        {
            rows.Add((SnapshotRows.Key(pack.Study, snapshot.TakenAt, pack.Pack), SnapshotRows.Values(snapshot), false));
            rows.Add(($"{Needs}{pack.Study}:{pack.Pack}", SnapshotRows.NeedsValues(snapshot), false));
        }

        return rows;
    }

    /// <summary>The rows of a pack's instances: few, however many these are; anyone would write them the same.</summary>
    public static IReadOnlyList<(string Key, Dictionary<string, object> Values)> ForInstances(Uid study, PackId pack, IReadOnlyList<SidecarInstance> instances)
    {
        List<(string, Dictionary<string, object>)> rows = [];
        foreach (SidecarInstance[] some in instances.Chunk(PackedInstances.PerRow))
        {
            Dictionary<string, object> values = [];
            PackedInstances.Write(values, some);
            rows.Add((string.Create(CultureInfo.InvariantCulture, $"{Packed}{study}:{pack}:{rows.Count:d3}"), values));
        }

        // What stands in the place of a plain file's UID says less than the SHA-256 beside it: nobody looks for it.
        rows.AddRange(SopIndex.Rows(instances.Where(instance => instance.Kind is null).Select(instance => instance.SopInstance)).Select(row => ($"{Sop}{row.Beginning}:{study}:{pack}", row.Values)));
        return rows;
    }

    /// <summary>The two rows of an instance as they were once written.</summary>
    public static IEnumerable<(string Key, Dictionary<string, object> Values)> ForInstanceOnce(Sidecar sidecar, SidecarInstance instance)
    {
        Dictionary<string, object> values = new()
        {
            ["length"] = instance.Length,
        };
        Add(values, "sopClass", instance.SopClass?.Value);
        Add(values, "transferSyntax", instance.TransferSyntax?.Value);
        Add(values, "series", instance.Series?.Value);
        Add(values, "modality", instance.Modality);
        yield return ($"{Instance}{sidecar.Study}:{instance.SopInstance}:{instance.Sha256}:{sidecar.Pack}", values);
        yield return ($"{Sop}{instance.SopInstance}:{sidecar.Study}", Nothing);
    }

    /// <summary>The instances of a <see cref="Packed"/> row.</summary>
    /// <exception cref="IntegrityException">The row is none that this code wrote.</exception>
    public static IReadOnlyList<InstanceResponse> ReadPacked(Row row) => Read(row, ToInstances);

    /// <summary>The same, as the sidecar has them.</summary>
    /// <exception cref="IntegrityException">The row is none that this code wrote.</exception>
    public static IReadOnlyList<SidecarInstance> ReadSidecarInstances(Row row) => Read(row, PackedInstances.Read);

    private static IReadOnlyList<InstanceResponse> ToInstances(Row row)
    {
        string[] key = row.Key.Split(':');
        Uid study = Uid.Parse(key[1]);
        PackId pack = PackId.Parse(key[2]);
        return [.. PackedInstances.Read(row).Select(i => new InstanceResponse(i.SopInstance, i.Sha256, i.Length, study, i.SopClass, i.Series, i.Modality, i.TransferSyntax, pack, i.Kind))];
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

    /// <summary>
    /// A study as the sum of its packs' shares, without those that are lost. An instance that was archived twice counts twice. A share that says what
    /// cannot be adds nothing but to <see cref="StudyResponse.UnreadablePacks"/>.
    /// </summary>
    public static StudyResponse Sum(Uid study, IReadOnlyList<Row> shares, IReadOnlyDictionary<PackId, LostPack> lost)
    {
        StudyShare[] readable = [.. shares.Select(TryReadShare).OfType<StudyShare>()];
        StudyShare[] good = [.. readable.Where(share => !lost.ContainsKey(share.Facts.Pack))];
        DateTimeOffset opened = PackOf(shares[0]).CreatedAt;
        return new StudyResponse(
            study,
            readable.Select(share => share.Facts.StudyDate).FirstOrDefault(date => date is not null),
            [.. readable.SelectMany(share => share.Modalities).Distinct().Order(StringComparer.Ordinal)],
            readable.Select(share => share.Facts.Patient).FirstOrDefault(hmac => hmac is not null),
            readable.Select(share => share.Accession).FirstOrDefault(hmac => hmac is not null),
            good.Length,
            good.Sum(share => share.Instances),
            good.Sum(share => share.Length),
            readable.Select(share => share.Facts.CommittedAt).DefaultIfEmpty(opened).Min(),
            readable.Select(share => share.Facts.CommittedAt).DefaultIfEmpty(opened).Max(),
            readable.Select(share => share.Facts.LockedUntil).DefaultIfEmpty(opened).Min(),
            readable.Where(share => lost.TryGetValue(share.Facts.Pack, out LostPack? pack) && pack.ReplacedAt is null).Sum(share => share.Instances),
            shares.Count - readable.Length,
            readable.Select(share => share.Set).FirstOrDefault(set => set is not null),
            readable.Any(share => share.Kinds is not null) ? [.. readable.SelectMany(share => share.Kinds ?? []).Distinct().Order()] : null);
    }

    /// <summary>What a share says; null where it says what cannot be.</summary>
    public static StudyShare? TryReadShare(Row share) => TryRead(share, ToShare);

    /// <summary>The pack of a share, which is in the row's key. <see cref="TryStudyOf"/> tells whether the key is one of ours.</summary>
    public static PackId PackOf(Row share) => PackId.Parse(share.Key.Split(':')[2]);

    public static Uid StudyOf(Row share) => Uid.Parse(share.Key.Split(':')[1]);

    /// <summary>The study of a share; null where the key is none that this code makes.</summary>
    public static Uid? TryStudyOf(Row share) =>
        share.Key.Split(':') is [_, var study, var pack] && Uid.TryParse(study, null, out Uid uid) && PackId.TryParse(pack, null, out _) ? uid : null;

    /// <summary>What a row of this catalogue says; null where it says what cannot be.</summary>
    public static T? TryRead<T>(Row row, Func<Row, T> read)
        where T : class
    {
        try
        {
            return Read(row, read);
        }
        catch (IntegrityException)
        {
            ArchiveMetrics.RowsDamaged.Add(1);
            return null;
        }
    }

    /// <summary>The pack that a row's key names; null where it names none.</summary>
    public static PackId? TryPackOf(Row row) => row.Key.Split(':').Select(part => PackId.TryParse(part, null, out PackId id) ? id : (PackId?)null).LastOrDefault(id => id is not null);

    private static StudyShare ToShare(Row share) => new(
        new PackFacts(
            PackOf(share),
            share.Text("studyDate"),
            share.Time("committedAt")!.Value,
            share.Time("immutableUntil")!.Value,
            Digest(share, "patientHmac"),
            (int?)share.Number("bornIn")),
        (int)share.Number("instances")!.Value,
        share.Number("length")!.Value,
        Modalities(share),
        Digest(share, "accessionHmac"),
        Set(share),
        Kinds(share));

    /// <summary>What kind of set a pack or a share of this row is of; null: a study.</summary>
    public static SetKind? Set(Row row) => row.Text("set") is { } set ? Enum.TryParse(set, out SetKind kind) ? kind : throw new FormatException("There is no such kind of set.") : null;

    private static void AddBornIn(Dictionary<string, object> values, CatalogPack pack)
    {
        if (pack.BornIn is { } born)
        {
            values["bornIn"] = (long)born;
        }
    }

    private static void AddSet(Dictionary<string, object> values, CatalogPack pack)
    {
        Add(values, "set", pack.Set?.ToString());
        Add(values, "kinds", pack.Kinds is { } kinds ? string.Join(',', kinds) : null);
    }

    private static FileKind[]? Kinds(Row row) =>
        row.Text("kinds")?.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(kind => Enum.TryParse(kind, out FileKind known) ? known : throw new FormatException("There is no such kind of file.")).ToArray();

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
                $"A row of pack {PackNamed(row.Key)} in the catalogue of clinic {row.Partition} says what cannot be: it was changed past the service. Run `cloudarchive catalog rebuild`.", e);
        }
    }

    private static string PackNamed(string key) => key.Split(':').LastOrDefault(part => PackId.TryParse(part, null, out _)) ?? "unknown";

    private static void Add(Dictionary<string, object> values, string name, string? value)
    {
        if (value is not null)
        {
            values[name] = value;
        }
    }
}

/// <summary>What a pack adds to its study.</summary>
internal sealed record StudyShare(PackFacts Facts, int Instances, long Length, IReadOnlyList<string> Modalities, Sha256Digest? Accession, SetKind? Set = null, IReadOnlyList<FileKind>? Kinds = null);

/// <summary>A study, and what its packs say.</summary>
internal sealed record FoundStudy(StudyResponse Study, IReadOnlyList<StudyShare> Shares);
