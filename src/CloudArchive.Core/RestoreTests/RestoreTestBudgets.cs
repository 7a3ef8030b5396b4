using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Core.RestoreTests;

/// <summary>What a clinic's runs may spend.</summary>
/// <param name="Packs">At most so many packs; null: so many that every pack is tested within a year.</param>
/// <param name="Bytes">About so many bytes; null: what a run needs that keeps every pack within a year.</param>
/// <param name="ArchivedBytes">So many bytes from the archive tier.</param>
public sealed record ClinicBudget(int? Packs = null, long? Bytes = null, long ArchivedBytes = 0)
{
    /// <summary>A run's own.</summary>
    public static implicit operator ClinicBudget(TestBudget budget) => new(budget.Packs, budget.Bytes, budget.ArchivedBytes);

    /// <summary>What a run of these packs may spend: never more than anybody could have asked for.</summary>
    public TestBudget For(IReadOnlyList<PopulationPack> population)
    {
        TestBudget yearly = TestBudget.WithinAYear(population);
        return new TestBudget(
            Packs ?? Math.Min(yearly.Packs, RestoreTestBudgets.MostPacks), Bytes ?? Math.Min(yearly.Bytes, RestoreTestBudgets.MostBytes), ArchivedBytes);
    }
}

/// <summary>What each scheduled run of a clinic may spend: a row <c>test-budget</c> of its partition in <see cref="RowTable.Clinics"/>.</summary>
public sealed class RestoreTestBudgets(IRowStore rows, ClinicDirectory clinics, Outbox outbox)
{
    /// <summary>The largest sample.</summary>
    public const int MostPacks = 10_000;

    /// <summary>A TiB.</summary>
    public const long MostBytes = 1L << 40;

    private const string Key = "test-budget";

    /// <summary>Every pack within a year, nothing from the archive tier. docs/scale.md counts with it.</summary>
    public static ClinicBudget Default { get; } = new();

    /// <summary>A clinic's budget.</summary>
    public async Task<ClinicBudget> GetAsync(ClinicId clinic, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Clinics, clinic.Value, Key, cancellationToken) is { } row
            ? new ClinicBudget((int?)row.Number("packs"), row.Number("bytes"), row.Number("archivedBytes") ?? 0)
            : Default;

    /// <summary>Changes it.</summary>
    public async Task<ClinicBudget> SetAsync(ClinicId clinic, ClinicBudget budget, Requester by, CancellationToken cancellationToken)
    {
        Check(budget);
        await clinics.GetAsync(clinic, cancellationToken);
        Dictionary<string, object> values = new() { ["archivedBytes"] = budget.ArchivedBytes };
        values.AddUnlessNull("packs", (long?)budget.Packs);
        values.AddUnlessNull("bytes", budget.Bytes);
        AuditEvent entry = new(
            clinic.Value,
            AuditActions.RestoreTestBudgetChanged,
            AuditOutcome.Success,
            by.Actor,
            new AuditSubject(clinic.Value),
            by.Origin,
            Details: values.ToDictionary(value => value.Key, value => Convert.ToString(value.Value, CultureInfo.InvariantCulture)!));
        await outbox.SubmitAsync(RowTable.Clinics, clinic.Value, [new RowWrite.Upsert(Key, values)], entry, cancellationToken);
        return budget;
    }

    /// <summary><see cref="Refusal.RequestInvalid"/> for a budget that is none.</summary>
    public static void Check(ClinicBudget budget)
    {
        if (budget.Packs is < 1 or > MostPacks)
        {
            throw new RefusedException(Refusal.RequestInvalid, $"packs: 1 to {MostPacks}.");
        }

        if (budget.Bytes is < 1 or > MostBytes || budget.ArchivedBytes is < 0 or > MostBytes)
        {
            throw new RefusedException(Refusal.RequestInvalid, $"bytes: 1 to {MostBytes}. archivedBytes: 0 to {MostBytes}.");
        }
    }
}
