using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Losses;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Restores;

/// <summary>A pack of a plan.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Study">Its study; null where nothing that tells of the pack could be read.</param>
/// <param name="Wanted">Which of its instances; null for all.</param>
/// <param name="Files">How many files that is, as far as it is known.</param>
/// <param name="First">Whether it is handed out before the others: who restores has to read it to know what to make of these.</param>
public sealed record PlannedPack(PackId Pack, Uid? Study, IReadOnlyList<Sha256Digest>? Wanted, int Files = 1, bool First = false);

/// <summary>What a restore will bring, fixed when it is asked for: what is approved is what is released.</summary>
/// <param name="Kind">By what was asked: <c>studies</c>, <c>instances</c>, <c>patient</c>, <c>everything</c> or <c>snapshot</c>.</param>
/// <param name="Packs">In the order of their ids.</param>
/// <param name="Totals">How much it is.</param>
/// <param name="CatalogueOnly">Whether log and storage could not be asked to the end what else there is.</param>
public sealed record RestorePlan(string Kind, IReadOnlyList<PlannedPack> Packs, RestoreTotals Totals, bool CatalogueOnly = false)
{
    private const string OfASnapshot = "snapshot";

    /// <summary>Whether a second admin has to approve it, where the clinic wants that: more than one study or folder, or a computer's folders as they were.</summary>
    public bool IsOfMany => Kind == OfASnapshot || Totals.Studies > 1;

    /// <summary>Whole packs.</summary>
    public static RestorePlan OfPacks(string kind, IReadOnlyList<CommittedPack> packs, bool catalogueOnly = false) => new(
        kind,
        [.. packs.OrderBy(p => p.Pack.ToString(), StringComparer.Ordinal).Select(p => new PlannedPack(p.Pack, p.Study, null, p.Files))],
        new RestoreTotals(packs.Select(p => p.Study).Distinct().Count(), packs.Count, packs.Sum(p => p.Files), packs.Sum(p => p.Bytes)),
        catalogueOnly);

    /// <summary>
    /// A snapshot: its pack and its chain, then all that these need. One that is not there is in the plan all the same, so that it is told. For one that was lost or
    /// destroyed come also the others of its set: what was uploaded again lies in them.
    /// </summary>
    /// <param name="parts">What is asked for.</param>
    /// <param name="committed">The packs under the archive's promise.</param>
    /// <param name="lost">Those that do not count any more.</param>
    /// <param name="gone">What the log has of others.</param>
    /// <param name="catalogueOnly">Whether it is not known of all packs what there is.</param>
    public static RestorePlan OfSnapshot(
        SnapshotParts parts, IReadOnlyList<CommittedPack> committed, IReadOnlyDictionary<PackId, LostPack> lost, IReadOnlyDictionary<PackId, LoggedPack> gone, bool catalogueOnly = false)
    {
        Dictionary<PackId, CommittedPack> known = committed.ToDictionary(pack => pack.Pack);
        ILookup<Uid?, PackId> ofSet = committed.Where(pack => !lost.ContainsKey(pack.Pack)).ToLookup(pack => pack.Study, pack => pack.Pack);
        HashSet<PackId> needed = [];
        foreach (PackId need in parts.Needs)
        {
            LostPack? missing = lost.GetValueOrDefault(need);
            Uid? set = missing is not null ? missing.Study : known.ContainsKey(need) ? null : gone.GetValueOrDefault(need)?.Study;
            if (set is not null)
            {
                needed.UnionWith(ofSet[set]);
            }

            if (missing?.ReplacedAt is null)
            {
                needed.Add(need);
            }
        }

        needed.ExceptWith(parts.Packs);
        PlannedPack[] packs = [.. parts.Packs.Select(pack => Planned(pack, first: true)), .. needed.OrderBy(pack => pack.ToString(), StringComparer.Ordinal).Select(pack => Planned(pack, first: false))];
        return new RestorePlan(
            OfASnapshot,
            packs,
            new RestoreTotals(
                packs.Where(pack => !pack.First).Select(pack => pack.Study).Distinct().Count(),
                packs.Length,
                packs.Where(pack => !pack.First).Sum(pack => pack.Files),
                packs.Sum(pack => known.GetValueOrDefault(pack.Pack)?.Bytes ?? 0)),
            catalogueOnly || !parts.IsWhole);

        PlannedPack Planned(PackId pack, bool first) =>
            known.TryGetValue(pack, out CommittedPack? there)
                ? new PlannedPack(pack, there.Study, null, there.Files, first)
                : new PlannedPack(pack, lost.GetValueOrDefault(pack)?.Study ?? gone.GetValueOrDefault(pack)?.Study, null, lost.GetValueOrDefault(pack)?.Instances ?? gone.GetValueOrDefault(pack)?.Instances ?? 1, first);
    }

    /// <summary>Single instances. One that lies in several packs comes from the first of them that is not lost; every version of it comes.</summary>
    public static RestorePlan OfInstances(IReadOnlyList<InstanceResponse> instances, IReadOnlyDictionary<PackId, LostPack> lost, bool catalogueOnly = false)
    {
        InstanceResponse[] once =
        [
            .. instances.OrderBy(i => lost.ContainsKey(i.Pack)).ThenBy(i => i.Pack.ToString(), StringComparer.Ordinal).DistinctBy(i => (i.Study, i.SopInstance, i.Sha256)),
        ];
        return new RestorePlan(
            "instances",
            [
                .. once.GroupBy(i => (i.Pack, i.Study))
                    .Select(pack => (pack.Key, Wanted: pack.Select(i => i.Sha256).Distinct().ToArray()))
                    .Select(pack => new PlannedPack(pack.Key.Pack, pack.Key.Study, pack.Wanted, pack.Wanted.Length)),
            ],
            new RestoreTotals(once.Select(i => i.Study).Distinct().Count(), once.Select(i => i.Pack).Distinct().Count(), once.Length, once.Sum(i => i.Length)),
            catalogueOnly);
    }
}

/// <summary>Finds what a request asks for: in the catalogue, and among what the audit log and storage know and the catalogue does not.</summary>
public sealed partial class RestorePlanner(
    CatalogReader catalog, CommittedPacks committed, PlanSidecars sidecars, IdentifierLookup identifiers, PackLosses losses, ILogger<RestorePlanner> logger)
{
    /// <summary>The most studies or instances that one request names.</summary>
    public const int MostNamed = 1000;

    /// <summary>So many sidecars of packs that the catalogue does not know are looked into for one request.</summary>
    public const int MostStrays = 200;

    private const int AtOnce = 8;
    private const int MostRows = Storage.RowStoreExtensions.MostRows;

    /// <summary>The plan; <see cref="Refusal.NothingToRestore"/> where anything that was named is not in the archive.</summary>
    public async Task<RestorePlan> PlanAsync(ClinicId clinic, RestoreRequest request, CancellationToken cancellationToken)
    {
        int kinds = (request.Studies is null ? 0 : 1) + (request.Instances is null ? 0 : 1) + (request.PatientId is null ? 0 : 1) + (request.Everything ? 1 : 0) + (request.Snapshot is null ? 0 : 1);
        int named = (request.Studies?.Count ?? 0) + (request.Instances?.Count ?? 0);
        if (kinds != 1 || named > MostNamed || request.Studies is [] || request.Instances is [])
        {
            throw new RefusedException(Refusal.RequestInvalid, $"Name one of studies, instances (1 to {MostNamed}), patientId, everything or snapshot.");
        }

        RestorePlan plan =
            request.Instances is { } instances ? await OfInstancesAsync(clinic, instances.ToHashSet(), cancellationToken)
            : request.Studies is { } studies ? await OfStudiesAsync(clinic, studies.ToHashSet(), cancellationToken)
            : request.Snapshot is { } snapshot ? await OfSnapshotAsync(clinic, snapshot, cancellationToken)
            : request.PatientId is { } patient ? await OfPatientAsync(clinic, patient, cancellationToken)
            : await OfEverythingAsync(clinic, cancellationToken);
        return plan.Packs.Count > 0 ? plan : throw new RefusedException(Refusal.NothingToRestore, "Nothing in the archive fits the request. GET .../studies lists what there is.");
    }

    private async Task<RestorePlan> OfSnapshotAsync(ClinicId clinic, PackId snapshot, CancellationToken cancellationToken)
    {
        SnapshotParts parts = await sidecars.FindSnapshotAsync(clinic, snapshot, cancellationToken)
            ?? throw new RefusedException(Refusal.NothingToRestore, $"Pack {snapshot} is no snapshot in the archive, or what it needs cannot be read. GET .../snapshots lists those there are.");
        if (!parts.IsComplete)
        {
            throw new RefusedException(Refusal.RequestInvalid, $"Pack {snapshot} is a part of a snapshot whose list goes on in another. Name one that GET .../snapshots says is complete.");
        }

        (IReadOnlyList<CommittedPack> packs, bool catalogueOnly) = await ReadAsync(clinic, () => committed.ReadAsync(clinic, cancellationToken), null, cancellationToken);
        HashSet<PackId> unknown = [.. parts.Packs, .. parts.Needs];
        unknown.ExceptWith(packs.Select(pack => pack.Pack));
        return RestorePlan.OfSnapshot(parts, packs, await losses.ListAsync(clinic, cancellationToken), await sidecars.FindGoneAsync(clinic, unknown, cancellationToken), catalogueOnly);
    }

    private async Task<RestorePlan> OfEverythingAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        (IReadOnlyList<CommittedPack> packs, bool catalogueOnly) = await ReadAsync(clinic, () => committed.ReadAsync(clinic, cancellationToken), null, cancellationToken);
        return RestorePlan.OfPacks("everything", packs, catalogueOnly);
    }

    private async Task<RestorePlan> OfStudiesAsync(ClinicId clinic, HashSet<Uid> studies, CancellationToken cancellationToken)
    {
        (IReadOnlyList<CommittedPack> packs, bool catalogueOnly) = await ReadAsync(clinic, () => committed.ReadAsync(clinic, studies, cancellationToken), studies, cancellationToken);
        HashSet<Uid> found = [.. packs.Select(pack => pack.Study).OfType<Uid>()];
        return studies.Where(study => !found.Contains(study)).Select(study => (Uid?)study).FirstOrDefault() is { } missing
            ? throw new RefusedException(Refusal.NothingToRestore, $"Study or folder {missing} is not in the archive. Leave it out, and ask again.")
            : RestorePlan.OfPacks("studies", packs, catalogueOnly);
    }

    private async Task<RestorePlan> OfPatientAsync(ClinicId clinic, string patientId, CancellationToken cancellationToken)
    {
        (IdentifierHmacs? patient, _) = await identifiers.HmacAsync(clinic, patientId, null, cancellationToken);
        if (patient is not { Own: var hmacs })
        {
            return RestorePlan.OfPacks("patient", []); // no ID at all is nobody's
        }

        HashSet<Uid> studies = [.. await StudiesOfAsync(clinic, hmacs, cancellationToken)];
        (IReadOnlyList<CommittedPack> all, bool catalogueOnly) = await ReadAsync(clinic, () => committed.ReadAsync(clinic, cancellationToken), null, cancellationToken);
        List<CommittedPack> packs = [.. all.Where(pack => pack.Study is { } study && studies.Contains(study))];

        // Of a study that the catalogue does not know, the sidecar says whose it is.
        HashSet<Uid> known = [.. all.Select(pack => pack.Catalogued?.Study).OfType<Uid>()];
        CommittedPack[] strays = [.. all.Where(pack => pack.Catalogued is null && !(pack.Study is { } study && (known.Contains(study) || studies.Contains(study))))];
        (IReadOnlyList<(CommittedPack Pack, Sidecar Sidecar)> found, bool whole) = await SidecarsAsync(clinic, strays, cancellationToken);
        packs.AddRange(found.Where(stray => (stray.Sidecar.PatientHmac is { } of && hmacs.Contains(of)) || patient.IsFormOf(stray.Sidecar.PatientForms)).Select(stray => stray.Pack with { Study = stray.Sidecar.Study }));
        return RestorePlan.OfPacks("patient", packs, catalogueOnly || !whole);
    }

    private async Task<RestorePlan> OfInstancesAsync(ClinicId clinic, HashSet<Uid> wanted, CancellationToken cancellationToken)
    {
        List<InstanceResponse> found = [];
        HashSet<PackId> unreadable = [];
        foreach (Uid[] some in wanted.Chunk(AtOnce))
        {
            foreach ((IReadOnlyList<InstanceResponse> versions, IReadOnlyList<PackId> damaged) in await Task.WhenAll(some.Select(sop => catalog.FindVersionsAsync(clinic, sop, cancellationToken))))
            {
                found.AddRange(versions);
                unreadable.UnionWith(damaged);
            }
        }

        (IReadOnlyList<CommittedPack> all, bool catalogueOnly) = await ReadAsync(clinic, () => committed.ReadAsync(clinic, cancellationToken), null, cancellationToken);
        CommittedPack[] asked = [.. all.Where(pack => pack.Catalogued is null || unreadable.Contains(pack.Pack))];
        (IReadOnlyList<(CommittedPack Pack, Sidecar Sidecar)> strays, bool whole) = await SidecarsAsync(clinic, asked, cancellationToken);
        foreach ((CommittedPack pack, Sidecar sidecar) in strays)
        {
            found.AddRange(sidecar.Instances.Where(i => wanted.Contains(i.SopInstance))
                .Select(i => new InstanceResponse(i.SopInstance, i.Sha256, i.Length, sidecar.Study, i.SopClass, i.Series, i.Modality, i.TransferSyntax, pack.Pack, i.Kind)));
        }

        HashSet<Uid> there = [.. found.Select(i => i.SopInstance)];
        return wanted.Where(sop => !there.Contains(sop)).Select(sop => (Uid?)sop).FirstOrDefault() is { } missing
            ? throw new RefusedException(Refusal.NothingToRestore, $"Instance {missing} is not in the archive. Leave it out, and ask again.")
            : RestorePlan.OfInstances(found, await losses.ListAsync(clinic, cancellationToken), catalogueOnly || !whole);
    }

    /// <summary>The packs that there are; where log or storage cannot be read to their end, those of the catalogue, which the restore says.</summary>
    private async Task<(IReadOnlyList<CommittedPack> Packs, bool CatalogueOnly)> ReadAsync(
        ClinicId clinic, Func<Task<IReadOnlyList<CommittedPack>>> read, IReadOnlySet<Uid>? studies, CancellationToken cancellationToken)
    {
        try
        {
            return (await read(), false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogCatalogueOnly(logger, e, clinic);
            return (await committed.ReadCatalogueAsync(clinic, studies, cancellationToken), true);
        }
    }

    /// <summary>The sidecars of packs that the catalogue does not know, as far as they can be read; and whether all can.</summary>
    private async Task<(IReadOnlyList<(CommittedPack Pack, Sidecar Sidecar)> Found, bool Whole)> SidecarsAsync(ClinicId clinic, CommittedPack[] strays, CancellationToken cancellationToken)
    {
        if (strays.Length > MostStrays)
        {
            throw new RefusedException(
                Refusal.CatalogueIncomplete,
                $"{strays.Length} packs that the archive took are not in its catalogue, and may be among what is asked for. Run `cloudarchive catalog rebuild`, then ask again; or restore everything.");
        }

        List<(CommittedPack, Sidecar)> found = [];
        foreach (CommittedPack[] some in strays.Chunk(AtOnce))
        {
            Sidecar?[] read = await Task.WhenAll(some.Select(stray => sidecars.TryReadAsync(clinic, stray.Pack, cancellationToken)));
            found.AddRange(some.Zip(read).Where(pair => pair.Second is not null).Select(pair => (pair.First, pair.Second!)));
        }

        return (found, found.Count == strays.Length);
    }

    private async Task<IReadOnlyList<Uid>> StudiesOfAsync(ClinicId clinic, IReadOnlyList<Sha256Digest> patient, CancellationToken cancellationToken)
    {
        StudyFilter filter = new(Patient: patient);
        List<Uid> studies = [];
        string? after = null;
        do
        {
            Page<StudyResponse> page = await catalog.ListStudiesAsync(clinic, filter, after, MostRows, cancellationToken);
            studies.AddRange(page.Items.Select(study => study.Study));
            after = page.Next;
        }
        while (after is not null);
        return studies;
    }

    [LoggerMessage(311, LogLevel.Error, "What the audit log and storage of clinic {Clinic} know could not be read to its end: the restore is of the catalogue alone.", EventName = "RestoreOfCatalogueOnly")]
    private static partial void LogCatalogueOnly(ILogger logger, Exception exception, ClinicId clinic);
}
