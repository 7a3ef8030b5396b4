using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Keys;

/// <summary>
/// After a clinic's key was rotated: wraps its content keys, and its identifier secret, to the current version. Nothing waits for it: earlier
/// versions go on to unwrap. Each call looks at so many packs and says where the next one goes on.
/// </summary>
public sealed class KeyRewrap(ClinicDirectory clinics, IdentifierSecrets secrets, IWrappingKeys keys, CatalogReader catalog, PackRewrap packs, Outbox outbox)
{
    /// <summary>Looks at no more than <paramref name="most"/> packs, from the first after <paramref name="after"/> (a pack's id, as <see cref="RewrapResponse.Next"/> gave it).</summary>
    /// <exception cref="KeyUnavailableException">The clinic has no key, or its current version cannot be used.</exception>
    public async Task<RewrapResponse> RunAsync(ClinicId clinic, PackId? after, int most, Requester by, CancellationToken cancellationToken)
    {
        Jwk to = await keys.GetCurrentAsync(clinic, cancellationToken);

        // What a crash left: the catalogue is the one table whose outbox nobody else empties.
        List<string> problems = [];
        _ = await TryAsync("entries of an earlier run", async () => await outbox.DrainAsync(RowTable.Catalog, clinic.Value, TimeSpan.Zero, cancellationToken) > 0, problems);
        if (after is null)
        {
            _ = await TryAsync("identifier secret", () => clinics.RewrapSecretAsync(clinic, secrets, to, by, cancellationToken), problems);
        }

        (IReadOnlyList<CatalogPack> page, PackId? next, IReadOnlyList<PackId> unreadable) = await catalog.ListPacksAsync(clinic, after, most, cancellationToken);
        problems.AddRange(unreadable.Select(pack => $"{pack}: its row in the catalogue says what cannot be. Run `cloudarchive catalog rebuild`."));
        int rewrapped = 0;
        foreach (CatalogPack pack in page.Where(pack => pack.ContentKey.KeyId != to.Kid))
        {
            rewrapped += await TryAsync(pack.Pack.ToString(), () => packs.RunAsync(pack, to, by, cancellationToken), problems) ? 1 : 0;
        }

        return new RewrapResponse(to.Kid!, page.Count, rewrapped, problems, next?.ToString());
    }

    /// <summary>One pack's trouble must not keep the others from it. Each of these names key, pack or blob, and no path.</summary>
    private static async Task<bool> TryAsync(string what, Func<Task<bool>> rewrap, List<string> problems)
    {
        try
        {
            return await rewrap();
        }
        catch (Exception e) when (e is PackException or IntegrityException or BlobMissingException or KeyUnavailableException)
        {
            problems.Add($"{what}: {e.Message}");
            return false;
        }
        catch (Exception e) when (e is not (OperationCanceledException or RefusedException))
        {
            // What a store says of itself may hold a URL.
            problems.Add($"{what}: a store failed ({e.GetType().Name}). It is tried again.");
            return false;
        }
    }
}
