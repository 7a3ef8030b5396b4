using System.Text;
using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.Access;

/// <summary>How people lie in <see cref="RowTable.Clinics"/>: one partition, a row each. docs/catalogue.md lists them.</summary>
internal static class StaffRows
{
    /// <summary>The partition.</summary>
    public const string Partition = "$access";

    /// <summary>Rows: <c>staff:{SHA-256 of the subject}</c>; a subject is the issuer's to choose, and may hold what a key must not.</summary>
    public const string Prefix = "staff:";

    private const string AllClinics = "*";

    public static string Key(string subject) => Prefix + Sha256Digest.Of(Encoding.UTF8.GetBytes(subject)).Hex;

    public static Dictionary<string, object> Values(StaffMember member)
    {
        Dictionary<string, object> values = new()
        {
            ["subject"] = member.Subject,
            ["roles"] = string.Join(' ', member.Roles),
            ["clinics"] = member.Clinics is null ? AllClinics : string.Join(' ', member.Clinics),
        };
        Add("firstAcceptedAt", member.FirstAcceptedAt);
        Add("lastAcceptedAt", member.LastAcceptedAt);
        Add("blockedAt", member.BlockedAt);
        if (member.BlockedBy is { } by)
        {
            values["blockedBy"] = by;
        }

        return values;

        void Add(string name, DateTimeOffset? time)
        {
            if (time is { } at)
            {
                values[name] = at;
            }
        }
    }

    public static StaffMember Read(Row row) => new(
        row.Text("subject")!,
        Words(row.Text("roles")!),
        row.Text("clinics") == AllClinics ? null : [.. Words(row.Text("clinics")!).Select(id => ClinicId.Parse(id))],
        row.Time("firstAcceptedAt"),
        row.Time("lastAcceptedAt"),
        row.Time("blockedAt"),
        row.Text("blockedBy"),
        row.ETag!);

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
