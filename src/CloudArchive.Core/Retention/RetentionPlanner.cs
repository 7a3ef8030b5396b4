using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;

namespace CloudArchive.Core.Retention;

/// <summary>Reads what a <see cref="RetentionPlan"/> is made of.</summary>
public sealed class RetentionPlanner(ClinicDirectory clinics, CatalogReader catalog, SnapshotCatalog snapshots, Holds holds, TimeProvider clock)
{
    /// <summary>The plan for all of a clinic's studies, as of now. Reads its catalogue: for the timer, and for people who ask.</summary>
    public async Task<IReadOnlyList<RetentionLine>> PlanAsync(ClinicId id, CancellationToken cancellationToken)
    {
        List<StudyFacts> studies = await catalog.ReadFactsAsync(id, cancellationToken).ToListAsync(cancellationToken);
        (RetentionPolicy policy, IReadOnlyList<Hold> active) = await RulesAsync(id, cancellationToken);
        DateTimeOffset now = clock.GetUtcNow();
        List<RetentionLine> lines = [];
        foreach (RetentionLine line in RetentionPlan.For(studies, policy, active, RetentionPlan.LastTreatments(studies, now), now))
        {
            lines.Add(await WhileNeededAsync(id, line, cancellationToken));
        }

        return lines;
    }

    /// <summary>A study's line, as of now; null where it is not in the catalogue.</summary>
    public async Task<RetentionLine?> FindAsync(ClinicId id, Uid study, CancellationToken cancellationToken)
    {
        StudyFacts facts = await catalog.FactsOfAsync(id, study, cancellationToken);
        if (facts.Packs.Count == 0 && !facts.IsUnreadable)
        {
            return null;
        }

        (RetentionPolicy policy, IReadOnlyList<Hold> active) = await RulesAsync(id, cancellationToken);
        List<StudyFacts> ofPatients = [facts];
        if (policy.From == RetentionBasis.LastTreatment)
        {
            foreach (Sha256Digest patient in facts.Packs.Select(pack => pack.Patient).OfType<Sha256Digest>().Distinct())
            {
                foreach (Uid other in await catalog.StudiesOfAsync(id, [patient], cancellationToken))
                {
                    ofPatients.Add(await catalog.FactsOfAsync(id, other, cancellationToken));
                }
            }
        }

        // What cannot be read may be the patient's last treatment.
        facts = facts with { Unreadable = [.. ofPatients.SelectMany(study => study.Unreadable ?? []).Distinct()] };

        DateTimeOffset now = clock.GetUtcNow();
        return await WhileNeededAsync(id, RetentionPlan.For(facts, policy, active, RetentionPlan.LastTreatments(ofPatients, now), now), cancellationToken);
    }

    /// <summary>Snapshots go when all that they name is gone.</summary>
    private async Task<RetentionLine> WhileNeededAsync(ClinicId id, RetentionLine line, CancellationToken cancellationToken) =>
        line is { Action: RetentionAction.Destroy, Facts.Set: SetKind.Snapshot } && await snapshots.NeedsAnyAsync(id, line.Study, cancellationToken)
            ? line with { Action = RetentionAction.Keep, Reason = RetentionReason.Needed }
            : line;

    // After the catalogue: a hold or a policy that came while it was read counts.
    private async Task<(RetentionPolicy Policy, IReadOnlyList<Hold> Holds)> RulesAsync(ClinicId id, CancellationToken cancellationToken) =>
        ((await clinics.GetAsync(id, cancellationToken)).Retention, await holds.ActiveAsync(id, cancellationToken));
}
