using CloudArchive.Cli.Service;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary>What a restore that is ready holds, as the service lists it page by page.</summary>
internal sealed class RestoreListing(ArchiveClient client, RestoreResponse restore, TimeProvider clock)
{
    private const string PacksArchived = "packs-archived";

    private string ResultPath => $"v1/clinics/{restore.Clinic}/restores/{Uri.EscapeDataString(restore.Id)}/result";

    /// <summary>The page after a pack, or the first. Where the service says that packs of it have to come back from the archive tier, <paramref name="waits"/> says whether to ask again.</summary>
    public async Task<ListedPage> ReadAsync(string? after, Func<CancellationToken, Task<bool>> waits, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                RestorePage page = await PageAsync(after, cancellationToken);
                return page.Next is not null && page.Next == after
                    ? throw new IntegrityException($"The service's listing of restore {restore.Id} never ends: it repeats the page after {after}.")
                    : new ListedPage(this, clock, after, page);
            }
            catch (ServiceRefusedException refused) when (refused.Problem == PacksArchived)
            {
                if (!await waits(cancellationToken))
                {
                    throw;
                }
            }
        }
    }

    /// <summary>The page as it is now.</summary>
    internal Task<RestorePage> PageAsync(string? after, CancellationToken cancellationToken) =>
        client.GetAsync<RestorePage>(after is null ? ResultPath : $"{ResultPath}?after={Uri.EscapeDataString(after)}", cancellationToken);
}

/// <summary>A page of a restore's result. Its packs' URLs run out together, and one reading of the page renews them all.</summary>
#pragma warning disable CA1001 // a SemaphoreSlim whose wait handle nobody asks for holds nothing to be released
internal sealed class ListedPage
#pragma warning restore CA1001
{
    private static readonly TimeSpan s_renewBefore = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_justRenewed = TimeSpan.FromMinutes(1);
    private readonly RestoreListing _listing;
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly Dictionary<PackId, RestorePack> _now;
    private DateTimeOffset? _renewedAt;

    public ListedPage(RestoreListing listing, TimeProvider clock, string? after, RestorePage page)
    {
        (_listing, _clock, After, Page) = (listing, clock, after, page);
        _now = page.Items.ToDictionary(pack => pack.Pack);
    }

    /// <summary>The pack that it comes after.</summary>
    public string? After { get; }

    /// <summary>As it was read first.</summary>
    public RestorePage Page { get; }

    /// <summary>A pack's URL; where it runs out or was refused, a fresh one.</summary>
    public async Task<Uri> UrlAsync(PackId pack, bool refused, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            DateTimeOffset now = _clock.GetUtcNow();
            bool justRenewed = _renewedAt is { } at && now - at < s_justRenewed;
            if ((refused || !_now.TryGetValue(pack, out RestorePack? known) || known.UrlExpiresAt - now < s_renewBefore) && !justRenewed)
            {
                RestorePage page = await _listing.PageAsync(After, cancellationToken);
                foreach (RestorePack fresh in page.Items)
                {
                    _now[fresh.Pack] = fresh;
                }

                _renewedAt = now;
            }

            return Uri.TryCreate(_now[pack].Url, UriKind.Absolute, out Uri? url) && (url.Scheme == "https" || url.IsLoopback) ? url : throw new IntegrityException("The service named a download URL that is not https.");
        }
        finally
        {
            _gate.Release();
        }
    }
}
