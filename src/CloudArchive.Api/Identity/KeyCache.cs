using CloudArchive.Format.Signing;

namespace CloudArchive.Api.Identity;

/// <summary>An issuer's keys, fetched again every few minutes, and earlier when a token names one that is not among them.</summary>
internal sealed class KeyCache(Func<CancellationToken, Task<JwkSet>> fetch, TimeProvider clock) : IDisposable
{
    private static readonly TimeSpan _fresh = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(30); // between fetches for unknown keys, which anyone can cause
    private readonly SemaphoreSlim _one = new(1);
    private (JwkSet Keys, DateTimeOffset At)? _last;

    /// <summary>The key of that id, or null.</summary>
    public async Task<Jwk?> FindAsync(string kid, CancellationToken cancellationToken)
    {
        JwkSet keys = await GetAsync(_fresh, cancellationToken);
        Jwk? key = keys.Keys.FirstOrDefault(k => k.Kid == kid);
        return key ?? (await GetAsync(_pause, cancellationToken)).Keys.FirstOrDefault(k => k.Kid == kid);
    }

    public void Dispose() => _one.Dispose();

    private async Task<JwkSet> GetAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        if (_last is { } last && clock.GetUtcNow() - last.At < atMost)
        {
            return last.Keys;
        }

        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_last is not { } now || clock.GetUtcNow() - now.At >= atMost)
            {
                _last = (await fetch(cancellationToken), clock.GetUtcNow());
            }

            return _last.Value.Keys;
        }
        finally
        {
            _one.Release();
        }
    }
}
