using System.Text.Json;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// Runs in <see cref="RowTable.Work"/>: <c>test:{run}</c>, a row a pack <c>test-pack:{run}:{pack}</c>, while it runs <c>test-open:{run}</c>,
/// and for each pack that was ever tested <c>tested:{pack}</c>.
/// </summary>
internal static class RestoreTestRows
{
    public const string Run = "test:";
    public const string Open = "test-open:";
    public const string Tested = "tested:";
    private const string Pack = "test-pack:";

    public static RowRange Packs(WorkId run) => RowRange.Prefix($"{Pack}{run}:");

    public static string PackKey(WorkId run, PackId pack) => $"{Pack}{run}:{pack}";

    public static Dictionary<string, object> Values<T>(T document) => new() { ["json"] = JsonSerializer.Serialize(document, FormatJson.Options) };

    public static T Read<T>(Row row) => JsonSerializer.Deserialize<T>(row.Text("json")!, FormatJson.Options)!;
}
