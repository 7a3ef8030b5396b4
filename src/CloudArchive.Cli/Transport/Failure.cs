using System.Net;
using System.Net.Sockets;

namespace CloudArchive.Cli.Transport;

/// <summary>Who is to answer: each has its own sign by which its answers are known.</summary>
public enum Answerer
{
    /// <summary>The archive's API.</summary>
    Service,

    /// <summary>Blob storage.</summary>
    Storage,
}

/// <summary>What went wrong between here and there. But for the last, none of these says anything about what is stored.</summary>
public enum FailureKind
{
    /// <summary>No connection, a connection that was lost or stood still, an answer that was cut off.</summary>
    Unreachable,

    /// <summary>The other side says "not now": 408, 429, 502, 503, 504.</summary>
    Busy,

    /// <summary>The other side failed at this request: 500 and the like.</summary>
    Fault,

    /// <summary>Somebody in between answered: the sign-in page of a network, a proxy's block page.</summary>
    SignInPage,

    /// <summary>A proxy wants to know who asks: 407.</summary>
    ProxyCredentials,

    /// <summary>An answer, whole, that this version does not understand.</summary>
    NotUnderstood,

    /// <summary>The service says that something it keeps is not as it left it (<c>integrity-failed</c>). The one kind that does say something about what is stored.</summary>
    Damaged,
}

/// <summary>A failure that the caller did not ask for, told apart in this one place.</summary>
/// <param name="Kind">What kind.</param>
/// <param name="Why">For people: no URL, which may hold a signature.</param>
/// <param name="RetryAfter">How long the other side asks to wait.</param>
/// <param name="NeverSent">Whether the request surely never arrived, so that even one that must not be repeated may be.</param>
public sealed record Failure(FailureKind Kind, string Why, TimeSpan? RetryAfter = null, bool NeverSent = false)
{
    private const int ProxyAuthentication = (int)HttpStatusCode.ProxyAuthenticationRequired;

    /// <summary>Whether the same request may succeed later.</summary>
    public bool Passes => Kind is FailureKind.Unreachable or FailureKind.Busy or FailureKind.Fault or FailureKind.SignInPage;

    /// <summary>What an exception of an exchange means; null where it is none of the network's: the caller's own cancellation, a local fault, a refusal.</summary>
    public static Failure? Of(Exception error, CancellationToken caller) => error switch
    {
        OperationCanceledException when caller.IsCancellationRequested => null,
        AnswerException failed => failed.Failure,
        HttpRequestException { StatusCode: HttpStatusCode.ProxyAuthenticationRequired } => WantsCredentials(),
        HttpRequestException { HttpRequestError: HttpRequestError.ProxyTunnelError } => new(FailureKind.Unreachable, $"the proxy lets nothing through ({error.GetBaseException().Message})", NeverSent: true),
        HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => new(
            FailureKind.Unreachable, $"no secure connection ({error.GetBaseException().Message}); the network may want you to sign in first, or this computer's clock may be wrong", NeverSent: true),
        HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError } => new(FailureKind.Unreachable, error.GetBaseException().Message, NeverSent: true),
        HttpRequestException or HttpIOException or ConnectionLostException => new(FailureKind.Unreachable, error.GetBaseException().Message),

        // What SocketsHttpHandler.ConnectTimeout throws; the caller cancelled nothing.
        OperationCanceledException { InnerException: TimeoutException } => new(FailureKind.Unreachable, "no connection in time", NeverSent: true),
        OperationCanceledException => new(FailureKind.Unreachable, "no answer in time"),
        _ => null,
    };

    /// <summary>What an answer's head means; null where it is the answer of whom we asked, good or a refusal.</summary>
    public static Failure? Of(HttpResponseMessage answer, Answerer answerer, DateTimeOffset now)
    {
        int status = (int)answer.StatusCode;
        return status switch
        {
            ProxyAuthentication => WantsCredentials(),
            511 or (>= 300 and < 400) => SignInPage(status),
            408 or 429 or 502 or 503 or 504 => new(FailureKind.Busy, $"it answers HTTP {status}", RetryAfterOf(answer, now)),
            >= 500 => new(FailureKind.Fault, $"it fails with HTTP {status}", RetryAfterOf(answer, now)),
            _ => IsFrom(answer, answerer) ? null : SignInPage(status),
        };
    }

    private static Failure WantsCredentials() => new(
        FailureKind.ProxyCredentials,
        "the proxy between here and there wants a user name and password (HTTP 407), and those of this account were not enough. Set HTTPS_PROXY to http://user:password@proxy:port, or ask whoever runs the proxy to let this host through");

    private static Failure SignInPage(int status) => new(
        FailureKind.SignInPage, $"something in between answered with a page of its own (HTTP {status}): the network's sign-in page, or a proxy. Sign in to the network with a browser, or ask whoever runs it to let this host through");

    /// <summary>The API answers in JSON, files or nothing at all, never in pages; storage puts its mark on every answer.</summary>
    private static bool IsFrom(HttpResponseMessage answer, Answerer answerer) => answerer == Answerer.Service
        ? answer.Content.Headers.ContentType?.MediaType is not ("text/html" or "application/xhtml+xml")
        : answer.Headers.Contains("x-ms-request-id") || answer.Headers.Contains("x-ms-version") || answer.Headers.Contains("x-ms-error-code");

    private static TimeSpan? RetryAfterOf(HttpResponseMessage answer, DateTimeOffset now) => answer.Headers.RetryAfter switch
    {
        { Delta: { } delta } when delta > TimeSpan.Zero => delta,
        { Date: { } date } when date > now => date - now,
        _ => null,
    };
}

/// <summary>An answer that is none, found out while it was read.</summary>
public sealed class AnswerException(Failure failure, Exception? inner = null) : Exception(failure.Why, inner)
{
    /// <summary>What it means.</summary>
    public Failure Failure { get; } = failure;
}

/// <summary>A connection that was lost, or stood still, after it was made. Never a file's or a disk's fault.</summary>
public sealed class ConnectionLostException(string why, Exception? inner = null) : IOException(why, inner);
