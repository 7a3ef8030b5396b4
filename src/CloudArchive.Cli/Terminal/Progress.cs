using Spectre.Console;

namespace CloudArchive.Cli.Terminal;

/// <summary>What a step counts.</summary>
public enum ProgressUnit
{
    /// <summary>Files or other things.</summary>
    Count,

    /// <summary>Bytes: rate and time left are shown.</summary>
    Bytes,
}

/// <summary>Tells a person how far a command is.</summary>
public interface IProgressView
{
    /// <summary>Begins a step; disposing it ends it.</summary>
    /// <param name="title">What is done, as "Uploading".</param>
    /// <param name="unit">What is counted.</param>
    /// <param name="total">Null where it is not known before.</param>
    IProgressStep Begin(string title, ProgressUnit unit, long? total);

    /// <summary>Tells one line.</summary>
    void Note(string line);
}

/// <summary>A step. Safe to call from several threads.</summary>
public interface IProgressStep : IDisposable
{
    /// <summary>So much more is done.</summary>
    void Add(long amount);
}

/// <summary>Chooses the view: bars where a person sits at a terminal, plain lines elsewhere; with <c>--json</c> lines on standard error.</summary>
public static class ProgressViews
{
    /// <summary>Does the work under a view.</summary>
    public static async Task<T> RunAsync<T>(CliEnvironment environment, bool json, Func<IProgressView, Task<T>> work)
    {
        if (!environment.Interactive || json) return await work(new LineView(json ? environment.Error : environment.Out, environment.Clock));
        return await environment.Console.Progress()
            .AutoClear(true)
            .HideCompleted(false)
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                new ProgressBarColumn { Width = 30 },
                new PercentageColumn(),
                new AmountColumn(),
                new RateColumn(),
                new TimeLeftColumn())
            .StartAsync(async context => await work(new BarView(context, environment.Console)));
    }
}
