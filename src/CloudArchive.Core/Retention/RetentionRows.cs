using System.Globalization;
using System.Text.Json;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Retention;

namespace CloudArchive.Core.Retention;

/// <summary>A version of a clinic's policy.</summary>
/// <param name="Policy">The policy.</param>
/// <param name="ChangedAt">Since when it stands.</param>
/// <param name="ChangedBy">Who set it.</param>
public sealed record RetentionVersion(RetentionPolicy Policy, DateTimeOffset ChangedAt, string ChangedBy);

/// <summary>The versions of a policy, in <see cref="RowTable.Clinics"/>: <c>retention:{version}</c>. The current one stands in the clinic's row as well.</summary>
internal static class RetentionRows
{
    public const string Prefix = "retention:";

    public static RowWrite Write(RetentionVersion version) => new RowWrite.Insert(Key(version), Values(version));

    /// <summary>
    /// The writes of a change, for the transaction that replaces the clinic's row. The version before is written again, for clinics of
    /// before versions were kept: it is the same, whoever writes it.
    /// </summary>
    public static IEnumerable<RowWrite> Change(Clinic before, RetentionVersion after)
    {
        if (before.Retention.Version == 1)
        {
            RetentionVersion first = new(before.Retention, before.CreatedAt, "");
            yield return new RowWrite.Upsert(Key(first), Values(first));
        }

        yield return Write(after);
    }

    public static RetentionVersion Read(Row row) => new(
        JsonSerializer.Deserialize<RetentionPolicy>(row.Text("policy")!, FormatJson.Options)!, row.Time("at")!.Value, row.Text("by")!);

    private static string Key(RetentionVersion version) => Prefix + version.Policy.Version.ToString("d6", CultureInfo.InvariantCulture);

    private static Dictionary<string, object> Values(RetentionVersion version) => new()
    {
        ["policy"] = JsonSerializer.Serialize(version.Policy, FormatJson.Options),
        ["at"] = version.ChangedAt,
        ["by"] = version.ChangedBy,
    };
}
