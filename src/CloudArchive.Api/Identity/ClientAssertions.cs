using System.Security.Cryptography;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CloudArchive.Api.Identity;

/// <summary>
/// private_key_jwt (RFC 7523 §3): an agent proves that it holds its key. Each assertion works once.
/// </summary>
public sealed class ClientAssertions(Agents agents, UsedAssertions used, CloudArchiveOptions options, TimeProvider clock)
{
    private const int MostCharacters = 4096;
    private static readonly TimeSpan _longestLife = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan _skew = TimeSpan.FromMinutes(1);
    private static readonly AgentId _nobody = AgentId.New(ClinicId.Parse("nobody"));
    private static readonly Jwk _nobodysKey = NewKey();

    /// <summary>The agent that made the assertion.</summary>
    /// <exception cref="TokenException">It is malformed, expired, replayed, too long-lived, for another service, not signed by the agent's key, or the agent is revoked.</exception>
    public async Task<Agent> VerifyAsync(string assertion, CancellationToken cancellationToken)
    {
        JsonWebToken unverified;
        try
        {
            unverified = assertion.Length <= MostCharacters ? new JsonWebToken(assertion) : throw new TokenException("The assertion is too long.");
        }
        catch (Exception e) when (e is ArgumentException or SecurityTokenException or System.Text.Json.JsonException)
        {
            throw new TokenException("The assertion is malformed.", e);
        }

        // The same answer, after the same work, whether there is no such agent, it is revoked, or the signature is another's: an id that
        // names nobody is looked up like any other, and its signature is checked against a key that nobody has.
        bool named = AgentId.TryParse(unverified.Issuer, null, out AgentId id) && unverified.Subject == id.ToString();
        Agent? found = await agents.FindAsync(named ? id : _nobody, cancellationToken);
        Agent? agent = named && found is { Revoked: false } ? found : null;
        DateTimeOffset now = clock.GetUtcNow();
        JsonWebToken token;
        try
        {
            token = await BearerTokens.ValidateAsync(unverified, agent?.Key ?? _nobodysKey, (named ? id : _nobody).ToString(), options.TokenEndpoint, now);
        }
        catch (TokenException e)
        {
            throw Unknown(e);
        }

        if (agent is null)
        {
            throw Unknown(null);
        }

        DateTimeOffset expires = new(token.ValidTo, TimeSpan.Zero);
        if (expires > now + _longestLife + _skew)
        {
            throw new TokenException("The assertion lives longer than five minutes. Check this computer's clock.");
        }

        if (token.Id is not { Length: >= 8 and <= 200 })
        {
            throw new TokenException("The assertion has no jti of 8 to 200 characters.");
        }

        return await used.TryUseAsync(id, token.Id, expires, cancellationToken)
            ? agent
            : throw new TokenException("The assertion was used before. Make a new one for every request.");
    }

    private static TokenException Unknown(Exception? inner) =>
        new("The assertion is expired, or not by an enrolled agent. Check this computer's clock; if it is right, enroll this computer again.", inner);

    private static Jwk NewKey()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return JwkKeys.FromEcdsa(key);
    }
}
