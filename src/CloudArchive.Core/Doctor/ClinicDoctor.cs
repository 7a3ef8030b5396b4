using System.Runtime.CompilerServices;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Losses;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Doctor;

/// <summary>Clinics: their packs are locked as the catalogue says, were tested lately, and their agents were heard of.</summary>
public sealed class ClinicDoctor(
    ClinicDirectory clinics, CatalogReader catalog, IBlobVault vault, RestoreTestDesk tests, PackLosses losses, Agents agents, TimeProvider clock) : IDoctor
{
    private const int PacksEach = 5;
    private const int MostNamed = 10;
    private static readonly TimeSpan s_silent = TimeSpan.FromDays(4);

    /// <inheritdoc/>
    public async IAsyncEnumerable<DoctorCheck> ExamineAsync(HostDuties duties, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        IReadOnlyList<ClinicId> some = await clinics.ListAsync(null, DoctorLimits.MostClinics, cancellationToken);
        Requester by = Requester.System("doctor", "doctor-" + Guid.CreateVersion7(clock.GetUtcNow()).ToString("N"));
        int looked = 0;
        List<string> unlocked = [];
        List<string> lost = [];
        List<string> untested = [];
        List<string> failed = [];
        List<string> silent = [];
        List<string> notLooked = [];
        foreach (ClinicId clinic in some)
        {
            try
            {
                IReadOnlyList<CatalogPack> packs = (await catalog.ListPacksAsync(clinic, null, PacksEach, cancellationToken)).Packs;
                foreach (CatalogPack pack in packs.Where(pack => pack.ImmutableUntil > clock.GetUtcNow()))
                {
                    looked++;
                    BlobState? state = await vault.FindAsync(BlobName.Pack(clinic, pack.Pack), pack.VersionId, cancellationToken);
                    if (state is null)
                    {
                        await losses.RecordMissingAsync(pack, by, cancellationToken);
                    }
                    else if (!state.Locked || state.ImmutableUntil < pack.ImmutableUntil)
                    {
                        unlocked.Add($"{clinic}/{pack.Pack}");
                    }
                }

                lost.AddRange((await losses.NoteReplacedAsync(clinic, null, cancellationToken)).Values.Where(pack => pack.ReplacedAt is null).Select(pack => $"{clinic}/{pack.Pack}"));

                if (packs.Count > 0 && clock.GetUtcNow() - packs[0].CommittedAt > RestoreTestWatch.Longest)
                {
                    DateTimeOffset? last = await tests.LastFinishedAsync(clinic, cancellationToken);
                    (last is null || clock.GetUtcNow() - last > RestoreTestWatch.Longest ? untested : []).Add(clinic.Value);
                }

                if (await LastRunFailedAsync(clinic, cancellationToken))
                {
                    failed.Add(clinic.Value);
                }

                if (await LastHeardAsync(clinic, cancellationToken) is { } heard && clock.GetUtcNow() - heard > s_silent)
                {
                    silent.Add(clinic.Value);
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One clinic's trouble must not keep the others from being looked at; and what was not looked at is not well.
                notLooked.Add($"{clinic} ({e.GetType().Name})");
            }
        }

        yield return Check("clinics-readable", notLooked, DoctorVerdict.Failed, $"{DoctorLimits.Of(some.Count)}, each looked at", "every clinic's rows and blobs can be read", "The checks below do not speak of these clinics. Rebuild their catalogue; the service's log has the error.");
        yield return Check("packs-there", lost, DoctorVerdict.Failed, $"no pack of {DoctorLimits.Of(some.Count)} is lost that is not replaced", "no pack is lost that is not replaced", "docs/operations.md, \"A pack is lost\".");
        yield return Check("packs-locked", unlocked, DoctorVerdict.Failed, $"{looked} packs of {DoctorLimits.Of(some.Count)}, each locked", "every pack is locked as its catalogue entry says", "Treat it as a breach: docs/operations.md, \"A policy was removed\".");
        yield return Check("restore-tests-run", untested, DoctorVerdict.Failed, $"each of {DoctorLimits.Of(some.Count)} was tested within {RestoreTestWatch.Longest.TotalHours:0} hours, or has nothing to test yet", "a restore test of every clinic has ended lately", "Is the recovery app up, and its timer on? Then: cloudarchive restore-test run.");
        yield return Check("restore-tests-passed", failed, DoctorVerdict.Failed, "no clinic's last restore test failed", "every clinic's last restore test passed", "docs/operations.md, \"A restore test failed\".");
        yield return Check("agents-heard", silent, DoctorVerdict.Warning, "no agent is silent", $"every clinic's agents were heard of within {s_silent.TotalDays:0} days", "docs/operations.md, \"A clinic is silent\".");
    }

    private static DoctorCheck Check(string name, List<string> bad, DoctorVerdict verdict, string good, string expected, string whatToDo) => bad.Count == 0
        ? new DoctorCheck(name, DoctorVerdict.Ok, good, expected)
        : new DoctorCheck(name, verdict, $"{bad.Count}: {string.Join(", ", bad.Take(MostNamed))}{(bad.Count > MostNamed ? ", ..." : "")}", expected, whatToDo);

    private async Task<bool> LastRunFailedAsync(ClinicId clinic, CancellationToken cancellationToken) =>
        (await tests.ListSinceAsync(clinic, clock.GetUtcNow() - RestoreTestWatch.Longest, cancellationToken)).LastOrDefault(run => run.Status != RestoreTestStatus.Running) is { Status: RestoreTestStatus.Failed };

    /// <summary>When any agent that is not revoked last got a token, or enrolled; null where there is none.</summary>
    private async Task<DateTimeOffset?> LastHeardAsync(ClinicId clinic, CancellationToken cancellationToken) =>
        (await agents.ListAsync(clinic, null, DoctorLimits.MostClinics, cancellationToken)).Where(agent => !agent.Revoked).Max(agent => agent.LastSeenAt ?? (DateTimeOffset?)agent.EnrolledAt);
}
