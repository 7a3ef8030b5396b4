using System.Net;
using System.Net.Http.Headers;
using CloudArchive.Cli.Transport;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Cli.Tests.Transport;

/// <summary>The policy: how often, how long, and what a person is told meanwhile. Time runs as fast as the waits are asked for.</summary>
public sealed class NetworkTests : IDisposable
{
    private static readonly Uri Url = new("https://store.example/c/p?sig=secret");
    private readonly FakeTimeProvider _clock = new();
    private readonly TestCli _cli;
    private readonly StringWriter _told = new();
    private int _requests;

    public NetworkTests() => _cli = new TestCli { Clock = _clock };

    public void Dispose()
    {
        _cli.Dispose();
        _told.Dispose();
    }

    [Fact]
    public async Task An_outage_of_ten_minutes_is_waited_out_and_told()
    {
        using Network network = Open(TimeSpan.FromMinutes(30));
        DateTimeOffset back = _clock.GetUtcNow().AddMinutes(10);
        Answer(_ => _clock.GetUtcNow() < back ? throw new HttpRequestException(HttpRequestError.ConnectionError, "refused") : Storage(HttpStatusCode.Created));
        Assert.True(await RunAsync(network));
        string told = Assert.Single(_told.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("store.example", told, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Patience_ends()
    {
        using Network network = Open(TimeSpan.FromMinutes(30));
        Answer(_ => throw new HttpRequestException(HttpRequestError.ConnectionError, "refused"));
        DateTimeOffset began = _clock.GetUtcNow();
        ServiceUnreachableException error = await Assert.ThrowsAsync<ServiceUnreachableException>(() => RunAsync(network));
        Assert.InRange(_clock.GetUtcNow() - began, TimeSpan.FromMinutes(30), TimeSpan.FromMinutes(31));
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
        Assert.InRange(_requests, 30, 80); // at most a minute apart, and not a storm
    }

    [Fact]
    public async Task An_outage_that_outlasted_one_request_is_not_waited_for_again_by_the_next()
    {
        using Network network = Open(TimeSpan.FromMinutes(30));
        Answer(_ => throw new HttpRequestException(HttpRequestError.ConnectionError, "refused"));
        await Assert.ThrowsAsync<ServiceUnreachableException>(() => RunAsync(network));
        DateTimeOffset began = _clock.GetUtcNow();
        await Assert.ThrowsAsync<ServiceUnreachableException>(() => RunAsync(network));
        Assert.Equal(began, _clock.GetUtcNow());
    }

    [Fact]
    public async Task A_storm_of_503_for_an_hour_and_what_it_asks_for_are_waited_out()
    {
        using Network network = Open(TimeSpan.FromHours(12));
        DateTimeOffset back = _clock.GetUtcNow().AddHours(1);
        Answer(_ =>
        {
            HttpResponseMessage busy = new(HttpStatusCode.ServiceUnavailable) { Headers = { RetryAfter = new RetryConditionHeaderValue(TimeSpan.FromMinutes(5)) } };
            return _clock.GetUtcNow() < back ? busy : Storage(HttpStatusCode.Created);
        });
        Assert.True(await RunAsync(network));
        Assert.InRange(_requests, 12, 14);
    }

    [Fact]
    public async Task A_fault_of_the_other_side_at_one_request_is_given_up_after_a_few_attempts()
    {
        using Network network = Open(TimeSpan.FromHours(12));
        Answer(_ => new HttpResponseMessage(HttpStatusCode.InternalServerError));
        Assert.Equal(FailureKind.Fault, (await Assert.ThrowsAsync<ServiceUnreachableException>(() => RunAsync(network))).Kind);
        Assert.Equal(7, _requests);
    }

    [Fact]
    public async Task A_request_that_fails_while_others_succeed_is_given_up_before_patience_ends()
    {
        using Network network = Open(TimeSpan.FromHours(12));
        Answer(request => request.RequestUri!.AbsolutePath == "/c/good" ? Storage(HttpStatusCode.Created) : throw new HttpRequestException("reset"));
        DateTimeOffset began = _clock.GetUtcNow();
        Task<bool> bad = RunAsync(network, async () => await ExchangeAsync(network, new Uri("https://store.example/c/good")));
        await Assert.ThrowsAsync<ServiceUnreachableException>(() => bad);
        Assert.InRange(_clock.GetUtcNow() - began, TimeSpan.FromMinutes(9), TimeSpan.FromMinutes(12));
    }

    [Fact]
    public async Task A_proxy_that_wants_credentials_is_told_at_once()
    {
        using Network network = Open(TimeSpan.FromHours(12));
        Answer(_ => new HttpResponseMessage(HttpStatusCode.ProxyAuthenticationRequired));
        ServiceUnreachableException error = await Assert.ThrowsAsync<ServiceUnreachableException>(() => RunAsync(network));
        Assert.Contains("proxy", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, _requests);
    }

    [Fact]
    public async Task A_request_that_never_arrived_is_repeated_even_where_a_second_one_would_do_harm()
    {
        using Network network = Open(TimeSpan.FromMinutes(30));
        Answer(_ => _requests < 3 ? throw new TaskCanceledException("x", new TimeoutException()) : Storage(HttpStatusCode.Created));
        Assert.True(await RunAsync(network, exchange: Exchange.WithStorage(Url) with { Repeatable = false }));
        Assert.Equal(3, _requests);
    }

    [Theory]
    [InlineData(HttpStatusCode.ServiceUnavailable, null, 100_000, true)]
    [InlineData(HttpStatusCode.TooManyRequests, null, 100_000, true)]
    [InlineData(HttpStatusCode.ServiceUnavailable, null, 1000, false)] // costs no more than asking
    [InlineData(HttpStatusCode.InternalServerError, null, 100_000, false)]
    [InlineData(HttpStatusCode.OK, "text/html", 100_000, false)] // a page in its place takes the body, and would be told as a lost connection
    public async Task A_body_goes_out_only_after_it_was_asked_for_where_the_other_side_says_not_now(HttpStatusCode status, string? page, int bytes, bool asks)
    {
        using Network network = Open(TimeSpan.FromMinutes(30));
        List<bool> asked = [];
        Answer(request =>
        {
            asked.Add(request.Headers.ExpectContinue == true);
            return _requests > 1 ? Storage(HttpStatusCode.Created) : new HttpResponseMessage(status) { Content = page is null ? null : new StringContent("x", MediaTypeHeaderValue.Parse(page)) };
        });
        Assert.True(await RunAsync(network, bytes: bytes));
        Assert.True(await RunAsync(network, bytes: bytes)); // it is well again
        Assert.Equal([false, asks, false], asked);
    }

    [Fact]
    public async Task A_refusal_is_not_repeated()
    {
        using Network network = Open(TimeSpan.FromMinutes(30));
        Answer(_ => Storage(HttpStatusCode.Forbidden));
        await Assert.ThrowsAsync<ServiceRefusedException>(() => RunAsync(network));
        Assert.Equal(1, _requests);
    }

    private Network Open(TimeSpan giveUpAfter) => new(
        new CliEnvironment { Out = TextWriter.Null, Error = _told, In = TextReader.Null, Clock = _clock, HttpHandler = _cli.Environment().HttpHandler },
        giveUpAfter);

    private async Task<bool> RunAsync(Network network, Func<Task>? between = null, Exchange? exchange = null, int bytes = 3)
    {
        Task<bool> running = ExchangeAsync(network, Url, exchange, bytes);
        while (!running.IsCompleted)
        {
            if (between is not null)
            {
                await between();
            }

            _clock.Advance(TimeSpan.FromSeconds(5));
            await Task.WhenAny(running, Task.Delay(1, TestContext.Current.CancellationToken));
        }

        return await running;
    }

    private static Task<bool> ExchangeAsync(Network network, Uri url, Exchange? exchange = null, int bytes = 3) => network.ExchangeAsync(
        exchange ?? Exchange.WithStorage(url),
        _ => ValueTask.FromResult(new HttpRequestMessage(HttpMethod.Put, url) { Content = new ByteArrayContent(new byte[bytes]) }),
        (answer, _) => answer.IsSuccessStatusCode ? Task.FromResult(true) : throw new ServiceRefusedException((int)answer.StatusCode, "x", "No.", null),
        TestContext.Current.CancellationToken);

    private void Answer(Func<HttpRequestMessage, HttpResponseMessage> answer) => _cli.Answer = (request, _) =>
    {
        _requests++;
        return Task.FromResult(answer(request));
    };

    private static HttpResponseMessage Storage(HttpStatusCode status) => new(status) { Headers = { { "x-ms-request-id", "1" } } };
}
