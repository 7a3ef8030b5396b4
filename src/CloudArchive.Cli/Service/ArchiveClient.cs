using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Service;

/// <summary>Where access tokens come from.</summary>
public interface IAccessTokens
{
    /// <summary>A token that is good for a minute at least; a new one where <paramref name="refused"/> was just refused.</summary>
    Task<string> GetAsync(string? refused, CancellationToken cancellationToken);
}

/// <summary>Access tokens of a person who can sign in again for one that states more.</summary>
public interface IStepUp
{
    /// <summary>Signs in with those claims, unless that was done since <paramref name="refused"/> was handed out; the next token is one that states them.</summary>
    Task StepUpAsync(string refused, string claims, CancellationToken cancellationToken);
}

/// <summary>The HTTP API. Repeats what is safe to repeat while the service cannot be reached; every answer that is no success is an exception that says why.</summary>
public sealed partial class ArchiveClient : IDisposable
{
    private readonly Uri _root;
    private readonly IAccessTokens? _tokens;
    private readonly Network _network;
    private readonly bool _ownsNetwork;
    private readonly ConcurrentDictionary<string, Pause> _paused = new(StringComparer.Ordinal);

    // An admin may raise the quota: what was refused for it is asked for again after so long, and no sooner.
    private static readonly TimeSpan s_longestPause = TimeSpan.FromHours(1);

    /// <param name="service">The service's root URL.</param>
    /// <param name="tokens">Null for the few calls that need none.</param>
    /// <param name="network">The way out.</param>
    public ArchiveClient(Uri service, IAccessTokens? tokens, Network network)
    {
        Service = service;
        _root = new Uri(service.AbsoluteUri.TrimEnd('/') + "/");
        _tokens = tokens;
        _network = network;
    }

    /// <param name="service">The service's root URL.</param>
    /// <param name="tokens">Null for the few calls that need none.</param>
    /// <param name="environment">The way out, as a command has it that somebody waits for.</param>
    public ArchiveClient(Uri service, IAccessTokens? tokens, CliEnvironment environment)
        : this(service, tokens, new Network(environment)) => _ownsNetwork = true;

    /// <summary>The service's root URL.</summary>
    public Uri Service { get; }

    /// <summary>Told each time that the clinic's daily quota is used up.</summary>
    public Action<QuotaUsedUpException>? OnQuotaUsedUp { get; init; }

    /// <summary>GET of a JSON document.</summary>
    public Task<T> GetAsync<T>(string path, CancellationToken cancellationToken) => SendAsync<T>(HttpMethod.Get, path, null, repeatable: true, cancellationToken);

    /// <summary>POST of a JSON document.</summary>
    /// <param name="path">Below the service's root.</param>
    /// <param name="body">The document; null for an empty body.</param>
    /// <param name="repeatable">Whether a second POST does no more than the first, so that one whose answer got lost may be repeated.</param>
    /// <param name="cancellationToken">Stops.</param>
    public Task<T> PostAsync<T>(string path, object? body, bool repeatable, CancellationToken cancellationToken) =>
        SendAsync<T>(HttpMethod.Post, path, body is null ? null : _ => Json(body), repeatable, cancellationToken);

    /// <summary>PUT of a JSON document, which may be repeated.</summary>
    public Task<T> PutAsync<T>(string path, object body, CancellationToken cancellationToken) =>
        SendAsync<T>(HttpMethod.Put, path, _ => Json(body), repeatable: true, cancellationToken);

    /// <summary>POST of a form, as OAuth has it. Each attempt sends a form of its own.</summary>
    public Task<T> PostFormAsync<T>(string path, Func<CancellationToken, Task<IReadOnlyDictionary<string, string>>> form, CancellationToken cancellationToken) =>
        SendAsync<T>(HttpMethod.Post, path, async cancellation => new FormUrlEncodedContent(await form(cancellation)), repeatable: true, cancellationToken);

    /// <summary>Every item of a paged listing.</summary>
    public IAsyncEnumerable<T> GetPagesAsync<T>(string path, CancellationToken cancellationToken) => GetEachPageAsync<T>(path, null, cancellationToken).SelectMany(page => page.Items);

    /// <summary>Every page of a paged listing, from a place on.</summary>
    public async IAsyncEnumerable<Page<T>> GetEachPageAsync<T>(string path, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string separator = path.Contains('?', StringComparison.Ordinal) ? "&" : "?";
        do
        {
            Page<T> page = await GetAsync<Page<T>>(after is null ? path : $"{path}{separator}after={Uri.EscapeDataString(after)}", cancellationToken);
            yield return page;
            if (page.Next is not null && page.Next == after) throw new IntegrityException($"The service's listing {path.Split('?')[0]} never ends: it repeats the page after {after}.");
            after = page.Next;
        }
        while (after is not null);
    }

    /// <summary>GETs a file: its bytes, and the path where it lies (<c>Content-Location</c>, where the service says so).</summary>
    public Task<(byte[] Content, string? Location)> GetFileAsync(string path, CancellationToken cancellationToken) => ExchangeAsync(
        HttpMethod.Get,
        path,
        null,
        repeatable: true,
        async (answer, cancellation) => (await answer.Content.ReadAsByteArrayAsync(cancellation), answer.Content.Headers.ContentLocation?.ToString()),
        cancellationToken);

    /// <summary>GETs a file to disk. Each attempt begins it anew.</summary>
    public Task<Nothing> DownloadAsync(string path, string file, CancellationToken cancellationToken) => ExchangeAsync(
        HttpMethod.Get,
        path,
        null,
        repeatable: true,
        async (answer, cancellation) =>
        {
            await using FileStream target = File.Create(file);
            await answer.Content.CopyToAsync(target, cancellation);
            return Nothing.Value;
        },
        cancellationToken);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsNetwork)
        {
            _network.Dispose();
        }
    }

    private static Task<HttpContent> Json(object body) => Task.FromResult<HttpContent>(JsonContent.Create(body, body.GetType(), options: FormatJson.Options));

    private Task<T> SendAsync<T>(HttpMethod method, string path, Func<CancellationToken, Task<HttpContent>>? content, bool repeatable, CancellationToken cancellationToken) => ExchangeAsync(
        method,
        path,
        content,
        repeatable,
        async (answer, cancellation) => typeof(T) == typeof(Nothing)
            ? (T)(object)Nothing.Value
            : Parse<T>(await answer.Content.ReadAsByteArrayAsync(cancellation), $"{method} {path.Split('?')[0]}"),
        cancellationToken);

    private async Task<T> ExchangeAsync<T>(
        HttpMethod method, string path, Func<CancellationToken, Task<HttpContent>>? content, bool repeatable, Func<HttpResponseMessage, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        ThrowIfPaused(path);
        string? refused = null;
        string? token = null;
        bool steppedUp = false;
        while (true)
        {
            try
            {
                return await _network.ExchangeAsync(
                    new Exchange(Service.Authority, Answerer.Service, repeatable),
                    async cancellation =>
                    {
                        // Asked for at each attempt: an outage may outlast a token.
                        token = _tokens is null ? null : await _tokens.GetAsync(refused, cancellation);
                        HttpRequestMessage request = new(method, new Uri(_root, path)) { Content = content is null ? null : await content(cancellation) };
                        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
                        return request;
                    },
                    async (answer, cancellation) => answer.IsSuccessStatusCode ? await read(answer, cancellation) : throw await DescribeAsync(answer, cancellation),
                    cancellationToken);
            }
            catch (ServiceRefusedException error) when (error.Claims is { } claims && token is not null && _tokens is IStepUp person)
            {
                if (steppedUp)
                {
                    throw new ServiceRefusedException(
                        error.Status, error.Problem,
                        $"The second factor was used, and the token of the new sign-in does not state it: {Service.Authority} asks for it still. Its operator has to see that the issuer's policy gives the authentication context (docs/operations.md, Who may do what).", null);
                }

                await person.StepUpAsync(token, claims, cancellationToken);
                steppedUp = true;
            }
            catch (ServiceRefusedException error) when (error.Status == (int)HttpStatusCode.Unauthorized && error.Claims is null && token is not null && refused is null)
            {
                refused = token; // it may have been revoked, or have outlived the service's key: once, another
            }
            catch (QuotaUsedUpException error)
            {
                _paused[path] = new Pause(_network.Clock.GetTimestamp(), error);
                OnQuotaUsedUp?.Invoke(error);
                throw;
            }
        }
    }

    private void ThrowIfPaused(string path)
    {
        if (_paused.TryGetValue(path, out Pause? pause))
        {
            if (_network.Clock.GetElapsedTime(pause.Since) is var gone && gone < pause.Error.Wait && gone < s_longestPause)
            {
                throw new QuotaUsedUpException(pause.Error.Message, pause.Error.Wait - gone);
            }

            _paused.TryRemove(path, out _);
        }
    }

    /// <summary>The document. One that was cut off or garbled on the way is asked for again; one that this version does not understand is not.</summary>
    private static T Parse<T>(byte[] body, string request)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(body, FormatJson.Options) ?? throw new JsonException("An empty document.");
        }
        catch (Exception error) when (error is JsonException or NotSupportedException)
        {
            throw new AnswerException(
                IsJson(body) ? new Failure(FailureKind.NotUnderstood, $"its answer to {request} is not what this version understands ({error.Message})") : new Failure(FailureKind.Unreachable, $"its answer to {request} was cut off or garbled"),
                error);
        }
    }

    private static bool IsJson(byte[] body)
    {
        try
        {
            Utf8JsonReader reader = new(body);
            while (reader.Read())
            {
                // To the end.
            }

            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static async Task<CliException> DescribeAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        string body = await answer.Content.ReadAsStringAsync(cancellationToken);
        Problem? problem = null;
        try
        {
            problem = JsonSerializer.Deserialize<Problem>(body, FormatJson.Options);
        }
        catch (JsonException)
        {
            // A proxy's page, or nothing at all: the status must do.
        }

        string what = problem switch
        {
            { Detail: { Length: > 0 } detail } => problem.Title is { Length: > 0 } title && !detail.StartsWith(title, StringComparison.Ordinal) ? $"{title.TrimEnd('.')}: {detail}" : detail,
            { Title: { Length: > 0 } title } => title,
            { ErrorDescription: { Length: > 0 } description } => description,
            { Error: { Length: > 0 } error } => error,
            _ => $"HTTP {(int)answer.StatusCode}",
        };
        string slug = problem?.Type?.Split('/')[^1] ?? problem?.Error ?? $"http-{(int)answer.StatusCode}";
        string? claims = ClaimsOf(answer);
        string hint = claims is not null ? " cloudarchive login --mfa signs in with one; a token that is given must state it."
            : answer.StatusCode == HttpStatusCode.Unauthorized ? " The token is missing, wrong or too old."
            : "";
        if (slug == QuotaUsedUpException.Problem)
        {
            return new QuotaUsedUpException($"{what.TrimEnd('.')}.", answer.Headers.RetryAfter?.Delta ?? s_longestPause);
        }

        return new ServiceRefusedException((int)answer.StatusCode, slug, $"The service refused: {what.TrimEnd('.')}.{hint}", problem?.CorrelationId) { Claims = claims };
    }

    /// <summary>What the challenge asks for, as Entra ID's clients read it: claims as a JSON object in base64.</summary>
    private static string? ClaimsOf(HttpResponseMessage answer)
    {
        string? challenge = answer.Headers.WwwAuthenticate.FirstOrDefault(one => string.Equals(one.Scheme, "Bearer", StringComparison.OrdinalIgnoreCase))?.Parameter;
        if (answer.StatusCode != HttpStatusCode.Unauthorized || challenge?.Contains("error=\"insufficient_claims\"", StringComparison.Ordinal) != true)
        {
            return null;
        }

        try
        {
            byte[] claims = Convert.FromBase64String(ClaimsParameter().Match(challenge).Groups["claims"].Value);
            return IsJson(claims) && claims is [(byte)'{', ..] ? Encoding.UTF8.GetString(claims) : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    [GeneratedRegex("(^|[ ,])claims=\"(?<claims>[A-Za-z0-9+/=]{1,8192})\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ClaimsParameter();

    /// <summary>What was refused for the quota, and when.</summary>
    private sealed record Pause(long Since, QuotaUsedUpException Error);

    /// <summary>RFC 9457, and RFC 6749 §5.2 at the token endpoint.</summary>
    private sealed record Problem(
        string? Type = null,
        string? Title = null,
        string? Detail = null,
        string? CorrelationId = null,
        string? Error = null,
        [property: System.Text.Json.Serialization.JsonPropertyName("error_description")] string? ErrorDescription = null);
}

/// <summary>An answer whose body says nothing.</summary>
public sealed class Nothing
{
    /// <summary>The one.</summary>
    public static Nothing Value { get; } = new();
}
