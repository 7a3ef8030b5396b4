using System.Net.Http.Json;
using CloudArchive.Api;
using CloudArchive.Format;
using CloudArchive.Format.Signing;

namespace CloudArchive.Functions.Http;

/// <summary>The signing keys of an OpenID Connect issuer, found as OpenID Connect Discovery 1.0 §4 says. Api asks every few minutes and keeps them.</summary>
public sealed class OpenIdConnectKeys(Uri authority, HttpMessageHandler? handler = null)
{
    private readonly HttpClient _http = new(handler ?? new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(15) })
    {
        Timeout = TimeSpan.FromSeconds(10),
        MaxResponseContentBufferSize = 1024 * 1024,
    };

    /// <summary>The issuer of tokens for that audience.</summary>
    public StaffIssuer ForAudience(string audience) => new(authority.AbsoluteUri.TrimEnd('/'), audience, GetAsync);

    private async Task<JwkSet> GetAsync(CancellationToken cancellationToken)
    {
        Uri discovery = new($"{authority.AbsoluteUri.TrimEnd('/')}/.well-known/openid-configuration");
        Configuration configuration = await ReadAsync<Configuration>(discovery, cancellationToken);

        // Else whoever can answer for the address could name another issuer's keys (§4.3).
        if (configuration.Issuer != authority.AbsoluteUri.TrimEnd('/'))
        {
            throw new InvalidOperationException($"{discovery} speaks for another issuer: {configuration.Issuer}.");
        }

        return await ReadAsync<JwkSet>(new Uri(configuration.JwksUri), cancellationToken);
    }

    private async Task<T> ReadAsync<T>(Uri url, CancellationToken cancellationToken) =>
        await _http.GetFromJsonAsync<T>(url, FormatJson.Options, cancellationToken) ?? throw new InvalidOperationException($"{url} answers null.");

    private sealed record Configuration(string Issuer, [property: System.Text.Json.Serialization.JsonPropertyName("jwks_uri")] string JwksUri);
}
