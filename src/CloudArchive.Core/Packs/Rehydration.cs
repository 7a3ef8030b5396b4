using CloudArchive.Core.Audit;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Packs;

/// <summary>
/// Brings packs back from the archive tier. To change a tier takes the right to write the blob, which recovery has not: it asks with a row
/// <c>rehydrate:{pack}</c>, and the ingest host's reconciler does it.
/// </summary>
public sealed class Rehydration(IRowStore rows, IBlobVault vault, ReceiptIssuer receipts, PackLosses losses, Outbox outbox)
{
    private const string Prefix = "rehydrate:";

    /// <summary>The receipt of a pack that lies in the archive tier, or is on its way back from there; null of any other, whatever is the matter with it.</summary>
    public async Task<Receipt?> FindArchivedAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken)
    {
        try
        {
            return await receipts.FindAsync(BlobName.Receipt(clinic, pack), cancellationToken) is { } issued
                && await vault.FindAsync(BlobName.Pack(clinic, pack), issued.Receipt.VersionId, cancellationToken) is { Archived: true }
                ? issued.Receipt
                : null;
        }
        catch (IntegrityException)
        {
            return null;
        }
    }

    /// <summary>Asks for a version to be brought back. Repeating it changes nothing.</summary>
    public async Task RequestAsync(ClinicId clinic, PackId pack, string versionId, Requester by, CancellationToken cancellationToken)
    {
        AuditEvent entry = new(
            clinic.Value, AuditActions.RehydrationRequested, AuditOutcome.Success, by.Actor, new AuditSubject(clinic.Value, Pack: pack.ToString()), by.Origin, Once: $"rehydrate:{pack}:{by.Origin.CorrelationId}");
        try
        {
            await outbox.SubmitAsync(RowTable.Work, clinic.Value, [new RowWrite.Insert(Prefix + pack, new Dictionary<string, object> { ["versionId"] = versionId })], entry, cancellationToken);
        }
        catch (RowConflictException)
        {
            // Asked for already.
        }
    }

    /// <summary>Does what was asked for; returns how many.</summary>
    /// <exception cref="AggregateException">Some could not be asked of storage; the others were, and the next call tries again.</exception>
    public async Task<int> RunAsync(ClinicId clinic, Requester by, CancellationToken cancellationToken)
    {
        int done = 0;
        List<Exception> failed = [];
        foreach (Row row in await rows.QueryAsync(RowTable.Work, clinic.Value, RowRange.Prefix(Prefix), 1000, cancellationToken))
        {
            try
            {
                await RunAsync(clinic, row, by, cancellationToken);
                await rows.DeleteUnchangedAsync(RowTable.Work, clinic.Value, [row], cancellationToken);
                done++;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed.Add(e);
            }
        }

        return failed.Count == 0 ? done : throw new AggregateException($"{failed.Count} packs of clinic {clinic} could not be brought back from the archive tier.", failed);
    }

    private async Task RunAsync(ClinicId clinic, Row row, Requester by, CancellationToken cancellationToken)
    {
        PackId pack = PackId.Parse(row.Key[Prefix.Length..]);
        try
        {
            await vault.RehydrateAsync(BlobName.Pack(clinic, pack), row.Text("versionId")!, cancellationToken);
        }
        catch (BlobMissingException)
        {
            await losses.RecordAsync(clinic, pack, PackLossCause.Missing, "rehydration", by, cancellationToken);
        }
    }
}
