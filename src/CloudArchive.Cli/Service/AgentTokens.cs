using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Service;

/// <summary>Proves the agent's key at the token endpoint (private_key_jwt, RFC 7523 §2.2) and keeps the token while it lasts.</summary>
public sealed class AgentTokens : IAccessTokens, IDisposable
{
    private static readonly TimeSpan AssertionLifetime = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(1);
    private readonly AgentIdentity _identity;
    private readonly Func<ECDsa, ECDsa?> _otherKey;
    private readonly Action<ECDsa> _onChanged;
    private ECDsa _key;
    private readonly ArchiveClient _client;
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private string? _token;
    private DateTimeOffset _goodUntil;

    /// <param name="identity">Whom to be.</param>
    /// <param name="key">The agent's private key; disposed with this.</param>
    /// <param name="otherKey">Another key of this agent on this computer than the one that was refused, or null: its change was cut off, or another run made it.</param>
    /// <param name="onChanged">Told when the service turned out to know that other key.</param>
    /// <param name="network">The way out.</param>
    public AgentTokens(AgentIdentity identity, ECDsa key, Func<ECDsa, ECDsa?> otherKey, Action<ECDsa> onChanged, Network network)
    {
        _identity = identity;
        _key = key;
        _otherKey = otherKey;
        _onChanged = onChanged;
        _clock = network.Clock;
        _client = new ArchiveClient(identity.Service, null, network);
    }

    /// <inheritdoc/>
    public async Task<string> GetAsync(string? refused, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_token is null || _token == refused || _clock.GetUtcNow() >= _goodUntil)
            {
                TokenResponse answer = await AskAsync(mayChange: true, cancellationToken);
                _token = answer.AccessToken;
                _goodUntil = _clock.GetUtcNow().AddSeconds(answer.ExpiresIn) - Margin;
            }

            return _token;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>The request that changes this agent's key to <paramref name="next"/>, proven by both.</summary>
    public async Task<RenewAgentKeyRequest> ProposeAsync(ECDsa next, CancellationToken cancellationToken)
    {
        Jwk newKey = JwkKeys.FromEcdsa(next);
        AgentKeyChange change = new(_identity.AgentId, _identity.Audience, JwkKeys.FromEcdsa(_key).Kid!, newKey.Kid!, _clock.GetUtcNow());
        return new RenewAgentKeyRequest(newKey, await change.SignAsync(_key, cancellationToken), await change.SignAsync(next, cancellationToken));
    }

    /// <summary>Goes on with another key, which the service knows by now. The token of the old one is worth nothing any more.</summary>
    /// <param name="key">Disposed with this.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task ChangeToAsync(ECDsa key, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            _key.Dispose();
            (_key, _token) = (key, null);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _client.Dispose();
        _key.Dispose();
        _gate.Dispose();
    }

    private async Task<TokenResponse> AskAsync(bool mayChange, CancellationToken cancellationToken)
    {
        try
        {
            // An assertion is good once (its jti): each attempt makes another.
            return await _client.PostFormAsync<TokenResponse>(
                "v1/token",
                async cancellation => new Dictionary<string, string>
                {
                    ["grant_type"] = "client_credentials",
                    ["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    ["client_assertion"] = await AssertAsync(cancellation),
                },
                cancellationToken);
        }
        catch (ServiceRefusedException error) when (error.Problem is "invalid_client" && mayChange && _otherKey(_key) is { } other)
        {
            // A change of the key reached the service, and its answer did not reach us: only the new key opens now.
            ECDsa refused = _key;
            try
            {
                _key = other;
                TokenResponse answer = await AskAsync(mayChange: false, cancellationToken);
                _onChanged(other);
                (refused, other) = (other, refused);
                return answer;
            }
            finally
            {
                _key = refused;
                other.Dispose();
            }
        }
        catch (ServiceRefusedException error) when (error.Problem is "invalid_client")
        {
            throw new ServiceRefusedException(error.Status, error.Problem, $"The service does not let this computer in ({error.Message.TrimEnd('.')}). It may have been revoked, or its clock may be wrong: it shows {_clock.GetUtcNow():yyyy-MM-dd HH:mm} UTC. Ask your archive's admin for a new code to enroll again.", null);
        }
    }

    private async Task<string> AssertAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = _clock.GetUtcNow();
        byte[] claims = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                iss = _identity.AgentId,
                sub = _identity.AgentId,
                aud = _identity.Audience,
                jti = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)),
                iat = now.ToUnixTimeSeconds(),
                exp = (now + AssertionLifetime).ToUnixTimeSeconds(),
            },
            FormatJson.Options);
        string kid = JwkKeys.Thumbprint(JwkKeys.FromEcdsa(_key));
        return await Jws.SignAsync("JWT", claims, kid, (data, _) => Task.FromResult(_key.SignData(data.Span, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)), cancellationToken);
    }
}
