using System.Runtime.CompilerServices;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Catalog;

/// <summary>Which studies. All that is given must fit.</summary>
/// <param name="Study">This one.</param>
/// <param name="Patient">Of this patient.</param>
/// <param name="Accession">With this accession number.</param>
/// <param name="From">From this study date on, <c>yyyyMMdd</c>.</param>
/// <param name="To">To this study date, inclusive.</param>
public sealed record StudyFilter(Uid? Study = null, Sha256Digest? Patient = null, Sha256Digest? Accession = null, string? From = null, string? To = null)
{
    /// <summary>Whether a study fits.</summary>
    public bool Fits(StudyResponse study) =>
        (Study is null || study.Study == Study)
        && (Patient is null || study.PatientHmac == Patient)
        && (Accession is null || study.AccessionHmac == Accession)
        && (From is null || string.CompareOrdinal(study.StudyDate, From) >= 0)
        && (To is null || (study.StudyDate is not null && string.CompareOrdinal(study.StudyDate, To) <= 0));
}

/// <summary>Reads the catalogue.</summary>
public sealed class CatalogReader(IRowStore rows)
{
    private const int StudiesAtOnce = 8;
    private const string ImmutableUntil = "immutableUntil";

    /// <summary>The pack, committed or about to be, or null.</summary>
    public async Task<CatalogPack?> FindPackAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Catalog, clinic.Value, CatalogRows.Pack + pack, cancellationToken) is { } row ? CatalogRows.ReadPack(row) : null;

    /// <summary>The clinic's packs with a receipt, in the order in which they were opened.</summary>
    public async Task<(IReadOnlyList<CatalogPack> Packs, PackId? Next)> ListPacksAsync(ClinicId clinic, PackId? after, int take, CancellationToken cancellationToken)
    {
        IReadOnlyList<Row> page = await rows.QueryAsync(RowTable.Catalog, clinic.Value, RowRange.After(CatalogRows.Pack, after?.ToString()), take, cancellationToken);
        CatalogPack[] packs = [.. page.Select(CatalogRows.ReadPack)];
        return ([.. packs.Where(pack => pack.Receipt is not null)], page.Count == take ? packs[^1].Pack : null);
    }

    /// <summary>All of the clinic's packs with a receipt.</summary>
    public async IAsyncEnumerable<CatalogPack> ReadPacksAsync(ClinicId clinic, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix(CatalogRows.Pack), cancellationToken))
        {
            if (CatalogRows.ReadPack(row) is { Receipt: not null } pack)
            {
                yield return pack;
            }
        }
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
        IEnumerable<(string Key, IReadOnlyDictionary<string, object> Values)> expected =
        [
            .. CatalogRows.ForPack(pack).Select(row => (row.Key, (IReadOnlyDictionary<string, object>)row.Values)),
            .. sidecar.Instances.SelectMany(instance => CatalogRows.ForInstance(sidecar, instance)).Select(write => (write.Key, ((RowWrite.Upsert)write).Values)),
        ];
        foreach ((string key, IReadOnlyDictionary<string, object> values) in expected)
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

        int instances = 0;
        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, pack.Clinic.Value, RowRange.Prefix($"{CatalogRows.Instance}{pack.Study}:"), cancellationToken))
        {
            instances += row.Key.EndsWith($":{pack.Pack}", StringComparison.Ordinal) ? 1 : 0;
        }

        return instances == sidecar.Instances.Count;
    }

    /// <summary>The ids of a study's packs.</summary>
    public async Task<IReadOnlyList<PackId>> PacksOfAsync(ClinicId clinic, Uid study, CancellationToken cancellationToken) =>
        [.. (await SharesAsync(clinic, study, cancellationToken)).Select(CatalogRows.PackOf)];

    /// <summary>What decides how long a study is kept; without packs where it is not in the catalogue.</summary>
    public async Task<StudyFacts> FactsOfAsync(ClinicId clinic, Uid study, CancellationToken cancellationToken) =>
        new(study, [.. (await SharesAsync(clinic, study, cancellationToken)).Select(CatalogRows.ReadFacts)]);

    /// <summary>The same of every study, in the order of their UIDs.</summary>
    public async IAsyncEnumerable<StudyFacts> ReadFactsAsync(ClinicId clinic, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Uid? study = null;
        List<PackFacts> packs = [];
        await foreach (Row share in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix(CatalogRows.Study), cancellationToken))
        {
            Uid of = CatalogRows.StudyOf(share);
            if (study is { } before && before != of)
            {
                yield return new StudyFacts(before, packs);
                packs = [];
            }

            study = of;
            packs.Add(CatalogRows.ReadFacts(share));
        }

        if (study is { } last)
        {
            yield return new StudyFacts(last, packs);
        }
    }

    /// <summary>The studies of a patient.</summary>
    public async Task<IReadOnlyList<Uid>> StudiesOfAsync(ClinicId clinic, Sha256Digest patient, CancellationToken cancellationToken) =>
        await rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Patient}{patient}:"), cancellationToken)
            .Select(row => Uid.Parse(row.Key[(row.Key.LastIndexOf(':') + 1)..]))
            .ToListAsync(cancellationToken);

    /// <summary>The study, or null.</summary>
    public async Task<StudyResponse?> FindStudyAsync(ClinicId clinic, Uid study, CancellationToken cancellationToken) =>
        await SharesAsync(clinic, study, cancellationToken) is { Count: > 0 } shares ? CatalogRows.Sum(study, shares) : null;

    /// <summary>A page of studies. It may have fewer than <paramref name="take"/>, even none, and yet a <see cref="Page{T}.Next"/>.</summary>
    public async Task<Page<StudyResponse>> ListStudiesAsync(ClinicId clinic, StudyFilter filter, string? after, int take, CancellationToken cancellationToken)
    {
        if (after is not null && !IsToken(after, 80, "0123456789.:"))
        {
            throw new RefusedException(Refusal.RequestInvalid, "after: pass the next of the page before, as it came.");
        }

        if (filter.Study is { } one)
        {
            return new Page<StudyResponse>(await FindStudyAsync(clinic, one, cancellationToken) is { } study && filter.Fits(study) ? [study] : []);
        }

        (string prefix, RowRange range) = filter switch
        {
            { Patient: { } patient } => Look($"{CatalogRows.Patient}{patient}:", after),
            { Accession: { } accession } => Look($"{CatalogRows.Accession}{accession}:", after),
            { From: null, To: null } => (CatalogRows.Study, RowRange.Prefix(CatalogRows.Study)),
            _ => (CatalogRows.Date, new RowRange(
                CatalogRows.Date + (after is null ? filter.From ?? "" : after + "!"),
                filter.To is null ? RowRange.Prefix(CatalogRows.Date).To : $"{CatalogRows.Date}{filter.To};")),
        };
        return prefix == CatalogRows.Study
            ? await AllStudiesAsync(clinic, after, take, cancellationToken)
            : await FoundStudiesAsync(clinic, filter, prefix, range, take, cancellationToken);
    }

    /// <summary>A page of instances, of a study or of all.</summary>
    public async Task<Page<InstanceResponse>> ListInstancesAsync(ClinicId clinic, Uid? study, string? after, int take, CancellationToken cancellationToken)
    {
        if (after is not null && !IsToken(after, 250, "0123456789abcdef.:-"))
        {
            throw new RefusedException(Refusal.RequestInvalid, "after: pass the next of the page before, as it came.");
        }

        RowRange within = RowRange.Prefix(study is { } one ? $"{CatalogRows.Instance}{one}:" : CatalogRows.Instance);
        string from = after is null ? within.From : $"{CatalogRows.Instance}{after}!";
        within = within with { From = string.CompareOrdinal(from, within.From) > 0 ? from : within.From };
        IReadOnlyList<Row> page = string.CompareOrdinal(within.From, within.To) < 0
            ? await rows.QueryAsync(RowTable.Catalog, clinic.Value, within, take, cancellationToken)
            : [];
        return new Page<InstanceResponse>([.. page.Select(CatalogRows.ReadInstance)], page.Count == take ? page[^1].Key[CatalogRows.Instance.Length..] : null);
    }

    /// <summary>Every archived version of a SOP instance, in whichever study.</summary>
    public async Task<IReadOnlyList<InstanceResponse>> FindInstanceAsync(ClinicId clinic, Uid sopInstance, CancellationToken cancellationToken)
    {
        List<InstanceResponse> found = [];
        foreach (Row where in await rows.QueryAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Sop}{sopInstance}:"), RowStoreExtensions.MostRows, cancellationToken))
        {
            string study = where.Key.Split(':')[2];
            RowRange versions = RowRange.Prefix($"{CatalogRows.Instance}{study}:{sopInstance}:");
            found.AddRange((await rows.QueryAsync(RowTable.Catalog, clinic.Value, versions, RowStoreExtensions.MostRows, cancellationToken)).Select(CatalogRows.ReadInstance));
        }

        return found;
    }

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

    private static bool Same(object one, object? other) => one is byte[] bytes ? other is byte[] others && bytes.AsSpan().SequenceEqual(others) : one.Equals(other);

    private static (string Prefix, RowRange Range) Look(string prefix, string? after) => (prefix, RowRange.After(prefix, after));

    private async Task<Page<StudyResponse>> AllStudiesAsync(ClinicId clinic, string? after, int take, CancellationToken cancellationToken)
    {
        // ';' sorts right behind ':': the next study's rows.
        RowRange range = RowRange.Prefix(CatalogRows.Study);
        range = range with { From = after is null ? range.From : $"{CatalogRows.Study}{after};" };
        List<StudyResponse> studies = [];
        List<Row> shares = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, range, cancellationToken))
        {
            if (shares.Count > 0 && CatalogRows.StudyOf(shares[0]) != CatalogRows.StudyOf(row))
            {
                studies.Add(CatalogRows.Sum(CatalogRows.StudyOf(shares[0]), shares));
                shares.Clear();
                if (studies.Count == take)
                {
                    return new Page<StudyResponse>(studies, studies[^1].Study.Value);
                }
            }

            shares.Add(row);
        }

        if (shares.Count > 0)
        {
            studies.Add(CatalogRows.Sum(CatalogRows.StudyOf(shares[0]), shares));
        }

        return new Page<StudyResponse>(studies);
    }

    private async Task<Page<StudyResponse>> FoundStudiesAsync(ClinicId clinic, StudyFilter filter, string prefix, RowRange range, int take, CancellationToken cancellationToken)
    {
        IReadOnlyList<Row> index = string.CompareOrdinal(range.From, range.To) < 0 ? await rows.QueryAsync(RowTable.Catalog, clinic.Value, range, take, cancellationToken) : [];
        List<StudyResponse> studies = [];
        foreach (Row[] some in index.Chunk(StudiesAtOnce))
        {
            StudyResponse?[] found = await Task.WhenAll(some.Select(row => FindStudyAsync(clinic, Uid.Parse(row.Key[(row.Key.LastIndexOf(':') + 1)..]), cancellationToken)));

            // A study whose packs disagree on its date stands in the index twice; it counts where its own date is.
            studies.AddRange(found.Zip(some)
                .Where(pair => pair.First is not null && filter.Fits(pair.First) && (prefix != CatalogRows.Date || pair.Second.Key.StartsWith($"{CatalogRows.Date}{pair.First.StudyDate}:", StringComparison.Ordinal)))
                .Select(pair => pair.First!));
        }

        return new Page<StudyResponse>(studies, index.Count == take ? index[^1].Key[prefix.Length..] : null);
    }

    private Task<IReadOnlyList<Row>> SharesAsync(ClinicId clinic, Uid study, CancellationToken cancellationToken) =>
        rows.QueryAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Study}{study}:"), RowStoreExtensions.MostRows, cancellationToken);

    private static bool IsToken(string after, int most, string alphabet) => after.Length <= most && after.All(alphabet.Contains);
}
