using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Core.RestoreTests;

/// <summary>What each scheduled run of a clinic may spend: a row <c>test-budget</c> of its partition in <see cref="RowTable.Clinics"/>.</summary>
public sealed class RestoreTestBudgets(IRowStore rows, ClinicDirectory clinics, Outbox outbox)
{
    /// <summary>The largest sample.</summary>
    public const int MostPacks = 10_000;

    /// <summary>A TiB.</summary>
    public const long MostBytes = 1L << 40;

    private const string Key = "test-budget";

    /// <summary>One of the longest untested, one at random, 1 GiB, nothing from the archive tier. docs/scale.md counts with it.</summary>
    public static TestBudget Default { get; } = new(2, 1L << 30);

    /// <summary>A clinic's budget.</summary>
    public async Task<TestBudget> GetAsync(ClinicId clinic, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Clinics, clinic.Value, Key, cancellationToken) is { } row
            ? new TestBudget((int)row.Number("packs")!, row.Number("bytes")!.Value, row.Number("archivedBytes")!.Value)
            : Default;

    /// <summary>Changes it.</summary>
    public async Task<TestBudget> SetAsync(ClinicId clinic, TestBudget budget, Requester by, CancellationToken cancellationToken)
    {
        Check(budget);
        await clinics.GetAsync(clinic, cancellationToken);
        Dictionary<string, object> values = new() { ["packs"] = (long)budget.Packs, ["bytes"] = budget.Bytes, ["archivedBytes"] = budget.ArchivedBytes };
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
    public static void Check(TestBudget budget)
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
