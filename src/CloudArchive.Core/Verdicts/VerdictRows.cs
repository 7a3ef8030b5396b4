using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Verdicts;

/// <summary>
/// Reports in <see cref="RowTable.Clinics"/>, in their clinic's partition: <c>verdict:{agent}</c>, the latest, and <c>verdict-day:{agent}:{yyyyMMdd}</c>, a
/// line for each day. docs/catalogue.md lists the rows.
/// </summary>
internal static class VerdictRows
{
    public const string Latest = "verdict:";

    /// <summary>Of a property; <see cref="VerdictForm.MostBytes"/> keeps the row far below its 1 MiB.</summary>
    private const int PartBytes = 60 * 1024;

    public static string Days(AgentId agent) => $"verdict-day:{agent}:";

    public static string DayOf(AgentId agent, DateTimeOffset at) => Days(agent) + at.UtcDateTime.ToString("yyyyMMdd", CultureInfo.InvariantCulture);

    public static RowWrite Write(string key, Dictionary<string, object> values, Row? before) =>
        before is null ? new RowWrite.Insert(key, values) : new RowWrite.Replace(key, values, before.ETag!);

    public static Dictionary<string, object> Values(ReportedVerdict report)
    {
        using MemoryStream packed = new();
        using (BrotliStream brotli = new(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            JsonSerializer.Serialize(brotli, report.Verdict, FormatJson.Options);
        }

        Dictionary<string, object> values = new() { ["receivedAt"] = report.ReceivedAt, ["since"] = report.Since };
        int number = 0;
        foreach (byte[] part in packed.ToArray().Chunk(PartBytes))
        {
            values[$"verdict{number++}"] = part;
        }

        return values;
    }

    public static ReportedVerdict Read(Row row)
    {
        using MemoryStream packed = new();
        for (int number = 0; row.Bytes($"verdict{number}") is { } part; number++)
        {
            packed.Write(part);
        }

        packed.Position = 0;
        using BrotliStream brotli = new(packed, CompressionMode.Decompress);
        AgentVerdict verdict = JsonSerializer.Deserialize<AgentVerdict>(brotli, FormatJson.Options)
            ?? throw new IntegrityException($"Row {row.Key} of clinic {row.Partition} holds no verdict.");
        return new ReportedVerdict(AgentId.Parse(row.Key[Latest.Length..]), verdict, row.Time("receivedAt")!.Value, row.Time("since")!.Value);
    }

    public static Dictionary<string, object> DayValues(Row? before, AgentVerdict verdict, DateTimeOffset now) => new()
    {
        ["safe"] = VerdictForm.IsSafe(verdict) && before?.Flag("safe") != false,
        ["causes"] = string.Join(',', VerdictForm.Causes(verdict).Union(Split(before?.Text("causes"))).Order(StringComparer.Ordinal)),
        ["files"] = verdict.Folders.Sum(folder => folder.Files),
        ["archived"] = verdict.Folders.Sum(folder => folder.Archived),
        ["reports"] = (before?.Number("reports") ?? 0) + 1,
        ["at"] = now,
    };

    public static VerdictDayResponse Day(Row row) => new(
        DateOnly.ParseExact(row.Key[^8..], "yyyyMMdd", CultureInfo.InvariantCulture).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        row.Flag("safe"),
        Split(row.Text("causes")),
        row.Number("files")!.Value,
        row.Number("archived")!.Value,
        (int)row.Number("reports")!.Value);

    private static string[] Split(string? causes) => (causes ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries);
}
