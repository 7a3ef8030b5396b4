using System.Text.Json;

namespace CloudArchive.Format.Audit;

/// <summary>How far a log goes, as its head says; not signed.</summary>
/// <param name="Size">Number of entries.</param>
/// <param name="Root">Their RFC 6962 root.</param>
public sealed record TreeHead(long Size, Sha256Digest Root);

/// <summary>
/// A log as it was taken out of the service, in a folder: <c>entries.jsonl</c> (an entry's canonical JSON a line, in order),
/// <c>checkpoints.jws</c> (a compact JWS a line, the oldest first), <c>leaves.txt</c> (the leaves' hashes as the service's tiles have
/// them, hexadecimal, one a line) and <c>head.json</c> (<see cref="TreeHead"/>). The last two are not signed and may be missing; with them
/// the verifier can say which entry was changed, and not only between which checkpoints. <c>damage.txt</c> is there where the service could not give
/// those two, because it found them damaged itself, and says what it answered.
/// </summary>
/// <param name="Entries">Lines of entries.jsonl.</param>
/// <param name="Checkpoints">Lines of checkpoints.jws.</param>
/// <param name="Leaves">Lines of leaves.txt.</param>
/// <param name="Head">head.json.</param>
/// <param name="Damage">damage.txt.</param>
public sealed record AuditExport(IEnumerable<string> Entries, IReadOnlyList<string> Checkpoints, IEnumerable<string>? Leaves = null, TreeHead? Head = null, string? Damage = null)
{
    public const string EntriesFile = "entries.jsonl";
    public const string CheckpointsFile = "checkpoints.jws";
    public const string LeavesFile = "leaves.txt";
    public const string HeadFile = "head.json";
    public const string DamageFile = "damage.txt";

    /// <summary>Opens a folder. Entries and leaves are read as they are asked for: an export may be larger than memory.</summary>
    /// <exception cref="IOException">Entries or checkpoints are not there, or cannot be read.</exception>
    /// <exception cref="JsonException">head.json is no head.</exception>
    public static AuditExport Open(string folder)
    {
        string leaves = Path.Combine(folder, LeavesFile), head = Path.Combine(folder, HeadFile), damage = Path.Combine(folder, DamageFile);
        return new AuditExport(
            File.ReadLines(Path.Combine(folder, EntriesFile)),
            [.. File.ReadLines(Path.Combine(folder, CheckpointsFile)).Where(line => line.Length > 0)],
            File.Exists(leaves) ? File.ReadLines(leaves) : null,
            File.Exists(head) ? JsonSerializer.Deserialize<TreeHead>(File.ReadAllBytes(head), FormatJson.Options) : null,
            File.Exists(damage) ? File.ReadAllText(damage).Trim() : null);
    }
}
