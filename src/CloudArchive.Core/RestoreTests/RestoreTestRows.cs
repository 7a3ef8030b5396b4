using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// Runs in <see cref="RowTable.Work"/>: <c>test:{run}</c>; a row a sampled pack <c>test-pack:{run}:{n}</c>; while it runs its lease
/// <c>test-open:{run}</c> and its population <c>test-population:{run}:{n}</c>; for each pack that was ever tested <c>tested:{pack}</c>; <c>test-last</c>, when a run ended last.
/// </summary>
internal static class RestoreTestRows
{
    public const string Run = "test:";
    public const string Open = "test-open:";
    public const string Tested = "tested:";
    public const string Last = "test-last";
    public const string Population = "test-population:";
    private const string Pack = "test-pack:";
    private const int PieceBytes = 60 * 1024; // a property has 64 KiB

    public static RowRange Packs(WorkId run) => RowRange.Prefix($"{Pack}{run}:");

    public static string PackKey(WorkId run, int index) => string.Create(CultureInfo.InvariantCulture, $"{Pack}{run}:{index:d5}");

    public static Dictionary<string, object> Values<T>(T document) => new() { ["json"] = JsonSerializer.Serialize(document, FormatJson.Options) };

    public static T Read<T>(Row row) => JsonSerializer.Deserialize<T>(row.Text("json")!, FormatJson.Options)!;

    /// <summary>Keeps a run's population, compressed, in as many rows as it takes.</summary>
    public static async Task WritePopulationAsync(IRowStore rows, ClinicId clinic, WorkId run, IReadOnlyList<PopulationPack> population, CancellationToken cancellationToken)
    {
        using MemoryStream compressed = new();
        await using (BrotliStream brotli = new(compressed, CompressionLevel.Fastest, leaveOpen: true))
        {
            await JsonSerializer.SerializeAsync(brotli, population, FormatJson.Options, cancellationToken);
        }

        int index = 0;
        foreach (byte[] piece in compressed.ToArray().Chunk(PieceBytes))
        {
            string key = string.Create(CultureInfo.InvariantCulture, $"{Population}{run}:{index++:d5}");
            await rows.SubmitAsync(RowTable.Work, clinic.Value, [new RowWrite.Insert(key, new Dictionary<string, object> { ["piece"] = piece })], cancellationToken);
        }
    }

    /// <summary>A run's population.</summary>
    public static async Task<IReadOnlyList<PopulationPack>> ReadPopulationAsync(IRowStore rows, ClinicId clinic, WorkId run, CancellationToken cancellationToken)
    {
        using MemoryStream compressed = new();
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, clinic.Value, RowRange.Prefix($"{Population}{run}:"), cancellationToken))
        {
            compressed.Write(row.Bytes("piece")!);
        }

        compressed.Position = 0;
        await using BrotliStream brotli = new(compressed, CompressionMode.Decompress);
        return await JsonSerializer.DeserializeAsync<IReadOnlyList<PopulationPack>>(brotli, FormatJson.Options, cancellationToken)
            ?? throw new IntegrityException($"The population of restore test {run} is gone.");
    }

    /// <summary>Deletes populations of runs that are not open: those that ended, and those that a crash kept from starting.</summary>
    public static async Task SweepPopulationsAsync(IRowStore rows, ClinicId clinic, CancellationToken cancellationToken)
    {
        List<Row> gone = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, clinic.Value, RowRange.Prefix(Population), cancellationToken))
        {
            string run = row.Key[Population.Length..^6];
            if (await rows.FindAsync(RowTable.Work, clinic.Value, Open + run, cancellationToken) is null)
            {
                gone.Add(row);
            }
        }

        foreach (Row[] batch in gone.Chunk(20))
        {
            await rows.DeleteUnchangedAsync(RowTable.Work, clinic.Value, batch, cancellationToken);
        }
    }
}
