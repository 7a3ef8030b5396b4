using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Clinics;

/// <summary>
/// Puts into the list of clinics who is missing there: of whom there are rows, or a log. Scheduled work goes by that list, and a clinic that somebody took out of it
/// would have no checkpoint, no check and no restore test any more, and nobody to say so.
/// </summary>
public sealed partial class ClinicCensus(IRowStore rows, ClinicDirectory clinics, ILogger<ClinicCensus> logger) : IWork
{
    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        HashSet<ClinicId> listed = [];
        await foreach (ClinicId clinic in clinics.ReadAllAsync(cancellationToken))
        {
            listed.Add(clinic);
        }

        foreach (RowTable table in (RowTable[])[RowTable.Clinics, RowTable.Audit])
        {
            await foreach (string partition in rows.PartitionsAsync(table, cancellationToken))
            {
                if (ClinicId.TryParse(partition, null, out ClinicId clinic) && listed.Add(clinic) && await clinics.RelistAsync(clinic, cancellationToken))
                {
                    LogMissing(logger, clinic);
                }
            }
        }

        return SliceEnd.Finished();
    }

    [LoggerMessage(508, LogLevel.Error, "Clinic {Clinic} was missing in the list of clinics, and had no scheduled work meanwhile: a host died while it was created, or somebody took it out.", EventName = "ClinicUnlisted")]
    private static partial void LogMissing(ILogger logger, ClinicId clinic);
}
