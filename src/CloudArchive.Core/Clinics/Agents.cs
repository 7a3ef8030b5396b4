using System.Security.Cryptography;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Clinics;

/// <summary>The agents of a clinic.</summary>
public sealed class Agents(IRowStore rows, Outbox outbox, TimeProvider clock)
{
    /// <summary>The agent, revoked or not, or null.</summary>
    public async Task<Agent?> FindAsync(AgentId id, CancellationToken cancellationToken) =>
        await RowAsync(id, cancellationToken) is { } row ? ClinicRows.Agent(row) : null;

    /// <summary>A clinic's agents in the order of their ids.</summary>
    public async Task<IReadOnlyList<Agent>> ListAsync(ClinicId clinic, AgentId? after, int take, CancellationToken cancellationToken) =>
        [.. (await rows.QueryAsync(RowTable.Clinics, clinic.Value, RowRange.After(ClinicRows.AgentPrefix, after?.ToString()), take, cancellationToken)).Select(ClinicRows.Agent)];

    /// <summary>All of a clinic's agents whose rows can be read; <paramref name="damaged"/> takes the others.</summary>
    public async Task<IReadOnlyList<Agent>> ReadEachAsync(ClinicId clinic, Action<Row> damaged, CancellationToken cancellationToken)
    {
        List<Agent> all = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Clinics, clinic.Value, RowRange.Prefix(ClinicRows.AgentPrefix), cancellationToken))
        {
            all.AddRange(DamagedRow.ReadEach([row], ClinicRows.Agent, damaged));
        }

        return all;
    }

    /// <summary>Notes that the agent got a token now. A hint for people: gives way to every other change of the agent.</summary>
    public async Task NoteSeenAsync(AgentId id, CancellationToken cancellationToken)
    {
        if (await RowAsync(id, cancellationToken) is { } row)
        {
            try
            {
                Agent seen = ClinicRows.Agent(row) with { LastSeenAt = clock.GetUtcNow() };
                await rows.SubmitAsync(RowTable.Clinics, row.Partition, [new RowWrite.Replace(row.Key, ClinicRows.Values(seen), row.ETag!)], cancellationToken);
            }
            catch (RowConflictException)
            {
                // Seen by another request, or revoked, which must stand.
            }
        }
    }

    /// <summary>Revokes an agent, for good. Repeating it changes nothing.</summary>
    public async Task<Agent> RevokeAsync(AgentId id, Requester by, CancellationToken cancellationToken)
    {
        while (true)
        {
            Row row = await RowAsync(id, cancellationToken)
                ?? throw new RefusedException(Refusal.AgentUnknown, $"There is no agent {id}. GET /v1/clinics/{id.Clinic}/agents lists those there are.");
            Agent agent = ClinicRows.Agent(row);
            if (agent.Revoked)
            {
                return agent;
            }

            Agent revoked = agent with { Revoked = true, RevokedAt = clock.GetUtcNow(), RevokedBy = by.Actor.Id };
            AuditEvent entry = new(
                id.Clinic.Value, AuditActions.AgentRevoked, AuditOutcome.Success, by.Actor, new AuditSubject(id.Clinic.Value, Other: id.ToString()), by.Origin, Once: $"revoke:{id}");
            try
            {
                await outbox.SubmitAsync(RowTable.Clinics, row.Partition, [new RowWrite.Replace(row.Key, ClinicRows.Values(revoked), row.ETag!)], entry, cancellationToken);
                return revoked;
            }
            catch (RowConflictException)
            {
                // Seen by a token request since it was read: look at it anew.
            }
        }
    }

    /// <summary>
    /// Gives an agent another key: the old one is worth nothing from then on, nor is a token that it got. Both must prove it, so that neither
    /// a token that was found nor somebody else's key is enough. Repeating it, with the new key, changes nothing.
    /// </summary>
    public async Task<Agent> RenewKeyAsync(AgentId id, Jwk newKey, string proofByOld, string proofByNew, string audience, Requester by, CancellationToken cancellationToken)
    {
        Jwk pinned = Pin(newKey);
        while (true)
        {
            Row row = await RowAsync(id, cancellationToken) ?? throw new RefusedException(Refusal.AgentUnknown, $"There is no agent {id}.");
            Agent agent = ClinicRows.Agent(row);
            if (agent.Revoked)
            {
                throw new RefusedException(Refusal.AgentUnknown, $"There is no agent {id} any more.");
            }

            if (agent.Key.Kid == pinned.Kid)
            {
                return agent;
            }

            AgentKeyChange change = new(id.ToString(), audience, agent.Key.Kid!, pinned.Kid!, clock.GetUtcNow());
            if (!change.IsProvenBy(proofByOld, agent.Key) || !change.IsProvenBy(proofByNew, pinned))
            {
                throw new RefusedException(Refusal.KeyProofInvalid, "The change of the key is not signed by the old and the new key within the last five minutes. Check this computer's clock.");
            }

            AuditEvent entry = new(
                id.Clinic.Value,
                AuditActions.AgentKeyRenewed,
                AuditOutcome.Success,
                by.Actor,
                new AuditSubject(id.Clinic.Value, Other: id.ToString()),
                by.Origin,
                Details: new Dictionary<string, string> { ["agentKey"] = pinned.Kid!, ["before"] = agent.Key.Kid! });
            try
            {
                Agent renewed = agent with { Key = pinned, KeyRenewedAt = clock.GetUtcNow() };
                await outbox.SubmitAsync(RowTable.Clinics, row.Partition, [new RowWrite.Replace(row.Key, ClinicRows.Values(renewed), row.ETag!)], entry, cancellationToken);
                return renewed;
            }
            catch (RowConflictException)
            {
                // Seen by a token request since it was read: look at it anew.
            }
        }
    }

    private static Jwk Pin(Jwk key)
    {
        try
        {
            using ECDsa ecdsa = JwkKeys.ToEcdsa(key);
            return JwkKeys.FromEcdsa(ecdsa);
        }
        catch (FormatException e)
        {
            throw new RefusedException(Refusal.KeyInvalid, $"newKey: {e.Message}");
        }
    }

    private Task<Row?> RowAsync(AgentId id, CancellationToken cancellationToken) =>
        rows.FindAsync(RowTable.Clinics, id.Clinic.Value, ClinicRows.AgentPrefix + id, cancellationToken);
}
