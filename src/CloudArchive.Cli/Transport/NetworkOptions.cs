namespace CloudArchive.Cli.Transport;

/// <summary>How patient this computer is with its network. Nothing here limits how long a transfer takes in all: a slow link is no fault.</summary>
public sealed record NetworkOptions
{
    /// <summary>How long a connection may take to be made.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a transfer that has begun may stand still: no byte sent, none received.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an answer may take to begin once the request is out. Above the 230 s that a function has for it.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(240);

    /// <summary>After so long without any answer, what is waited for is given up. Short for commands that a person waits for.</summary>
    public TimeSpan GiveUpAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary><see cref="GiveUpAfter"/> of the runs that move images: <c>backup</c>, <c>restore</c>.</summary>
    public TimeSpan RunPatience { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary><see cref="GiveUpAfter"/> within a run of <c>watch</c>, which begins another after it.</summary>
    public TimeSpan WatchPatience { get; init; } = TimeSpan.FromHours(12);

    /// <summary>After so long a single request is given up that fails while others to the same host succeed: it is that item's fault, and the others go on.</summary>
    public TimeSpan ItemPatience { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How often a request is sent at most that the other side answers with a fault of its own (HTTP 500).</summary>
    public int FaultAttempts { get; init; } = 7;

    /// <summary>The wait before the second attempt; each later one is twice as long, up to <see cref="LongestDelay"/>.</summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest wait between two attempts, but for what the other side asks for (<c>Retry-After</c>).</summary>
    public TimeSpan LongestDelay { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>After so long, a person is told that and what is waited for.</summary>
    public TimeSpan TellAfter { get; init; } = TimeSpan.FromSeconds(15);
}
