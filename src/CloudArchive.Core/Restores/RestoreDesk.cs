using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Restores;

/// <summary>Takes requests for restores, has them approved, and records how they ended.</summary>
public sealed partial class RestoreDesk(IRowStore rows, ClinicDirectory clinics, RestorePlanner planner, Outbox outbox, TimeProvider clock, ILogger<RestoreDesk> logger)
{
    /// <summary>How long a restore waits for approval, and after that for its first page to be read.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(72);

    /// <summary>How long it lives on from each page that is read and each report of progress: a computer that is off over a long weekend.</summary>
    public static readonly TimeSpan Idle = TimeSpan.FromDays(7);

    /// <summary>How long it lives from its request at the most: 10 TB at 2 MB/s. What takes longer is asked for in parts.</summary>
    public static readonly TimeSpan MaxLifetime = TimeSpan.FromDays(60);

    // So that not every page of a fast restore writes the restore's row.
    private static readonly TimeSpan _notWorthWriting = TimeSpan.FromHours(1);

    private const int MostTextCharacters = 500;
    private static readonly TimeSpan _orphanAfter = TimeSpan.FromHours(1);

    /// <summary>
    /// Records a request and fixes its plan. Repeating it with the same public key answers the restore that is there.
    /// </summary>
    public async Task<Restore> RequestAsync(ClinicId id, RestoreRequest request, Requester by, CancellationToken cancellationToken)
    {
        Clinic clinic = await clinics.GetAsync(id, cancellationToken);
        CheckText(request.Purpose, "purpose");
        CheckText(request.Recipient, "recipient");
        Jwk key = Pin(request.PublicKey);
        if (await FindByKeyAsync(id, key, by, cancellationToken) is { } before)
        {
            return before;
        }

        RestorePlan plan = await planner.PlanAsync(id, request, cancellationToken);
        bool needsApproval = clinic.RequireApproval && plan.IsOfMany;
        DateTimeOffset now = clock.GetUtcNow();
        byte[] salt = RandomNumberGenerator.GetBytes(16);
        Restore restore = new(
            WorkId.New(clock),
            id,
            needsApproval ? RestoreStatus.PendingApproval : RestoreStatus.Ready,
            key,
            request.Purpose,
            request.Recipient,
            Sha256Digest.Of([.. salt, .. Encoding.UTF8.GetBytes($"{request.Purpose}\n{request.Recipient}")]),
            salt,
            by.Actor.Id,
            now,
            now + Lifetime,
            plan.Totals,
            CatalogueOnly: plan.CatalogueOnly,
            Snapshot: request.Snapshot);

        // The marker first and the restore last: what a crash leaves between is a marker without a restore, which the sweep clears.
        Dictionary<string, object> marker = new() { ["at"] = now };
        await rows.SubmitAsync(RowTable.Work, id.Value, [new RowWrite.Insert(RestoreRows.Open + restore.Id, marker)], cancellationToken);
        foreach (IReadOnlyList<RowWrite> batch in RestoreRows.Batches(plan.Packs.Select(pack => RestoreRows.Write(restore.Id, pack))))
        {
            await rows.SubmitAsync(RowTable.Work, id.Value, batch, cancellationToken);
        }

        RowWrite[] writes =
        [
            new RowWrite.Insert(RestoreRows.Restore + restore.Id, RestoreRows.Values(restore)),
            new RowWrite.Insert(RestoreRows.Key + key.Kid, new Dictionary<string, object> { ["id"] = restore.Id.ToString() }),
        ];
        Dictionary<string, string> details = Totals(restore);
        details["by"] = plan.Kind;
        details["approval"] = needsApproval ? "needed" : "not-needed";
        details["statement"] = restore.Statement.Hex;
        details["catalogueOnly"] = plan.CatalogueOnly ? "true" : "false";
        if (request.Snapshot is { } snapshot)
        {
            details["snapshot"] = snapshot.ToString();
        }

        try
        {
            await outbox.SubmitAsync(RowTable.Work, id.Value, writes, Entry(restore, AuditActions.RestoreRequested, by, details, $"restore-request:{restore.Id}"), cancellationToken);
        }
        catch (RowConflictException)
        {
            // The same request came twice at once; the other one stands.
            return await FindByKeyAsync(id, key, by, cancellationToken) ?? throw KeyUsed();
        }

        return await GetAsync(id, restore.Id, cancellationToken);
    }

    /// <summary>The restore; <see cref="Refusal.RestoreUnknown"/> where there is none.</summary>
    public async Task<Restore> GetAsync(ClinicId clinic, WorkId id, CancellationToken cancellationToken) =>
        await FindAsync(clinic, id, cancellationToken) ?? throw new RefusedException(Refusal.RestoreUnknown, $"Clinic {clinic} has no restore {id}. GET .../restores lists those there are.");

    /// <summary>Where a restore stands now.</summary>
    public RestoreStatus StatusOf(Restore restore) => restore.StatusAt(clock.GetUtcNow());

    /// <summary>A clinic's restores, oldest first.</summary>
    public async Task<IReadOnlyList<Restore>> ListAsync(ClinicId clinic, WorkId? after, int take, CancellationToken cancellationToken) =>
        await rows.ReadPageAsync(RowTable.Work, clinic.Value, RowRange.After(RestoreRows.Restore, after?.ToString()), take, RestoreRows.Read, cancellationToken);

    /// <summary>The same from the other end: the newest first, <paramref name="before"/> being the last one of the page before.</summary>
    public Task<IReadOnlyList<Restore>> NewestAsync(ClinicId clinic, WorkId? before, int take, CancellationToken cancellationToken) =>
        rows.ReadNewestAsync(
            RowTable.Work, clinic.Value, RestoreRows.Restore, WorkId.KeyAt, before?.ToString(), before?.MadeAt ?? clock.GetUtcNow(), take, RestoreRows.Read, cancellationToken);

    /// <summary>A second admin's approval. Repeating it changes nothing.</summary>
    public Task<Restore> ApproveAsync(ClinicId clinic, WorkId id, Requester by, CancellationToken cancellationToken) => ChangeAsync(clinic, id, restore =>
    {
        if (by.MayBe(restore.RequestedBy))
        {
            throw new RefusedException(Refusal.ApprovalByRequester, "Another admin than the one who asked has to approve.");
        }

        return StatusOf(restore) switch
        {
            RestoreStatus.Ready when by.Is(restore.ApprovedBy) => null,
            RestoreStatus.Ready => throw new RefusedException(Refusal.ApprovalNotNeeded, $"Restore {id} is ready."),
            RestoreStatus.Expired or RestoreStatus.Reported => throw Over(id),
            _ => (restore with { Status = RestoreStatus.Ready, ApprovedBy = by.Actor.Id, ExpiresAt = clock.GetUtcNow() + Lifetime },
                Entry(restore, AuditActions.RestoreApproved, by, Totals(restore), $"restore-approve:{id}")),
        };
    }, cancellationToken);

    /// <summary>Ends a restore that waits for approval: a second admin's no, or the request taken back by who asked. Repeating it changes nothing.</summary>
    public Task<Restore> DeclineAsync(ClinicId clinic, WorkId id, Requester by, CancellationToken cancellationToken) => ChangeAsync(clinic, id, restore => StatusOf(restore) switch
    {
        RestoreStatus.Expired when by.Is(restore.DeclinedBy) => null,
        RestoreStatus.Ready => throw new RefusedException(Refusal.ApprovalNotNeeded, $"Restore {id} is ready: it was approved, or needs no approval."),
        RestoreStatus.Expired or RestoreStatus.Reported => throw Over(id),
        _ => (restore with { ExpiresAt = clock.GetUtcNow(), DeclinedBy = by.Actor.Id }, Entry(restore, AuditActions.RestoreDeclined, by, Totals(restore), $"restore-decline:{id}")),
    }, cancellationToken);

    /// <summary>The first of the studies and folders that a restore is about, in the order of its plan.</summary>
    public async Task<IReadOnlyList<Uid>> FirstSetsAsync(Restore restore, int most, CancellationToken cancellationToken)
    {
        List<Uid> sets = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, restore.Clinic.Value, RestoreRows.Plan(restore.Id), cancellationToken))
        {
            if (RestoreRows.ReadPack(row).Study is { } set && !sets.Contains(set))
            {
                sets.Add(set);
            }

            if (sets.Count == most)
            {
                break;
            }
        }

        return sets;
    }

    /// <summary>The caller's report. It ends the restore, unless it is <see cref="RestoreReport.Partial"/>. Repeating the same one changes nothing.</summary>
    public Task<Restore> ReportAsync(ClinicId clinic, WorkId id, RestoreReport report, Requester by, CancellationToken cancellationToken)
    {
        if (report is not { Restored: >= 0, Skipped: >= 0, Failed: >= 0, Bytes: >= 0 })
        {
            throw new RefusedException(Refusal.RequestInvalid, "Counts are not negative.");
        }

        report = report with { Damaged = null }; // for ReportedDamage
        return ChangeAsync(clinic, id, restore =>
        {
            CheckRequester(restore, by);
            switch (restore.Status)
            {
                case RestoreStatus.PendingApproval:
                    throw new RefusedException(Refusal.ApprovalMissing, $"Restore {id} was never approved: there is nothing to report.");
                case RestoreStatus.Reported:
                    return restore.Report == report ? null : throw Over(id);
                case RestoreStatus.Ready when report.Partial && StatusOf(restore) == RestoreStatus.Expired:
                    throw Over(id);
                case RestoreStatus.Ready when report.Partial && restore.Progress == report:
                    return null;
            }

            Dictionary<string, string> details = Counts(report);
            if (report.Partial)
            {
                Restore going = restore with { Progress = report, ExpiresAt = Extended(restore) };
                details["until"] = Text(going.ExpiresAt);
                return (going, Entry(restore, AuditActions.RestoreProgressed, by, details, once: null));
            }

            AuditEvent entry = Entry(restore, AuditActions.RestoreReported, by, details, $"restore-report:{id}") with { Outcome = report.Failed == 0 ? AuditOutcome.Success : AuditOutcome.Failure };
            return (restore with { Status = RestoreStatus.Reported, Report = report }, entry);
        }, cancellationToken);
    }

    /// <summary>Marks what expired, and deletes the plans of what is over; one that is not well does not keep the others from it. Returns how many are over.</summary>
    public async Task<int> SweepAsync(ClinicId clinic, Requester by, CancellationToken cancellationToken)
    {
        int over = 0;
        List<Row> markers = await rows.ReadAllAsync(RowTable.Work, clinic.Value, RowRange.Prefix(RestoreRows.Open), cancellationToken).ToListAsync(cancellationToken);
        foreach (Row marker in markers)
        {
            try
            {
                over += await SweepAsync(clinic, marker, by, cancellationToken) ? 1 : 0;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogNotSwept(logger, e, marker.Key, clinic);
            }
        }

        return over;
    }

    private async Task<bool> SweepAsync(ClinicId clinic, Row marker, Requester by, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        WorkId id = WorkId.Parse(marker.Key[RestoreRows.Open.Length..]);
        Restore? restore = await FindAsync(clinic, id, cancellationToken);
        bool orphan = restore is null && marker.Time("at") < now - _orphanAfter;
        if (restore is not null && restore.Status != RestoreStatus.Expired && restore.StatusAt(now) == RestoreStatus.Expired)
        {
            Dictionary<string, string> details = restore.Progress is { } progress ? Counts(progress) : [];
            _ = await ReplaceAsync(restore with { Status = RestoreStatus.Expired }, Entry(restore, AuditActions.RestoreExpired, by, details, $"restore-expire:{id}"), cancellationToken);
            return false; // its plan goes with the next sweep, when its status is read again
        }

        if (!orphan && restore is not { Status: RestoreStatus.Expired or RestoreStatus.Reported })
        {
            return false;
        }

        await DeletePlanAsync(clinic, id, cancellationToken);
        await rows.DeleteUnchangedAsync(RowTable.Work, clinic.Value, [marker], cancellationToken);
        return true;
    }

    /// <summary>The write that lets a restore live on because a page of it is read, where that is worth one; and until when it lives then.</summary>
    internal (RowWrite? Write, string Until) Extend(Restore restore)
    {
        DateTimeOffset until = Extended(restore);
        return until - restore.ExpiresAt < _notWorthWriting
            ? (null, Text(restore.ExpiresAt))
            : (new RowWrite.Replace(RestoreRows.Restore + restore.Id, RestoreRows.Values(restore with { ExpiresAt = until }), restore.ETag), Text(until));
    }

    private DateTimeOffset Extended(Restore restore)
    {
        DateTimeOffset idle = clock.GetUtcNow() + Idle, most = restore.RequestedAt + MaxLifetime;
        DateTimeOffset until = idle < most ? idle : most;
        return until > restore.ExpiresAt ? until : restore.ExpiresAt;
    }

    /// <summary><see cref="Refusal.RestoreOfAnother"/> for everyone but who asked.</summary>
    internal static void CheckRequester(Restore restore, Requester by)
    {
        if (!by.Is(restore.RequestedBy))
        {
            throw new RefusedException(Refusal.RestoreOfAnother, "Only who asked for a restore gets its result. Ask for one of your own.");
        }
    }

    internal static RefusedException Over(WorkId id) => new(Refusal.RestoreOver, $"Restore {id} expired or was reported. Ask for a new one.");

    internal static AuditEvent Entry(Restore restore, string action, Requester by, Dictionary<string, string> details, string? once) => new(
        restore.Clinic.Value, action, AuditOutcome.Success, by.Actor, new AuditSubject(restore.Clinic.Value, Other: restore.Id.ToString()), by.Origin, Details: details, Once: once);

    private static Dictionary<string, string> Totals(Restore restore) => new()
    {
        ["bytes"] = restore.Totals.Bytes.ToString(CultureInfo.InvariantCulture),
        ["instances"] = restore.Totals.Instances.ToString(CultureInfo.InvariantCulture),
        ["packs"] = restore.Totals.Packs.ToString(CultureInfo.InvariantCulture),
        ["studies"] = restore.Totals.Studies.ToString(CultureInfo.InvariantCulture),
    };

    private static Dictionary<string, string> Counts(RestoreReport report) => new()
    {
        ["bytes"] = report.Bytes.ToString(CultureInfo.InvariantCulture),
        ["failed"] = report.Failed.ToString(CultureInfo.InvariantCulture),
        ["restored"] = report.Restored.ToString(CultureInfo.InvariantCulture),
        ["skipped"] = report.Skipped.ToString(CultureInfo.InvariantCulture),
    };

    private static string Text(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static void CheckText(string text, string name)
    {
        if (string.IsNullOrWhiteSpace(text) || text.Length > MostTextCharacters || text.Any(char.IsControl))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"{name}: 1 to {MostTextCharacters} characters.");
        }
    }

    private static Jwk Pin(Jwk key)
    {
        try
        {
            using RSA rsa = JwkKeys.ToRsa(key);
            return JwkKeys.FromRsa(rsa);
        }
        catch (FormatException e)
        {
            throw new RefusedException(Refusal.KeyInvalid, $"publicKey: {e.Message}");
        }
    }

    private static RefusedException KeyUsed() => new(Refusal.KeyInvalid, "publicKey: another restore uses it. Make a new key for every restore.");

    private async Task<Restore?> FindAsync(ClinicId clinic, WorkId id, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Work, clinic.Value, RestoreRows.Restore + id, cancellationToken) is { } row ? DamagedRow.Read(row, RestoreRows.Read) : null;

    private async Task<Restore?> FindByKeyAsync(ClinicId clinic, Jwk key, Requester by, CancellationToken cancellationToken)
    {
        if (await rows.FindAsync(RowTable.Work, clinic.Value, RestoreRows.Key + key.Kid, cancellationToken) is not { } row)
        {
            return null;
        }

        Restore restore = await GetAsync(clinic, WorkId.Parse(row.Text("id")!), cancellationToken);
        return by.Is(restore.RequestedBy) ? restore : throw KeyUsed();
    }

    /// <summary>Changes a restore, whatever else changes it meanwhile.</summary>
    /// <param name="clinic">Whose.</param>
    /// <param name="id">Which.</param>
    /// <param name="change">What becomes of it, and the entry that says so; null where it is so already.</param>
    /// <param name="cancellationToken">Stops.</param>
    private async Task<Restore> ChangeAsync(ClinicId clinic, WorkId id, Func<Restore, (Restore Next, AuditEvent Entry)?> change, CancellationToken cancellationToken)
    {
        while (true)
        {
            Restore restore = await GetAsync(clinic, id, cancellationToken);
            if (change(restore) is not var (next, entry))
            {
                return restore;
            }

            if (await ReplaceAsync(next, entry, cancellationToken))
            {
                return await GetAsync(clinic, id, cancellationToken);
            }
        }
    }

    private async Task<bool> ReplaceAsync(Restore next, AuditEvent entry, CancellationToken cancellationToken)
    {
        try
        {
            await outbox.SubmitAsync(RowTable.Work, next.Clinic.Value, [new RowWrite.Replace(RestoreRows.Restore + next.Id, RestoreRows.Values(next), next.ETag)], entry, cancellationToken);
            return true;
        }
        catch (RowConflictException)
        {
            return false;
        }
    }

    private async Task DeletePlanAsync(ClinicId clinic, WorkId id, CancellationToken cancellationToken)
    {
        while (await rows.QueryAsync(RowTable.Work, clinic.Value, RestoreRows.Plan(id), 100, cancellationToken) is { Count: > 0 } some)
        {
            await rows.DeleteUnchangedAsync(RowTable.Work, clinic.Value, some, cancellationToken);
        }
    }

    [LoggerMessage(313, LogLevel.Error, "{Row} of clinic {Clinic} could not be swept; the next run tries again.")]
    private static partial void LogNotSwept(ILogger logger, Exception exception, string row, ClinicId clinic);
}
