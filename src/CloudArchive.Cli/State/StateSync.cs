using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.State;

/// <summary>What learning from the service told.</summary>
/// <param name="Receipts">Receipts that verified and are stored.</param>
/// <param name="Unproven">Packs whose receipt does not fit the instances that the service lists: their files are uploaded again.</param>
public sealed record SyncResult(int Receipts, IReadOnlyList<PackId> Unproven);

/// <summary>
/// Rebuilds a state that was lost, or is new, from what the service holds: instances and receipts. A receipt counts when a pinned key signed
/// it and its root is that of the instances listed for its pack, so a service that claims to hold what it has no receipt for is not believed.
/// </summary>
public static class StateSync
{
    private const string Done = "synced";
    private const int Batch = 500;

    /// <summary>Does so where it was not done yet.</summary>
    public static async Task<SyncResult> EnsureAsync(AgentSession session, IProgressView view, CancellationToken cancellationToken)
    {
        if (session.State.Get(Done) is not null) return new SyncResult(0, []);
        using IProgressStep step = view.Begin("Learning what the archive holds", ProgressUnit.Count, null);
        string clinic = $"v1/clinics/{session.Identity.Clinic}";
        session.State.ClearClaims();
        List<InstanceResponse> claims = [];
        await foreach (InstanceResponse instance in session.Client.GetPagesAsync<InstanceResponse>($"{clinic}/instances?take=1000", cancellationToken))
        {
            claims.Add(instance);
            if (claims.Count < Batch) continue;
            session.State.NoteClaims(claims);
            claims.Clear();
        }

        session.State.NoteClaims(claims);
        int stored = 0;
        List<PackId> unproven = [];
        await foreach (ReceiptResponse answer in session.Client.GetPagesAsync<ReceiptResponse>($"{clinic}/receipts?take=200", cancellationToken))
        {
            IReadOnlyList<SidecarInstance> instances = session.State.ClaimsOf(answer.Pack);
            if (Prove(session.Identity, answer, instances) is not { } receipt)
            {
                unproven.Add(answer.Pack);
                continue;
            }

            session.State.StoreReceipt(answer.Receipt, receipt, instances);
            step.Add(instances.Count);
            stored++;
        }

        session.State.ClearClaims();
        session.State.Set(Done, "1");
        return new SyncResult(stored, unproven);
    }

    /// <summary>The receipt, where it proves that the pack holds these instances; else null. One bad receipt must not keep everything else from being backed up.</summary>
    private static Receipt? Prove(AgentIdentity identity, ReceiptResponse answer, IReadOnlyList<SidecarInstance> instances)
    {
        try
        {
            Receipt receipt = ReceiptCheck.Verify(answer.Receipt, identity.SigningKeys);
            bool proves = receipt.Clinic == identity.Clinic && receipt.Pack == answer.Pack && receipt.InstanceCount == instances.Count && receipt.InstancesRoot == InstancesRoot.Of(instances);
            return proves ? receipt : null;
        }
        catch (IntegrityException)
        {
            return null;
        }
    }
}
