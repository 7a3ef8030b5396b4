using System.Globalization;
using System.Runtime.CompilerServices;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Catalog;

/// <summary>Which studies. All that is given must fit.</summary>
/// <param name="Study">This one.</param>
/// <param name="Patient">Of this patient: any of these HMACs.</param>
/// <param name="Accession">With this accession number: any of these HMACs.</param>
/// <param name="From">From this study date on, <c>yyyyMMdd</c>.</param>
/// <param name="To">To this study date, inclusive.</param>
/// <param name="Set">Of this kind; null: studies and folders. What is asked for by its id is found whatever it is.</param>
/// <param name="NewestAt">By study date, the latest first, as seen from this day, then folders, which have none; studies without a date are left out. Null: by UID, or the earliest first.</param>
public sealed record StudyFilter(
    Uid? Study = null, IReadOnlyList<Sha256Digest>? Patient = null, IReadOnlyList<Sha256Digest>? Accession = null, string? From = null, string? To = null, SetKind? Set = null, DateTimeOffset? NewestAt = null)
{
    /// <summary>Whether sets of a kind are listed.</summary>
    internal bool Lists(SetKind? kind) => Set is { } one ? one == (kind ?? SetKind.Study) : kind != SetKind.Snapshot;

    /// <summary>Whether a study fits. Its packs may know its patient by different HMACs.</summary>
    internal bool Fits(FoundStudy found) => Fits(found.Study)
        && (Patient is null || found.Shares.Any(share => share.Facts.Patient is { } of && Patient.Contains(of)))
        && (Accession is null || found.Shares.Any(share => share.Accession is { } of && Accession.Contains(of)));

    private bool Fits(StudyResponse study) =>
        (Study is null ? Lists(study.Set) : study.Study == Study && (Set is null || Lists(study.Set)))
        && (From is null || string.CompareOrdinal(study.StudyDate, From) >= 0)
        && (To is null || (study.StudyDate is not null && string.CompareOrdinal(study.StudyDate, To) <= 0));
}

/// <summary>A page of packs.</summary>
/// <param name="Packs">Those with a receipt.</param>
/// <param name="Next">The last pack that was looked at, where there may be more.</param>
/// <param name="Unreadable">Packs whose rows say what cannot be: changed past the service. A rebuild mends them.</param>
public sealed record PackPage(IReadOnlyList<CatalogPack> Packs, PackId? Next, IReadOnlyList<PackId> Unreadable);

/// <summary>Reads the catalogue.</summary>
public sealed partial class CatalogReader(IRowStore rows)
{
    private const int StudiesAtOnce = 8;

    /// <summary>Rows of instances of one query: as a rule one is more than a page.</summary>
    private const int PackedAtOnce = 20;
    private const string ImmutableUntil = "immutableUntil";

    /// <summary>The pack, committed or about to be, or null.</summary>
    public async Task<CatalogPack?> FindPackAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Catalog, clinic.Value, CatalogRows.Pack + pack, cancellationToken) is { } row ? CatalogRows.ReadPack(row) : null;

    /// <summary>The pack, or null: none, or a row that says what cannot be.</summary>
    public async Task<CatalogPack?> TryFindPackAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Catalog, clinic.Value, CatalogRows.Pack + pack, cancellationToken) is { } row ? TryReadPack(row) : null;

    /// <summary>The clinic's packs with a receipt, in the order in which they were opened. One whose row says what cannot be does not keep the others from being listed.</summary>
    public async Task<PackPage> ListPacksAsync(ClinicId clinic, PackId? after, int take, CancellationToken cancellationToken)
    {
        IReadOnlyList<Row> page = await rows.QueryAsync(RowTable.Catalog, clinic.Value, RowRange.After(CatalogRows.Pack, after?.ToString()), take, cancellationToken);
        List<CatalogPack> packs = [];
        List<PackId> unreadable = [];
        PackId? last = null;
        foreach (Row row in page)
        {
            if (!PackId.TryParse(row.Key[CatalogRows.Pack.Length..], null, out PackId id))
            {
                continue; // No key that this code makes.
            }

            last = id;
            if (TryReadPack(row) is not { } pack)
            {
                unreadable.Add(id);
            }
            else if (pack.Receipt is not null)
            {
                packs.Add(pack);
            }
        }

        return new PackPage(packs, page.Count == take ? last : null, unreadable);
    }

    /// <summary>Every pack that the catalogue knows, committed or about to be, by its id; without the pack where its row says what cannot be.</summary>
    public async IAsyncEnumerable<(PackId Id, CatalogPack? Pack)> ReadKnownPacksAsync(ClinicId clinic, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix(CatalogRows.Pack), cancellationToken))
        {
            if (PackId.TryParse(row.Key[CatalogRows.Pack.Length..], null, out PackId id))
            {
                yield return (id, TryReadPack(row));
            }
        }
    }

    /// <summary>
    /// Whether the catalogue has all of a pack's rows as the archive wrote them: its share of its study, its instances and none more, and where
    /// both are looked up. A share's date may be later than <paramref name="pack"/>'s, or behind it, but not before <paramref name="lockedUntil"/>.
    /// </summary>
    public async Task<bool> HasRowsOfAsync(CatalogPack pack, Sidecar sidecar, DateTimeOffset lockedUntil, CancellationToken cancellationToken)
    {
        IReadOnlyList<Row> packed = await PackedAsync(pack.Clinic, pack.Study, pack.Pack, cancellationToken);
        IEnumerable<(string Key, Dictionary<string, object> Values)> instances = packed.Count == 0
            ? sidecar.Instances.SelectMany(instance => CatalogRows.ForInstanceOnce(sidecar, instance))
            : CatalogRows.ForInstances(pack.Study, pack.Pack, sidecar.Instances).Where(row => !row.Key.StartsWith(CatalogRows.Packed, StringComparison.Ordinal));
        foreach ((string key, IReadOnlyDictionary<string, object> values) in CatalogRows.ForPack(pack).Select(row => (row.Key, row.Values)).Concat(instances))
        {
            if (await rows.FindAsync(RowTable.Catalog, pack.Clinic.Value, key, cancellationToken) is not { } row
                || row.Values.Count != values.Count
                || !values.All(value => value.Key == ImmutableUntil
                    ? row.Values.GetValueOrDefault(ImmutableUntil) is DateTimeOffset until && until >= lockedUntil
                    : Same(value.Value, row.Values.GetValueOrDefault(value.Key))))
            {
                return false;
            }
        }

        if (packed.Count > 0 && !packed.SelectMany(CatalogRows.ReadSidecarInstances).SequenceEqual(sidecar.Instances))
        {
            return false;
        }

        int there = 0;
        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, pack.Clinic.Value, RowRange.Prefix($"{CatalogRows.Instance}{pack.Study}:"), cancellationToken))
        {
            there += row.Key.EndsWith($":{pack.Pack}", StringComparison.Ordinal) ? 1 : 0;
        }

        return there == (packed.Count > 0 ? 0 : sidecar.Instances.Count);
    }

    /// <summary>What kind of set an id is of; null where no pack has it, or none whose row can be read.</summary>
    public async Task<SetKind?> FindSetAsync(ClinicId clinic, Uid set, CancellationToken cancellationToken)
    {
        await foreach (Row share in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Study}{set}:"), cancellationToken, rowsAtOnce: 2))
        {
            if (CatalogRows.TryReadShare(share) is { } known)
            {
                return known.Set ?? SetKind.Study;
            }
        }

        return null;
    }

    /// <summary>The ids of a study's packs.</summary>
    public async Task<IReadOnlyList<PackId>> PacksOfAsync(ClinicId clinic, Uid study, CancellationToken cancellationToken) =>
        [.. (await SharesAsync(clinic, study, cancellationToken)).Select(CatalogRows.PackOf)];

    /// <summary>What decides how long a study is kept; without packs where it is not in the catalogue.</summary>
    public async Task<StudyFacts> FactsOfAsync(ClinicId clinic, Uid study, CancellationToken cancellationToken) =>
        Facts(study, await SharesAsync(clinic, study, cancellationToken));

    /// <summary>The same of every study, in the order of their UIDs.</summary>
    public async IAsyncEnumerable<StudyFacts> ReadFactsAsync(ClinicId clinic, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach ((Uid study, IReadOnlyList<Row> shares) in ByStudyAsync(clinic, RowRange.Prefix(CatalogRows.Study), cancellationToken))
        {
            yield return Facts(study, shares);
        }
    }

    /// <summary>The studies of a patient, whom the catalogue may know by several HMACs.</summary>
    public async Task<IReadOnlyList<Uid>> StudiesOfAsync(ClinicId clinic, IReadOnlyList<Sha256Digest> patient, CancellationToken cancellationToken)
    {
        HashSet<Uid> studies = [];
        foreach (Sha256Digest hmac in patient)
        {
            await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Patient}{hmac}:"), cancellationToken))
            {
                if (Uid.TryParse(row.Key[(row.Key.LastIndexOf(':') + 1)..], null, out Uid study))
                {
                    studies.Add(study);
                }
            }
        }

        return [.. studies];
    }

    /// <summary>The study, or null.</summary>
    public async Task<StudyResponse?> FindStudyAsync(ClinicId clinic, Uid study, CancellationToken cancellationToken) =>
        (await FindStudyAsync(clinic, study, await LostAsync(clinic, cancellationToken), cancellationToken))?.Study;

    /// <summary>The clinic's packs that do not count any more: as a rule none.</summary>
    public Task<IReadOnlyDictionary<PackId, LostPack>> LostAsync(ClinicId clinic, CancellationToken cancellationToken) => LossRows.ListAsync(rows, clinic, cancellationToken);

    /// <summary>A page of instances, of a study or of all: those of rows as they were once written, then the others, pack by pack.</summary>
    public async Task<Page<InstanceResponse>> ListInstancesAsync(ClinicId clinic, Uid? study, string? after, int take, CancellationToken cancellationToken)
    {
        if (after is not null && !CatalogRows.IsToken(after, 250, "0123456789abcdefk.:-"))
        {
            throw new RefusedException(Refusal.RequestInvalid, "after: pass the next of the page before, as it came.");
        }

        List<InstanceResponse> found = [];
        if (after is null || !after.StartsWith(CatalogRows.Packed, StringComparison.Ordinal))
        {
            IReadOnlyList<Row> page = await rows.QueryAsync(RowTable.Catalog, clinic.Value, CatalogRows.Within(CatalogRows.OfStudy(CatalogRows.Instance, study), after is null ? null : $"{CatalogRows.Instance}{after}!"), take, cancellationToken);
            // One that cannot be read is left out: who goes by the list archives it again.
            found.AddRange(page.Select(one => CatalogRows.TryRead(one, CatalogRows.ReadInstance)).OfType<InstanceResponse>());
            if (page.Count == take)
            {
                return new Page<InstanceResponse>(found, page[^1].Key[CatalogRows.Instance.Length..]);
            }

            after = null;
        }

        // The token names a row and how many of its instances were handed out.
        string? row = after?[..Math.Max(after.LastIndexOf(':'), 0)];
        int skip = int.TryParse(after?[(after.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture, out int handedOut) ? handedOut : 0;
        await foreach (Row packed in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, CatalogRows.Within(CatalogRows.OfStudy(CatalogRows.Packed, study), row), cancellationToken, rowsAtOnce: PackedAtOnce))
        {
            int from = packed.Key == row ? skip : 0;
            foreach (InstanceResponse instance in (CatalogRows.TryRead(packed, CatalogRows.ReadPacked) ?? []).Skip(from))
            {
                found.Add(instance);
                from++;
                if (found.Count == take)
                {
                    return new Page<InstanceResponse>(found, string.Create(CultureInfo.InvariantCulture, $"{packed.Key}:{from}"));
                }
            }
        }

        return new Page<InstanceResponse>(found);
    }

    /// <summary>All instances of a study, in whichever pack, but for rows that say what cannot be.</summary>
    public async IAsyncEnumerable<InstanceResponse> ReadInstancesAsync(ClinicId clinic, Uid study, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Instance}{study}:"), cancellationToken))
        {
            if (CatalogRows.TryRead(row, CatalogRows.ReadInstance) is { } instance)
            {
                yield return instance;
            }
        }

        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Packed}{study}:"), cancellationToken))
        {
            foreach (InstanceResponse instance in CatalogRows.TryRead(row, CatalogRows.ReadPacked) ?? [])
            {
                yield return instance;
            }
        }
    }

    /// <summary>A pack's instances, in the order in which agents write them; nothing where the catalogue has none.</summary>
    /// <exception cref="IntegrityException">A row is none that the archive wrote.</exception>
    public async Task<IReadOnlyList<SidecarInstance>> InstancesOfAsync(ClinicId clinic, Uid study, PackId pack, CancellationToken cancellationToken)
    {
        IReadOnlyList<Row> packed = await PackedAsync(clinic, study, pack, cancellationToken);
        return packed.Count > 0
            ? [.. packed.SelectMany(CatalogRows.ReadSidecarInstances)]
            : [
                .. (await ReadInstancesAsync(clinic, study, cancellationToken).Where(instance => instance.Pack == pack).ToListAsync(cancellationToken))
                    .Select(i => new SidecarInstance(i.SopInstance, i.SopClass, i.Series, i.Modality, i.TransferSyntax, i.Length, i.Sha256, i.Kind)),
            ];
    }

    /// <summary>Every archived version of a SOP instance, in whichever study, as far as the rows can be read.</summary>
    public async Task<IReadOnlyList<InstanceResponse>> FindInstanceAsync(ClinicId clinic, Uid sopInstance, CancellationToken cancellationToken) =>
        (await FindVersionsAsync(clinic, sopInstance, cancellationToken)).Found;

    /// <summary>The same; and the packs that may hold one and whose rows say what cannot be: their sidecars tell.</summary>
    public async Task<(IReadOnlyList<InstanceResponse> Found, IReadOnlyList<PackId> Unreadable)> FindVersionsAsync(ClinicId clinic, Uid sopInstance, CancellationToken cancellationToken)
    {
        List<InstanceResponse> found = [];
        List<PackId> unreadable = [];
        foreach (string[] some in SopIndex.Beginnings(sopInstance).Chunk(StudiesAtOnce))
        {
            foreach (Row[] versions in await Task.WhenAll(some.Select(beginning => FindInstanceAsync(clinic, sopInstance, beginning, cancellationToken))))
            {
                foreach (Row row in versions)
                {
                    IReadOnlyList<InstanceResponse>? read = row.Key.StartsWith(CatalogRows.Packed, StringComparison.Ordinal)
                        ? CatalogRows.TryRead(row, CatalogRows.ReadPacked)
                        : CatalogRows.TryRead(row, CatalogRows.ReadInstance) is { } one ? [one] : null;
                    found.AddRange((read ?? []).Where(instance => instance.SopInstance == sopInstance));
                    unreadable.AddRange(read is null && CatalogRows.TryPackOf(row) is { } pack ? [pack] : []);
                }
            }
        }

        return (found, [.. unreadable.Distinct()]);
    }

    /// <summary>The rows that may hold a version of an instance.</summary>
    private async Task<Row[]> FindInstanceAsync(ClinicId clinic, Uid sopInstance, string beginning, CancellationToken cancellationToken)
    {
        List<Row> found = [];
        await foreach (Row where in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Sop}{beginning}:"), cancellationToken))
        {
            string[] key = where.Key.Split(':');
            if (key.Length == 3)
            {
                // As it was once written: the row is of one SOP instance, and leads to its study.
                if (beginning == sopInstance.Value)
                {
                    found.AddRange(await rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Instance}{key[2]}:{sopInstance}:"), cancellationToken).ToListAsync(cancellationToken));
                }
            }
            else if (MayHave(where, sopInstance))
            {
                found.AddRange(await rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Packed}{key[2]}:{key[3]}:"), cancellationToken).ToListAsync(cancellationToken));
            }
        }

        return [.. found];
    }

    private static bool MayHave(Row where, Uid sopInstance)
    {
        try
        {
            return SopIndex.MayHave(where, sopInstance);
        }
        catch (Exception e) when (DamagedRow.Is(e) || e is IntegrityException)
        {
            return true; // What cannot be read may.
        }
    }

    private Task<IReadOnlyList<Row>> PackedAsync(ClinicId clinic, Uid study, PackId pack, CancellationToken cancellationToken) =>
        rows.QueryAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Packed}{study}:{pack}:"), RowStoreExtensions.MostRows, cancellationToken);

    private static CatalogPack? TryReadPack(Row row)
    {
        try
        {
            return CatalogRows.ReadPack(row);
        }
        catch (IntegrityException)
        {
            return null;
        }
    }

    private static StudyFacts Facts(Uid study, IReadOnlyList<Row> shares)
    {
        StudyShare?[] read = [.. shares.Select(CatalogRows.TryReadShare)];
        return new StudyFacts(
            study,
            [.. read.OfType<StudyShare>().Select(share => share.Facts)],
            [.. shares.Zip(read).Where(pair => pair.Second is null).Select(pair => CatalogRows.PackOf(pair.First))],
            read.Select(share => share?.Set).FirstOrDefault(set => set is not null));
    }

    private static bool Same(object one, object? other) => one is byte[] bytes ? other is byte[] others && bytes.AsSpan().SequenceEqual(others) : one.Equals(other);

    private async Task<FoundStudy?> FindStudyAsync(ClinicId clinic, Uid study, IReadOnlyDictionary<PackId, LostPack> lost, CancellationToken cancellationToken) =>
        await SharesAsync(clinic, study, cancellationToken) is { Count: > 0 } shares
            ? new FoundStudy(CatalogRows.Sum(study, shares, lost), [.. shares.Select(CatalogRows.TryReadShare).OfType<StudyShare>()])
            : null;

    /// <summary>Studies of a range of keys, one by one, with all of their shares in it.</summary>
    private async IAsyncEnumerable<(Uid Study, IReadOnlyList<Row> Shares)> ByStudyAsync(ClinicId clinic, RowRange range, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<Row> shares = [];
        Uid? study = null;
        await foreach (Row share in OursAsync(clinic, range, cancellationToken))
        {
            Uid of = CatalogRows.StudyOf(share);
            if (study is { } before && before != of)
            {
                yield return (before, shares);
                shares = [];
            }

            study = of;
            shares.Add(share);
        }

        if (study is { } last)
        {
            yield return (last, shares);
        }
    }

    private async Task<IReadOnlyList<Row>> SharesAsync(ClinicId clinic, Uid study, CancellationToken cancellationToken) =>
        await OursAsync(clinic, RowRange.Prefix($"{CatalogRows.Study}{study}:"), cancellationToken).ToListAsync(cancellationToken);

    /// <summary>Shares of studies, without rows whose keys are none that this code makes.</summary>
    private IAsyncEnumerable<Row> OursAsync(ClinicId clinic, RowRange range, CancellationToken cancellationToken) =>
        rows.ReadAllAsync(RowTable.Catalog, clinic.Value, range, cancellationToken).Where(row => CatalogRows.TryStudyOf(row) is not null);
}
