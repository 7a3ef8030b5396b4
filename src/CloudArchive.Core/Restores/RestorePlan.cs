using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Losses;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Restores;

/// <summary>A pack of a plan.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Study">Its study.</param>
/// <param name="Wanted">Which of its instances; null for all.</param>
public sealed record PlannedPack(PackId Pack, Uid Study, IReadOnlyList<Sha256Digest>? Wanted);

/// <summary>What a restore will bring, fixed when it is asked for: what is approved is what is released.</summary>
/// <param name="Kind">By what was asked: <c>studies</c>, <c>instances</c>, <c>patient</c> or <c>everything</c>.</param>
/// <param name="Packs">In the order of their ids.</param>
/// <param name="Totals">How much it is.</param>
public sealed record RestorePlan(string Kind, IReadOnlyList<PlannedPack> Packs, RestoreTotals Totals)
{
    /// <summary>Whole packs.</summary>
    public static RestorePlan OfPacks(string kind, IReadOnlyList<CatalogPack> packs) => new(
        kind,
        [.. packs.OrderBy(p => p.Pack.ToString(), StringComparer.Ordinal).Select(p => new PlannedPack(p.Pack, p.Study, null))],
        new RestoreTotals(packs.Select(p => p.Study).Distinct().Count(), packs.Count, packs.Sum(p => p.Instances), packs.Sum(p => p.Length)));

    /// <summary>Single instances. One that lies in several packs comes from the first of them that is not lost; every version of it comes.</summary>
    public static RestorePlan OfInstances(IReadOnlyList<InstanceResponse> instances, IReadOnlyDictionary<PackId, LostPack> lost)
    {
        InstanceResponse[] once =
        [
            .. instances.OrderBy(i => lost.ContainsKey(i.Pack)).ThenBy(i => i.Pack.ToString(), StringComparer.Ordinal).DistinctBy(i => (i.Study, i.SopInstance, i.Sha256)),
        ];
        return new RestorePlan(
            "instances",
            [.. once.GroupBy(i => (i.Pack, i.Study)).Select(pack => new PlannedPack(pack.Key.Pack, pack.Key.Study, [.. pack.Select(i => i.Sha256).Distinct()]))],
            new RestoreTotals(once.Select(i => i.Study).Distinct().Count(), once.Select(i => i.Pack).Distinct().Count(), once.Length, once.Sum(i => i.Length)));
    }
}

/// <summary>Finds in the catalogue what a request asks for.</summary>
public sealed class RestorePlanner(CatalogReader catalog, IdentifierLookup identifiers, PackLosses losses)
{
    /// <summary>The most studies or instances that one request names.</summary>
    public const int MostNamed = 1000;

    private const int AtOnce = 8;

    /// <summary>The plan; <see cref="Refusal.NothingToRestore"/> where anything that was named is not in the archive.</summary>
    public async Task<RestorePlan> PlanAsync(ClinicId clinic, RestoreRequest request, CancellationToken cancellationToken)
    {
        int kinds = (request.Studies is null ? 0 : 1) + (request.Instances is null ? 0 : 1) + (request.PatientId is null ? 0 : 1) + (request.Everything ? 1 : 0);
        int named = (request.Studies?.Count ?? 0) + (request.Instances?.Count ?? 0);
        if (kinds != 1 || named > MostNamed || request.Studies is [] || request.Instances is [])
        {
            throw new RefusedException(Refusal.RequestInvalid, $"Name one of studies, instances (1 to {MostNamed}), patientId or everything.");
        }

        RestorePlan plan =
            request.Instances is { } instances ? await OfInstancesAsync(clinic, instances, cancellationToken)
            : request.Studies is { } studies ? await OfStudiesAsync(clinic, "studies", [.. studies.Distinct()], cancellationToken)
            : request.PatientId is { } patient ? await OfStudiesAsync(clinic, "patient", await StudiesOfAsync(clinic, patient, cancellationToken), cancellationToken)
            : RestorePlan.OfPacks("everything", await WithoutReplacedAsync(clinic, await catalog.ReadPacksAsync(clinic, cancellationToken).ToListAsync(cancellationToken), cancellationToken));
        return plan.Packs.Count > 0 ? plan : throw new RefusedException(Refusal.NothingToRestore, "Nothing in the archive fits the request. GET .../studies lists what there is.");
    }

    private async Task<RestorePlan> OfStudiesAsync(ClinicId clinic, string kind, IReadOnlyList<Uid> studies, CancellationToken cancellationToken)
    {
        List<CatalogPack> packs = [];
        foreach (Uid study in studies)
        {
            int before = packs.Count;
            foreach (PackId[] some in (await catalog.PacksOfAsync(clinic, study, cancellationToken)).Chunk(AtOnce))
            {
                packs.AddRange((await Task.WhenAll(some.Select(pack => catalog.FindPackAsync(clinic, pack, cancellationToken)))).OfType<CatalogPack>().Where(pack => pack.Receipt is not null));
            }

            if (packs.Count == before)
            {
                throw new RefusedException(Refusal.NothingToRestore, $"Study {study} is not in the archive. Leave it out, and ask again.");
            }
        }

        return RestorePlan.OfPacks(kind, await WithoutReplacedAsync(clinic, packs, cancellationToken));
    }

    /// <summary>Without lost packs of which everything lies in others. A loss that is not made good stays in the plan: who restores is to be told.</summary>
    private async Task<IReadOnlyList<CatalogPack>> WithoutReplacedAsync(ClinicId clinic, IReadOnlyList<CatalogPack> packs, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<PackId, LostPack> lost = await losses.NoteReplacedAsync(clinic, null, cancellationToken);
        return lost.Count == 0 ? packs : [.. packs.Where(pack => lost.GetValueOrDefault(pack.Pack)?.ReplacedAt is null)];
    }

    private async Task<RestorePlan> OfInstancesAsync(ClinicId clinic, IReadOnlyList<Uid> wanted, CancellationToken cancellationToken)
    {
        List<InstanceResponse> found = [];
        foreach (Uid[] some in wanted.Distinct().Chunk(AtOnce))
        {
            IReadOnlyList<InstanceResponse>[] each = await Task.WhenAll(some.Select(sop => catalog.FindInstanceAsync(clinic, sop, cancellationToken)));
            int missing = Array.FindIndex(each, versions => versions.Count == 0);
            if (missing >= 0)
            {
                throw new RefusedException(Refusal.NothingToRestore, $"Instance {some[missing]} is not in the archive. Leave it out, and ask again.");
            }

            found.AddRange(each.SelectMany(versions => versions));
        }

        return RestorePlan.OfInstances(found, await losses.ListAsync(clinic, cancellationToken));
    }

    private async Task<IReadOnlyList<Uid>> StudiesOfAsync(ClinicId clinic, string patientId, CancellationToken cancellationToken)
    {
        (Sha256Digest? patient, _) = await identifiers.HmacAsync(clinic, patientId, null, cancellationToken);
        StudyFilter filter = new(Patient: patient);
        List<Uid> studies = [];
        string? after = null;
        do
        {
            Page<StudyResponse> page = await catalog.ListStudiesAsync(clinic, filter, after, RowStoreMost, cancellationToken);
            studies.AddRange(page.Items.Select(study => study.Study));
            after = page.Next;
        }
        while (after is not null);
        return studies;
    }

    private const int RowStoreMost = Storage.RowStoreExtensions.MostRows;
}
