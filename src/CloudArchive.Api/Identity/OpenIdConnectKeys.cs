using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;
using CloudArchive.Format;
using CloudArchive.Format.Signing;

namespace CloudArchive.Api.Identity;

/// <summary>
/// The signing keys of an OpenID Connect issuer, found as OpenID Connect Discovery 1.0 §4 says. <see cref="KeyCache"/> asks every few
/// minutes and keeps them; docs/decisions/0035 says why this is not a library's configuration manager.
/// </summary>
public sealed class OpenIdConnectKeys : IDisposable
{
    private const int MostBytes = 1024 * 1024;
    private readonly HttpClient _http;
    private readonly string _issuer;

    /// <param name="issuer">The issuer as its tokens spell it, with or without a slash at the end: Entra ID's differ between v1.0 and v2.0.</param>
    /// <param name="handler">The way to it; null for the network's.</param>
    public OpenIdConnectKeys(string issuer, HttpMessageHandler? handler = null)
    {
        if (!Uri.TryCreate(issuer, UriKind.Absolute, out Uri? url) || !IsSafe(url))
        {
            throw new ArgumentException($"'{issuer}' is no issuer: an https URL.", nameof(issuer));
        }

        _issuer = issuer;
        _http = new HttpClient(handler ?? new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, PooledConnectionLifetime = TimeSpan.FromMinutes(15) })
        {
            Timeout = TimeSpan.FromSeconds(10),
            MaxResponseContentBufferSize = MostBytes,
        };
    }

    /// <summary>The issuer of tokens for that audience.</summary>
    /// <param name="audience">The <c>aud</c> that they must have.</param>
    /// <param name="tenant">The <c>tid</c> that they must have.</param>
    /// <param name="mfaContexts">Authentication contexts that only who used a second factor gets: see <see cref="StaffIssuer.MfaContexts"/>.</param>
    public StaffIssuer ForAudience(string audience, string tenant, params string[] mfaContexts) => new(_issuer, audience, tenant, GetAsync) { MfaContexts = mfaContexts };

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static bool IsSafe(Uri url) => url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback);

    private async Task<JwkSet> GetAsync(CancellationToken cancellationToken)
    {
        Uri discovery = new($"{_issuer.TrimEnd('/')}/.well-known/openid-configuration");
        Configuration configuration = await ReadAsync<Configuration>(discovery, cancellationToken);

        // Else whoever can answer for the address could name another issuer's keys (§4.3).
        if (configuration.Issuer != _issuer)
        {
            throw new IssuerException($"{discovery} speaks for another issuer. Set the staff authority to the issuer exactly as its tokens spell it.");
        }

        return Uri.TryCreate(configuration.JwksUri, UriKind.Absolute, out Uri? keys) && IsSafe(keys)
            ? await ReadAsync<JwkSet>(keys, cancellationToken)
            : throw new IssuerException($"{discovery} names keys that are not at an https URL.");
    }

    private async Task<T> ReadAsync<T>(Uri url, CancellationToken cancellationToken)
    {
        try
        {
            return await _http.GetFromJsonAsync<T>(url, FormatJson.Options, cancellationToken) ?? throw new JsonException("null");
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or NotSupportedException || (e is TaskCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new IssuerException($"{url} does not answer as OpenID Connect has it.", e);
        }
    }

    private sealed record Configuration(string Issuer, [property: JsonPropertyName("jwks_uri")] string JwksUri);
}

/// <summary>The staff's issuer cannot be asked for its keys, or its answer must not be believed. No fault of who calls.</summary>
public sealed class IssuerException(string message, Exception? inner = null) : Exception(message, inner);
