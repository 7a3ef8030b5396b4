using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;

namespace CloudArchive.Cli.Transport;

/// <summary>What is asked, of whom.</summary>
/// <param name="Where">For people: the service's host, "Storage at host".</param>
/// <param name="Answerer">How to know that the answer is theirs.</param>
/// <param name="Repeatable">Whether a second request does no more than the first, so that one whose answer got lost may be repeated.</param>
public sealed record Exchange(string Where, Answerer Answerer, bool Repeatable = true)
{
    /// <summary>Measures the way out by this exchange; null: too small to say anything.</summary>
    public Uplink? Measured { get; init; }

    /// <summary>With storage at a URL, of which only the host is ever told: the rest may hold a signature.</summary>
    public static Exchange WithStorage(Uri url) => new($"Storage at {url.Authority}", Answerer.Storage);
}

/// <summary>
/// The way out of this computer: the one place that makes HTTP clients, knows failures and tries again. A request is tried until it is
/// answered, its answer read to the end inside the same attempt, or patience ends (<see cref="NetworkOptions.GiveUpAfter"/>).
/// </summary>
public sealed class Network : IDisposable
{
    // Small, so that a byte that was "sent" is on its way, not in a buffer of this computer: both idleness and the uplink are measured by it.
    private const int SendBufferLength = 512 * 1024;
    private const int MostProblemBytes = 64 * 1024;

    // A body worth asking for first; and how long to wait for the word, which some proxies in between swallow, before it is sent all the same.
    private const long LeastBodyToAskFor = 64 * 1024;
    private static readonly TimeSpan s_askedAtMost = TimeSpan.FromSeconds(3);
    private readonly HttpClient _http;
    private readonly TextWriter _error;
    private readonly Dictionary<string, HostState> _hosts = [];
    private readonly Lock _gate = new();

    /// <param name="environment">The clock, the way out, and where a long wait is told.</param>
    /// <param name="giveUpAfter">How long to go on trying; null for a command that somebody waits for.</param>
    /// <param name="limit">How fast images may leave; null: as fast as they can.</param>
    public Network(CliEnvironment environment, TimeSpan? giveUpAfter = null, RateLimit? limit = null)
    {
        Limit = limit;
        Options = giveUpAfter is { } patience ? environment.Network with { GiveUpAfter = patience } : environment.Network;
        Clock = environment.Clock;
        _error = environment.Error;
        _http = CreateClient(environment);
    }

    /// <summary>How patient.</summary>
    public NetworkOptions Options { get; }

    /// <summary>The time.</summary>
    public TimeProvider Clock { get; }

    /// <summary>How fast images may leave.</summary>
    public RateLimit? Limit { get; }

    /// <summary>A client for a library that brings its own requests. It has no timeout of the total; standing still ends it.</summary>
    public static HttpClient CreateClient(CliEnvironment environment)
    {
        HttpMessageHandler way = environment.HttpHandler?.Invoke() ?? CreateHandler(environment);
        HttpClient client = new(new IdleHandler(way, environment.Network, environment.Clock)) { Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("cloudarchive", typeof(Network).Assembly.GetName().Version!.ToString(3)));
        return client;
    }

    /// <summary>Sends a request and reads its answer, again and again until that worked.</summary>
    /// <param name="exchange">What and whom.</param>
    /// <param name="request">Makes the request; once for each attempt.</param>
    /// <param name="read">Reads the answer: one of whom we asked, good or a refusal. Throws <see cref="AnswerException"/> where it turns out to be none.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="ServiceUnreachableException">Patience ended.</exception>
    public async Task<T> ExchangeAsync<T>(
        Exchange exchange, Func<CancellationToken, ValueTask<HttpRequestMessage>> request, Func<HttpResponseMessage, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        Attempts attempts = new(this, exchange);
        while (true)
        {
            bool answered = false;
            try
            {
                using HttpRequestMessage message = await request(cancellationToken);
                AskFirst(message, exchange);
                using HttpResponseMessage answer = await SendAsync(message, exchange.Measured, cancellationToken);
                if (Failure.Of(answer, exchange.Answerer, Clock.GetUtcNow()) is { } failed)
                {
                    throw new AnswerException(await WithCorrelationAsync(failed, answer, cancellationToken));
                }

                answered = true;
                T result = await read(answer, cancellationToken);
                NoteAnswer(exchange.Where);
                return result;
            }
            catch (Exception error) when (Failure.Of(error, cancellationToken) is { } failure)
            {
                TimeSpan delay = attempts.Next(failure) ?? throw GiveUp(exchange, failure, error, attempts.IsOutage);
                await TellAsync(exchange.Where, failure);
                await Task.Delay(delay, Clock, cancellationToken);
            }
            catch (CliException) when (answered)
            {
                NoteAnswer(exchange.Where); // a refusal is an answer
                throw;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static SocketsHttpHandler CreateHandler(CliEnvironment environment) => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = environment.Network.ConnectTimeout,
        Expect100ContinueTimeout = s_askedAtMost,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        DefaultProxyCredentials = CredentialCache.DefaultCredentials,
        ConnectCallback = async (context, cancellationToken) =>
        {
            Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, SendBufferSize = SendBufferLength };
            try
            {
                await socket.ConnectAsync(environment.Route?.Invoke(context.DnsEndPoint) ?? context.DnsEndPoint, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    };

    private static CliException GiveUp(Exchange exchange, Failure failure, Exception error, bool isOutage) => failure.Kind == FailureKind.Damaged
        ? new ArchiveDamagedException(exchange.Where, failure.Why, error)
        : new ServiceUnreachableException(exchange.Where, failure.Why, error, failure.Kind, isOutage);

    private Task<HttpResponseMessage> SendAsync(HttpRequestMessage message, Uplink? measured, CancellationToken cancellationToken) => measured is null
        ? _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
        : measured.MeasureAsync(
            message.Content?.Headers.ContentLength ?? 0,
            () => _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken),
            static answer => answer.IsSuccessStatusCode);

    /// <summary>The service names the log entry of a fault, which whoever looks into it needs; and it says where the fault is damage, which no waiting mends.</summary>
    private static async Task<Failure> WithCorrelationAsync(Failure failure, HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        if (failure.Kind is not (FailureKind.Busy or FailureKind.Fault) || answer.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) != true || answer.Content.Headers.ContentLength > MostProblemBytes)
        {
            return failure;
        }

        try
        {
            using JsonDocument problem = await JsonDocument.ParseAsync(await answer.Content.ReadAsStreamAsync(cancellationToken), cancellationToken: cancellationToken);
            string? id = TextOf(problem.RootElement, "correlationId");
            return failure with
            {
                Kind = TextOf(problem.RootElement, "type")?.EndsWith("/integrity-failed", StringComparison.Ordinal) == true ? FailureKind.Damaged : failure.Kind,
                Why = id is null ? failure.Why : $"{failure.Why}, correlation id {id}",
            };
        }
        catch (Exception error) when (error is JsonException or IOException)
        {
            return failure;
        }
    }

    private static string? TextOf(JsonElement problem, string name) =>
        problem.ValueKind == JsonValueKind.Object && problem.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>Where the other side said "not now", a body goes out only once it says "continue" (RFC 9110, 10.1.1): over a slow link that is minutes, for nothing.</summary>
    private void AskFirst(HttpRequestMessage message, Exchange exchange)
    {
        if (message.Content?.Headers.ContentLength >= LeastBodyToAskFor)
        {
            lock (_gate)
            {
                message.Headers.ExpectContinue = Host(exchange.Where).SaysNotNow;
            }
        }
    }

    private void NoteAnswer(string where)
    {
        lock (_gate)
        {
            Host(where).Answered(Clock.GetTimestamp());
        }
    }

    private async Task TellAsync(string where, Failure failure)
    {
        lock (_gate)
        {
            HostState host = Host(where);
            if (host.Told || host.DownSince is not { } since || Clock.GetElapsedTime(since) < Options.TellAfter)
            {
                return;
            }

            host.Told = true;
        }

        await _error.WriteLineAsync($"{where} cannot be reached: {failure.Why}. Trying again for {Terminal.Texts.Duration(Options.GiveUpAfter)} at most; nothing is lost.");
    }

    private HostState Host(string where)
    {
        if (!_hosts.TryGetValue(where, out HostState? host))
        {
            _hosts[where] = host = new HostState();
        }

        return host;
    }

    /// <summary>How a host did of late, for all who ask it.</summary>
    private sealed class HostState
    {
        public long? DownSince { get; set; }

        public long? LastAnswer { get; private set; }

        public bool Told { get; set; }

        /// <summary>Whether its last answer was 503 or the like. A page in its place takes the body before it answers, and would be told as a lost connection.</summary>
        public bool SaysNotNow { get; set; }

        public void Answered(long now) => (DownSince, LastAnswer, Told, SaysNotNow) = (null, now, false, false);
    }

    /// <summary>The attempts of one exchange: the policy.</summary>
    private sealed class Attempts(Network network, Exchange exchange)
    {
        private int _failed;
        private long _since;

        /// <summary>Whether it is not this request alone that fails.</summary>
        public bool IsOutage { get; private set; } = true;

        /// <summary>How long to wait before the next attempt; null: give up.</summary>
        public TimeSpan? Next(Failure failure)
        {
            long now = network.Clock.GetTimestamp();
            if (_failed++ == 0)
            {
                _since = now;
            }

            IsOutage = failure.Kind != FailureKind.Fault;
            if (!failure.Passes || (!exchange.Repeatable && !failure.NeverSent) || (failure.Kind == FailureKind.Fault && _failed >= network.Options.FaultAttempts))
            {
                return null;
            }

            TimeSpan failing = network.Clock.GetElapsedTime(_since, now);
            TimeSpan left = network.Options.GiveUpAfter - failing;
            lock (network._gate)
            {
                HostState host = network.Host(exchange.Where);
                host.DownSince ??= now;
                host.SaysNotNow = failure.Kind == FailureKind.Busy;
                TimeSpan leftOfOutage = network.Options.GiveUpAfter - network.Clock.GetElapsedTime(host.DownSince.Value, now);
                left = leftOfOutage < left ? leftOfOutage : left;
                if (host.LastAnswer > _since && failing >= network.Options.ItemPatience)
                {
                    IsOutage = false;
                    return null;
                }
            }

            if (left <= TimeSpan.Zero)
            {
                return null;
            }

            TimeSpan delay = Delay();
            if (failure.RetryAfter > delay)
            {
                delay = failure.RetryAfter.Value;
            }

            return delay < left ? delay : left; // one last attempt when patience ends
        }

        private TimeSpan Delay()
        {
            double doubled = network.Options.FirstDelay.TotalMilliseconds * Math.Pow(2, Math.Min(_failed - 1, 30));
            double jitter = RandomNumberGenerator.GetInt32(500, 1001) / 1000.0; // a clinic's computers must not all come back at once
            return TimeSpan.FromMilliseconds(Math.Min(doubled, network.Options.LongestDelay.TotalMilliseconds) * jitter);
        }
    }
}
