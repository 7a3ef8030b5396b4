using CloudArchive.Cli.Agent;
using CloudArchive.Format;

namespace CloudArchive.Cli.Find;

/// <summary>Fills the index beside a backup. What goes wrong with it is told, and is never the backup's trouble.</summary>
public sealed class FindFilling(AgentHome home, ClinicId clinic) : IDisposable
{
    private readonly Lock _gate = new();
    private FindIndex? _index;

    /// <summary>Why it could not be filled since <see cref="Begin"/>; null: it could.</summary>
    public string? Problem { get; private set; }

    /// <summary>A run begins: what was wrong before may be mended.</summary>
    public void Begin()
    {
        lock (_gate)
        {
            Problem = null;
            With(_ => { });
        }
    }

    /// <summary>Adds what files say.</summary>
    public void Add(IReadOnlyCollection<IndexedFile> files)
    {
        if (files.Count > 0)
        {
            With(index => index.Add(files));
        }
    }

    /// <summary>Forgets sets of which nothing is left.</summary>
    public void Forget(IReadOnlyCollection<Uid> sets)
    {
        if (sets.Count > 0)
        {
            With(index => index.Forget(sets));
        }
    }

    /// <summary>A run is over: nothing holds the file, which `find --rebuild` replaces.</summary>
    public void End()
    {
        lock (_gate)
        {
            _index?.Dispose();
            _index = null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => End();

    private void With(Action<FindIndex> work)
    {
        lock (_gate)
        {
            if (Problem is not null)
            {
                return;
            }

            try
            {
                work(_index ??= FindIndex.Open(home, clinic));
            }
            catch (Exception error) when (error is FindIndexException or IOException or UnauthorizedAccessException)
            {
                Problem = error.Message;
            }
        }
    }
}
