using System.Text.Json;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CloudArchive.Api.Identity;

/// <summary>A token that must not be believed. The message goes to the caller and holds nothing of the token.</summary>
public sealed class TokenException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Issues agents' tokens, and reads both theirs and the staff's.</summary>
public sealed class BearerTokens : IDisposable
{
    /// <summary>How long an agent's token is good for.</summary>
    public static readonly TimeSpan AgentLifetime = TimeSpan.FromMinutes(10);

    /// <summary>RFC 9068 §2.1: no other JWT signed with the same key passes for an access token.</summary>
    private const string AgentTokenType = "at+jwt";

    /// <summary>App roles that stand for a clinic: <c>clinic:smith-dental</c>, or <c>clinic:*</c> for all, where the issuer cannot be had to add the claim <c>clinics</c>.</summary>
    private const string ClinicRole = "clinic:";

    private const int MostCharacters = 16 * 1024;
    private static readonly TimeSpan _staffOutage = TimeSpan.FromHours(12);
    private static readonly TimeSpan _skew = TimeSpan.FromMinutes(1);
    private static readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = MostCharacters };
    private readonly ISigner _signer;
    private readonly Agents _agents;
    private readonly CloudArchiveOptions _options;
    private readonly TimeProvider _clock;
    private readonly KeyCache _ownKeys;
    private readonly KeyCache? _staffKeys;

    /// <summary>Keys of both issuers are cached for a few minutes.</summary>
    public BearerTokens(ISigner signer, Agents agents, CloudArchiveOptions options, TimeProvider clock)
    {
        _signer = signer;
        _agents = agents;
        _options = options;
        _clock = clock;
        _ownKeys = new KeyCache(signer.GetPublicKeysAsync, clock, pause: TimeSpan.FromSeconds(1), outage: TimeSpan.Zero);
        _staffKeys = options.Staff is { } staff ? new KeyCache(staff.GetKeysAsync, clock, pause: TimeSpan.FromSeconds(30), _staffOutage) : null;
    }

    /// <summary>A token for an agent.</summary>
    public async Task<string> IssueAsync(Agent agent, CancellationToken cancellationToken)
    {
        long now = _clock.GetUtcNow().ToUnixTimeSeconds();
        byte[] claims = CanonicalJson.Serialize(new
        {
            iss = _options.AgentIssuer,
            aud = _options.AgentIssuer,
            sub = agent.Id.ToString(),
            role = "agent",
            clinics = agent.Id.Clinic.Value,
            key = agent.Key.Kid,
            iat = now,
            exp = now + (long)AgentLifetime.TotalSeconds,
        });
        string keyId = await _signer.GetCurrentKeyIdAsync(cancellationToken);
        return await Jws.SignAsync(AgentTokenType, claims, keyId, (data, ct) => _signer.SignAsync(keyId, data, ct), cancellationToken);
    }

    /// <summary>Who a bearer token says is calling.</summary>
    /// <exception cref="TokenException">It is malformed, expired, of another issuer or audience, not signed as it must be, or the agent is revoked.</exception>
    public async Task<Caller> ReadAsync(string token, CancellationToken cancellationToken)
    {
        JsonWebToken unverified;
        try
        {
            unverified = token.Length <= MostCharacters ? new JsonWebToken(token) : throw new TokenException("The token is too long.");
        }
        catch (Exception e) when (e is ArgumentException or SecurityTokenException or JsonException)
        {
            throw new TokenException("The token is malformed.", e);
        }

        return unverified.Issuer == _options.AgentIssuer ? await ReadAgentAsync(token, unverified, cancellationToken)
            : _options.Staff is { } staff && unverified.Issuer == staff.Issuer ? await ReadStaffAsync(unverified, staff, cancellationToken)
            : throw new TokenException("The token is of an issuer that is not known here.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ownKeys.Dispose();
        _staffKeys?.Dispose();
    }

    /// <summary>Verifies a JWT's signature, issuer, audience and life against one key.</summary>
    internal static async Task<JsonWebToken> ValidateAsync(JsonWebToken token, Jwk key, string issuer, string audience, DateTimeOffset now)
    {
        TokenValidationParameters parameters = new()
        {
            ValidIssuer = issuer,
            ValidAudience = audience,
            IssuerSigningKey = ToSecurityKey(key),
            ValidAlgorithms = key.Kty == "EC" ? ["ES256"] : ["RS256", "PS256"],
            RequireExpirationTime = true,
            RequireSignedTokens = true,
            TryAllIssuerSigningKeys = true,
            LifetimeValidator = (notBefore, expires, _, _) => expires is { } end && now < Utc(end) + _skew && (notBefore is not { } begin || Utc(begin) <= now + _skew),
        };
        TokenValidationResult result = await _handler.ValidateTokenAsync(token, parameters);
        return result is { IsValid: true, SecurityToken: JsonWebToken valid } ? valid : throw new TokenException("The token is expired, or not signed for this service.", result.Exception);
    }

    private static DateTimeOffset Utc(DateTime time) => new(time, TimeSpan.Zero);

    private static JsonWebKey ToSecurityKey(Jwk key) => new() { Kty = key.Kty, Kid = key.Kid, Crv = key.Crv, X = key.X, Y = key.Y, N = key.N, E = key.E };

    private async Task<Caller> ReadAgentAsync(string token, JsonWebToken unverified, CancellationToken cancellationToken)
    {
        JwsContent content;
        try
        {
            Jwk key = await _ownKeys.FindAsync(unverified.Kid ?? "", cancellationToken) ?? throw new TokenException("The token is signed with an unknown key.");
            content = Jws.Verify(token, AgentTokenType, new JwkSet([key]));
        }
        catch (JwsException e)
        {
            throw new TokenException("The token is not signed by this service.", e);
        }

        AgentClaims claims;
        try
        {
            claims = JsonSerializer.Deserialize<AgentClaims>(content.Payload, FormatJson.Options) ?? throw new TokenException("The token has no claims.");
        }
        catch (JsonException e)
        {
            throw new TokenException("The token's claims are not those of an agent.", e);
        }

        if (claims.Aud != _options.AgentIssuer || claims.Role != "agent" || claims.Exp <= _clock.GetUtcNow().ToUnixTimeSeconds() || !AgentId.TryParse(claims.Sub, null, out AgentId id))
        {
            throw new TokenException("The token is expired, or not for this service. Ask for a new one.");
        }

        // Asked on every request: a revoked agent is out at once, not in ten minutes, and so is a key that was renewed.
        return await _agents.FindAsync(id, cancellationToken) is { Revoked: false } agent && agent.Key.Kid == claims.Key
            ? new Caller(id.ToString(), Roles.Agent, [id.Clinic], id)
            : throw new TokenException("The agent is revoked, or its key was renewed.");
    }

    private async Task<Caller> ReadStaffAsync(JsonWebToken unverified, StaffIssuer staff, CancellationToken cancellationToken)
    {
        Jwk key = await _staffKeys!.FindAsync(unverified.Kid ?? "", cancellationToken) ?? throw new TokenException("The token is signed with a key that its issuer does not publish.");
        JsonWebToken token = await ValidateAsync(unverified, key, staff.Issuer, staff.Audience, _clock.GetUtcNow());
        string[] appRoles = [.. Values(token, "role"), .. Values(token, "roles")];
        Roles roles = appRoles.Aggregate(Roles.None, (all, role) => all | role switch
        {
            "admin" => Roles.Admin,
            "compliance" => Roles.Compliance,
            _ => Roles.None,
        });
        // Entra ID sends a directory extension attribute as extn.<name>, whatever the application calls it.
        string[] clinics = [.. Values(token, "clinics"), .. Values(token, "extn.clinics"), .. appRoles.Where(role => role.StartsWith(ClinicRole, StringComparison.Ordinal)).Select(role => role[ClinicRole.Length..])];
        string id = Values(token, "oid").FirstOrDefault() ?? token.Subject ?? throw new TokenException("The token names no subject.");
        return new Caller(
            id,
            roles,
            clinics.Contains("*") ? null : [.. clinics.Select(c => ClinicId.TryParse(c, null, out ClinicId clinic) ? clinic : (ClinicId?)null).OfType<ClinicId>()],
            Mfa: Values(token, "amr").Contains("mfa") || Values(token, "acrs").Intersect(staff.MfaContexts, StringComparer.Ordinal).Any());
    }

    private static IEnumerable<string> Values(JsonWebToken token, string name) => token.Claims.Where(claim => claim.Type == name).SelectMany(claim => claim.Value.Split(' '));

    private sealed record AgentClaims(string Aud, string Sub, string Role, string Key, long Exp);
}
