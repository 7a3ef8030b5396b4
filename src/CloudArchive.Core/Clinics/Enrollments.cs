using System.Text.Json;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Clinics;

/// <summary>A code, to be shown once.</summary>
/// <param name="Code">The code.</param>
/// <param name="ExpiresAt">Until when it is good.</param>
/// <param name="MakesEscrowKey">Whether the clinic had no escrow key when it was made: then the computer that enrolls first makes it.</param>
public sealed record IssuedCode(EnrollmentCode Code, DateTimeOffset ExpiresAt, bool MakesEscrowKey);

/// <summary>What an agent gets for its code.</summary>
public sealed record Enrolled(Clinic Clinic, Agent Agent, Jwk WrappingKey, byte[] SealedIdentifierSecret);

/// <summary>
/// Codes that bind agents' keys to a clinic. A code is good for one agent's key: code, agent and escrow key change in one transaction. That key may ask
/// again as long as the code lives, and is answered the same, so that an answer that got lost does not use the code up.
/// </summary>
public sealed class Enrollments(IRowStore rows, ClinicDirectory clinics, IdentifierSecrets secrets, IWrappingKeys keys, Outbox outbox, TimeProvider clock)
{
    internal const int SweptAtOnce = 100;

    /// <summary>How long a code is good for.</summary>
    public static readonly TimeSpan CodeLifetime = TimeSpan.FromHours(24);

    private const int MostNameCharacters = 100;

    // In a code's row, once it was used: by whom, and the thumbprint of the key.
    private const string UsedBy = "usedBy";
    private const string UsedKey = "usedKey";

    /// <summary>Makes a code. The identifier secret is sealed under it, so that the host which enrolls hands out what it cannot read.</summary>
    public async Task<IssuedCode> CreateCodeAsync(ClinicId id, Requester by, CancellationToken cancellationToken)
    {
        Clinic clinic = await clinics.GetAsync(id, cancellationToken);
        EnrollmentCode code = EnrollmentCode.Create();
        DateTimeOffset expiresAt = clock.GetUtcNow() + CodeLifetime;
        using IdentifierSecret secret = await secrets.UnwrapAsync(clinic, cancellationToken);

        // The index first: a code that is in it and not in the clinic's partition is as good as none, and swept when it expires.
        Dictionary<string, object> index = new() { ["clinic"] = id.Value, ["expiresAt"] = expiresAt };
        await rows.SubmitAsync(RowTable.Clinics, ClinicRows.CodeIndex, [new RowWrite.Insert(code.Hash.Hex, index)], cancellationToken);
        Dictionary<string, object> values = new() { ["expiresAt"] = expiresAt, ["sealedSecret"] = secret.SealUnder(code.Reveal()) };
        AuditEvent entry = new(id.Value, AuditActions.EnrollmentCodeIssued, AuditOutcome.Success, by.Actor, new AuditSubject(id.Value), by.Origin);
        await outbox.SubmitAsync(RowTable.Clinics, id.Value, [new RowWrite.Insert(ClinicRows.CodePrefix + code.Hash.Hex, values)], entry, cancellationToken);
        return new IssuedCode(code, expiresAt, clinic.EscrowKey is null);
    }

    /// <summary>Uses a code up and makes the agent; repeating it with the same key answers the agent that is there. The first agent's escrow key is pinned for good; a later one's is ignored.</summary>
    public async Task<Enrolled> EnrollAsync(string typedCode, string agentName, Jwk agentKey, Jwk? escrowKey, AuditOrigin origin, CancellationToken cancellationToken)
    {
        if (!EnrollmentCode.TryParse(typedCode, out EnrollmentCode? code)
            || await rows.FindAsync(RowTable.Clinics, ClinicRows.CodeIndex, code.Hash.Hex, cancellationToken) is not { } index)
        {
            throw CodeInvalid();
        }

        string clinicId = index.Text("clinic")!;
        string codeKey = ClinicRows.CodePrefix + code.Hash.Hex;
        if (await rows.FindAsync(RowTable.Clinics, clinicId, codeKey, cancellationToken) is not { } codeRow || codeRow.Time("expiresAt") <= clock.GetUtcNow())
        {
            throw CodeInvalid();
        }

        if (string.IsNullOrWhiteSpace(agentName) || agentName.Length > MostNameCharacters || agentName.Any(char.IsControl))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"agentName: 1 to {MostNameCharacters} characters.");
        }

        Jwk signing = PinSigningKey(agentKey);
        Jwk wrapping = await keys.GetCurrentAsync(ClinicId.Parse(clinicId), cancellationToken);
        while (true)
        {
            if (codeRow.Text(UsedBy) is not null)
            {
                return await AnswerAgainAsync(ClinicId.Parse(clinicId), codeRow, signing, wrapping, cancellationToken);
            }

            Clinic clinic = await clinics.GetAsync(ClinicId.Parse(clinicId), cancellationToken);
            Jwk escrow = clinic.EscrowKey
                ?? PinEscrowKey(escrowKey ?? throw new RefusedException(Refusal.EscrowKeyMissing, "The clinic's first agent must send an escrow key. Update the agent and enroll again with the same code."));
            Agent agent = new(AgentId.New(clinic.Id), agentName, signing, clock.GetUtcNow(), null, Revoked: false);

            // Writing to the code under its ETag is what makes it single-use: of two that enroll at once with one code, one transaction fails.
            Dictionary<string, object> used = new(codeRow.Values) { [UsedBy] = agent.Id.ToString(), [UsedKey] = signing.Kid! };
            List<RowWrite> writes = [new RowWrite.Replace(codeKey, used, codeRow.ETag!), new RowWrite.Insert(ClinicRows.AgentPrefix + agent.Id, ClinicRows.Values(agent))];
            if (clinic.EscrowKey is null)
            {
                writes.Add(new RowWrite.Replace(ClinicRows.ClinicKey, ClinicRows.Values(clinic with { EscrowKey = escrow }), clinic.ETag));
            }

            AuditEvent entry = new(
                clinicId,
                AuditActions.AgentEnrolled,
                AuditOutcome.Success,
                new AuditActor(agent.Id.ToString(), "agent"),
                new AuditSubject(clinicId, Other: agent.Id.ToString()),
                origin,
                Details: new Dictionary<string, string> { ["agentKey"] = signing.Kid!, ["escrowKey"] = escrow.Kid!, ["escrowKeyPinned"] = clinic.EscrowKey is null ? "true" : "false" });
            try
            {
                await outbox.SubmitAsync(RowTable.Clinics, clinicId, writes, entry, cancellationToken);
            }
            catch (RowConflictException)
            {
                // Either the code was used in this moment, or another first agent pinned its escrow key: look again.
                codeRow = await rows.FindAsync(RowTable.Clinics, clinicId, codeKey, cancellationToken) ?? throw CodeInvalid();
                continue;
            }

            return new Enrolled(clinic with { EscrowKey = escrow }, agent, wrapping, codeRow.Bytes("sealedSecret")!);
        }
    }

    /// <summary>The answer that the key of a used code got before; every other key gets what it would for a code that never was.</summary>
    private async Task<Enrolled> AnswerAgainAsync(ClinicId id, Row code, Jwk signing, Jwk wrapping, CancellationToken cancellationToken)
    {
        if (code.Text(UsedKey) != signing.Kid
            || !AgentId.TryParse(code.Text(UsedBy), null, out AgentId agentId)
            || await rows.FindAsync(RowTable.Clinics, id.Value, ClinicRows.AgentPrefix + agentId, cancellationToken) is not { } row
            || ClinicRows.Agent(row) is not { Revoked: false } agent)
        {
            throw CodeInvalid();
        }

        return new Enrolled(await clinics.GetAsync(id, cancellationToken), agent, wrapping, code.Bytes("sealedSecret")!);
    }

    /// <summary>Deletes codes that expired: at most 100 of the index and of a clinic. Returns how many.</summary>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<Row> index = await rows.QueryAsync(RowTable.Clinics, ClinicRows.CodeIndex, "0", "g", RowStoreExtensions.MostRows, cancellationToken);
        int swept = 0;
        foreach (Row row in index.Where(row => row.Values.GetValueOrDefault("expiresAt") is DateTimeOffset at && at <= clock.GetUtcNow()).Take(SweptAtOnce))
        {
            if (row.Values.GetValueOrDefault("clinic") is not string clinic)
            {
                continue; // No row that this code wrote: it lets nobody in.
            }

            if (await rows.FindAsync(RowTable.Clinics, clinic, ClinicRows.CodePrefix + row.Key, cancellationToken) is { } code)
            {
                await rows.DeleteUnchangedAsync(RowTable.Clinics, clinic, [code], cancellationToken);
            }

            await rows.DeleteUnchangedAsync(RowTable.Clinics, ClinicRows.CodeIndex, [row], cancellationToken);
            swept++;
        }

        return swept;
    }

    private static Jwk PinSigningKey(Jwk key)
    {
        try
        {
            using System.Security.Cryptography.ECDsa ecdsa = JwkKeys.ToEcdsa(key);
            return JwkKeys.FromEcdsa(ecdsa);
        }
        catch (FormatException e)
        {
            throw new RefusedException(Refusal.KeyInvalid, $"agentKey: {e.Message}");
        }
    }

    private static Jwk PinEscrowKey(Jwk key)
    {
        try
        {
            using System.Security.Cryptography.RSA rsa = JwkKeys.ToRsa(key);
            return JwkKeys.FromRsa(rsa);
        }
        catch (FormatException e)
        {
            throw new RefusedException(Refusal.KeyInvalid, $"escrowKey: {e.Message}");
        }
    }

    private static RefusedException CodeInvalid() =>
        new(Refusal.CodeInvalid, "The code is unknown, used or expired. Ask an admin of the clinic for a new one.");
}
