using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Retention;

/// <summary>
/// Whether a pack that is not there any more went lawfully, and by which order: a certificate names it. For whoever meets one that was there when
/// they began: an open restore outlives the study's time.
/// </summary>
public sealed partial class DestroyedPacks(IRowStore rows, DestructionDesk desk, DestructionCertificateStore certificates, ILogger<DestroyedPacks> logger)
{
    private const int PageSize = 500;

    /// <summary>What became of the pack; null where no certificate names it, or where that cannot be found out.</summary>
    /// <param name="clinic">Whose.</param>
    /// <param name="study">Its study; null where nothing tells, and then every certificate is looked into.</param>
    /// <param name="pack">The pack.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<PackDestruction?> FindAsync(ClinicId clinic, Uid? study, PackId pack, CancellationToken cancellationToken)
    {
        try
        {
            if (study is { } known && await DestructionRows.IsDestroyingAsync(rows, clinic, known, cancellationToken))
            {
                return new PackDestruction(null, null);
            }

            WorkId? after = null;
            while (await desk.ListAsync(clinic, after, PageSize, cancellationToken) is { Count: > 0 } page)
            {
                foreach (DestructionOrder order in page.Where(order => order.Status == DestructionStatus.Destroyed && (study is null || order.Study == study)))
                {
                    if (await TryFindAsync(order, pack, cancellationToken) is { } certificate && certificate.Packs.Any(gone => gone.Pack == pack))
                    {
                        return new PackDestruction(certificate.DestroyedAt, order.Id.ToString());
                    }
                }

                after = page[^1].Id;
            }

            return null;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNotFound(logger, e, pack, clinic);
            return null;
        }
    }

    /// <summary>The order's certificate; null where it cannot be read, which keeps no other from being looked into.</summary>
    private async Task<DestructionCertificate?> TryFindAsync(DestructionOrder order, PackId pack, CancellationToken cancellationToken)
    {
        try
        {
            return await certificates.FindAsync(order, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNotFound(logger, e, pack, order.Clinic);
            return null;
        }
    }

    [LoggerMessage(129, LogLevel.Error, "Whether pack {Pack} of clinic {Clinic} was destroyed when its time was over could not be found out: it is taken for missing.")]
    private static partial void LogNotFound(ILogger logger, Exception exception, PackId pack, ClinicId clinic);
}
