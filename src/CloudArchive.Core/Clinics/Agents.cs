using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

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

            Agent revoked = agent with { Revoked = true };
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

    private Task<Row?> RowAsync(AgentId id, CancellationToken cancellationToken) =>
        rows.FindAsync(RowTable.Clinics, id.Clinic.Value, ClinicRows.AgentPrefix + id, cancellationToken);
}
