using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Format.Wire;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;
using TokenResponse = Duende.IdentityModel.Client.TokenResponse;

namespace CloudArchive.Cli.SignIn;

/// <summary>What to sign in to, and how.</summary>
/// <param name="Service">The archive.</param>
/// <param name="Issuer">Who signs people in.</param>
/// <param name="ClientId">As which application.</param>
/// <param name="Scope">For what.</param>
/// <param name="Claims">What the token must state besides; null: nothing.</param>
internal sealed record SignInRequest(Uri Service, string Issuer, string ClientId, string Scope, string? Claims)
{
    /// <summary>The scope that stands for an API of an operator's own in Entra ID: never one of Microsoft's own services, whatever a service says.</summary>
    private const string OwnApi = "api://";

    /// <summary>What a service asks for.</summary>
    /// <exception cref="IntegrityException">It asks for what no archive may have.</exception>
    public static SignInRequest Of(Uri service, SignInResponse answer, string? claims)
    {
        bool safe = Uri.TryCreate(answer.Issuer, UriKind.Absolute, out Uri? issuer) && (issuer.Scheme == Uri.UriSchemeHttps || (issuer.Scheme == Uri.UriSchemeHttp && issuer.IsLoopback && service.IsLoopback));
        return !safe ? throw new IntegrityException($"{service.Authority} names an issuer that is no https URL ({Texts.Printable(answer.Issuer)}). Nobody was signed in: tell the archive's operator.")
            : !answer.Scope.StartsWith(OwnApi, StringComparison.Ordinal) || answer.Scope.Any(char.IsWhiteSpace)
                ? throw new IntegrityException($"{service.Authority} asks for a token that is not for an archive ({Texts.Printable(answer.Scope)}). Nobody was signed in: is the address right? Tell the archive's operator.")
            : new SignInRequest(service, answer.Issuer, answer.ClientId, answer.Scope, claims);
    }

    /// <summary>The same login as before.</summary>
    public static SignInRequest Of(StaffSession session, string? claims) => new(session.Service, session.Issuer, session.ClientId, session.Scope, claims);
}

/// <summary>The issuer's answer to a question for a token that is no token: what the person is to know of it.</summary>
internal sealed class IssuerRefusedException(string error, string message) : CliException(ExitCode.Refused, message)
{
    /// <summary>RFC 6749 §5.2, RFC 8628 §3.5.</summary>
    public string Error { get; } = error;
}

/// <summary>An OpenID Connect issuer, by its discovery document: authorization code with PKCE, device code, refresh token. docs/decisions/0063.</summary>
internal sealed class OpenIdIssuer : IDisposable
{
    private readonly HttpClient _http;
    private readonly SignInRequest _request;
    private readonly TimeProvider _clock;
    private DiscoveryDocumentResponse? _document;

    public OpenIdIssuer(SignInRequest request, CliEnvironment environment)
    {
        _http = Network.CreateClient(environment);
        _request = request;
        _clock = environment.Clock;
    }

    /// <summary>For people.</summary>
    public string Host => new Uri(_request.Issuer).Authority;

    // openid and profile: who signed in; offline_access: a refresh token.
    private string Scopes => $"openid profile offline_access {_request.Scope}";

    /// <summary>Where the browser goes.</summary>
    public async Task<Uri> AuthorizeUrlAsync(string redirect, string state, string verifier, string? hint, CancellationToken cancellationToken)
    {
        string endpoint = EndpointOf((await DiscoverAsync(cancellationToken)).AuthorizeEndpoint, "authorization");
        return new Uri(new RequestUrl(endpoint).CreateAuthorizeUrl(
            clientId: _request.ClientId,
            responseType: OidcConstants.ResponseTypes.Code,
            scope: Scopes,
            redirectUri: redirect,
            state: state,
            loginHint: hint,
            prompt: hint is null ? OidcConstants.PromptModes.SelectAccount : null,
            codeChallenge: Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(verifier))),
            codeChallengeMethod: OidcConstants.CodeChallengeMethods.Sha256,
            extra: Extra()));
    }

    /// <summary>The session that the browser's answer stands for.</summary>
    public async Task<StaffSession> RedeemAsync(string code, string redirect, string verifier, CancellationToken cancellationToken)
    {
        using AuthorizationCodeTokenRequest request = await PrepareAsync<AuthorizationCodeTokenRequest>(cancellationToken);
        (request.Code, request.RedirectUri, request.CodeVerifier) = (code, redirect, verifier);
        return SessionOf(Checked(await _http.RequestAuthorizationCodeTokenAsync(request, cancellationToken), cancellationToken), device: false);
    }

    /// <summary>Begins a sign-in on another device.</summary>
    public async Task<DeviceAuthorizationResponse> BeginDeviceAsync(CancellationToken cancellationToken)
    {
        using DeviceAuthorizationRequest request = await PrepareAsync<DeviceAuthorizationRequest>(cancellationToken);
        request.Address = EndpointOf((await DiscoverAsync(cancellationToken)).DeviceAuthorizationEndpoint, "device authorization");
        request.Scope = Scopes;
        return Checked(await _http.RequestDeviceAuthorizationAsync(request, cancellationToken), cancellationToken);
    }

    /// <summary>Asks whether the person is done there. <see cref="IssuerRefusedException"/> says what is the matter where they are not.</summary>
    public async Task<StaffSession> PollAsync(string deviceCode, CancellationToken cancellationToken)
    {
        using DeviceTokenRequest request = await PrepareAsync<DeviceTokenRequest>(cancellationToken);
        request.DeviceCode = deviceCode;
        return SessionOf(Checked(await _http.RequestDeviceTokenAsync(request, cancellationToken), cancellationToken), device: true);
    }

    /// <summary>The session with its next token.</summary>
    public async Task<StaffSession> RefreshAsync(StaffSession session, string refreshToken, CancellationToken cancellationToken)
    {
        using RefreshTokenRequest request = await PrepareAsync<RefreshTokenRequest>(cancellationToken);
        (request.RefreshToken, request.Scope) = (refreshToken, Scopes);
        StaffSession next = SessionOf(Checked(await _http.RequestRefreshTokenAsync(request, cancellationToken), cancellationToken), session.Device);

        // An issuer may keep the refresh token as it is (RFC 6749 §6), and need not say again who it is.
        return next with { RefreshToken = next.RefreshToken ?? refreshToken, Subject = next.Subject ?? session.Subject, Name = next.Name ?? session.Name };
    }

    public void Dispose() => _http.Dispose();

    /// <summary>What the network did, so that it is waited out as elsewhere; null: the issuer has spoken.</summary>
    private Failure? FailureOf(ProtocolResponse response, CancellationToken cancellationToken) =>
        response.Exception is { } error ? Failure.Of(error, cancellationToken)
        : response.HttpResponse is { } answer ? Failure.Of(answer, Answerer.Service, _clock.GetUtcNow())
        : null;

    private T Checked<T>(T response, CancellationToken cancellationToken)
        where T : ProtocolResponse
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (FailureOf(response, cancellationToken) is { } failure)
        {
            // NeverSent: what the command wanted of the archive surely was not.
            throw new AnswerException(failure with { Why = $"{Host}, which signs people in: {failure.Why}", NeverSent = true }, response.Exception);
        }

        string? description = response.TryGet(OidcConstants.TokenResponse.ErrorDescription);
        return response.IsError
            ? throw new IssuerRefusedException(response.Error ?? "", $"{Host} does not sign in: {Brief(description, response.Error)}")
            : response;
    }

    /// <summary>The first line: what follows in Entra ID's are ids of its log.</summary>
    private static string Brief(string? description, string? error)
    {
        string line = (description ?? "").Split('\n', '\r')[0].Split(" Trace ID:")[0].Trim();
        return Texts.Printable((line.Length > 0 ? line : error ?? "no reason given").TrimEnd('.')) + ".";
    }

    private async Task<DiscoveryDocumentResponse> DiscoverAsync(CancellationToken cancellationToken)
    {
        if (_document is null)
        {
            Uri issuer = new(_request.Issuer);
            DiscoveryPolicy policy = new()
            {
                Authority = _request.Issuer,
                RequireHttps = !issuer.IsLoopback,
                RequireKeySet = false, // an ID token is read for whom to greet, and comes from the issuer itself (OpenID Connect Core §3.1.3.7, 6)
            };

            // Entra ID has its endpoints beside the issuer's path, and its userinfo, which nobody here asks, with another host.
            policy.AdditionalEndpointBaseAddresses.Add(issuer.GetLeftPart(UriPartial.Authority));
            policy.EndpointValidationExcludeList.Add(OidcConstants.Discovery.UserInfoEndpoint);
            using DiscoveryDocumentRequest request = new() { Address = _request.Issuer, Policy = policy };
            _document = Checked(await _http.GetDiscoveryDocumentAsync(request, cancellationToken), cancellationToken);
        }

        return _document;
    }

    private string EndpointOf(string? endpoint, string what) =>
        endpoint ?? throw new IssuerRefusedException("", $"{Host} has no {what} endpoint: it does not sign people in this way.");

    private async Task<T> PrepareAsync<T>(CancellationToken cancellationToken)
        where T : ProtocolRequest, new() => new()
        {
            Address = EndpointOf((await DiscoverAsync(cancellationToken)).TokenEndpoint, "token"),
            ClientId = _request.ClientId,
            ClientCredentialStyle = ClientCredentialStyle.PostBody,
            Parameters = Extra(),
        };

    private Parameters Extra() => _request.Claims is { } claims ? new Parameters([new("claims", claims)]) : []; // OpenID Connect Core §5.5

    private StaffSession SessionOf(TokenResponse answer, bool device)
    {
        if (string.IsNullOrEmpty(answer.AccessToken) || answer.ExpiresIn <= 0)
        {
            throw new IssuerRefusedException("", $"{Host} answered without an access token, or with one that is over already.");
        }

        JsonObject? person = ReadIdentity(answer.IdentityToken);
        return new StaffSession(
            _request.Service, _request.Issuer, _request.ClientId, _request.Scope, answer.AccessToken, _clock.GetUtcNow().AddSeconds(answer.ExpiresIn),
            answer.RefreshToken is { Length: > 0 } next ? next : null,
            TextOf(person, "sub"), TextOf(person, "preferred_username") ?? TextOf(person, "name"), _request.Claims, device);
    }

    private static string? TextOf(JsonObject? person, string name) => person?[name] is JsonValue value && value.TryGetValue(out string? text) && text.Length > 0 ? Texts.Printable(text) : null;

    private static JsonObject? ReadIdentity(string? token)
    {
        try
        {
            return token?.Split('.') is [_, var payload, _] ? JsonNode.Parse(Base64Url.DecodeFromChars(payload)) as JsonObject : null;
        }
        catch (Exception error) when (error is JsonException or FormatException)
        {
            return null; // then nobody is greeted by name
        }
    }
}
