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
        if (await holds.IsHeldAsync(clinic, study, patient, cancellationToken))
        {
            await protection.HoldAsync(clinic, pack, hold: true, cancellationToken);
        }
    }

    /// <summary>Holds what must be held, lets go of what need not be any more, and notes both.</summary>
    /// <param name="clinic">Whose.</param>
    /// <param name="unsettled">As <see cref="UnsettledAsync"/> answered before the studies were read.</param>
    /// <param name="studies">All of the clinic's.</param>
    /// <param name="cancellationToken">Stops it; the next run goes on.</param>
    public async Task RunAsync(ClinicId clinic, IReadOnlyList<Hold> unsettled, IReadOnlyList<StudyFacts> studies, CancellationToken cancellationToken)
    {
        foreach (Hold hold in unsettled.Where(hold => hold.IsOn))
        {
            PackId[] packs = [.. studies.Where(hold.Keeps).SelectMany(study => study.Packs).Select(pack => pack.Pack)];
            foreach (PackId pack in packs)
            {
                await protection.HoldAsync(clinic, pack, hold: true, cancellationToken);
            }

            if (hold.EnforcedAt is null)
            {
                await holds.NoteAsync(hold with { EnforcedAt = clock.GetUtcNow(), Packs = packs.Length }, cancellationToken);
            }
        }

        foreach (Hold cleared in unsettled.Where(hold => !hold.IsOn))
        {
            Hold was = cleared with { Status = HoldStatus.Active };
            foreach (StudyFacts study in studies.Where(was.Keeps))
            {
                // Read anew for each: one that was set a moment ago keeps it.
                if (!(await holds.ActiveAsync(clinic, cancellationToken)).Any(hold => hold.Keeps(study)))
                {
                    foreach (PackFacts pack in study.Packs)
                    {
                        await protection.HoldAsync(clinic, pack.Pack, hold: false, cancellationToken);
                    }
                }
            }

            await holds.NoteAsync(cleared with { LiftedAt = clock.GetUtcNow() }, cancellationToken);
        }
    }
}
