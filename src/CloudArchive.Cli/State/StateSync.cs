using System.Globalization;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.State;

/// <summary>What learning from the service told.</summary>
/// <param name="Receipts">Receipts of packs that this computer did not know, verified and stored: another computer's, or of a state that was lost.</param>
/// <param name="Unproven">Packs whose receipt does not fit the instances that the service lists: their files are uploaded again.</param>
/// <param name="Lost">Packs that the archive lost since the last time: their receipts count no more.</param>
/// <param name="Destroyed">Packs that were destroyed after their time since the last time: files of them that are still here are uploaded again.</param>
/// <param name="NotLearned">Why nothing could be learned, where the run goes on with what is known.</param>
public sealed record SyncResult(int Receipts = 0, IReadOnlyList<PackId>? Unproven = null, int Lost = 0, int Destroyed = 0, string? NotLearned = null);

/// <summary>
/// Learns at each run, before anything is planned, what became of the clinic's packs since the last: what other computers archived, and which receipts no
/// longer count. With a new state that is everything. A receipt counts when a pinned key signed it and its root is that of the instances that come with it, so
/// a service that claims to hold what it has no receipt for is not believed; one that says that it lost a pack is.
/// </summary>
public static class StateSync
{
    /// <summary>The state's name for how far the list of changes was read.</summary>
    public const string CursorName = "changes";

    private const int PageSize = 200;

    /// <summary>Learns what is new.</summary>
    public static async Task<SyncResult> LearnAsync(AgentSession session, IProgressView view, CancellationToken cancellationToken)
    {
        long? after = long.TryParse(session.State.Get(CursorName), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long cursor) ? cursor : null;
        using IProgressStep step = view.Begin("Learning what the archive holds", ProgressUnit.Count, null);
        SyncResult result = new(Unproven: []);
        try
        {
            ChangesResponse page;
            do
            {
                page = await session.Client.GetAsync<ChangesResponse>(
                    string.Create(CultureInfo.InvariantCulture, $"v1/clinics/{session.Identity.Clinic}/changes?after={after ?? -1}&take={PageSize}"), cancellationToken);
                result = Apply(session, page, result, step);
                after = page.Next;
            }
            while (page.More);
            return result;
        }
        catch (CliException error) when (after is not null && error is ServiceUnreachableException or ServiceRefusedException { Status: not (401 or 403) })
        {
            // What is known stays known: neither an outage nor a fault of this list keeps folders from being looked at. What is to be sent meets the outage itself.
            return result with { NotLearned = error.Message };
        }
    }

    private static SyncResult Apply(AgentSession session, ChangesResponse page, SyncResult so, IProgressStep step)
    {
        List<LearnedChange> changes = [];
        List<PackId> unproven = [.. so.Unproven!];
        foreach (ArchiveChange change in page.Items)
        {
            if (change.Lost is { } lost)
            {
                changes.Add(new LearnedChange(change.Index, change.Pack, Lost: lost.Cause));
            }
            else if (change.Archived is { } archived)
            {
                if ((Known(session.State, change.Pack, archived) ?? Prove(session.Identity, change.Pack, archived)) is { } receipt)
                {
                    changes.Add(new LearnedChange(change.Index, change.Pack, archived, receipt));
                    step.Add(archived.Instances.Count);
                }
                else
                {
                    unproven.Add(change.Pack);
                }
            }
        }

        (int stored, int gone, int destroyed) = session.State.Learn(changes, CursorName, page.Next.ToString(CultureInfo.InvariantCulture));
        return so with { Receipts = so.Receipts + stored, Unproven = unproven, Lost = so.Lost + gone, Destroyed = so.Destroyed + destroyed };
    }

    /// <summary>
    /// The receipt, where it is the one that is here already: it was proven when it was stored. After a first backup the list tells of everything that this
    /// computer has just archived, and proving all of it a second time takes as long as a scan.
    /// </summary>
    private static Receipt? Known(AgentState state, PackId pack, ArchivedPack archived)
    {
        try
        {
            return state.FindReceipt(pack) is { } jws && jws == archived.Receipt ? Format.Packs.Receipts.ReadStored(jws) : null;
        }
        catch (PackException)
        {
            return null; // changed on this computer's disk: proven anew
        }
    }

    /// <summary>The receipt, where it proves that the pack holds these instances; else null. One bad receipt must not keep everything else from being backed up.</summary>
    private static Receipt? Prove(AgentIdentity identity, PackId pack, ArchivedPack archived)
    {
        try
        {
            Receipt receipt = ReceiptCheck.Verify(archived.Receipt, identity.SigningKeys);
            bool proves = receipt.Clinic == identity.Clinic && receipt.Pack == pack && receipt.InstanceCount == archived.Instances.Count && receipt.InstancesRoot == InstancesRoot.Of(archived.Instances);
            return proves ? receipt : null;
        }
        catch (IntegrityException)
        {
            return null;
        }
    }
}
