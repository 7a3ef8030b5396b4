namespace CloudArchive.Core.Storage;

/// <summary>A message that was received: hidden from others for a while, and back after it unless it is deleted.</summary>
/// <param name="Text">What was sent.</param>
/// <param name="Attempts">How often it was received, this time included.</param>
/// <param name="Id">Storage's id.</param>
/// <param name="Receipt">What proves that it was received here; every <see cref="IWorkQueue.HideAsync"/> changes it.</param>
public sealed record QueuedMessage(string Text, long Attempts, string Id, string Receipt);

/// <summary>
/// The queue of an app's scheduled work. At least once and in any order: a message may come twice. The Functions host receives by itself; a host
/// that has no such host around it receives here.
/// </summary>
public interface IWorkQueue
{
    /// <summary>The longest text: storage takes 64 KiB in base64.</summary>
    const int LongestText = 48 * 1024;

    /// <summary>The longest time for which a message can wait or be hidden.</summary>
    static readonly TimeSpan Longest = TimeSpan.FromDays(7) - TimeSpan.FromMinutes(1);

    /// <summary>Makes the queue where missing.</summary>
    Task EnsureReadyAsync(CancellationToken cancellationToken);

    /// <summary>Sends a message that is received no earlier than after a while, and is kept until it is deleted.</summary>
    Task SendAsync(string text, TimeSpan after, CancellationToken cancellationToken);

    /// <summary>Up to so many messages (1 to 32), hidden from others.</summary>
    Task<IReadOnlyList<QueuedMessage>> ReceiveAsync(int most, TimeSpan hidden, CancellationToken cancellationToken);

    /// <summary>Hides a message for longer, counted from now; null where it is another's by now.</summary>
    Task<QueuedMessage?> HideAsync(QueuedMessage message, TimeSpan hidden, CancellationToken cancellationToken);

    /// <summary>Deletes a message; nothing happens where it is another's by now.</summary>
    Task DeleteAsync(QueuedMessage message, CancellationToken cancellationToken);
}
