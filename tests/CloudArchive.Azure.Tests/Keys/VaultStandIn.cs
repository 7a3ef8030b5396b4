using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Azure.Core;
using Azure.Security.KeyVault.Keys;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace CloudArchive.Azure.Tests.Keys;

/// <summary>
/// What of Key Vault's REST contract (api-version 7.x) the adapter meets, over HTTPS on loopback: the 401 challenge, create, get,
/// versions, update, unwrap, sign, and its errors. It holds real keys; the SDK talks to it as it does to Azure.
/// </summary>
internal sealed class VaultStandIn : IAsyncDisposable
{
    private HttpsStandIn? _host;
    private readonly Dictionary<string, List<Version>> _keys = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<(int Status, string Code)> _faults = new();

    private VaultStandIn()
    {
    }

    /// <summary>A vault at that URL, for which a server of somebody else's answers: <see cref="Serve"/>.</summary>
    public VaultStandIn(Uri url) => Url = url;

    public Uri Url { get; private set; } = null!;

    /// <summary>Requests that got as far as an operation.</summary>
    public int Requests { get; private set; }

    public static async Task<VaultStandIn> StartAsync()
    {
        VaultStandIn vault = new();
        vault._host = await HttpsStandIn.StartAsync(vault.Serve);
        vault.Url = vault._host.Url;
        return vault;
    }

    /// <summary>Answers as the vault.</summary>
    public void Serve(IApplicationBuilder app)
    {
        app.Use(GuardAsync);
        app.UseRouting();
        app.UseEndpoints(Map);
    }

    /// <summary>Makes a key, or a new version of it: P-256, or RSA where a size is given.</summary>
    public void CreateKey(string name, int? rsaBits = null)
    {
        lock (_keys)
        {
            List<Version> versions = _keys.TryGetValue(name, out List<Version>? known) ? known : _keys[name] = [];
            versions.Add(new Version(
                $"{Url.AbsoluteUri}keys/{name}/{RandomNumberGenerator.GetHexString(32, lowercase: true)}",
                rsaBits is { } bits ? RSA.Create(bits) : ECDsa.Create(ECCurve.NamedCurves.nistP256),
                TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + versions.Count)); // In seconds: of two that are made within one, the later is the later.
        }
    }

    /// <summary>What requests were marked with.</summary>
    public List<string> ClientRequestIds { get; } = [];

    /// <summary>The id of a version that it does not show; null for none.</summary>
    public string? Withheld { get; set; }

    /// <summary>Options for a client that trusts it and does not wait long.</summary>
    public KeyClientOptions Options() => new()
    {
        Transport = HttpsStandIn.Transport(),
        DisableChallengeResourceVerification = true,
        Retry = { Delay = TimeSpan.FromMilliseconds(1), MaxDelay = TimeSpan.FromMilliseconds(5) },
    };

    /// <summary>The next operations fail like this; what was to fail before does not.</summary>
    public void Fail(int times, int status, string code)
    {
        _faults.Clear();
        FailThen(times, status, code);
    }

    /// <summary>After those that fail already, these fail.</summary>
    public void FailThen(int times, int status, string code)
    {
        for (int i = 0; i < times; i++)
        {
            _faults.Enqueue((status, code));
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
        {
            await _host.DisposeAsync();
        }

        foreach (Version version in _keys.Values.SelectMany(v => v))
        {
            version.Key.Dispose();
        }
    }

    private static Task ErrorAsync(HttpContext context, int status, string code, string? inner = null)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(new { error = new { code, message = $"{code} by the stand-in.", innererror = inner is null ? null : new { code = inner } } });
    }

    private static byte[] Value(JsonObject body) => Base64Url.DecodeFromChars((string)body["value"]!);

    private async Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Headers.Authorization != HttpsStandIn.Bearer)
        {
            context.Response.StatusCode = 401;
            context.Response.Headers.WWWAuthenticate = "Bearer authorization=\"https://login.example/tenant\", resource=\"https://vault.azure.net\"";
            return;
        }

        Requests++;
        ClientRequestIds.Add(context.Request.Headers["x-ms-client-request-id"].ToString());
        if (_faults.TryDequeue(out (int Status, string Code) fault))
        {
            context.Response.Headers.RetryAfter = "0";
            await ErrorAsync(context, fault.Status, fault.Code);
            return;
        }

        await next(context);
    }

    private void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/keys/{name}/create", async (string name, HttpContext context) =>
        {
            JsonObject body = (await context.Request.ReadFromJsonAsync<JsonObject>())!;
            CreateKey(name, (string)body["kty"]! == "RSA" ? (int)body["key_size"]! : null);
            await context.Response.WriteAsJsonAsync(Find(name, null)!.Bundle());
        });
        routes.MapGet("/keys/{name}/versions", (string name, HttpContext context) => context.Response.WriteAsJsonAsync(new
        {
            // In no particular order, as the service does not promise one.
            value = _keys.GetValueOrDefault(name, []).OrderBy(v => v.Id, StringComparer.Ordinal).Select(v => new { kid = v.Id, attributes = v.Attributes() }),
        }));
        routes.MapGet("/keys/{name}/{version?}", (string name, string? version, HttpContext context) =>
            Find(name, version) is not { } found ? ErrorAsync(context, 404, "KeyNotFound")
            : found.Id == Withheld ? ErrorAsync(context, 403, "Forbidden", "KeyDisabled")
            : context.Response.WriteAsJsonAsync(found.Bundle()));
        routes.MapPatch("/keys/{name}/{version}", async (string name, string version, HttpContext context) =>
        {
            Version found = Find(name, version)!;
            found.Enabled = (bool)(await context.Request.ReadFromJsonAsync<JsonObject>())!["attributes"]!["enabled"]!;
            await context.Response.WriteAsJsonAsync(found.Bundle());
        });
        routes.MapPost("/keys/{name}/{version}/{operation}", async (string name, string version, string operation, HttpContext context) =>
        {
            JsonObject body = (await context.Request.ReadFromJsonAsync<JsonObject>())!;
            if (Find(name, version) is not { } found)
            {
                await ErrorAsync(context, 404, "KeyNotFound");
            }
            else if (!found.Enabled)
            {
                await ErrorAsync(context, 403, "Forbidden", "KeyDisabled");
            }
            else
            {
                await OperateAsync(context, found, operation, (string)body["alg"]!, Value(body));
            }
        });
    }

    private static async Task OperateAsync(HttpContext context, Version version, string operation, string algorithm, byte[] value)
    {
        byte[] result;
        switch ((operation.ToLowerInvariant(), algorithm, version.Key))
        {
            case ("unwrapkey", "RSA-OAEP-256", RSA rsa):
                try
                {
                    result = rsa.Decrypt(value, RSAEncryptionPadding.OaepSHA256);
                }
                catch (CryptographicException)
                {
                    await ErrorAsync(context, 400, "BadParameter");
                    return;
                }

                break;
            case ("sign", "ES256", ECDsa ecdsa):
                result = ecdsa.SignHash(value, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
                break;
            default:
                await ErrorAsync(context, 400, "BadParameter");
                return;
        }

        await context.Response.WriteAsJsonAsync(new { kid = version.Id, value = Base64Url.EncodeToString(result) });
    }

    private Version? Find(string name, string? version) =>
        _keys.GetValueOrDefault(name, []).LastOrDefault(v => string.IsNullOrEmpty(version) || v.Id.EndsWith("/" + version, StringComparison.Ordinal));

    private sealed class Version(string id, AsymmetricAlgorithm key, long created)
    {
        public string Id => id;

        public AsymmetricAlgorithm Key => key;

        public bool Enabled { get; set; } = true;

        public object Attributes() => new { enabled = Enabled, created, updated = created, recoveryLevel = "Recoverable+Purgeable" };

        public object Bundle() => new { key = PublicHalf(), attributes = Attributes() };

        private JsonObject PublicHalf()
        {
            if (key is RSA rsa)
            {
                RSAParameters p = rsa.ExportParameters(false);
                return new JsonObject { ["kid"] = id, ["kty"] = "RSA", ["n"] = Base64Url.EncodeToString(p.Modulus), ["e"] = Base64Url.EncodeToString(p.Exponent), ["key_ops"] = new JsonArray("wrapKey", "unwrapKey") };
            }

            ECParameters q = ((ECDsa)key).ExportParameters(false);
            return new JsonObject { ["kid"] = id, ["kty"] = "EC", ["crv"] = "P-256", ["x"] = Base64Url.EncodeToString(q.Q.X), ["y"] = Base64Url.EncodeToString(q.Q.Y), ["key_ops"] = new JsonArray("sign", "verify") };
        }
    }
}
