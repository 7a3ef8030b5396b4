using CloudArchive.Core.Work;

namespace CloudArchive.Core.Restores;

/// <summary>Ends restores that expired, and forgets the plans of those that are over.</summary>
public sealed class RestoreSweep(RestoreDesk restores) : IWork
{
    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        await restores.SweepAsync(slice.Clinic!.Value, slice.By, cancellationToken);
        return SliceEnd.Finished();
    }
}
