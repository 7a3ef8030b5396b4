using System.Net;
using System.Text;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Tests.Service;

public sealed class ArchiveClientTests : IDisposable
{
    private readonly TestCli _cli = new();
    private readonly List<HttpRequestMessage> _requests = [];

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task What_is_safe_to_repeat_is_repeated_while_the_service_fails()
    {
        Answer(i => i < 2 ? Json(HttpStatusCode.ServiceUnavailable, "") : Json(HttpStatusCode.OK, """{"status":"ok","version":"1"}"""));
        Assert.Equal("ok", (await Client().GetAsync<HealthResponse>("v1/health", TestContext.Current.CancellationToken)).Status);
        Assert.Equal(3, _requests.Count);
    }

    [Fact]
    public async Task What_is_not_safe_to_repeat_is_sent_once()
    {
        Answer(_ => Json(HttpStatusCode.ServiceUnavailable, ""));
        await Assert.ThrowsAsync<ServiceUnreachableException>(() => Client().PostAsync<HealthResponse>("v1/x", null, repeatable: false, TestContext.Current.CancellationToken));
        Assert.Single(_requests);
    }

    [Fact]
    public async Task A_service_that_nobody_reaches_is_told_apart_from_one_that_refuses()
    {
        Answer(_ => throw new HttpRequestException("Connection refused"));
        ServiceUnreachableException error = await Assert.ThrowsAsync<ServiceUnreachableException>(() => Client().PostAsync<HealthResponse>("v1/x", null, repeatable: false, TestContext.Current.CancellationToken));
        Assert.Contains("archive.example", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusal_tells_what_the_service_says_to_do()
    {
        Answer(_ => Json(HttpStatusCode.Conflict, """{"type":"https://cloudarchive.example/problems/pack-not-uploaded","title":"Pack not uploaded","detail":"Upload it, then commit.","correlationId":"c-1"}"""));
        ServiceRefusedException error = await Assert.ThrowsAsync<ServiceRefusedException>(() => Client().GetAsync<HealthResponse>("v1/x", TestContext.Current.CancellationToken));
        Assert.Equal("pack-not-uploaded", error.Problem);
        Assert.Contains("Upload it, then commit", error.Message, StringComparison.Ordinal);
        Assert.Contains("c-1", error.Message, StringComparison.Ordinal);
        Assert.Single(_requests);
    }

    [Fact]
    public async Task A_token_that_is_refused_is_replaced_once()
    {
        Answer(i => i == 0 ? Json(HttpStatusCode.Unauthorized, "") : Json(HttpStatusCode.OK, """{"status":"ok","version":"1"}"""));
        Tokens tokens = new();
        await Client(tokens).GetAsync<HealthResponse>("v1/health", TestContext.Current.CancellationToken);
        Assert.Equal([null, "token-1"], tokens.Refused);
        Assert.Equal(["token-1", "token-2"], _requests.Select(r => r.Headers.Authorization!.Parameter));
    }

    [Fact]
    public async Task A_token_that_is_refused_twice_is_a_refusal()
    {
        Answer(_ => Json(HttpStatusCode.Unauthorized, ""));
        Assert.Equal(401, (await Assert.ThrowsAsync<ServiceRefusedException>(() => Client(new Tokens()).GetAsync<HealthResponse>("v1/health", TestContext.Current.CancellationToken))).Status);
        Assert.Equal(2, _requests.Count);
    }

    [Fact]
    public async Task Pages_are_followed_to_the_end()
    {
        Answer(i => Json(HttpStatusCode.OK, i < 2 ? $$"""{"items":[{{i}}],"next":"p{{i}}/&"}""" : """{"items":[2]}"""));
        Assert.Equal([0, 1, 2], await Client().GetPagesAsync<int>("v1/things?take=1", TestContext.Current.CancellationToken).ToListAsync(TestContext.Current.CancellationToken));
        Assert.Equal("?take=1&after=p1%2F%26", _requests[2].RequestUri!.Query);
    }

    [Fact]
    public async Task A_listing_that_repeats_itself_is_not_followed_for_ever()
    {
        Answer(_ => Json(HttpStatusCode.OK, """{"items":[1],"next":"again"}"""));
        await Assert.ThrowsAsync<IntegrityException>(() => Client().GetPagesAsync<int>("v1/things", TestContext.Current.CancellationToken).ToListAsync(TestContext.Current.CancellationToken).AsTask());
    }

    [Fact]
    public async Task A_used_quota_is_told_as_one_and_what_was_refused_for_it_is_not_asked_for_again_before_its_time()
    {
        int left = 7200;
        Microsoft.Extensions.Time.Testing.FakeTimeProvider clock = new();
        using TestCli cli = new() { Clock = clock, Answer = (request, cancellation) => _cli.Answer(request, cancellation) };
        HttpResponseMessage Refused()
        {
            HttpResponseMessage answer = Json(HttpStatusCode.Forbidden, """{"type":"https://cloudarchive.example/problems/quota-used-up","title":"The clinic's daily quota is used up","detail":"It goes on at midnight."}""");
            answer.Headers.RetryAfter = new System.Net.Http.Headers.RetryConditionHeaderValue(TimeSpan.FromSeconds(left));
            return answer;
        }

        Answer(_ => Refused());
        List<TimeSpan> told = [];
        using ArchiveClient client = new(new Uri("https://archive.example"), null, cli.Environment()) { OnQuotaUsedUp = error => told.Add(error.Wait) };
        Task<QuotaUsedUpException> AskAsync(string path) => Assert.ThrowsAsync<QuotaUsedUpException>(() => client.PostAsync<HealthResponse>(path, null, repeatable: true, TestContext.Current.CancellationToken));
        QuotaUsedUpException error = await AskAsync("v1/packs");
        Assert.Equal((ExitCode.Refused, TimeSpan.FromHours(2)), (error.Code, error.Wait));
        Assert.Contains("daily quota is used up: It goes on at midnight", error.Message, StringComparison.Ordinal);

        // Not before an hour is over, in which an admin may have raised it; and other things go on.
        clock.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal(TimeSpan.FromMinutes(61), (await AskAsync("v1/packs")).Wait);
        Assert.Single(_requests);
        left = 3600;
        await AskAsync("v1/other");
        clock.Advance(TimeSpan.FromMinutes(1));
        await AskAsync("v1/packs");
        Assert.Equal(3, _requests.Count);
        Assert.Equal([TimeSpan.FromHours(2), TimeSpan.FromHours(1), TimeSpan.FromHours(1)], told);

        clock.Advance(TimeSpan.FromHours(1));
        Answer(_ => Json(HttpStatusCode.OK, """{"status":"ok","version":"1"}"""));
        await client.PostAsync<HealthResponse>("v1/packs", null, repeatable: true, TestContext.Current.CancellationToken);
        Assert.Equal(4, _requests.Count);
    }

    [Theory]
    [InlineData("<html>a captive portal</html>")]
    [InlineData("{}")]
    [InlineData("null")]
    public async Task An_answer_that_makes_no_sense_is_no_answer(string body)
    {
        Answer(_ => Json(HttpStatusCode.OK, body));
        await Assert.ThrowsAsync<ServiceUnreachableException>(() => Client().GetAsync<HealthResponse>("v1/health", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_path_of_the_service_is_kept()
    {
        Answer(_ => Json(HttpStatusCode.OK, """{"status":"ok","version":"1"}"""));
        using ArchiveClient client = new(new Uri("https://example.org/archive"), null, _cli.Environment());
        await client.GetAsync<HealthResponse>("v1/health", TestContext.Current.CancellationToken);
        Assert.Equal("https://example.org/archive/v1/health", _requests[0].RequestUri!.AbsoluteUri);
    }

    private ArchiveClient Client(IAccessTokens? tokens = null) => new(new Uri("https://archive.example"), tokens, _cli.Environment());

    private void Answer(Func<int, HttpResponseMessage> answer) => _cli.Answer = (request, _) =>
    {
        _requests.Add(request);
        return Task.FromResult(answer(_requests.Count - 1));
    };

    private static HttpResponseMessage Json(HttpStatusCode status, string body) => new(status) { Content = new StringContent(body, Encoding.UTF8, "application/json") };

    private sealed class Tokens : IAccessTokens
    {
        public List<string?> Refused { get; } = [];

        public Task<string> GetAsync(string? refused, CancellationToken cancellationToken)
        {
            Refused.Add(refused);
            return Task.FromResult($"token-{Refused.Count}");
        }
    }
}
