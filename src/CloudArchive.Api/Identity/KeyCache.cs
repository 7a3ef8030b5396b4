using CloudArchive.Format.Signing;

namespace CloudArchive.Api.Identity;

/// <summary>An issuer's keys, fetched again every few minutes, and earlier when a token names one that is not among them.</summary>
/// <param name="fetch">Asks the issuer.</param>
/// <param name="clock">The time.</param>
/// <param name="pause">Between fetches for unknown keys, which anyone can cause, and after one that failed.</param>
/// <param name="outage">How long the last keys go on where the issuer does not answer. A key that it withdrew is believed no longer than that.</param>
internal sealed class KeyCache(Func<CancellationToken, Task<JwkSet>> fetch, TimeProvider clock, TimeSpan pause, TimeSpan outage) : IDisposable
{
    private static readonly TimeSpan _fresh = TimeSpan.FromMinutes(5);
    private readonly SemaphoreSlim _one = new(1);
    private (JwkSet Keys, DateTimeOffset At)? _last;
    private DateTimeOffset? _failedAt;

    /// <summary>The key of that id, or null.</summary>
    public async Task<Jwk?> FindAsync(string kid, CancellationToken cancellationToken)
    {
        JwkSet keys = await GetAsync(_fresh, cancellationToken);
        return Find(keys, kid) ?? Find(await GetAsync(pause, cancellationToken), kid);
    }

    public void Dispose() => _one.Dispose();

    /// <summary>A key for signatures: one that is published for encryption, or a shared secret, vouches for nobody.</summary>
    private static Jwk? Find(JwkSet keys, string kid) => keys.Keys.FirstOrDefault(key => key.Kid == kid && key.Kty is "EC" or "RSA" && key.Use is null or "sig");

    private async Task<JwkSet> GetAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        if (Fresh(atMost) is { } keys)
        {
            return keys;
        }

        await _one.WaitAsync(cancellationToken);
        try
        {
            if (Fresh(atMost) is { } now)
            {
                return now;
            }

            try
            {
                _last = (await fetch(cancellationToken), clock.GetUtcNow());
                _failedAt = null;
            }
            catch (Exception) when (!cancellationToken.IsCancellationRequested && _last is { } last && clock.GetUtcNow() - last.At < outage)
            {
                _failedAt = clock.GetUtcNow();
            }

            return _last!.Value.Keys;
        }
        finally
        {
            _one.Release();
        }
    }

    private JwkSet? Fresh(TimeSpan atMost)
    {
        DateTimeOffset now = clock.GetUtcNow();
        return _last is { } last && (now - last.At < atMost || (now - last.At < outage && _failedAt is { } failed && now - failed < pause)) ? last.Keys : null;
    }
}
