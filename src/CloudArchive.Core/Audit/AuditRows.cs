using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Audit;

/// <summary>
/// How a log lies in <see cref="RowTable.Audit"/>: one partition a log; rows <c>head</c>, <c>e_{index}</c> (entries),
/// <c>t_{level}_{index}</c> (complete tiles) and <c>o_{SHA-256 of Once}</c>. Numbers have 16 digits, so that keys sort as numbers do.
/// </summary>
internal static class AuditRows
{
    public const string HeadKey = "head";

    /// <summary>An entry's canonical JSON.</summary>
    public const string Json = "json";

    /// <summary>The group that an entry was written in: not part of the leaf; it tells a writer its own work from another's.</summary>
    public const string Group = "group";

    /// <summary>The place of the entry that <see cref="AuditEvent.Once"/> has.</summary>
    public const string Index = "index";

    /// <summary>A tile's hashes, 32 bytes each.</summary>
    public const string Hashes = "hashes";

    /// <summary>The log's partition: its own name, which a table takes as it is ('$' is allowed, and in no clinic's name).</summary>
    public static string Partition(string log) =>
        log == AuditEntry.SystemLog || ClinicId.TryParse(log, null, out _)
            ? log
            : throw new ArgumentException("A log is called as its clinic is, or " + AuditEntry.SystemLog + ".", nameof(log));

    public static string EntryKey(long index) => $"e_{index:D16}";

    /// <summary>After every entry's key.</summary>
    public static string EntriesEnd => "e_:";

    /// <summary>The index in an entry's key; null where the key is not spelled as <see cref="EntryKey"/> does.</summary>
    public static long? TryParseIndex(string entryKey) =>
        entryKey.Length > 2 && long.TryParse(entryKey.AsSpan(2), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out long index) && EntryKey(index) == entryKey
            ? index
            : null;

    public static string TileKey(TileName tile) => $"t_{tile.Level}_{tile.Index:D16}";

    public static string OnceKey(string once) => "o_" + Sha256Digest.Of(System.Text.Encoding.UTF8.GetBytes(once)).Hex;

    public static byte[] Join(IReadOnlyList<Sha256Digest> hashes)
    {
        byte[] joined = new byte[hashes.Count * 32];
        for (int i = 0; i < hashes.Count; i++)
        {
            hashes[i].ToBytes().CopyTo(joined, i * 32);
        }

        return joined;
    }

    public static IReadOnlyList<Sha256Digest> Split(byte[]? hashes) => [.. (hashes ?? []).Chunk(32).Select(hash => Sha256Digest.FromBytes(hash))];
}
