namespace CloudArchive.Cli.Terminal;

/// <summary>Tells notes only: for a watch, whose runs are many and mostly empty.</summary>
public sealed class QuietView(Action<string> note) : IProgressView
{
    /// <inheritdoc/>
    public IProgressStep Begin(string title, ProgressUnit unit, long? total) => Step.Silent;

    /// <inheritdoc/>
    public void Note(string line) => note(line);

    private sealed class Step : IProgressStep
    {
        public static Step Silent { get; } = new();

        public void Add(long amount)
        {
        }

        public void Dispose()
        {
        }
    }
}
