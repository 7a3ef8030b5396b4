using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Core.Verdicts;

/// <summary>How a clinic was when <see cref="ClinicWatch"/> last looked.</summary>
/// <param name="Id">The clinic.</param>
/// <param name="Name">As people call it; its id where nobody has looked yet.</param>
/// <param name="State">Whether it was safe; null: nobody has looked yet, or what the look wrote cannot be read.</param>
public sealed record ClinicState(ClinicId Id, string Name, VerdictState? State);

/// <summary>All clinics at once, as they were last looked at: a query for each thousand, however many there are to be checked.</summary>
public sealed class ClinicStates(IRowStore rows, ClinicDirectory clinics)
{
    /// <summary>The clinics, those that are worst first: not safe, not known, to be looked at, safe; then by id.</summary>
    /// <param name="reach">Only these; null: all.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<IReadOnlyList<ClinicState>> ListAsync(IReadOnlyCollection<ClinicId>? reach, CancellationToken cancellationToken)
    {
        Dictionary<string, Row> looks = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, ClinicWatch.Partition, RowRange.All, cancellationToken))
        {
            looks[row.Key] = row;
        }

        IEnumerable<ClinicId> ids = reach?.Distinct() ?? await clinics.ReadAllAsync(cancellationToken).ToListAsync(cancellationToken);
        return [.. ids.Select(Of).OrderByDescending(Badness).ThenBy(clinic => clinic.Id.Value, StringComparer.Ordinal)];

        ClinicState Of(ClinicId id)
        {
            Row? look = looks.GetValueOrDefault(id.Value);
            return new(
                id,
                look?.Values.GetValueOrDefault("name") as string ?? id.Value,
                look?.Values.GetValueOrDefault("state") is string text && Enum.TryParse(text, out VerdictState state) && Enum.IsDefined(state) ? state : null);
        }
    }

    private static int Badness(ClinicState clinic) => clinic.State switch { VerdictState.NotSafe => 3, null => 2, VerdictState.Attention => 1, _ => 0 };
}
