using Azure;
using Azure.Core;
using Azure.Storage;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using CloudArchive.Core.Storage;

namespace CloudArchive.Azure.Queues;

/// <summary>Azure Queue Storage: one queue, in base64, as the Functions host expects it.</summary>
public sealed class WorkQueue : IWorkQueue
{
    /// <summary>The queue's name.</summary>
    public const string Name = "work";

    /// <summary>Where the Functions host moves what fails too often.</summary>
    public const string Poison = Name + "-poison";

    // "Never" in the REST API: what is not done yet must not vanish after a week.
    private static readonly TimeSpan s_never = TimeSpan.FromSeconds(-1);

    private readonly QueueClient _queue;

    private WorkQueue(QueueServiceClient service, string name) => _queue = service.GetQueueClient(name);

    private static QueueClientOptions Options => new() { MessageEncoding = QueueMessageEncoding.Base64 };

    /// <summary>An account on Azure, by identity.</summary>
    public static WorkQueue Connect(Uri service, TokenCredential identity) => new(new QueueServiceClient(service, identity, Options), Name);

    /// <summary>An account by its key: LocalHost's.</summary>
    public static WorkQueue Connect(Uri service, string account, string key, string name = Name) =>
        new(new QueueServiceClient(service, new StorageSharedKeyCredential(account, key), Options), name);

    /// <inheritdoc/>
    public Task EnsureReadyAsync(CancellationToken cancellationToken) => _queue.CreateIfNotExistsAsync(cancellationToken: cancellationToken);

    /// <inheritdoc/>
    public Task SendAsync(string text, TimeSpan after, CancellationToken cancellationToken) => _queue.SendMessageAsync(text, Within(after), s_never, cancellationToken);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<QueuedMessage>> ReceiveAsync(int most, TimeSpan hidden, CancellationToken cancellationToken)
    {
        QueueMessage[] messages = await _queue.ReceiveMessagesAsync(most, Within(hidden), cancellationToken);
        return [.. messages.Select(message => new QueuedMessage(message.Body.ToString(), message.DequeueCount, message.MessageId, message.PopReceipt))];
    }

    /// <inheritdoc/>
    public async Task<QueuedMessage?> HideAsync(QueuedMessage message, TimeSpan hidden, CancellationToken cancellationToken)
    {
        try
        {
            // Without a text it would become empty.
            UpdateReceipt receipt = await _queue.UpdateMessageAsync(message.Id, message.Receipt, message.Text, Within(hidden), cancellationToken);
            return message with { Receipt = receipt.PopReceipt };
        }
        catch (RequestFailedException e) when (IsAnothers(e))
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public async Task DeleteAsync(QueuedMessage message, CancellationToken cancellationToken)
    {
        try
        {
            await _queue.DeleteMessageAsync(message.Id, message.Receipt, cancellationToken);
        }
        catch (RequestFailedException e) when (IsAnothers(e))
        {
            // Received by another since, or gone.
        }
    }

    private static bool IsAnothers(RequestFailedException e) => e.ErrorCode == QueueErrorCode.MessageNotFound || e.ErrorCode == QueueErrorCode.PopReceiptMismatch;

    private static TimeSpan Within(TimeSpan time) => time < TimeSpan.Zero ? TimeSpan.Zero : time > IWorkQueue.Longest ? IWorkQueue.Longest : time;
}
