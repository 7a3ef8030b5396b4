using System.Text.Json;
using CloudArchive.Core.Access;
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

    /// <summary>What Entra ID states in access tokens, v1.0 and v2.0, and never in ID tokens: which client asked, and how it proved itself.</summary>
    private static readonly string[] _claimsOfClients = ["appid", "appidacr", "azpacr"];

    private const int MostCharacters = 16 * 1024;
    private static readonly TimeSpan _staffOutage = TimeSpan.FromHours(12);
    private static readonly TimeSpan _skew = TimeSpan.FromMinutes(1);
    private static readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = MostCharacters };
    private readonly ITokenSigner _signer;
    private readonly Agents _agents;
    private readonly CloudArchiveOptions _options;
    private readonly TimeProvider _clock;
    private readonly KeyCache _ownKeys;
    private readonly KeyCache? _staffKeys;

    /// <summary>Keys of both issuers are cached for a few minutes: a version of our own that is disabled opens nothing five minutes later.</summary>
    public BearerTokens(ITokenSigner signer, Agents agents, CloudArchiveOptions options, TimeProvider clock)
    {
        _signer = signer;
        _agents = agents;
        _options = options;
        _clock = clock;
        _ownKeys = new KeyCache(signer.GetAcceptedKeysAsync, clock, pause: TimeSpan.FromSeconds(1), outage: TimeSpan.Zero);
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

    /// <summary>Who a bearer token says is calling: an agent's, or a person's access token for this service.</summary>
    /// <exception cref="TokenException">It is malformed, expired, of another issuer or audience, not signed as it must be, or the agent is revoked.</exception>
    public async Task<Caller> ReadAsync(string token, CancellationToken cancellationToken)
    {
        JsonWebToken unverified = Parse(token);
        return unverified.Issuer == _options.AgentIssuer ? await ReadAgentAsync(token, unverified, cancellationToken)
            : _options.Staff is { } staff && unverified.Issuer == staff.Issuer ? await ReadStaffAsync(unverified, staff, TokenUse.Call, cancellationToken)
            : throw new TokenException("The token is of an issuer that is not known here.");
    }

    /// <summary>Whom an ID token says that the platform has signed in to the portal.</summary>
    /// <exception cref="TokenException">It is malformed, expired, of another issuer or audience, not signed as it must be, or no ID token.</exception>
    public async Task<Caller> ReadSignInAsync(string token, CancellationToken cancellationToken)
    {
        JsonWebToken unverified = Parse(token);
        return _options.Staff is { } staff && unverified.Issuer == staff.Issuer
            ? await ReadStaffAsync(unverified, staff, TokenUse.SignIn, cancellationToken)
            : throw new TokenException("The token is of an issuer that is not known here.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ownKeys.Dispose();
        _staffKeys?.Dispose();
    }

    private static JsonWebToken Parse(string token)
    {
        try
        {
            return token.Length <= MostCharacters ? new JsonWebToken(token) : throw new TokenException("The token is too long.");
        }
        catch (Exception e) when (e is ArgumentException or SecurityTokenException or JsonException)
        {
            throw new TokenException("The token is malformed.", e);
        }
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

    private async Task<Caller> ReadStaffAsync(JsonWebToken unverified, StaffIssuer staff, TokenUse use, CancellationToken cancellationToken)
    {
        Jwk key = await _staffKeys!.FindAsync(unverified.Kid ?? "", cancellationToken) ?? throw new TokenException("The token is signed with a key that its issuer does not publish.");
        JsonWebToken token = await ValidateAsync(unverified, key, staff.Issuer, staff.Audience, _clock.GetUtcNow());
        CheckUse(token, use);
        StaffId person = PersonOf(token, staff);
        string[] appRoles = [.. Values(token, "role"), .. Values(token, "roles")];
        Roles roles = appRoles.Aggregate(Roles.None, (all, role) => all | role switch
        {
            "admin" => Roles.Admin,
            "compliance" => Roles.Compliance,
            _ => Roles.None,
        });
        // Entra ID sends a directory extension attribute as extn.<name>, whatever the application calls it.
        string[] clinics = [.. Values(token, "clinics"), .. Values(token, "extn.clinics"), .. appRoles.Where(role => role.StartsWith(ClinicRole, StringComparison.Ordinal)).Select(role => role[ClinicRole.Length..])];
        return new Caller(
            person.ToString(),
            roles,
            clinics.Contains("*") ? null : [.. clinics.Select(c => ClinicId.TryParse(c, null, out ClinicId clinic) ? clinic : (ClinicId?)null).OfType<ClinicId>()],
            Mfa: Values(token, "amr").Contains("mfa") || Values(token, "acrs").Intersect(staff.MfaContexts, StringComparer.Ordinal).Any())
        {
            Staff = person,
            Formerly = [.. new[] { Values(token, "oid").First(), person.ObjectId, token.Subject }.OfType<string>().Distinct(StringComparer.Ordinal)],
        };
    }

    /// <summary>
    /// An access token is of no use to the portal, nor an ID token to the API, though one application may be the audience of both: what a client
    /// holds to know who signed in must not be what opens the archive. Of Entra ID's, an access token that a person got states its scope
    /// (<c>scp</c>), and an ID token has none; RFC 9068 calls it <c>scope</c>. One that an application got for itself has roles and no scope.
    /// </summary>
    private static void CheckUse(JsonWebToken token, TokenUse use)
    {
        bool scoped = Values(token, "scp").Concat(Values(token, "scope")).Any(scope => scope.Length > 0);
        string type = token.Typ ?? "";
        bool id = type.Length == 0 || type.Equals("JWT", StringComparison.OrdinalIgnoreCase);
        bool access = id || type.Equals(AgentTokenType, StringComparison.OrdinalIgnoreCase);
        bool application = Values(token, "idtyp").Contains("app");
        bool client = _claimsOfClients.Any(name => Values(token, name).Any());
        if (use == TokenUse.Call && (!access || !scoped || application))
        {
            throw new TokenException("The token is no access token of a person: ID tokens, and tokens that an application got for itself, open nothing here. "
                + "Ask the staff's issuer for an access token for this application.");
        }

        if (use == TokenUse.SignIn && (!id || scoped || application || client))
        {
            throw new TokenException("The token is no ID token: the portal is entered by signing in.");
        }
    }

    private static StaffId PersonOf(JsonWebToken token, StaffIssuer staff)
    {
        string[] tenants = [.. Values(token, "tid")], objects = [.. Values(token, "oid")];
        return tenants is not [var tenant] || objects is not [var objectId] || !StaffId.TryCreate(tenant, objectId, out StaffId person)
            ? throw new TokenException("The token does not name a person by tid and oid. An ID token has them with the scopes openid and profile.")
            : !person.Tenant.Equals(staff.Tenant, StringComparison.OrdinalIgnoreCase) ? throw new TokenException("The token is of another tenant than the archive's staff.")
            : person;
    }

    private static IEnumerable<string> Values(JsonWebToken token, string name) => token.Claims.Where(claim => claim.Type == name).SelectMany(claim => claim.Value.Split(' '));

    /// <summary>What a token of the staff's issuer is for.</summary>
    private enum TokenUse
    {
        /// <summary>To call the API.</summary>
        Call,

        /// <summary>To say who signed in.</summary>
        SignIn,
    }

    private sealed record AgentClaims(string Aud, string Sub, string Role, string Key, long Exp);
}
