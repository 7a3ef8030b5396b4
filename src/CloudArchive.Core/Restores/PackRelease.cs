using CloudArchive.Core.Catalog;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Restores;

/// <summary>A pack of a restore's plan, or why there is none.</summary>
/// <param name="Planned">What is wanted of it.</param>
/// <param name="Found">As what is signed and locked has it.</param>
/// <param name="Failure">Why it cannot be handed out.</param>
internal sealed record FoundPack(PlannedPack Planned, RecordedPack? Found, RestorePackFailure? Failure)
{
    /// <summary>Whether it lies in the archive tier, or is on its way back from there.</summary>
    public bool Archived => Found is { State.Archived: true };
}

/// <summary>What is handed out of a pack.</summary>
/// <param name="Pack">For the caller; null where it cannot be handed out.</param>
/// <param name="Disclosure">Its row in the accounting of disclosures; null where it is there, from when the page was read first.</param>
/// <param name="Failure">Why it cannot be handed out.</param>
internal sealed record ReleasedPack(RestorePack? Pack, RowWrite? Disclosure, RestorePackFailure? Failure);

/// <summary>
/// Releases one pack of a restore: a URL for the one version, and its content key, unwrapped and wrapped again to the key of who asked. What is the matter
/// with a pack is in its result: it is no reason for the others not to come.
/// </summary>
public sealed partial class PackRelease(
    IRowStore rows, PackRecords records, ContentKeys keys, PackLosses losses, DestroyedPacks destroyed, TimeProvider clock, ILogger<PackRelease> logger)
{
    /// <summary>How long a URL works.</summary>
    public static readonly TimeSpan UrlLifetime = TimeSpan.FromHours(1);

    /// <summary>Where the pack is now. What storage has lost is recorded.</summary>
    internal async Task<FoundPack> FindAsync(ClinicId clinic, PlannedPack planned, Requester by, CancellationToken cancellationToken)
    {
        try
        {
            RecordedPack? found = await records.FindAsync(clinic, planned.Pack, cancellationToken);
            if (found is { State: not null })
            {
                return new FoundPack(planned, found, null);
            }

            if (await destroyed.FindAsync(clinic, planned.Study, planned.Pack, cancellationToken) is { } lawful)
            {
                LogDestroyed(logger, planned.Pack, clinic);
                return new FoundPack(planned, null, new RestorePackFailure(planned.Pack, planned.Study, PackFailure.Missing, planned.Files, Passing: lawful.At is null, lawful));
            }

            if (found is not null)
            {
                await RecordLossAsync(found.Pack, by, cancellationToken);
            }

            return new FoundPack(planned, null, Fail(clinic, planned, PackFailure.Missing, passing: false, null));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return new FoundPack(planned, null, Fail(clinic, planned, e));
        }
    }

    /// <summary>What is handed out of it.</summary>
    internal async Task<ReleasedPack> RunAsync(Restore restore, FoundPack found, CancellationToken cancellationToken)
    {
        if (found.Found is not { } recorded)
        {
            return new ReleasedPack(null, null, found.Failure);
        }

        try
        {
            CatalogPack pack = recorded.Pack;
            WrappedContentKey key = await RewrapAsync(recorded, restore.PublicKey, cancellationToken);
            BlobGrant grant = await records.GrantReadAsync(recorded, UrlLifetime, cancellationToken);
            RowWrite.Upsert disclosure = DisclosureRows.Write(restore.Id, pack, found.Planned, clock.GetUtcNow());
            bool known = await rows.FindAsync(RowTable.Work, restore.Clinic.Value, disclosure.Key, cancellationToken) is not null;
            RestorePack released = new(pack.Pack, pack.Study, grant.Url.AbsoluteUri, grant.ExpiresAt, pack.Length, pack.Sha256, key, found.Planned.Wanted);
            return new ReleasedPack(released, known ? null : disclosure, null);
        }
        catch (RefusedException)
        {
            throw; // of every pack: this host cannot unwrap
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return new ReleasedPack(null, null, Fail(restore.Clinic, found.Planned, e));
        }
    }

    private async Task RecordLossAsync(CatalogPack pack, Requester by, CancellationToken cancellationToken)
    {
        try
        {
            await losses.RecordMissingAsync(pack, by, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogLossNotRecorded(logger, e, pack.Pack, pack.Clinic); // who restores is told all the same
        }
    }

    /// <summary>The content key for who asked, from the first of its wraps that opens.</summary>
    private async Task<WrappedContentKey> RewrapAsync(RecordedPack pack, Jwk to, CancellationToken cancellationToken)
    {
        Exception? last = null;
        foreach (WrappedContentKey wrap in pack.Wraps)
        {
            try
            {
                return await keys.RewrapAsync(wrap, to, cancellationToken);
            }
            catch (Exception e) when (e is KeyUnavailableException or PackException)
            {
                last = e;
            }
        }

        throw last ?? new IntegrityException($"No wrap of the content key of pack {pack.Pack.Pack} is left.");
    }

    private RestorePackFailure Fail(ClinicId clinic, PlannedPack planned, Exception error) => error switch
    {
        KeyUnavailableException => Fail(clinic, planned, PackFailure.KeyUnavailable, passing: true, error),
        BlobMissingException => Fail(clinic, planned, PackFailure.Missing, passing: false, error),
        IntegrityException or PackException => Fail(clinic, planned, PackFailure.CatalogueMismatch, passing: false, error),
        _ => Fail(clinic, planned, PackFailure.TimedOut, passing: true, error),
    };

    private RestorePackFailure Fail(ClinicId clinic, PlannedPack planned, PackFailure cause, bool passing, Exception? error)
    {
        LogNotReleased(logger, error, planned.Pack, clinic, cause);
        ArchiveMetrics.PacksNotReleased.Add(1, new KeyValuePair<string, object?>("cause", System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(cause.ToString())));
        return new RestorePackFailure(planned.Pack, planned.Study, cause, planned.Files, passing);
    }

    [LoggerMessage(310, LogLevel.Error, "Pack {Pack} of clinic {Clinic} cannot be handed out to a restore: {Cause}. The others are.", EventName = "RestorePackFailed")]
    private static partial void LogNotReleased(ILogger logger, Exception? exception, PackId pack, ClinicId clinic, PackFailure cause);

    [LoggerMessage(316, LogLevel.Information, "Pack {Pack} of clinic {Clinic} was destroyed after the restore was asked for, because its time was over. The others are handed out.")]
    private static partial void LogDestroyed(ILogger logger, PackId pack, ClinicId clinic);

    [LoggerMessage(315, LogLevel.Error, "That pack {Pack} of clinic {Clinic} is not in storage could not be recorded; the next restore or restore test that meets it does.")]
    private static partial void LogLossNotRecorded(ILogger logger, Exception exception, PackId pack, ClinicId clinic);
}
