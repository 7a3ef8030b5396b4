using System.Text;
using System.Text.Json;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Records;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Retention;

/// <summary>How the execution of an order ended.</summary>
public enum DestructionOutcome
{
    /// <summary>Nothing was to be done, or not now.</summary>
    NotNow,

    /// <summary>The study is gone, with its certificate and its audit entry.</summary>
    Destroyed,

    /// <summary>The study must be kept after all.</summary>
    Withdrawn,
}

/// <summary>
/// Executes an approved order, step by step, each of which can be repeated after a crash: looks again whether the study is due, removes its
/// packs and sees that they are gone, takes them out of the catalogue, writes the certificate, writes the audit entry.
/// </summary>
public sealed class StudyDestruction(DestructionDesk desk, RetentionPlanner planner, PackRows inFlight, Destruction destruction, CatalogRemoval catalog, DestructionCertificateStore certificates)
{
    /// <summary>Why an order stands no more, as far as the study's line tells: it must be kept, or packs have come since. Null where it stands.</summary>
    internal static string? WhyNot(DestructionOrder order, RetentionLine line) =>
        line.Action != RetentionAction.Destroy ? Name(line.Hold is null ? line.Reason : RetentionReason.Held)
        : line.Facts.Packs.Count != order.Packs ? Name(RetentionReason.LatePack)
        : null;

    /// <summary>Executes the order as far as it goes.</summary>
    public async Task<DestructionOutcome> RunAsync(DestructionOrder order, Requester by, CancellationToken cancellationToken)
    {
        if (order.Status == DestructionStatus.Approved)
        {
            if (await KeepsAsync(order, cancellationToken) is { } why)
            {
                return await desk.WithdrawAsync(order, why, by, cancellationToken) ? DestructionOutcome.Withdrawn : DestructionOutcome.NotNow;
            }

            if (await IsInFlightAsync(order, cancellationToken) || await desk.BeginAsync(order, cancellationToken) is not { } begun)
            {
                return DestructionOutcome.NotNow; // a pack of it is being committed, or it was rejected in this moment
            }

            order = begun;
        }

        if (order.Status != DestructionStatus.Destroying)
        {
            return DestructionOutcome.NotNow;
        }

        IReadOnlyList<OrderedPack> packs = await BegunPacksAsync(order, cancellationToken);
        foreach (OrderedPack pack in packs)
        {
            await destruction.RemoveAsync(order.Clinic, order.Study, pack.Pack.Pack, pack.Patient, cancellationToken);
        }

        await catalog.RunAsync(order.Clinic, order.Study, packs.Select(pack => pack.Pack.Pack).ToHashSet(), cancellationToken);
        (DestructionCertificate certificate, Sha256Digest sha256) = await certificates.IssueAsync(order, [.. packs.Select(pack => pack.Pack)], cancellationToken);
        await desk.FinishAsync(order, certificate.DestroyedAt, sha256, by, cancellationToken);
        return DestructionOutcome.Destroyed;
    }

    /// <summary>
    /// What the order was begun with. Its rows are taken away once the certificate stands, and a run could stop between that and the order's own
    /// end: then the certificate says it. Never fewer: a certificate is of everything that the order was of.
    /// </summary>
    private async Task<IReadOnlyList<OrderedPack>> BegunPacksAsync(DestructionOrder order, CancellationToken cancellationToken)
    {
        IReadOnlyList<OrderedPack> packs = await desk.PacksAsync(order, cancellationToken);
        return packs.Count == order.Packs ? packs
            : await certificates.FindAsync(order, cancellationToken) is { } stands && stands.Packs.Count == order.Packs ? [.. stands.Packs.Select(pack => new OrderedPack(pack, null))]
            : throw new IntegrityException(
                $"Destruction {order.Id} was begun with {order.Packs} packs, and {packs.Count} rows say which: its rows were changed past the service. See docs/operations.md, integrity.");
    }

    /// <summary>Why the study must be kept after all; null where it is to go.</summary>
    private async Task<string?> KeepsAsync(DestructionOrder order, CancellationToken cancellationToken)
    {
        RetentionLine? line = await planner.FindAsync(order.Clinic, order.Study, cancellationToken);
        if (line is null)
        {
            return "not-in-catalogue";
        }

        if (WhyNot(order, line) is { } why)
        {
            return why;
        }

        IReadOnlyList<OrderedPack> packs = await desk.PacksAsync(order, cancellationToken);
        return packs.Select(pack => pack.Pack.Pack).ToHashSet().SetEquals(line.Facts.Packs.Select(pack => pack.Pack)) ? null : Name(RetentionReason.LatePack);
    }

    private static string Name(RetentionReason reason) => JsonNamingPolicy.KebabCaseLower.ConvertName(reason.ToString());

    private async Task<bool> IsInFlightAsync(DestructionOrder order, CancellationToken cancellationToken)
    {
        PackId? after = null;
        while (await inFlight.ListAsync(order.Clinic, after, 100, cancellationToken) is { Count: > 0 } page)
        {
            if (page.Any(pack => pack.Study == order.Study && pack.State is PackState.Committing or PackState.Verified))
            {
                return true;
            }

            after = page[^1].Pack;
        }

        return false;
    }
}

/// <summary>Certificates of destruction, among the archive's records.</summary>
public sealed class DestructionCertificateStore(RecordStore records, TimeProvider clock)
{
    /// <summary>Writes and signs the certificate of an order whose packs are gone, or answers the one that stands.</summary>
    public async Task<(DestructionCertificate Certificate, Sha256Digest Sha256)> IssueAsync(DestructionOrder order, IReadOnlyList<DestroyedPack> packs, CancellationToken cancellationToken)
    {
        DestructionCertificate certificate = new(
            DestructionCertificate.CurrentFormat,
            order.Id.ToString(),
            order.Clinic,
            order.Study,
            order.KeptUntil,
            order.Policy,
            order.RequestedBy,
            order.RequestedAt,
            order.DecidedBy,
            order.DecidedAt,
            clock.GetUtcNow(),
            packs);
        byte[] first = await records.WriteAsync(Name(order, DestructionCertificate.File), DestructionCertificates.Serialize(certificate), "application/json", cancellationToken);
        DestructionCertificate stands = JsonSerializer.Deserialize<DestructionCertificate>(first, FormatJson.Options)!;
        if (stands.Id != certificate.Id || stands.Study != order.Study || !stands.Packs.SequenceEqual(packs))
        {
            throw new IntegrityException($"The certificate that lies at {Name(order, DestructionCertificate.File)} is not of what was destroyed.");
        }

        string signature = await records.SignAsync(DestructionCertificate.JwsType, first, cancellationToken);
        await records.WriteAsync(Name(order, DestructionCertificate.SignatureFile), Encoding.ASCII.GetBytes(signature), "application/jose", cancellationToken);
        return (stands, Sha256Digest.Of(first));
    }

    /// <summary>The certificate that stands for an order, signed or not yet; null where there is none.</summary>
    public async Task<DestructionCertificate?> FindAsync(DestructionOrder order, CancellationToken cancellationToken) =>
        await records.ReadAsync(Name(order, DestructionCertificate.File), cancellationToken) is { } document
        && JsonSerializer.Deserialize<DestructionCertificate>(document, FormatJson.Options) is { } certificate
            ? certificate.Id == order.Id.ToString() && certificate.Study == order.Study
                ? certificate
                : throw new IntegrityException($"The certificate that lies at {Name(order, DestructionCertificate.File)} is not of destruction {order.Id}.")
            : null;

    /// <summary>The certificate and its signature; <see cref="Refusal.DestructionUnknown"/> where the study is not destroyed.</summary>
    public async Task<CertificateResponse> ReadAsync(DestructionOrder order, CancellationToken cancellationToken) =>
        await records.ReadAsync(Name(order, DestructionCertificate.File), cancellationToken) is { } certificate
        && await records.ReadAsync(Name(order, DestructionCertificate.SignatureFile), cancellationToken) is { } signature
            ? new CertificateResponse(Encoding.UTF8.GetString(certificate), Encoding.ASCII.GetString(signature))
            : throw new RefusedException(Refusal.DestructionUnknown, $"Destruction {order.Id} has no certificate: nothing is destroyed yet.");

    private static BlobName Name(DestructionOrder order, string file) => RecordStore.Name(order.Clinic.Value, DestructionCertificate.Kind, order.Id.ToString(), file);
}
