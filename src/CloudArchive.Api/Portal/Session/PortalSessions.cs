using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using CloudArchive.Api.Identity;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using Microsoft.AspNetCore.Http;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CloudArchive.Api.Portal.Session;

/// <summary>
/// Sessions without a store: the cookie is a JWS by the archive's key for tokens, so every instance reads it and nobody who can write to storage
/// can make one. It says how long ago the person was here; who they are says the staff token, which is validated on every request as the API does.
/// </summary>
internal sealed class PortalSessions : IDisposable
{
    /// <summary>So that no other JWS of the archive passes for a session.</summary>
    private const string TokenType = "cloudarchive-session+jws";

    /// <summary>The header of what a page asks by itself, as nobody's click. Only our own script can send it, and it only takes something away.</summary>
    internal const string Refresh = "X-Portal-Refresh";

    private const string PlatformToken = "X-MS-TOKEN-AAD-ID-TOKEN";
    private const int MostCharacters = 16 * 1024;

    /// <summary>A signature costs a call to the key store: a session is signed anew at most this often.</summary>
    private static readonly TimeSpan _renewAfter = TimeSpan.FromSeconds(30);

    private readonly ITokenSigner _signer;
    private readonly BearerTokens _tokens;
    private readonly PortalOptions _options;
    private readonly TimeProvider _clock;
    private readonly KeyCache _keys;

    public PortalSessions(ITokenSigner signer, BearerTokens tokens, CloudArchiveOptions options, TimeProvider clock)
    {
        _signer = signer;
        _tokens = tokens;
        _options = options.Portal;
        _clock = clock;
        _keys = new KeyCache(signer.GetAcceptedKeysAsync, clock, pause: TimeSpan.FromSeconds(1), outage: TimeSpan.Zero);
    }

    private string CookieName => _options.Secure ? "__Host-cloudarchive" : "cloudarchive";

    /// <summary>Begins a session for whom the token names. <see cref="TokenException"/> where it is not to be believed, or is not the staff's.</summary>
    /// <param name="context">The request.</param>
    /// <param name="token">A staff token; null for the one that the platform handed on.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<Caller> BeginAsync(HttpContext context, string? token, CancellationToken cancellationToken)
    {
        Caller caller = await ReadTokenAsync(token, PlatformTokenOf(context), cancellationToken);
        if (caller.Agent is not null || (caller.Roles & (Roles.Admin | Roles.Compliance)) == Roles.None)
        {
            throw new TokenException("The portal is for admins and compliance staff.");
        }

        long now = _clock.GetUtcNow().ToUnixTimeSeconds();
        await WriteAsync(context, new PortalSession(Random(), caller.Id, Random(), now, now, token), cancellationToken);
        return caller;
    }

    /// <summary>Who is calling, by the request's session, which goes on.</summary>
    /// <exception cref="SignInNeededException">There is no session, or it is over.</exception>
    /// <exception cref="TokenException">What the cookie holds is none that the archive signed, or its token is not to be believed.</exception>
    public async Task<Caller> ReadAsync(HttpContext context, CancellationToken cancellationToken)
    {
        if (context.Request.Cookies[CookieName] is not { Length: > 0 } cookie)
        {
            throw new SignInNeededException(SignInReason.None);
        }

        PortalSession session = await VerifyAsync(cookie, cancellationToken);
        DateTimeOffset now = _clock.GetUtcNow(), seen = DateTimeOffset.FromUnixTimeSeconds(session.SeenAt);
        if (now - seen >= _options.Idle)
        {
            throw new SignInNeededException(SignInReason.Idle);
        }

        if (now - DateTimeOffset.FromUnixTimeSeconds(session.StartedAt) >= _options.Longest || (session.Token ?? PlatformTokenOf(context)) is not { } token || IsOver(token, now))
        {
            throw new SignInNeededException(SignInReason.Expired);
        }

        Caller caller = await ReadTokenAsync(session.Token, token, cancellationToken);
        if (caller.Id != session.Subject)
        {
            // The platform's session is another person's by now.
            throw new SignInNeededException(SignInReason.Expired);
        }

        if (now - seen >= _renewAfter && !context.Request.Headers.ContainsKey(Refresh))
        {
            session = session with { SeenAt = now.ToUnixTimeSeconds() };
            await WriteAsync(context, session, cancellationToken);
        }

        context.Features.Set(session);
        return caller;
    }

    /// <summary>Whether the form was made for the session.</summary>
    public static bool Fits(PortalSession session, string? formToken) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(session.FormToken), Encoding.UTF8.GetBytes(formToken ?? ""));

    /// <summary>Takes the cookie away.</summary>
    public void End(HttpContext context) => context.Response.Cookies.Delete(CookieName, Cookie());

    /// <inheritdoc/>
    public void Dispose() => _keys.Dispose();

    private static string Random() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    /// <summary>Only to tell "sign in again" from "refused": whoever is let in, is so by the validation.</summary>
    private static bool IsOver(string token, DateTimeOffset now) => Parse(token) is { } jwt && jwt.ValidTo != DateTime.MinValue && new DateTimeOffset(jwt.ValidTo, TimeSpan.Zero) <= now;

    private static JsonWebToken? Parse(string token)
    {
        try
        {
            return token.Length <= MostCharacters ? new JsonWebToken(token) : null;
        }
        catch (Exception e) when (e is ArgumentException or SecurityTokenException or JsonException)
        {
            return null;
        }
    }

    // Two ways in: the host's own door has an access token, which the API would take too; the platform has an ID token, which it would not.
    private Task<Caller> ReadTokenAsync(string? own, string? platforms, CancellationToken cancellationToken) =>
        own is not null ? _tokens.ReadAsync(own, cancellationToken)
        : platforms is not null ? _tokens.ReadSignInAsync(platforms, cancellationToken)
        : throw new TokenException("The platform handed no ID token on.");

    // The front end takes these headers off what callers send, but only while it signs people in itself.
    private string? PlatformTokenOf(HttpContext context) => _options.PlatformSignIn && (string?)context.Request.Headers[PlatformToken] is { Length: > 0 } token ? token : null;

    private async Task<PortalSession> VerifyAsync(string cookie, CancellationToken cancellationToken)
    {
        try
        {
            Jwk key = await _keys.FindAsync(Parse(cookie)?.Kid ?? "", cancellationToken) ?? throw new TokenException("The session is signed with an unknown key.");
            return JsonSerializer.Deserialize<PortalSession>(Jws.Verify(cookie, TokenType, new JwkSet([key])).Payload, FormatJson.Options) ?? throw new TokenException("The session is empty.");
        }
        catch (Exception e) when (e is JwsException or JsonException)
        {
            throw new TokenException("The session is not by this archive.", e);
        }
    }

    private async Task WriteAsync(HttpContext context, PortalSession session, CancellationToken cancellationToken)
    {
        string keyId = await _signer.GetCurrentKeyIdAsync(cancellationToken);
        string jws = await Jws.SignAsync(TokenType, CanonicalJson.Serialize(session), keyId, (data, ct) => _signer.SignAsync(keyId, data, ct), cancellationToken);
        context.Features.Set(session);
        context.Response.Cookies.Append(CookieName, jws, Cookie());
    }

    // Lax and not Strict: a link in an alert's message must find its reader signed in. Nothing changes by GET, and every form carries its token.
    private CookieOptions Cookie() => new() { HttpOnly = true, Secure = _options.Secure, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true };
}
