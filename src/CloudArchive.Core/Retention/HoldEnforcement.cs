using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Retention;

/// <summary>
/// Makes storage follow the holds. Reads them before the catalogue: a pack that comes later asks for holds itself, once it is in the catalogue,
/// so between the two none is missed.
/// </summary>
public sealed class HoldEnforcement(Holds holds, PackProtection protection, TimeProvider clock)
{
    /// <summary>What is to be enforced or lifted; to be asked for before the studies are read.</summary>
    public Task<IReadOnlyList<Hold>> UnsettledAsync(ClinicId clinic, CancellationToken cancellationToken) => holds.UnsettledAsync(clinic, cancellationToken);

    /// <summary>Holds a pack that is being committed, where a hold names it. Only once it is in the catalogue.</summary>
    public async Task OnCommitAsync(ClinicId clinic, Uid study, Sha256Digest? patient, PackId pack, CancellationToken cancellationToken)
    {
        // Not for a hold that cannot be read: nobody could ever lift what was held for it, and a new pack is locked anyway.
        if (await holds.IsNamedAsync(clinic, study, patient, cancellationToken))
        {
            await protection.HoldAsync(clinic, pack, hold: true, cancellationToken);
        }
    }

    /// <summary>Holds what must be held, lets go of what need not be any more, and notes both; a hold of which a pack failed is noted as neither.</summary>
    /// <param name="clinic">Whose.</param>
    /// <param name="unsettled">As <see cref="UnsettledAsync"/> answered before the studies were read.</param>
    /// <param name="studies">All of the clinic's.</param>
    /// <param name="failed">Takes each study of which a pack could not be held or let go, with what was the matter; and null for a hold that cannot be read or noted.</param>
    /// <param name="cancellationToken">Stops it; the next run goes on.</param>
    public async Task RunAsync(ClinicId clinic, IReadOnlyList<Hold> unsettled, IReadOnlyList<StudyFacts> studies, Action<Uid?, Exception> failed, CancellationToken cancellationToken)
    {
        foreach (Hold hold in unsettled.Where(hold => hold is { IsOn: true, Unreadable: false }))
        {
            int packs = 0;
            bool all = true;
            foreach (StudyFacts study in studies.Where(hold.Keeps))
            {
                (int held, bool whole) = await SetAsync(clinic, study, hold: true, failed, cancellationToken);
                packs += held;
                all &= whole;
            }

            if (all && hold.EnforcedAt is null)
            {
                await NoteAsync(hold with { EnforcedAt = clock.GetUtcNow(), Packs = packs }, failed, cancellationToken);
            }
        }

        if (unsettled.Any(hold => hold.Unreadable))
        {
            // Nothing is let go of while nobody knows what it keeps.
            failed(null, new IntegrityException($"A hold of clinic {clinic} cannot be read: its row was changed past the service. Nothing is let go of or destroyed until it is mended."));
            return;
        }

        foreach (Hold cleared in unsettled.Where(hold => !hold.IsOn))
        {
            Hold was = cleared with { Status = HoldStatus.Active };
            bool all = true;
            foreach (StudyFacts study in studies.Where(was.Keeps))
            {
                // Read anew for each: one that was set a moment ago keeps it.
                if (!(await holds.ActiveAsync(clinic, cancellationToken)).Any(hold => hold.Keeps(study)))
                {
                    all &= (await SetAsync(clinic, study, hold: false, failed, cancellationToken)).All;
                }
            }

            if (all)
            {
                await NoteAsync(cleared with { LiftedAt = clock.GetUtcNow() }, failed, cancellationToken);
            }
        }
    }

    private async Task NoteAsync(Hold settled, Action<Uid?, Exception> failed, CancellationToken cancellationToken)
    {
        try
        {
            await holds.NoteAsync(settled, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // What storage does for a hold stands; the next run notes it. One hold's trouble must not keep the others from it.
            failed(settled.Study, e);
        }
    }

    /// <summary>Holds a study's packs, or lets go of them: how many, and whether it was all of them.</summary>
    private async Task<(int Packs, bool All)> SetAsync(ClinicId clinic, StudyFacts study, bool hold, Action<Uid?, Exception> failed, CancellationToken cancellationToken)
    {
        int done = 0;
        PackId[] packs = [.. study.Packs.Select(pack => pack.Pack), .. study.Unreadable ?? []];
        foreach (PackId pack in packs)
        {
            try
            {
                await protection.HoldAsync(clinic, pack, hold, cancellationToken);
                done++;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One pack's trouble must not keep the others from it.
                failed(study.Study, e);
            }
        }

        return (done, done == packs.Length);
    }
}
