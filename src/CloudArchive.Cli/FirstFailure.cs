using System.Runtime.ExceptionServices;

namespace CloudArchive.Cli;

/// <summary>Work side by side, of which the first failure stops the rest.</summary>
internal static class FirstFailure
{
    /// <summary>Waits until all have ended. Where one fails, the others are told to stop, and its failure is thrown once they have.</summary>
    /// <param name="tasks">The work.</param>
    /// <param name="stop">What they stop at.</param>
    public static async Task WhenAllAsync(IReadOnlyCollection<Task> tasks, CancellationTokenSource stop)
    {
        ExceptionDispatchInfo? first = null;
        await foreach (Task ended in Task.WhenEach(tasks))
        {
            if (ended.IsFaulted && first is null)
            {
                first = ExceptionDispatchInfo.Capture(ended.Exception.InnerException!);
                await stop.CancelAsync();
            }
        }

        first?.Throw();
        await Task.WhenAll(tasks);
    }
}
