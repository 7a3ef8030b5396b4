using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;

namespace CloudArchive.Api.Tests.Support;

/// <summary>An OpenID Connect issuer on a port of the loopback, with RSA keys as Entra ID has.</summary>
internal sealed class OidcIssuer : IAsyncDisposable
{
    public const string Audience = "api://cloudarchive";
    public const string Tenant = "0c1d6f9a-0000-4000-8000-000000000001";
    private readonly WebApplication _app;

    private OidcIssuer(WebApplication app) => _app = app;

    public string Url => _app.Urls.Single();

    /// <summary>What its document says that it is; null for what it is.</summary>
    public string? Claims { get; set; }

    public bool Down { get; set; }

    public int Asked { get; private set; }

    /// <summary>What it publishes.</summary>
    public List<JsonObject> Keys { get; } = [];

    public static async Task<OidcIssuer> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        WebApplication app = builder.Build();
        OidcIssuer issuer = new(app);
        app.MapGet("/.well-known/openid-configuration", () => issuer.Answer(new JsonObject { ["issuer"] = issuer.Claims ?? issuer.Url, ["jwks_uri"] = issuer.Url + "/keys", ["token_endpoint"] = issuer.Url + "/token" }));
        app.MapGet("/keys", () => issuer.Answer(new JsonObject { ["keys"] = new JsonArray([.. issuer.Keys.Select(key => key.DeepClone())]) }));
        await app.StartAsync(TestContext.Current.CancellationToken);
        return issuer;
    }

    /// <summary>A new key, published.</summary>
    public RSA AddKey(string kid, string use = "sig")
    {
        RSA key = RSA.Create(2048);
        RSAParameters parts = key.ExportParameters(false);
        Keys.Add(new JsonObject { ["kty"] = "RSA", ["use"] = use, ["kid"] = kid, ["x5t"] = kid, ["n"] = Base64UrlEncoder.Encode(parts.Modulus), ["e"] = Base64UrlEncoder.Encode(parts.Exponent), ["issuer"] = Url });
        return key;
    }

    /// <summary>A token with whatever header and claims a test wants, signed RS256.</summary>
    public string Token(RSA key, string? kid, DateTimeOffset now, Action<JsonObject>? claims = null, Action<JsonObject>? header = null)
    {
        JsonObject head = new() { ["alg"] = "RS256", ["typ"] = "JWT" };
        if (kid is not null)
        {
            head["kid"] = kid;
        }

        header?.Invoke(head);
        string input = $"{Encode(head)}.{Encode(Body(now, claims))}";
        return $"{input}.{Base64UrlEncoder.Encode(key.SignData(System.Text.Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }

    /// <summary>The same with a signature of the test's own.</summary>
    public string Token(JsonObject header, DateTimeOffset now, Func<byte[], byte[]> sign)
    {
        string input = $"{Encode(header)}.{Encode(Body(now, null))}";
        return $"{input}.{Base64UrlEncoder.Encode(sign(System.Text.Encoding.ASCII.GetBytes(input)))}";
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static string Encode(JsonObject json) => Base64UrlEncoder.Encode(json.ToJsonString());

    private JsonObject Body(DateTimeOffset now, Action<JsonObject>? claims)
    {
        JsonObject body = new()
        {
            ["iss"] = Url,
            ["aud"] = Audience,
            ["oid"] = "8a6c1f0e-0000-4000-8000-000000000001",
            ["tid"] = Tenant,
            ["sub"] = "pairwise",
            ["scp"] = "user_impersonation",
            ["roles"] = new JsonArray("admin"),
            ["clinics"] = "*",
            ["iat"] = now.ToUnixTimeSeconds(),
            ["nbf"] = now.ToUnixTimeSeconds(),
            ["exp"] = now.AddDays(2).ToUnixTimeSeconds(),
        };
        claims?.Invoke(body);
        return body;
    }

    private IResult Answer(JsonObject json)
    {
        Asked++;
        return Down ? Results.StatusCode(503) : Results.Text(json.ToJsonString(), "application/json");
    }
}
