using Spectre.Console;
using Spectre.Console.Rendering;

namespace CloudArchive.Cli.Terminal;

/// <summary>Bars that move, for a person at a terminal.</summary>
internal sealed class BarView(ProgressContext context, IAnsiConsole console) : IProgressView
{
    public IProgressStep Begin(string title, ProgressUnit unit, long? total)
    {
        // A bar of nothing would stay at 0 % for ever.
        ProgressTask task = context.AddTask(Markup.Escape(title), maxValue: Math.Max(total ?? 1, 1));
        task.IsIndeterminate = total is null;
        task.State.Update<bool>(AmountColumn.IsBytes, _ => unit == ProgressUnit.Bytes);
        return new Step(task);
    }

    public void Note(string line) => console.WriteLine(line);

    private sealed class Step(ProgressTask task) : IProgressStep
    {
        public void Add(long amount)
        {
            if (task.IsIndeterminate && task.Value + amount > task.MaxValue) task.MaxValue = task.Value + amount + 1;
            task.Increment(amount);
        }

        public void Dispose()
        {
            task.IsIndeterminate = false;
            task.MaxValue = Math.Max(task.Value, 1);
            task.Value = task.MaxValue;
            task.StopTask();
        }
    }
}

/// <summary>How much is done, of how much.</summary>
internal sealed class AmountColumn : ProgressColumn
{
    internal const string IsBytes = "bytes";

    public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
    {
        string text = task.IsIndeterminate ? Amount(task, task.Value) : $"{Amount(task, task.Value)} of {Amount(task, task.MaxValue)}";
        return new Text(text).RightJustified();
    }

    private static string Amount(ProgressTask task, double value) => task.State.Get<bool>(IsBytes) ? Texts.Size((long)value) : value.ToString("N0");
}

/// <summary>Bytes a second; nothing for what is not bytes.</summary>
internal sealed class RateColumn : ProgressColumn
{
    public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
        new Text(task.State.Get<bool>(AmountColumn.IsBytes) && task.Speed is { } speed && !task.IsFinished ? Texts.Rate(speed) : "").RightJustified();
}

/// <summary>Time left, once it can be told.</summary>
internal sealed class TimeLeftColumn : ProgressColumn
{
    public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
        new Text(!task.IsFinished && !task.IsIndeterminate && task.RemainingTime is { } left ? $"{Texts.Duration(left)} left" : "").RightJustified();
}
