using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Retention;

/// <summary>Takes requests for the destruction of studies whose time is over, and has them approved or rejected. It destroys nothing.</summary>
public sealed class DestructionDesk(IRowStore rows, ClinicDirectory clinics, CatalogReader catalog, RetentionPlanner planner, Outbox outbox, TimeProvider clock)
{
    /// <summary>How long the plan does not ask again for what an admin rejected.</summary>
    public static readonly TimeSpan NotAgainFor = TimeSpan.FromDays(90);

    /// <summary>Why an admin's rejection was.</summary>
    public const string ByAdmin = "by-admin";

    private const int RowsAtOnce = 90;

    /// <summary>
    /// An admin's request. Repeating it answers the order that is there. <see cref="Refusal.NotDue"/> where the study must be kept.
    /// </summary>
    public async Task<DestructionOrder> RequestAsync(ClinicId clinic, Uid study, Requester by, CancellationToken cancellationToken)
    {
        RetentionLine line = await planner.FindAsync(clinic, study, cancellationToken)
            ?? throw new RefusedException(Refusal.StudyUnknown, $"Clinic {clinic} has no study or folder {study}.");
        if (line.Action != RetentionAction.Destroy)
        {
            throw new RefusedException(Refusal.NotDue, line.Reason == RetentionReason.Unreadable
                ? $"The catalogue says of {line.Facts.Named} what cannot be. Rebuild the catalogue, then ask again."
                : line.Hold is { } hold ? $"It is held by {hold}: {line.Facts.Named}. Clear the hold first."
                : line.Reason == RetentionReason.Needed ? $"Packs that the {line.Facts.Named} name are still in the archive. They go when those are gone; the archive asks by itself."
                : $"It is kept until {line.KeepUntil.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}: {line.Facts.Named}. Ask again then; the archive does so by itself.");
        }

        return (await RequestAsync(clinic, line, even: true, by, cancellationToken))!;
    }

    /// <summary>
    /// Asks for the destruction of a study that is due. The order that is open, where there is one; null where an admin rejected one not long
    /// ago, unless <paramref name="even"/> then.
    /// </summary>
    internal async Task<DestructionOrder?> RequestAsync(ClinicId id, RetentionLine line, bool even, Requester by, CancellationToken cancellationToken)
    {
        while (true)
        {
            Row? of = await rows.FindAsync(RowTable.Work, id.Value, DestructionRows.OfStudy(line.Study), cancellationToken);
            DestructionOrder? before = of is null ? null : await GetAsync(id, WorkId.Parse(of.Text("id")!), cancellationToken);
            if (before is { IsOpen: true })
            {
                return before;
            }

            DateTimeOffset now = clock.GetUtcNow();
            if (!even && of?.Time("again") > now)
            {
                return null;
            }

            Clinic clinic = await clinics.GetAsync(id, cancellationToken);
            IReadOnlyList<OrderedPack> packs = await GatherAsync(id, line, cancellationToken);
            DestructionOrder order = new(
                WorkId.New(clock),
                id,
                line.Study,
                clinic.RequireApproval ? DestructionStatus.PendingApproval : DestructionStatus.Approved,
                line.KeepUntil,
                clinic.Retention,
                packs.Count,
                packs.Sum(pack => pack.Pack.Instances),
                packs.Sum(pack => pack.Pack.Length),
                by.Actor.Id,
                now,
                Set: line.Facts.Set);
            Dictionary<string, string> details = Details(order);
            details["approval"] = clinic.RequireApproval ? "needed" : "not-needed";
            Dictionary<string, object> values = DestructionRows.OfValues(order, null);
            RowWrite[] writes =
            [
                new RowWrite.Insert(DestructionRows.Order + order.Id, DestructionRows.Values(order)),
                of is null ? new RowWrite.Insert(DestructionRows.OfStudy(line.Study), values) : new RowWrite.Replace(of.Key, values, of.ETag!),
            ];
            try
            {
                await outbox.SubmitAsync(RowTable.Work, id.Value, writes, Entry(order, AuditActions.DestructionRequested, by, details, $"destruction-request:{order.Id}"), cancellationToken);
                return await GetAsync(id, order.Id, cancellationToken);
            }
            catch (RowConflictException)
            {
                // Asked for by another at the same time: look at it anew.
            }
        }
    }

    /// <summary>The order; <see cref="Refusal.DestructionUnknown"/> where there is none.</summary>
    public async Task<DestructionOrder> GetAsync(ClinicId clinic, WorkId id, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Work, clinic.Value, DestructionRows.Order + id, cancellationToken) is { } row
            ? DamagedRow.Read(row, DestructionRows.Read)
            : throw new RefusedException(Refusal.DestructionUnknown, $"Clinic {clinic} has no destruction {id}. GET .../destructions lists those there are.");

    /// <summary>A clinic's orders, oldest first.</summary>
    public async Task<IReadOnlyList<DestructionOrder>> ListAsync(ClinicId clinic, WorkId? after, int take, CancellationToken cancellationToken, Action<Row>? damaged = null) =>
        await rows.ReadPageAsync(RowTable.Work, clinic.Value, RowRange.After(DestructionRows.Order, after?.ToString()), take, DestructionRows.Read, cancellationToken, damaged);

    /// <summary>The same from the other end: the newest first, <paramref name="before"/> being the last one of the page before.</summary>
    public Task<IReadOnlyList<DestructionOrder>> NewestAsync(ClinicId clinic, WorkId? before, int take, CancellationToken cancellationToken) =>
        rows.ReadNewestAsync(
            RowTable.Work, clinic.Value, DestructionRows.Order, WorkId.KeyAt, before?.ToString(), before?.MadeAt ?? clock.GetUtcNow(), take, DestructionRows.Read, cancellationToken);

    /// <summary>The orders that are to be decided or done.</summary>
    public async Task<IReadOnlyList<DestructionOrder>> OpenAsync(ClinicId clinic, CancellationToken cancellationToken) => (await ReadOpenAsync(clinic, int.MaxValue, cancellationToken)).Orders;

    /// <summary>At most <paramref name="most"/> of them, in the order of their studies.</summary>
    public async Task<IReadOnlyList<DestructionOrder>> OpenAsync(ClinicId clinic, int most, CancellationToken cancellationToken) => (await ReadOpenAsync(clinic, most, cancellationToken)).Orders;

    /// <summary>The same; and the rows of those that cannot be read, which do not keep the others from it.</summary>
    internal async Task<(IReadOnlyList<DestructionOrder> Orders, IReadOnlyList<string> Unreadable)> ReadOpenAsync(ClinicId clinic, int most, CancellationToken cancellationToken)
    {
        List<DestructionOrder> open = [];
        List<string> unreadable = [];
        await foreach (Row of in rows.ReadAllAsync(RowTable.Work, clinic.Value, DestructionRows.OfStudies, cancellationToken))
        {
            if (open.Count == most)
            {
                break;
            }

            try
            {
                if (of.Time("again") is null)
                {
                    open.Add(await GetAsync(clinic, WorkId.Parse(of.Text("id")!), cancellationToken));
                }
            }
            catch (Exception e) when (e is IntegrityException or RefusedException || DamagedRow.Is(e))
            {
                unreadable.Add(of.Key);
            }
        }

        return (open, unreadable);
    }

    /// <summary>An admin's approval, who is not the one who asked. Repeating it changes nothing.</summary>
    public async Task<DestructionOrder> ApproveAsync(ClinicId clinic, WorkId id, Requester by, CancellationToken cancellationToken)
    {
        while (true)
        {
            DestructionOrder order = await GetAsync(clinic, id, cancellationToken);
            if (by.MayBe(order.RequestedBy))
            {
                throw new RefusedException(Refusal.ApprovalByRequester, "Another admin than the one who asked has to approve.");
            }

            if (order.Status != DestructionStatus.PendingApproval)
            {
                return order.Status != DestructionStatus.Rejected && by.Is(order.DecidedBy) ? order : throw Over(id);
            }

            DestructionOrder approved = order with { Status = DestructionStatus.Approved, DecidedBy = by.Actor.Id, DecidedAt = clock.GetUtcNow() };
            if (await ReplaceAsync(approved, [], Entry(order, AuditActions.DestructionApproved, by, Details(order), $"destruction-approve:{id}"), cancellationToken))
            {
                return await GetAsync(clinic, id, cancellationToken);
            }
        }
    }

    /// <summary>An admin's no. The plan asks again after <see cref="NotAgainFor"/>. Repeating it changes nothing.</summary>
    public async Task<DestructionOrder> RejectAsync(ClinicId clinic, WorkId id, Requester by, CancellationToken cancellationToken)
    {
        while (true)
        {
            DestructionOrder order = await GetAsync(clinic, id, cancellationToken);
            if (order.Status == DestructionStatus.Rejected && by.Is(order.DecidedBy))
            {
                return order;
            }

            if (order.Status is not (DestructionStatus.PendingApproval or DestructionStatus.Approved))
            {
                throw Over(id);
            }

            if (await EndAsync(order, ByAdmin, clock.GetUtcNow() + NotAgainFor, by, cancellationToken))
            {
                return await GetAsync(clinic, id, cancellationToken);
            }
        }
    }

    /// <summary>
    /// Ends an order because the study must be kept after all; the plan asks anew when it is due again. False where the order has changed since
    /// it was read.
    /// </summary>
    internal Task<bool> WithdrawAsync(DestructionOrder order, string why, Requester by, CancellationToken cancellationToken) =>
        EndAsync(order, why, clock.GetUtcNow(), by, cancellationToken);

    /// <summary>From here an order has no way back. Null where it has changed since it was read.</summary>
    internal async Task<DestructionOrder?> BeginAsync(DestructionOrder order, CancellationToken cancellationToken)
    {
        DestructionOrder next = order with { Status = DestructionStatus.Destroying };
        try
        {
            IReadOnlyList<string> etags = await rows.SubmitAsync(
                RowTable.Work, next.Clinic.Value, [new RowWrite.Replace(DestructionRows.Order + next.Id, DestructionRows.Values(next), next.ETag)], cancellationToken);
            return next with { ETag = etags[0] };
        }
        catch (RowConflictException)
        {
            return null;
        }
    }

    /// <summary>
    /// Ends an order whose study is gone. The rows that say which packs it had go last, and only once the order says that it is done: without
    /// them a run that comes after a crash could not tell what it had to do.
    /// </summary>
    internal async Task FinishAsync(DestructionOrder order, DateTimeOffset destroyedAt, Sha256Digest certificate, Requester by, CancellationToken cancellationToken)
    {
        while (!await TryFinishAsync(order, destroyedAt, certificate, by, cancellationToken))
        {
            // Changed since it was read: by another run, or by a writer past the service. What is gone is gone all the same.
            order = await GetAsync(order.Clinic, order.Id, cancellationToken);
            if (order.Status == DestructionStatus.Destroyed)
            {
                break;
            }

            if (order.Status != DestructionStatus.Destroying)
            {
                throw new IntegrityException($"The packs of destruction {order.Id} are gone, and its row says {order.Status}. See docs/operations.md, integrity.");
            }
        }

        await ForgetPacksAsync(order, cancellationToken);
    }

    private async Task<bool> TryFinishAsync(DestructionOrder order, DateTimeOffset destroyedAt, Sha256Digest certificate, Requester by, CancellationToken cancellationToken)
    {
        Dictionary<string, string> details = Details(order);
        details["certificate"] = certificate.Hex;
        DestructionOrder done = order with { Status = DestructionStatus.Destroyed, DestroyedAt = destroyedAt };
        List<RowWrite> others = [];
        if (await rows.FindAsync(RowTable.Work, order.Clinic.Value, DestructionRows.OfStudy(order.Study), cancellationToken) is { } of && of.Text("id") == order.Id.ToString())
        {
            others.Add(new RowWrite.Delete(of.Key, of.ETag!));
        }

        // With the entry as far as a transaction goes: what is gone is in the certificate.
        others.AddRange((await rows.QueryAsync(RowTable.Work, order.Clinic.Value, DestructionRows.Packs(order.Study), RowsAtOnce, cancellationToken)).Select(row => new RowWrite.Delete(row.Key, row.ETag!)));
        return await ReplaceAsync(done, others, Entry(order, AuditActions.StudyDestroyed, by, details, $"study-destroyed:{order.Id}"), cancellationToken);
    }

    /// <summary>What is to go.</summary>
    internal async Task<IReadOnlyList<OrderedPack>> PacksAsync(DestructionOrder order, CancellationToken cancellationToken) =>
        await rows.ReadAllAsync(RowTable.Work, order.Clinic.Value, DestructionRows.Packs(order.Study), cancellationToken).Select(DestructionRows.ReadPack).ToListAsync(cancellationToken);

    private static RefusedException Over(WorkId id) => new(Refusal.DestructionOver, $"Destruction {id} was decided on. GET .../destructions/{id} says how.");

    private static AuditEvent Entry(DestructionOrder order, string action, Requester by, Dictionary<string, string> details, string once) => new(
        order.Clinic.Value,
        action,
        AuditOutcome.Success,
        by.Actor,
        new AuditSubject(order.Clinic.Value, order.Study.Value, Other: order.Id.ToString()),
        by.Origin,
        Details: details,
        Once: once);

    private static Dictionary<string, string> Details(DestructionOrder order) => new()
    {
        ["bytes"] = order.Bytes.ToString(CultureInfo.InvariantCulture),
        ["instances"] = order.Instances.ToString(CultureInfo.InvariantCulture),
        ["keptUntil"] = order.KeptUntil.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        ["packs"] = order.Packs.ToString(CultureInfo.InvariantCulture),
        ["policy"] = order.Policy.Version.ToString(CultureInfo.InvariantCulture),
    };

    private async Task<IReadOnlyList<OrderedPack>> GatherAsync(ClinicId clinic, RetentionLine line, CancellationToken cancellationToken)
    {
        List<OrderedPack> packs = [];
        HashSet<PackId> ids = [.. line.Facts.Packs.Select(pack => pack.Pack)];
        foreach (PackId id in ids)
        {
            CatalogPack pack = await catalog.FindPackAsync(clinic, id, cancellationToken)
                ?? throw new IntegrityException($"The {line.Facts.Named} has pack {id} and the catalogue does not. Rebuild the catalogue.");
            packs.Add(new OrderedPack(new DestroyedPack(id, pack.Sha256, pack.Length, pack.Instances, pack.InstancesRoot, pack.ImmutableUntil), pack.PatientHmac));
        }

        // Rows of an order before, which had other packs, must not stay: what is destroyed is what the rows say.
        bool clean;
        do
        {
            clean = true;
            List<Row> before = await rows.ReadAllAsync(RowTable.Work, clinic.Value, DestructionRows.Packs(line.Study), cancellationToken).ToListAsync(cancellationToken);
            foreach (Row[] batch in before.Where(row => !ids.Contains(DestructionRows.ReadPack(row).Pack.Pack)).Chunk(RowsAtOnce))
            {
                clean &= await rows.TryDeleteAsync(RowTable.Work, clinic.Value, batch, cancellationToken);
            }
        }
        while (!clean);

        foreach (OrderedPack[] batch in packs.Chunk(RowsAtOnce))
        {
            await rows.SubmitAsync(RowTable.Work, clinic.Value, [.. batch.Select(pack => DestructionRows.Write(line.Study, pack))], cancellationToken);
        }

        return packs;
    }

    private async Task<bool> EndAsync(DestructionOrder order, string why, DateTimeOffset again, Requester by, CancellationToken cancellationToken)
    {
        DestructionOrder rejected = order with { Status = DestructionStatus.Rejected, DecidedBy = by.Actor.Id, DecidedAt = clock.GetUtcNow(), Why = why };
        Dictionary<string, string> details = Details(order);
        details["why"] = why;
        List<RowWrite> others = [];
        if (await rows.FindAsync(RowTable.Work, order.Clinic.Value, DestructionRows.OfStudy(order.Study), cancellationToken) is { } of && of.Text("id") == order.Id.ToString())
        {
            others.Add(new RowWrite.Replace(of.Key, DestructionRows.OfValues(order, again), of.ETag!));
        }

        return await ReplaceAsync(rejected, others, Entry(order, AuditActions.DestructionRejected, by, details, $"destruction-reject:{order.Id}"), cancellationToken);
    }

    private async Task ForgetPacksAsync(DestructionOrder order, CancellationToken cancellationToken)
    {
        while (await rows.QueryAsync(RowTable.Work, order.Clinic.Value, DestructionRows.Packs(order.Study), RowsAtOnce, cancellationToken) is { Count: > 0 } some)
        {
            await rows.DeleteUnchangedAsync(RowTable.Work, order.Clinic.Value, some, cancellationToken);
        }
    }

    private async Task<bool> ReplaceAsync(DestructionOrder next, IReadOnlyList<RowWrite> others, AuditEvent entry, CancellationToken cancellationToken)
    {
        try
        {
            RowWrite[] writes = [new RowWrite.Replace(DestructionRows.Order + next.Id, DestructionRows.Values(next), next.ETag), .. others];
            await outbox.SubmitAsync(RowTable.Work, next.Clinic.Value, writes, entry, cancellationToken);
            return true;
        }
        catch (RowConflictException)
        {
            return false;
        }
    }
}
