using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Polly;
using Polly.Retry;
using Polly.Timeout;

namespace CloudArchive.Cli.Service;

/// <summary>Where access tokens come from.</summary>
public interface IAccessTokens
{
    /// <summary>A token that is good for a minute at least; a new one where <paramref name="refused"/> was just refused.</summary>
    Task<string> GetAsync(string? refused, CancellationToken cancellationToken);
}

/// <summary>The HTTP API. Repeats what is safe to repeat while the service cannot be reached; every answer that is no success is an exception that says why.</summary>
public sealed class ArchiveClient : IDisposable
{
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(240);
    private readonly HttpClient _http;
    private readonly IAccessTokens? _tokens;
    private readonly ResiliencePipeline<HttpResponseMessage> _repeat;
    private readonly ResiliencePipeline<HttpResponseMessage> _once;

    /// <param name="service">The service's root URL.</param>
    /// <param name="tokens">Null for the few calls that need none.</param>
    /// <param name="environment">The way out.</param>
    public ArchiveClient(Uri service, IAccessTokens? tokens, CliEnvironment environment)
    {
        Service = service;
        _tokens = tokens;
        _http = new HttpClient(environment.HttpHandler()) { BaseAddress = new Uri(service.AbsoluteUri.TrimEnd('/') + "/"), Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("cloudarchive", typeof(ArchiveClient).Assembly.GetName().Version!.ToString(3)));
        TimeoutStrategyOptions timeout = new() { Timeout = AttemptTimeout };
        _once = new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = environment.Clock }.AddTimeout(timeout).Build();
        _repeat = new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = environment.Clock }
            .AddRetry(new RetryStrategyOptions<HttpResponseMessage>
            {
                ShouldHandle = static outcome => ValueTask.FromResult(outcome.Outcome switch
                {
                    { Exception: HttpRequestException or TimeoutRejectedException } => true,
                    { Result: { } answer } => IsPassing(answer.StatusCode),
                    _ => false,
                }),
                MaxRetryAttempts = 5,
                Delay = TimeSpan.FromMilliseconds(400),
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                MaxDelay = TimeSpan.FromSeconds(20),
                DelayGenerator = static outcome => ValueTask.FromResult(outcome.Outcome.Result?.Headers.RetryAfter?.Delta is { } wait && wait <= TimeSpan.FromMinutes(2) ? wait : (TimeSpan?)null),
                OnRetry = static outcome =>
                {
                    outcome.Outcome.Result?.Dispose();
                    return ValueTask.CompletedTask;
                },
            })
            .AddTimeout(timeout)
            .Build();
    }

    /// <summary>The service's root URL.</summary>
    public Uri Service { get; }

    /// <summary>GET of a JSON document.</summary>
    public Task<T> GetAsync<T>(string path, CancellationToken cancellationToken) => SendAsync<T>(HttpMethod.Get, path, null, repeatable: true, cancellationToken);

    /// <summary>POST of a JSON document.</summary>
    /// <param name="path">Below the service's root.</param>
    /// <param name="body">The document; null for an empty body.</param>
    /// <param name="repeatable">Whether a second POST does no more than the first, so that one whose answer got lost may be repeated.</param>
    /// <param name="cancellationToken">Stops.</param>
    public Task<T> PostAsync<T>(string path, object? body, bool repeatable, CancellationToken cancellationToken) =>
        SendAsync<T>(HttpMethod.Post, path, body is null ? null : () => JsonContent.Create(body, body.GetType(), options: FormatJson.Options), repeatable, cancellationToken);

    /// <summary>PUT of a JSON document, which may be repeated.</summary>
    public Task<T> PutAsync<T>(string path, object body, CancellationToken cancellationToken) =>
        SendAsync<T>(HttpMethod.Put, path, () => JsonContent.Create(body, body.GetType(), options: FormatJson.Options), repeatable: true, cancellationToken);

    /// <summary>POST of a form, as OAuth has it.</summary>
    public Task<T> PostFormAsync<T>(string path, IReadOnlyDictionary<string, string> form, CancellationToken cancellationToken) =>
        SendAsync<T>(HttpMethod.Post, path, () => new FormUrlEncodedContent(form), repeatable: false, cancellationToken);

    /// <summary>Every item of a paged listing.</summary>
    public async IAsyncEnumerable<T> GetPagesAsync<T>(string path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string separator = path.Contains('?', StringComparison.Ordinal) ? "&" : "?";
        string? after = null;
        do
        {
            Page<T> page = await GetAsync<Page<T>>(after is null ? path : $"{path}{separator}after={Uri.EscapeDataString(after)}", cancellationToken);
            foreach (T item in page.Items) yield return item;
            if (page.Next is not null && page.Next == after) throw new IntegrityException($"The service's listing {path.Split('?')[0]} never ends: it repeats the page after {after}.");
            after = page.Next;
        }
        while (after is not null);
    }

    /// <summary>GETs a file: its bytes, and the path where it lies (<c>Content-Location</c>, where the service says so).</summary>
    public async Task<(byte[] Content, string? Location)> GetFileAsync(string path, CancellationToken cancellationToken)
    {
        using HttpResponseMessage answer = await ExchangeAsync(HttpMethod.Get, path, null, repeatable: true, cancellationToken);
        if (!answer.IsSuccessStatusCode) throw await DescribeAsync(answer, cancellationToken);
        try
        {
            return (await answer.Content.ReadAsByteArrayAsync(cancellationToken), answer.Content.Headers.ContentLocation?.ToString());
        }
        catch (HttpRequestException error)
        {
            throw new ServiceUnreachableException(Service.Authority, error.Message, error);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static bool IsPassing(HttpStatusCode status) => status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests || (int)status >= 500;

    private async Task<T> SendAsync<T>(HttpMethod method, string path, Func<HttpContent>? content, bool repeatable, CancellationToken cancellationToken)
    {
        using HttpResponseMessage answer = await ExchangeAsync(method, path, content, repeatable, cancellationToken);
        if (!answer.IsSuccessStatusCode) throw await DescribeAsync(answer, cancellationToken);
        if (typeof(T) == typeof(Nothing)) return (T)(object)Nothing.Value;
        try
        {
            return await answer.Content.ReadFromJsonAsync<T>(FormatJson.Options, cancellationToken) ?? throw new JsonException("An empty document.");
        }
        catch (Exception error) when (error is JsonException or NotSupportedException)
        {
            throw new ServiceUnreachableException(Service.Authority, $"its answer to {method} {path.Split('?')[0]} is not what this version understands ({error.Message})", error);
        }
        catch (HttpRequestException error)
        {
            throw new ServiceUnreachableException(Service.Authority, error.Message, error);
        }
    }

    private async Task<HttpResponseMessage> ExchangeAsync(HttpMethod method, string path, Func<HttpContent>? content, bool repeatable, CancellationToken cancellationToken)
    {
        string? refused = null;
        while (true)
        {
            string? token = _tokens is null ? null : await _tokens.GetAsync(refused, cancellationToken);
            HttpResponseMessage answer;
            try
            {
                answer = await (repeatable ? _repeat : _once).ExecuteAsync(
                    async cancellation =>
                    {
                        using HttpRequestMessage request = new(method, path) { Content = content?.Invoke() };
                        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
                        return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
                    },
                    cancellationToken);
            }
            catch (HttpRequestException error)
            {
                throw new ServiceUnreachableException(Service.Authority, error.Message, error);
            }
            catch (TimeoutRejectedException error)
            {
                throw new ServiceUnreachableException(Service.Authority, $"no answer in {AttemptTimeout.TotalMinutes:0} minutes", error);
            }

            // A token may have been revoked or have outlived the service's key: once, ask for a new one.
            if (answer.StatusCode != HttpStatusCode.Unauthorized || refused is not null || token is null) return answer;
            answer.Dispose();
            refused = token;
        }
    }

    private async Task<CliException> DescribeAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
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
        if (IsPassing(answer.StatusCode)) return new ServiceUnreachableException(Service.Authority, $"it answers HTTP {(int)answer.StatusCode}{(problem?.CorrelationId is { } id ? $", correlation id {id}" : "")}");
        string slug = problem?.Type?.Split('/')[^1] ?? problem?.Error ?? $"http-{(int)answer.StatusCode}";
        string hint = answer.StatusCode switch
        {
            HttpStatusCode.Unauthorized => " The token is missing, wrong or too old.",
            _ => "",
        };
        return new ServiceRefusedException((int)answer.StatusCode, slug, $"The service refused: {what.TrimEnd('.')}.{hint}", problem?.CorrelationId);
    }

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
