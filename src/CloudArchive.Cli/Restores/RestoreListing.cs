using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary>What a restore that is ready holds, as the service lists it page by page.</summary>
internal sealed class RestoreListing(ArchiveClient client, RestoreResponse restore)
{
    private const string PacksArchived = "packs-archived";
    private string ResultPath => $"v1/clinics/{restore.Clinic}/restores/{Uri.EscapeDataString(restore.Id)}/result";

    /// <summary>All packs. Where the service says that some have to come back from the archive tier, <paramref name="waits"/> says whether to ask again.</summary>
    public async Task<IReadOnlyList<ListedPack>> ReadAsync(Func<CancellationToken, Task<bool>> waits, CancellationToken cancellationToken)
    {
        List<ListedPack> packs = [];
        string? after = null;
        while (true)
        {
            Page<RestorePack> page;
            try
            {
                page = await PageAsync(after, cancellationToken);
            }
            catch (ServiceRefusedException refused) when (refused.Problem == PacksArchived)
            {
                if (await waits(cancellationToken)) continue;
                throw;
            }

            packs.AddRange(page.Items.Select(pack => new ListedPack(pack, after)));
            after = page.Next;
            if (after is null) break;
        }

        // Newest first: the newest version of a file has the plain name (TargetFolder). Ids sort by time (UUIDv7).
        packs.Sort((a, b) => string.CompareOrdinal(b.Pack.Pack.ToString(), a.Pack.Pack.ToString()));
        return packs;
    }

    /// <summary>The page after a pack, or the first.</summary>
    public Task<Page<RestorePack>> PageAsync(string? after, CancellationToken cancellationToken) =>
        client.GetAsync<Page<RestorePack>>(after is null ? ResultPath : $"{ResultPath}?after={Uri.EscapeDataString(after)}", cancellationToken);
}

/// <summary>A pack of the result and the page that listed it.</summary>
internal sealed class ListedPack(RestorePack pack, string? after)
{
    public RestorePack Pack { get; } = pack;

    public string? After { get; } = after;

    public string Url { get; set; } = pack.Url;

    public DateTimeOffset UrlExpiresAt { get; set; } = pack.UrlExpiresAt;

    public DateTimeOffset? RenewedAt { get; set; }

    public SemaphoreSlim Gate { get; } = new(1, 1);
}
