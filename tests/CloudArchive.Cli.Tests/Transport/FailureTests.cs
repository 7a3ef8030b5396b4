using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using CloudArchive.Cli.Transport;

namespace CloudArchive.Cli.Tests.Transport;

/// <summary>Every way in which a network fails, and what it means. None of them is damage.</summary>
public sealed class FailureTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 27, 9, 0, 0, TimeSpan.Zero);

    public static TheoryData<string, Exception, FailureKind, bool> Exceptions => new()
    {
        { "no name", new HttpRequestException(HttpRequestError.NameResolutionError, "no such host"), FailureKind.Unreachable, true },
        { "no connection", new HttpRequestException(HttpRequestError.ConnectionError, "refused", new SocketException(111)), FailureKind.Unreachable, true },
        { "no connection in time", new TaskCanceledException("x", new TimeoutException("ConnectTimeout")), FailureKind.Unreachable, true },
        { "no TLS", new HttpRequestException(HttpRequestError.SecureConnectionError, "certificate"), FailureKind.Unreachable, true },
        { "lost in the head", new HttpRequestException(HttpRequestError.ResponseEnded, "x"), FailureKind.Unreachable, false },
        { "reset while sending", new HttpRequestException("x", new IOException("x", new SocketException(104))), FailureKind.Unreachable, false },
        { "lost in the body", new ConnectionLostException("ended early"), FailureKind.Unreachable, false },
        { "cut off with its framing", new HttpIOException(HttpRequestError.ResponseEnded, "x"), FailureKind.Unreachable, false },
        { "cancelled by nobody", new TaskCanceledException(), FailureKind.Unreachable, false },
        { "a proxy's tunnel", new HttpRequestException(HttpRequestError.ProxyTunnelError, "x", null, HttpStatusCode.BadGateway), FailureKind.Unreachable, true },
        { "a proxy's tunnel that wants credentials", new HttpRequestException(HttpRequestError.ProxyTunnelError, "x", null, HttpStatusCode.ProxyAuthenticationRequired), FailureKind.ProxyCredentials, false },
    };

    public static TheoryData<string, int, string?, bool, FailureKind?> Answers => new()
    {
        { "an answer", 200, "application/json", true, null },
        { "an answer without a body", 204, null, true, null },
        { "a file", 200, "application/pdf", true, null },
        { "a refusal", 404, "application/problem+json", true, null },
        { "a token refused", 401, null, true, null },
        { "a blob", 206, "application/octet-stream", false, null },
        { "a blob that is missing", 404, "application/xml", false, null },
        { "too slow", 408, null, true, FailureKind.Busy },
        { "too many", 429, "application/problem+json", true, FailureKind.Busy },
        { "a gateway", 502, "text/html", true, FailureKind.Busy },
        { "an outage", 503, "text/html", true, FailureKind.Busy },
        { "an outage of storage", 503, null, false, FailureKind.Busy },
        { "a gateway's timeout", 504, null, false, FailureKind.Busy },
        { "a fault", 500, "application/problem+json", true, FailureKind.Fault },
        { "a fault of storage", 500, null, false, FailureKind.Fault },
        { "a captive portal", 200, "text/html", true, FailureKind.SignInPage },
        { "a captive portal before storage", 200, "text/html", false, FailureKind.SignInPage },
        { "a captive portal that redirects", 302, "text/html", true, FailureKind.SignInPage },
        { "a captive portal by the book", 511, "text/html", false, FailureKind.SignInPage },
        { "a proxy's block page", 403, "text/html", true, FailureKind.SignInPage },
        { "a proxy's block page before storage", 404, "text/html", false, FailureKind.SignInPage },
        { "a proxy", 407, "text/html", true, FailureKind.ProxyCredentials },
    };

    [Theory]
    [MemberData(nameof(Exceptions))]
    public void Whatever_the_network_throws_is_the_networks(string name, Exception error, FailureKind kind, bool neverSent)
    {
        Failure failure = Failure.Of(error, CancellationToken.None)!;
        Assert.Equal((name, kind, neverSent && kind == FailureKind.Unreachable), (name, failure.Kind, failure.NeverSent));
    }

    [Theory]
    [MemberData(nameof(Answers))]
    public void An_answer_is_known_by_who_gave_it(string name, int status, string? type, bool service, FailureKind? kind)
    {
        using HttpResponseMessage answer = new((HttpStatusCode)status) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes("x")) };
        answer.Content.Headers.ContentType = type is null ? null : new MediaTypeHeaderValue(type);
        if (!service && type is not "text/html" && kind is null)
        {
            answer.Headers.Add("x-ms-request-id", "1");
        }

        Assert.Equal((name, kind), (name, Failure.Of(answer, service ? Answerer.Service : Answerer.Storage, Now)?.Kind));
    }

    [Fact]
    public void What_the_caller_cancelled_is_no_failure() => Assert.Null(Failure.Of(new TaskCanceledException("x", new TimeoutException()), new CancellationToken(canceled: true)));

    [Fact]
    public void A_full_disk_is_not_the_networks_fault() => Assert.Null(Failure.Of(new IOException("No space left on device"), CancellationToken.None));

    [Fact]
    public void How_long_the_other_side_asks_to_wait_is_heard_in_both_forms()
    {
        using HttpResponseMessage seconds = new(HttpStatusCode.ServiceUnavailable) { Headers = { RetryAfter = new RetryConditionHeaderValue(TimeSpan.FromSeconds(90)) } };
        using HttpResponseMessage date = new(HttpStatusCode.TooManyRequests) { Headers = { RetryAfter = new RetryConditionHeaderValue(Now.AddMinutes(5)) } };
        Assert.Equal(TimeSpan.FromSeconds(90), Failure.Of(seconds, Answerer.Service, Now)!.RetryAfter);
        Assert.Equal(TimeSpan.FromMinutes(5), Failure.Of(date, Answerer.Storage, Now)!.RetryAfter);
    }
}
