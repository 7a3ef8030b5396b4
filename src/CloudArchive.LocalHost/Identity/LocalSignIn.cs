using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Api;
using CloudArchive.Format;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.IdentityModel.Tokens;

namespace CloudArchive.LocalHost.Identity;

/// <summary>
/// The issuer's endpoints, which <c>cloudarchive login</c> uses as it uses Entra ID's: OpenID Connect discovery, authorization code with PKCE
/// (RFC 7636), device code (RFC 8628), refresh tokens. The sign-in code says who may, as at the portal's door. A second factor is taken on the
/// person's word, and only where the login asks for one, so that stepping up can be tried out. All but the keys is forgotten when LocalHost ends.
/// </summary>
internal sealed class LocalSignIn(LocalIssuer issuer, LocalDoor door, TimeProvider clock)
{
    public const string Path = "/issuer";

    /// <summary>As long as Entra ID's live.</summary>
    private static readonly TimeSpan s_tokenLifetime = TimeSpan.FromHours(1);

    /// <summary>Between two questions of a device. RFC 8628 has 5 s where nothing is said; here one machine asks itself.</summary>
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_deviceLifetime = TimeSpan.FromMinutes(15);
    private const long MostBytes = 32 * 1024;

    /// <summary>No vowels, so no words, and nothing that looks like something else (RFC 8628 §6.1).</summary>
    private const string UserCodeLetters = "BCDFGHJKLMNPQRSTVWXZ";
    private readonly Tickets<Authorization> _codes = new(TimeSpan.FromMinutes(1), clock);
    private readonly Tickets<Device> _devices = new(s_deviceLifetime, clock);
    private readonly Tickets<Grant> _refreshTokens = new(TimeSpan.FromDays(90), clock);

    /// <summary>Answers a request below <see cref="Path"/>.</summary>
    public async Task InvokeAsync(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = MostBytes;
        }

        try
        {
            await ((context.Request.Method, context.Request.Path.Value) switch
            {
                ("GET", "/.well-known/openid-configuration") => WriteAsync(context, Configuration()),
                ("GET", "/keys") => WriteAsync(context, issuer.Keys),
                ("GET", "/authorize") => AuthorizeAsync(context, new Form(context.Request.Query), sent: false),
                ("POST", "/authorize") => AuthorizeAsync(context, await FormAsync(context), sent: true),
                ("POST", "/device_authorization") => WriteAsync(context, BeginDevice(await FormAsync(context))),
                ("GET", "/device") => DeviceAsync(context, new Form(context.Request.Query), sent: false),
                ("POST", "/device") => DeviceAsync(context, await FormAsync(context), sent: true),
                ("POST", "/token") => WriteAsync(context, Token(await FormAsync(context))),
                _ => throw new OAuthException("invalid_request", "There is no such endpoint.", StatusCodes.Status404NotFound),
            });
        }
        catch (OAuthException error)
        {
            await Problems.WriteAsync(context, error);
        }
    }

    private object Configuration() => new
    {
        issuer = issuer.Url.AbsoluteUri,
        authorization_endpoint = At("authorize"),
        token_endpoint = At("token"),
        device_authorization_endpoint = At("device_authorization"),
        jwks_uri = At("keys"),
        response_types_supported = (string[])["code"],
        grant_types_supported = (string[])["authorization_code", "refresh_token", DeviceGrant],
        code_challenge_methods_supported = (string[])["S256"],
        token_endpoint_auth_methods_supported = (string[])["none"],
        subject_types_supported = (string[])["public"],
        id_token_signing_alg_values_supported = (string[])[SecurityAlgorithms.EcdsaSha256],
        claims_parameter_supported = true,
    };

    private const string DeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

    /// <summary>Shows who may be signed in, and sends the code to where the command listens.</summary>
    private async Task AuthorizeAsync(HttpContext context, Form form, bool sent)
    {
        // An address that is not this client's gets nothing, not even an error (RFC 6749 §4.1.2.1).
        if (form["client_id"] != LocalIssuer.Client.Id || !Uri.TryCreate(form["redirect_uri"], UriKind.Absolute, out Uri? redirect) || !IsLoopback(redirect))
        {
            await LocalSignInPage.WriteAsync(context, "Not for this", "<p>The sign-in was asked for by a program that is not known here. Close this window, and run <code>cloudarchive login</code> again.</p>", status: 400);
            return;
        }

        try
        {
            if (form["response_type"] != "code" || form["code_challenge_method"] != "S256" || form["code_challenge"].Length != 43)
            {
                throw new OAuthException("invalid_request", "Only response_type code with a code_challenge by S256 is known here.");
            }

            bool secondFactor = IsSecondFactorAsked(form["claims"]);
            if (sent && form["answer"] == "no")
            {
                throw new OAuthException("access_denied", "The sign-in was declined.");
            }

            if (!sent || Admit(form, secondFactor) is not { } grant)
            {
                await LocalSignInPage.AskAsync(context, door.Identities, form, secondFactor, wrong: sent, redirect);
                return;
            }

            Send(context, redirect, form, "code", _codes.Add(new Authorization(grant, form["code_challenge"], form["redirect_uri"])));
        }
        catch (OAuthException error)
        {
            Send(context, redirect, form, "error", error.Error, error.Message);
        }
    }

    private static void Send(HttpContext context, Uri redirect, Form form, string name, string value, string? description = null)
    {
        Dictionary<string, string?> answer = new() { [name] = value, ["error_description"] = description, ["state"] = form["state"] };
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.Location = QueryHelpers.AddQueryString(redirect.AbsoluteUri, answer.Where(pair => pair.Value is not null));
    }

    private object BeginDevice(Form form)
    {
        CheckClient(form);
        string userCode = RandomNumberGenerator.GetString(UserCodeLetters, 8).Insert(4, "-");
        string deviceCode = _devices.Add(new Device(userCode, IsSecondFactorAsked(form["claims"])));
        return new
        {
            device_code = deviceCode,
            user_code = userCode,
            verification_uri = At("device"),
            verification_uri_complete = QueryHelpers.AddQueryString(At("device"), "user_code", userCode),
            expires_in = (int)s_deviceLifetime.TotalSeconds,
            interval = (int)s_interval.TotalSeconds,
        };
    }

    private async Task DeviceAsync(HttpContext context, Form form, bool sent)
    {
        string userCode = form["user_code"].Trim().ToUpperInvariant();
        Device? device = _devices.Values.FirstOrDefault(device => device.UserCode == userCode && device.Answer is null);
        bool declined = sent && form["answer"] == "no";
        Grant? grant = !sent || declined || device is null ? null : Admit(form, device.SecondFactor);
        if (device is null || (grant is null && !declined))
        {
            await LocalSignInPage.AskAsync(context, door.Identities, form, device?.SecondFactor ?? false, wrong: sent, redirect: null);
            return;
        }

        device.Answer = new DeviceAnswer(grant);
        await (declined
            ? LocalSignInPage.WriteAsync(context, "Declined", "<p>Nobody was signed in.</p>")
            : LocalSignInPage.WriteAsync(context, "Signed in", "<p>The command line goes on by itself. This window can be closed.</p>"));
    }

    private object Token(Form form)
    {
        CheckClient(form);
        Grant grant = form["grant_type"] switch
        {
            "authorization_code" => _codes.Take(form["code"]) is { } code && code.RedirectUri == form["redirect_uri"] && code.Challenge == ChallengeOf(form["code_verifier"])
                ? code.Grant
                : throw new OAuthException("invalid_grant", "The code is not good, was used before, or was given to another."),
            "refresh_token" => _refreshTokens.Find(form["refresh_token"])
                ?? throw new OAuthException("invalid_grant", "The refresh token is not good any more: LocalHost was started again since, or 90 days have passed."),
            DeviceGrant => OfDevice(form["device_code"]),
            _ => throw new OAuthException("unsupported_grant_type", "Only authorization_code, refresh_token and device_code are known here."),
        };
        if (IsSecondFactorAsked(form["claims"]) && !grant.SecondFactor)
        {
            throw new OAuthException("interaction_required", "The person has to state a second factor first.");
        }

        return new
        {
            token_type = "Bearer",
            access_token = issuer.Issue(grant.Subject, grant.Role, grant.SecondFactor, s_tokenLifetime),
            id_token = issuer.IssueIdentity(grant.Subject, s_tokenLifetime),
            refresh_token = form["grant_type"] == "refresh_token" ? form["refresh_token"] : _refreshTokens.Add(grant),
            expires_in = (int)s_tokenLifetime.TotalSeconds,
            scope = LocalIssuer.Client.Scope,
        };
    }

    private Grant OfDevice(string deviceCode)
    {
        Device device = _devices.Find(deviceCode) ?? throw new OAuthException("expired_token", "The code has run out.");
        if (device.Answer is { } answer)
        {
            _devices.Take(deviceCode);
            return answer.Grant ?? throw new OAuthException("access_denied", "The sign-in was declined.");
        }

        DateTimeOffset now = clock.GetUtcNow();
        bool tooSoon = now - device.AskedAt < s_interval;
        device.AskedAt = now;
        throw tooSoon ? new OAuthException("slow_down", "Ask less often.") : new OAuthException("authorization_pending", "Nobody has entered the code yet.");
    }

    private Grant? Admit(Form form, bool secondFactor) =>
        door.RoleOf(form["code"].Trim(), form["identity"]) is { } role ? new Grant(form["identity"], role, secondFactor) : null;

    /// <summary>Whether the login asks for the context that stands for a second factor (OpenID Connect Core §5.5).</summary>
    private static bool IsSecondFactorAsked(string claims)
    {
        try
        {
            return claims.Length > 0 && (string?)JsonNode.Parse(claims)?["access_token"]?["acrs"]?["value"] == LocalIssuer.SecondFactor;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new OAuthException("invalid_request", "The parameter claims is not what OpenID Connect says.", inner: e);
        }
    }

    private static void CheckClient(Form form)
    {
        if (form["client_id"] != LocalIssuer.Client.Id)
        {
            throw new OAuthException("invalid_client", "The client is not known here.", StatusCodes.Status401Unauthorized);
        }
    }

    /// <summary>Any port: RFC 8252 §7.3.</summary>
    private static bool IsLoopback(Uri redirect) => redirect is { Scheme: "http", IsLoopback: true, AbsolutePath: "/", Query: "", Fragment: "", UserInfo: "" };

    private static string ChallengeOf(string verifier) => Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(verifier)));

    private string At(string endpoint) => $"{issuer.Url.AbsoluteUri}/{endpoint}";

    private static async Task<Form> FormAsync(HttpContext context)
    {
        try
        {
            return context.Request.HasFormContentType ? new Form(await context.Request.ReadFormAsync(context.RequestAborted)) : throw new OAuthException("invalid_request", "Send a form.");
        }
        catch (InvalidDataException e)
        {
            throw new OAuthException("invalid_request", "The form is not well formed.", inner: e);
        }
    }

    private static Task WriteAsync<T>(HttpContext context, T document)
    {
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsJsonAsync(document, FormatJson.Options, "application/json", context.RequestAborted);
    }

    /// <summary>What a query or a form says; nothing is the empty text.</summary>
    internal sealed class Form(IEnumerable<KeyValuePair<string, Microsoft.Extensions.Primitives.StringValues>> values)
    {
        private readonly Dictionary<string, string> _values = values.ToDictionary(pair => pair.Key, pair => pair.Value.FirstOrDefault() ?? "", StringComparer.Ordinal);

        public string this[string name] => _values.GetValueOrDefault(name, "");

        public IEnumerable<KeyValuePair<string, string>> All => _values;
    }

    private sealed record Grant(string Subject, string Role, bool SecondFactor);

    private sealed record Authorization(Grant Grant, string Challenge, string RedirectUri);

    /// <summary>What somebody said; null: no.</summary>
    private sealed record DeviceAnswer(Grant? Grant);

    private sealed class Device(string userCode, bool secondFactor)
    {
        public string UserCode => userCode;

        public bool SecondFactor => secondFactor;

        public DeviceAnswer? Answer { get; set; }

        public DateTimeOffset AskedAt { get; set; }
    }

    /// <summary>Things under 256 random bits, each for so long. Of more than a thousand the oldest go: anyone on this machine can ask for some.</summary>
    private sealed class Tickets<T>(TimeSpan lifetime, TimeProvider clock)
        where T : class
    {
        private const int Most = 1000;
        private readonly OrderedDictionary<string, (T Value, DateTimeOffset Until)> _tickets = [];
        private readonly Lock _gate = new();

        public T[] Values
        {
            get
            {
                lock (_gate)
                {
                    return [.. _tickets.Values.Where(ticket => clock.GetUtcNow() < ticket.Until).Select(ticket => ticket.Value)];
                }
            }
        }

        public string Add(T value)
        {
            string name = Base64UrlEncoder.Encode(RandomNumberGenerator.GetBytes(32));
            lock (_gate)
            {
                while (_tickets.Count >= Most)
                {
                    _tickets.RemoveAt(0);
                }

                _tickets.Add(name, (value, clock.GetUtcNow() + lifetime));
            }

            return name;
        }

        public T? Find(string name)
        {
            lock (_gate)
            {
                return _tickets.TryGetValue(name, out (T Value, DateTimeOffset Until) ticket) && clock.GetUtcNow() < ticket.Until ? ticket.Value : null;
            }
        }

        public T? Take(string name)
        {
            lock (_gate)
            {
                return _tickets.Remove(name, out (T Value, DateTimeOffset Until) ticket) && clock.GetUtcNow() < ticket.Until ? ticket.Value : null;
            }
        }
    }
}
