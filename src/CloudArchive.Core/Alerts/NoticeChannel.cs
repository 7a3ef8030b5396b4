namespace CloudArchive.Core.Alerts;

/// <summary>What became of an attempt.</summary>
public enum SendResult
{
    /// <summary>The receiver has it.</summary>
    Sent,

    /// <summary>It is not for this receiver, or there is none.</summary>
    NotConcerned,

    /// <summary>It may work another time.</summary>
    Failed,

    /// <summary>The receiver said no, and will say so again.</summary>
    Refused,
}

/// <summary>An attempt, as it ended.</summary>
/// <param name="Result">How.</param>
/// <param name="Error">Why not; nothing that the receiver said but its status, and no address.</param>
public readonly record struct SendOutcome(SendResult Result, string? Error = null)
{
    /// <summary>The receiver has it.</summary>
    public static SendOutcome Sent => new(SendResult.Sent);

    /// <summary>It is not for this receiver.</summary>
    public static SendOutcome NotConcerned => new(SendResult.NotConcerned);

    /// <summary>It may work another time.</summary>
    public static SendOutcome Failed(string error) => new(SendResult.Failed, error);

    /// <summary>It will not work.</summary>
    public static SendOutcome Refused(string error) => new(SendResult.Refused, error);
}

/// <summary>A way to tell somebody something. <see cref="AlertDelivery"/> decides when, how often, and when it is enough.</summary>
public interface INoticeChannel
{
    /// <summary>One of a few names: <c>webhook</c>, <c>mail-operator</c>, <c>mail-clinic</c>. No space.</summary>
    string Name { get; }

    /// <summary>One attempt, which ends within a minute. It throws nothing but what the token cancelled.</summary>
    Task<SendOutcome> SendAsync(Notice notice, CancellationToken cancellationToken);
}
