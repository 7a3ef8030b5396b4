using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Core.Tests.Verdicts;

/// <summary>All clinics at once, by their last look.</summary>
public sealed class ClinicStatesTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_worst_come_first_and_those_nobody_has_looked_at_are_not_called_safe()
    {
        WatchedClinics clinics = new();
        AgentId[] safe = await clinics.AddAsync("b-safe", "one");
        await clinics.AddAsync("c-bad");
        await clinics.ReportAsync(safe[0], clinics.Good());
        await clinics.LookAsync();
        await clinics.AddAsync("z-new");
        ClinicStates states = new(clinics.Rows, clinics.Clinics);
        Assert.Equal([("c-bad", VerdictState.NotSafe), ("z-new", null), ("b-safe", VerdictState.Safe)], await ListAsync());
        Assert.DoesNotContain(await states.ListAsync(null, Cancel), clinic => clinic.Id.Value != "z-new" && clinic.Name == clinic.Id.Value);

        // What a look wrote was changed: nobody knows.
        Row row = (await clinics.Memory.FindAsync(RowTable.Work, ClinicWatch.Partition, "b-safe", Cancel))!;
        await clinics.Memory.SubmitAsync(RowTable.Work, ClinicWatch.Partition, [new RowWrite.Replace(row.Key, new Dictionary<string, object> { ["state"] = "7", ["name"] = 3L }, row.ETag!)], Cancel);
        Assert.Equal([("c-bad", VerdictState.NotSafe), ("b-safe", null), ("z-new", null)], await ListAsync());
        Assert.Equal([("c-bad", VerdictState.NotSafe)], await ListAsync("c-bad", "c-bad"));

        async Task<IEnumerable<(string, VerdictState?)>> ListAsync(params string[] reach) =>
            (await states.ListAsync(reach.Length == 0 ? null : [.. reach.Select(id => ClinicId.Parse(id))], Cancel)).Select(clinic => (clinic.Id.Value, clinic.State));
    }

    [Fact]
    public async Task Ten_thousand_clinics_take_a_query_for_each_thousand()
    {
        WatchedClinics clinics = new();
        foreach (int[] some in Enumerable.Range(0, 10_000).Chunk(100))
        {
            await clinics.Memory.SubmitAsync(RowTable.Clinics, "$clinics", [.. some.Select(i => new RowWrite.Upsert($"clinic-{i}", new Dictionary<string, object>()))], Cancel);
            await clinics.Memory.SubmitAsync(RowTable.Work, ClinicWatch.Partition, [.. some.Select(i => new RowWrite.Upsert($"clinic-{i}", new Dictionary<string, object> { ["state"] = i == 4711 ? "NotSafe" : "Safe", ["name"] = $"Practice {i}" }))], Cancel);
        }

        int before = clinics.Memory.Reads;
        IReadOnlyList<ClinicState> all = await new ClinicStates(clinics.Rows, clinics.Clinics).ListAsync(null, Cancel);
        Assert.Equal((10_000, "Practice 4711"), (all.Count, all[0].Name));
        Assert.InRange(clinics.Memory.Reads - before, 1, 22);
    }
}
