namespace CloudArchive.Cli.Terminal;

/// <summary>Plain lines, for logs: one when a step begins, one every half minute, one when it ends.</summary>
public sealed class LineView(TextWriter output, TimeProvider clock) : IProgressView
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(30);
    private readonly Lock _gate = new();

    /// <inheritdoc/>
    public IProgressStep Begin(string title, ProgressUnit unit, long? total) => new Step(this, title, unit, total, clock);

    /// <inheritdoc/>
    public void Note(string line)
    {
        lock (_gate) output.WriteLine(line);
    }

    private sealed class Step : IProgressStep
    {
        private readonly LineView _view;
        private readonly string _title;
        private readonly ProgressUnit _unit;
        private readonly long? _total;
        private readonly TimeProvider _clock;
        private readonly long _began;
        private readonly Lock _gate = new();
        private long _done;
        private long _told;

        public Step(LineView view, string title, ProgressUnit unit, long? total, TimeProvider clock)
        {
            (_view, _title, _unit, _total, _clock) = (view, title, unit, total, clock);
            _began = _told = clock.GetTimestamp();
            if (total is { } known) view.Note($"{title}: {Amount(known)} to do");
        }

        public void Add(long amount)
        {
            lock (_gate)
            {
                _done += amount;
                if (_clock.GetElapsedTime(_told) < Every) return;
                _told = _clock.GetTimestamp();
                _view.Note(Line());
            }
        }

        public void Dispose()
        {
            TimeSpan elapsed = _clock.GetElapsedTime(_began);
            if (_done > 0) _view.Note($"{_title}: {Amount(_done)} in {Texts.Duration(elapsed)}{(_unit == ProgressUnit.Bytes && elapsed.TotalSeconds >= 1 ? $", {Texts.Rate(_done / elapsed.TotalSeconds)}" : "")}");
        }

        private string Line()
        {
            TimeSpan elapsed = _clock.GetElapsedTime(_began);
            string line = _total is { } total ? $"{_title}: {Amount(_done)} of {Amount(total)}" : $"{_title}: {Amount(_done)}";
            if (_unit == ProgressUnit.Bytes) line += $", {Texts.Rate(_done / elapsed.TotalSeconds)}";
            if (_total is { } whole && _done > 0 && whole > _done) line += $", about {Texts.Duration(elapsed * ((double)(whole - _done) / _done))} left";
            return line;
        }

        private string Amount(long value) => _unit == ProgressUnit.Bytes ? Texts.Size(value) : value.ToString("N0");
    }
}
