using System.Security.Cryptography;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Core.Clinics;

/// <summary>The clinics and their settings.</summary>
public sealed class ClinicDirectory(IRowStore rows, IWrappingKeys keys, Outbox outbox, TimeProvider clock)
{
    /// <summary>The longest name.</summary>
    public const int MostNameCharacters = 200;

    /// <summary>
    /// Creates a clinic: its key, its identifier secret, its row. Repeating it with the same settings returns the clinic that is there;
    /// with others it is <see cref="Refusal.ClinicExists"/>.
    /// </summary>
    public async Task<Clinic> CreateAsync(ClinicId id, string name, int retentionYears, bool requireApproval, Requester by, CancellationToken cancellationToken)
    {
        CheckName(name);
        CheckRetention(retentionYears);
        Clinic? clinic = await FindAsync(id, cancellationToken);
        if (clinic is null)
        {
            Jwk key = await keys.EnsureAsync(id, cancellationToken);
            using IdentifierSecret secret = IdentifierSecret.Create();
            clinic = new Clinic(id, name, RetentionPolicy.ForYears(retentionYears), requireApproval, clock.GetUtcNow(), Wrap(secret, key), null, "");
            AuditEvent entry = new(
                id.Value, AuditActions.ClinicCreated, AuditOutcome.Success, by.Actor, new AuditSubject(id.Value), by.Origin, Details: Settings(clinic), Once: AuditActions.ClinicCreated);
            try
            {
                RowWrite[] writes =
                [
                    new RowWrite.Insert(ClinicRows.ClinicKey, ClinicRows.Values(clinic)),
                    RetentionRows.Write(new RetentionVersion(clinic.Retention, clinic.CreatedAt, by.Actor.Id)),
                ];
                await outbox.SubmitAsync(RowTable.Clinics, id.Value, writes, entry, cancellationToken);
            }
            catch (RowConflictException)
            {
                // Another request created it at the same time. Its secret is the clinic's, this one was never stored.
            }

            clinic = await GetAsync(id, cancellationToken);
        }

        if (clinic.Name != name || clinic.Retention.Years != retentionYears || clinic.RequireApproval != requireApproval)
        {
            throw new RefusedException(Refusal.ClinicExists, $"Clinic {id} exists with other settings. Choose another id, or change its settings.");
        }

        // Last, and again on every repeat: a list that lacks the clinic after a crash is mended by repeating the request.
        await PutInListAsync(id, cancellationToken);
        return clinic;
    }

    /// <summary>The clinic, or null.</summary>
    public async Task<Clinic?> FindAsync(ClinicId id, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Clinics, id.Value, ClinicRows.ClinicKey, cancellationToken) is { } row ? ClinicRows.Clinic(row) : null;

    /// <summary>The clinic; <see cref="Refusal.ClinicUnknown"/> where there is none.</summary>
    public async Task<Clinic> GetAsync(ClinicId id, CancellationToken cancellationToken) =>
        await FindAsync(id, cancellationToken) ?? throw new RefusedException(Refusal.ClinicUnknown, $"There is no clinic {id}. GET /v1/clinics lists those there are.");

    /// <summary>The clinics' ids in order, from the first after <paramref name="after"/>.</summary>
    public async Task<IReadOnlyList<ClinicId>> ListAsync(ClinicId? after, int take, CancellationToken cancellationToken) =>
        await ReadAsync(after, take, cancellationToken).Take(take).ToListAsync(cancellationToken);

    /// <summary>All clinics' ids in order, page by page.</summary>
    public IAsyncEnumerable<ClinicId> ReadAllAsync(CancellationToken cancellationToken) => ReadAsync(null, RowStoreExtensions.MostRows, cancellationToken);

    /// <summary>Puts a clinic into the list where it is missing; true where it was.</summary>
    internal async Task<bool> RelistAsync(ClinicId id, CancellationToken cancellationToken)
    {
        if (await rows.FindAsync(RowTable.Clinics, ClinicRows.Index, id.Value, cancellationToken) is not null)
        {
            return false;
        }

        await PutInListAsync(id, cancellationToken);
        return true;
    }

    private async Task PutInListAsync(ClinicId id, CancellationToken cancellationToken) =>
        await rows.SubmitAsync(RowTable.Clinics, ClinicRows.Index, [new RowWrite.Upsert(id.Value, new Dictionary<string, object>())], cancellationToken);

    private IAsyncEnumerable<ClinicId> ReadAsync(ClinicId? after, int rowsAtOnce, CancellationToken cancellationToken) =>
        rows.ReadAllAsync(RowTable.Clinics, ClinicRows.Index, new RowRange(after is { } last ? last.Value + "!" : "-", "~"), cancellationToken, rowsAtOnce)
            .Select(row => ClinicId.TryParse(row.Key, null, out ClinicId id) ? id : (ClinicId?)null)
            .Where(id => id is not null) // a row that is none keeps no clinic from its work
            .Select(id => id!.Value);

    /// <summary>Changes settings; null leaves one as it is. Retention can only be raised.</summary>
    public async Task<Clinic> ChangeAsync(
        ClinicId id, int? retentionYears, bool? requireApproval, Requester by, CancellationToken cancellationToken, long? dailyBytes = null, int? dailyPacks = null, IdentifierMatch? identifierMatch = null, int? rtoHours = null, int? rpoHours = null)
    {
        while (true)
        {
            Clinic clinic = await GetAsync(id, cancellationToken);
            Clinic changed = clinic with { RequireApproval = requireApproval ?? clinic.RequireApproval, IdentifierMatch = identifierMatch ?? clinic.IdentifierMatch };
            if (dailyBytes is not null || dailyPacks is not null)
            {
                DailyQuota quota = new(dailyBytes ?? clinic.Quota.Bytes, dailyPacks ?? clinic.Quota.Packs);
                CheckQuota(quota);
                changed = changed with { OwnQuota = quota };
            }

            if (rtoHours is not null || rpoHours is not null)
            {
                RecoveryObjectives objectives = new(rtoHours ?? clinic.Objectives.RtoHours, rpoHours ?? clinic.Objectives.RpoHours);
                CheckHours(objectives.RtoHours, nameof(rtoHours));
                CheckHours(objectives.RpoHours, nameof(rpoHours));
                changed = changed with { OwnObjectives = objectives };
            }

            if (retentionYears is { } years && years != clinic.Retention.Years)
            {
                CheckRetention(years);
                if (years < clinic.Retention.Years)
                {
                    throw new RefusedException(Refusal.RetentionLowered, $"Retention is {clinic.Retention.Years} years and is only ever extended.");
                }

                changed = changed with { Retention = clinic.Retention with { Version = clinic.Retention.Version + 1, Years = years, MinimumYears = Math.Max(clinic.Retention.MinimumYears, years) } };
            }

            if (changed == clinic)
            {
                return clinic;
            }

            AuditEvent entry = new(id.Value, AuditActions.ClinicSettingsChanged, AuditOutcome.Success, by.Actor, new AuditSubject(id.Value), by.Origin, Details: Settings(changed));
            try
            {
                List<RowWrite> writes = [new RowWrite.Replace(ClinicRows.ClinicKey, ClinicRows.Values(changed), clinic.ETag)];
                if (changed.Retention != clinic.Retention)
                {
                    writes.AddRange(RetentionRows.Change(clinic, new RetentionVersion(changed.Retention, clock.GetUtcNow(), by.Actor.Id)));
                }

                await outbox.SubmitAsync(RowTable.Clinics, id.Value, writes, entry, cancellationToken);
                return await GetAsync(id, cancellationToken);
            }
            catch (RowConflictException)
            {
                // Changed by another request since it was read: look at it anew.
            }
        }
    }

    /// <summary>Sets who gets the clinic's mail; null: nobody. Repeating it changes nothing.</summary>
    public async Task<Clinic> ChangeContactAsync(ClinicId id, string? contact, Requester by, CancellationToken cancellationToken)
    {
        string? address = string.IsNullOrWhiteSpace(contact) ? null : contact.Trim();
        if (address is not null && !MailAddresses.IsValid(address))
        {
            throw new RefusedException(Refusal.RequestInvalid, "contact: one mail address, such as office@practice.example.");
        }

        while (true)
        {
            Clinic clinic = await GetAsync(id, cancellationToken);
            if (clinic.Contact == address)
            {
                return clinic;
            }

            // Whose address it is belongs to the clinic's row, not to a log that is kept for ever.
            Dictionary<string, string> details = new() { ["contact"] = address is null ? "removed" : clinic.Contact is null ? "set" : "replaced" };
            AuditEvent entry = new(id.Value, AuditActions.ClinicContactChanged, AuditOutcome.Success, by.Actor, new AuditSubject(id.Value), by.Origin, Details: details);
            try
            {
                RowWrite write = new RowWrite.Replace(ClinicRows.ClinicKey, ClinicRows.Values(clinic with { Contact = address }), clinic.ETag);
                await outbox.SubmitAsync(RowTable.Clinics, id.Value, [write], entry, cancellationToken);
                return await GetAsync(id, cancellationToken);
            }
            catch (RowConflictException)
            {
                // Changed by another request since it was read: look at it anew.
            }
        }
    }

    /// <summary>Wraps the clinic's identifier secret to another version of its key. False where it is wrapped to that one.</summary>
    public async Task<bool> RewrapSecretAsync(ClinicId id, IdentifierSecrets secrets, Jwk to, Requester by, CancellationToken cancellationToken)
    {
        while (true)
        {
            Clinic clinic = await GetAsync(id, cancellationToken);
            string from = clinic.IdentifierSecret.KeyId;
            if (from == to.Kid)
            {
                return false;
            }

            using IdentifierSecret secret = await secrets.UnwrapAsync(clinic, cancellationToken);
            Clinic changed = clinic with { IdentifierSecret = Wrap(secret, to) };
            Dictionary<string, string> details = new() { ["from"] = from, ["to"] = to.Kid! };
            AuditEvent entry = new(id.Value, AuditActions.IdentifierSecretRewrapped, AuditOutcome.Success, by.Actor, new AuditSubject(id.Value), by.Origin, Details: details);
            try
            {
                await outbox.SubmitAsync(RowTable.Clinics, id.Value, [new RowWrite.Replace(ClinicRows.ClinicKey, ClinicRows.Values(changed), clinic.ETag)], entry, cancellationToken);
                return true;
            }
            catch (RowConflictException)
            {
                // Changed by another request since it was read: look at it anew.
            }
        }
    }

    /// <summary>When a pack was last committed, or null.</summary>
    public async Task<DateTimeOffset?> LastCommitAsync(ClinicId id, CancellationToken cancellationToken) =>
        (await rows.FindAsync(RowTable.Clinics, id.Value, ClinicRows.LastCommitKey, cancellationToken))?.Time("at");

    /// <summary>Notes that a pack was committed now. A hint for people: of two at once either may win.</summary>
    public Task NoteCommitAsync(ClinicId id, CancellationToken cancellationToken) => rows.SubmitAsync(
        RowTable.Clinics, id.Value, [new RowWrite.Upsert(ClinicRows.LastCommitKey, new Dictionary<string, object> { ["at"] = clock.GetUtcNow() })], cancellationToken);

    private static WrappedContentKey Wrap(IdentifierSecret secret, Jwk key)
    {
        using RSA rsa = JwkKeys.ToRsa(key);
        byte[] bytes = secret.ToBytes();
        try
        {
            return new WrappedContentKey(key.Kid!, rsa.Encrypt(bytes, RSAEncryptionPadding.OaepSHA256), KeyWrapping.Algorithm);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private static Dictionary<string, string> Settings(Clinic clinic) => new()
    {
        ["requireApproval"] = clinic.RequireApproval ? "true" : "false",
        ["retentionYears"] = clinic.Retention.Years.ToString(),
        ["retentionVersion"] = clinic.Retention.Version.ToString(),
        ["dailyBytes"] = clinic.Quota.Bytes.ToString(),
        ["dailyPacks"] = clinic.Quota.Packs.ToString(),
        ["identifierMatch"] = clinic.IdentifierMatch.ToString().ToLowerInvariant(),
        ["rtoHours"] = clinic.Objectives.RtoHours.ToString(),
        ["rpoHours"] = clinic.Objectives.RpoHours.ToString(),
    };

    private static void CheckHours(int hours, string name)
    {
        if (hours is < 1 or > RecoveryObjectives.MaxHours)
        {
            throw new RefusedException(Refusal.RequestInvalid, $"{name}: 1 to {RecoveryObjectives.MaxHours}.");
        }
    }

    private static void CheckQuota(DailyQuota quota)
    {
        if (quota.Bytes < 1 || quota.Bytes > DailyQuota.Max.Bytes || quota.Packs < 1 || quota.Packs > DailyQuota.Max.Packs)
        {
            throw new RefusedException(Refusal.RequestInvalid, $"dailyBytes: 1 to {DailyQuota.Max.Bytes}; dailyPacks: 1 to {DailyQuota.Max.Packs}.");
        }
    }

    private static void CheckName(string name)
    {
        if (string.IsNullOrWhiteSpace(name) || name.Length > MostNameCharacters || name.Any(char.IsControl))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"name: 1 to {MostNameCharacters} characters.");
        }
    }

    private static void CheckRetention(int years)
    {
        if (years is < 1 or > 100)
        {
            throw new RefusedException(Refusal.RequestInvalid, "retentionYears: 1 to 100.");
        }
    }
}
