using System.Globalization;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Catalog;

// Lists of studies: all of them, by date, and of a patient or visit.
public sealed partial class CatalogReader
{
    /// <summary>A page of studies. It may have fewer than <paramref name="take"/>, even none, and yet a <see cref="Page{T}.Next"/>.</summary>
    public async Task<Page<StudyResponse>> ListStudiesAsync(ClinicId clinic, StudyFilter filter, string? after, int take, CancellationToken cancellationToken)
    {
        if (after is not null && !CatalogRows.IsToken(after, 80, "0123456789.:"))
        {
            throw new RefusedException(Refusal.RequestInvalid, "after: pass the next of the page before, as it came.");
        }

        if (filter.Study is { } one)
        {
            FoundStudy? study = await FindStudyAsync(clinic, one, await LostAsync(clinic, cancellationToken), cancellationToken);
            return new Page<StudyResponse>(study is not null && filter.Fits(study) ? [study.Study] : []);
        }

        if ((filter.Patient ?? filter.Accession) is { } hmacs)
        {
            return await LookUpAsync(clinic, filter, filter.Patient is null ? CatalogRows.Accession : CatalogRows.Patient, hmacs, after, take, cancellationToken);
        }

        if (filter is { From: null, To: null } && (filter.NewestAt is null || filter.Set is SetKind.Folder or SetKind.Snapshot))
        {
            return await AllStudiesAsync(clinic, filter, after, take, cancellationToken);
        }

        return filter.NewestAt is { } today
            ? await NewestStudiesAsync(clinic, filter, today, after, take, cancellationToken)
            : await FoundStudiesAsync(
                clinic, filter, CatalogRows.Date, await QueryAsync(clinic, OfDates(filter, after is null ? filter.From : after + "!"), take, cancellationToken), take, cancellationToken);
    }

    /// <summary>By date, from the latest on; then folders, which have none. The token of those begins with a colon, and no date does.</summary>
    private async Task<Page<StudyResponse>> NewestStudiesAsync(ClinicId clinic, StudyFilter filter, DateTimeOffset today, string? after, int take, CancellationToken cancellationToken)
    {
        if (after is [':', ..])
        {
            return await FoldersAsync(after.Length > 1 ? after[1..] : null, take);
        }

        IReadOnlyList<Row> index = await rows.ReadNewestAsync(
            RowTable.Catalog, clinic.Value, CatalogRows.Date, Day, after, LastDay(after ?? filter.To) ?? today, take, row => row, cancellationToken, OfDates(filter, filter.From));
        Page<StudyResponse> page = await FoundStudiesAsync(clinic, filter, CatalogRows.Date, index, take, cancellationToken);
        if (page.Next is not null || !filter.Lists(SetKind.Folder) || filter is not { From: null, To: null })
        {
            return page;
        }

        Page<StudyResponse> folders = await FoldersAsync(null, take - page.Items.Count);
        return folders with { Items = [.. page.Items, .. folders.Items] };

        async Task<Page<StudyResponse>> FoldersAsync(string? behind, int most)
        {
            Page<StudyResponse> some = await AllStudiesAsync(clinic, filter with { Set = SetKind.Folder }, behind, most, cancellationToken);
            return some.Next is { } next ? some with { Next = ":" + next } : some;
        }

        static string Day(DateTimeOffset at) => at.UtcDateTime.ToString("yyyyMMdd", CultureInfo.InvariantCulture);
        static DateTimeOffset? LastDay(string? text) =>
            text is { Length: >= 8 } && DateTimeOffset.TryParseExact(text[..8], "yyyyMMdd", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset day) ? day : null;
    }

    private static RowRange OfDates(StudyFilter filter, string? from) => new(CatalogRows.Date + from, filter.To is null ? RowRange.Prefix(CatalogRows.Date).To : $"{CatalogRows.Date}{filter.To};");

    private Task<IReadOnlyList<Row>> QueryAsync(ClinicId clinic, RowRange range, int take, CancellationToken cancellationToken) =>
        rows.QueryAsync(RowTable.Catalog, clinic.Value, range, take, cancellationToken);

    /// <summary>Under one HMAC after the other: <paramref name="after"/> is the last study, and before it and a colon the HMAC's number where that is not the first.</summary>
    private async Task<Page<StudyResponse>> LookUpAsync(
        ClinicId clinic, StudyFilter filter, string kind, IReadOnlyList<Sha256Digest> hmacs, string? after, int take, CancellationToken cancellationToken)
    {
        string[] token = after?.Split(':') ?? [];
        int at = token.Length > 1 && int.TryParse(token[0], NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0;
        string? last = token.Length > 0 && token[^1].Length > 0 ? token[^1] : null;
        List<StudyResponse> studies = [];
        for (; at < hmacs.Count; at++, last = null)
        {
            string prefix = $"{kind}{hmacs[at]}:";
            Page<StudyResponse> page = await FoundStudiesAsync(
                clinic, filter, prefix, await QueryAsync(clinic, RowRange.After(prefix, last), take, cancellationToken), take, cancellationToken);
            studies.AddRange(page.Items.Where(study => !studies.Any(before => before.Study == study.Study)));
            if (page.Next is { } next)
            {
                return new Page<StudyResponse>(studies, at == 0 ? next : string.Create(CultureInfo.InvariantCulture, $"{at}:{next}"));
            }

            if (studies.Count >= take && at + 1 < hmacs.Count)
            {
                return new Page<StudyResponse>(studies, string.Create(CultureInfo.InvariantCulture, $"{at + 1}:"));
            }
        }

        return new Page<StudyResponse>(studies);
    }

    private async Task<Page<StudyResponse>> AllStudiesAsync(ClinicId clinic, StudyFilter filter, string? after, int take, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<PackId, LostPack> lost = await LostAsync(clinic, cancellationToken);

        // A folder is not looked for among a million studies. ';' sorts right behind ':': the next study's rows.
        RowRange range = CatalogRows.Within(
            filter.Set is SetKind.Folder or SetKind.Snapshot ? CatalogRows.MadeUp : RowRange.Prefix(CatalogRows.Study), after is null ? null : $"{CatalogRows.Study}{after};");
        List<StudyResponse> studies = [];
        await foreach ((Uid uid, IReadOnlyList<Row> shares) in ByStudyAsync(clinic, range, cancellationToken))
        {
            if (studies.Count == take)
            {
                return new Page<StudyResponse>(studies, studies[^1].Study.Value);
            }

            StudyResponse study = CatalogRows.Sum(uid, shares, lost);
            if (filter.Lists(study.Set))
            {
                studies.Add(study);
            }
        }

        return new Page<StudyResponse>(studies);
    }

    private async Task<Page<StudyResponse>> FoundStudiesAsync(ClinicId clinic, StudyFilter filter, string prefix, IReadOnlyList<Row> index, int take, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<PackId, LostPack> lost = index.Count > 0 ? await LostAsync(clinic, cancellationToken) : new Dictionary<PackId, LostPack>();
        List<StudyResponse> studies = [];
        foreach (Row[] some in index.Chunk(StudiesAtOnce))
        {
            FoundStudy?[] found = await Task.WhenAll(some.Select(row =>
                Uid.TryParse(row.Key[(row.Key.LastIndexOf(':') + 1)..], null, out Uid study) ? FindStudyAsync(clinic, study, lost, cancellationToken) : Task.FromResult<FoundStudy?>(null)));

            // A study whose packs disagree on its date stands in the index twice; it counts where its own date is.
            studies.AddRange(found.Zip(some)
                .Where(pair => pair.First is not null && filter.Fits(pair.First) && (prefix != CatalogRows.Date || pair.Second.Key.StartsWith($"{CatalogRows.Date}{pair.First.Study.StudyDate}:", StringComparison.Ordinal)))
                .Select(pair => pair.First!.Study));
        }

        return new Page<StudyResponse>(studies, index.Count == take ? index[^1].Key[prefix.Length..] : null);
    }
}
