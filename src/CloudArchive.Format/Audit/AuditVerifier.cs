using System.Text;
using System.Text.Json;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Audit;

/// <summary>What does not hold.</summary>
public enum AuditFault
{
    /// <summary>A checkpoint is no checkpoint, or its signature does not fit.</summary>
    BadCheckpoint,

    /// <summary>A checkpoint is signed with a key that the verifier was not given.</summary>
    UnknownKey,

    /// <summary>No checkpoint that can be believed says anything about these entries, and one should by now.</summary>
    NoCheckpoint,

    /// <summary>The log ends before a checkpoint does.</summary>
    RolledBack,

    /// <summary>Two checkpoints of the same size have different roots.</summary>
    Forked,

    /// <summary>An entry is not canonical JSON, or is no entry.</summary>
    NotCanonical,

    /// <summary>An entry is of another log.</summary>
    WrongLog,

    /// <summary>An entry is missing.</summary>
    Missing,

    /// <summary>An entry stands where another belongs.</summary>
    OutOfOrder,

    /// <summary>An entry is older than the one before it.</summary>
    TimeRunsBackwards,

    /// <summary>An entry is not what was appended.</summary>
    Altered,

    /// <summary>The entries are not those that the checkpoint was signed over.</summary>
    RootMismatch,

    /// <summary>An entry that nobody appended: the head does not reach it.</summary>
    BeyondHead,

    /// <summary>The service's own hashes contradict entries that fit their checkpoint.</summary>
    TilesWrong,

    /// <summary>The service cannot make sense of the log's head or hashes.</summary>
    HeadDamaged,
}

/// <summary>One thing that does not hold.</summary>
/// <param name="Fault">What kind of thing.</param>
/// <param name="Index">The first entry concerned; null where it is a checkpoint.</param>
/// <param name="What">For people.</param>
public sealed record AuditFinding(AuditFault Fault, long? Index, string What);

/// <summary>What there is to say about a log.</summary>
public enum AuditVerdict
{
    /// <summary>All holds, and a signed checkpoint vouches for the entries before it.</summary>
    Holds,

    /// <summary>Nothing contradicts anything, and no checkpoint vouches for it yet: the log is younger than its first one. Not checked, therefore, and no alarm.</summary>
    NotVouchedFor,

    /// <summary>Something does not hold.</summary>
    Damaged,
}

/// <summary>What the verifier says.</summary>
/// <param name="Log">The log.</param>
/// <param name="Entries">How many entries hold together, from the first.</param>
/// <param name="Root">Their root.</param>
/// <param name="Covered">How many of them the last fitting checkpoint vouches for.</param>
/// <param name="CoveredAt">That checkpoint's time.</param>
/// <param name="Findings">What does not hold, the checkpoints' faults first, then the first place of the entries.</param>
/// <param name="Remarks">What is odd and proves nothing, for people.</param>
public sealed record AuditReport(
    string? Log, long Entries, Sha256Digest Root, long Covered, DateTimeOffset? CoveredAt, IReadOnlyList<AuditFinding> Findings, IReadOnlyList<string> Remarks)
{
    /// <summary>The verdict.</summary>
    public AuditVerdict Verdict => Findings.Count > 0 ? AuditVerdict.Damaged : CoveredAt is null ? AuditVerdict.NotVouchedFor : AuditVerdict.Holds;

    /// <summary>Whether all holds.</summary>
    public bool Holds => Verdict == AuditVerdict.Holds;
}

/// <summary>
/// Checks a log with nothing but its export and public keys. In order:
/// 1. every checkpoint is signed by a known key;
/// 2. every entry is canonical JSON, of this log, at its place, no earlier than the one before;
/// 3. wherever a checkpoint stands, the RFC 6962 root of the entries so far is the root that was signed;
/// 4. no entry is missing at the end, and none is there that the head does not know.
/// A checkpoint's own time proves nothing, for a clock may be wrong: whichever of two was made first, both must fit the same entries.
/// Entries are read once, in bounded memory; the first one that does not hold ends the reading, for nothing after it can be told.
/// </summary>
public sealed class AuditVerifier
{
    /// <summary>One is made every hour. A log of this age without any was robbed of them, or nobody has made them for a day.</summary>
    public static readonly TimeSpan FirstCheckpointAfter = TimeSpan.FromDays(1);

    /// <summary>Two processes may make checkpoints at once, and the one of fewer entries may come a little later.</summary>
    private static readonly TimeSpan s_overlap = TimeSpan.FromMinutes(10);

    private readonly List<AuditFinding> _findings = [];
    private readonly List<string> _remarks = [];
    private readonly List<Checkpoint> _checkpoints = [];
    private readonly CompactRange _entries = new();
    private readonly CompactRange _leaves = new();
    private string? _log;
    private Checkpoint? _covering;
    private long? _differsFromTile;
    private DateTimeOffset _time = DateTimeOffset.MinValue;
    private DateTimeOffset? _began;

    private AuditVerifier()
    {
    }

    /// <summary>Verifies.</summary>
    /// <param name="export">The log.</param>
    /// <param name="keys">The service's public keys, from a source that the verifier trusts: not from the export.</param>
    /// <param name="seen">Checkpoints that somebody outside kept earlier.</param>
    /// <param name="now">The time, where the log was read just now; null for an export, whose age says nothing.</param>
    public static AuditReport Verify(AuditExport export, JwkSet keys, IReadOnlyList<string>? seen = null, DateTimeOffset? now = null)
    {
        AuditVerifier verifier = new();
        if (export.Damage is { } damage)
        {
            verifier.Find(AuditFault.HeadDamaged, null, $"The service itself found the log damaged when it was read: {damage}");
        }

        verifier.ReadCheckpoints(seen ?? [], "kept earlier", keys);
        verifier.ReadCheckpoints(export.Checkpoints, "of the export", keys);
        if (verifier.ReadEntries(export))
        {
            verifier.CheckEnd(export.Head);
            verifier.CheckVouched(now);
        }

        Checkpoint? covering = verifier._covering;
        return new AuditReport(verifier._log, verifier._entries.Size, verifier._entries.Root, covering?.Size ?? 0, covering?.Time, verifier._findings, verifier._remarks);
    }

    private void ReadCheckpoints(IReadOnlyList<string> lines, string whose, JwkSet keys)
    {
        foreach ((int number, string line) in lines.Index())
        {
            string name = $"Checkpoint {number + 1} {whose}";
            Checkpoint checkpoint;
            try
            {
                checkpoint = SignedCheckpoint.Verify(line, keys).Statement;
            }
            catch (JwsException e)
            {
                Find(e.Fault == JwsFault.UnknownKey ? AuditFault.UnknownKey : AuditFault.BadCheckpoint, null, $"{name} cannot be believed: {e.Message}");
                continue;
            }

            _log ??= checkpoint.Log;
            if (checkpoint.Log != _log)
            {
                Find(AuditFault.WrongLog, null, $"{name} is of the log {checkpoint.Log}, not of {_log}.");
                continue;
            }

            if (_checkpoints.Find(other => other.Size > checkpoint.Size ? other.Time < checkpoint.Time - s_overlap : other.Size < checkpoint.Size && other.Time > checkpoint.Time + s_overlap) is { } odd)
            {
                _remarks.Add($"{name} ({Describe(checkpoint)}) and the one of {Describe(odd)} are dated the wrong way round: the service's clock was wrong when it signed one of them.");
            }

            if (_checkpoints.Find(other => other.Size == checkpoint.Size && other.Root != checkpoint.Root) is { } other)
            {
                Find(AuditFault.Forked, null, $"{name} ({Describe(checkpoint)}) has another root than the one of {other.Time:u} for the same entries: there were two logs.");
            }

            _checkpoints.Add(checkpoint);
        }
    }

    /// <summary>False where an entry was found that does not hold.</summary>
    private bool ReadEntries(AuditExport export)
    {
        if (_checkpoints.Count == 0 && _findings.Count > 0)
        {
            Find(AuditFault.NoCheckpoint, null, "There is no checkpoint that can be believed: nothing vouches for these entries.");
        }

        ILookup<long, Checkpoint> bySize = _checkpoints.ToLookup(checkpoint => checkpoint.Size);
        using IEnumerator<string>? leaves = export.Leaves?.GetEnumerator();
        if (!CheckRoots(bySize[0]))
        {
            return false;
        }

        using IEnumerator<string> lines = export.Entries.GetEnumerator();
        while (lines.MoveNext())
        {
            byte[] json = Encoding.UTF8.GetBytes(lines.Current);
            if (CheckEntry(json) is { } finding)
            {
                long place = _entries.Size;
                _findings.Add(
                    place >= export.Head?.Size ? BeyondHead(place)
                    : finding.Fault == AuditFault.Missing && ComesLater(lines, place) ? new AuditFinding(AuditFault.OutOfOrder, place, finding.What.Replace("is missing", "was moved"))
                    : finding);
                return false;
            }

            Sha256Digest hash = Merkle.LeafHash(json);
            Sha256Digest leaf = leaves is not null && leaves.MoveNext() && Sha256Digest.TryParse(leaves.Current, null, out Sha256Digest stated) ? stated : hash;
            _differsFromTile ??= leaf == hash ? null : _entries.Size;
            _entries.Append(hash);
            _leaves.Append(leaf);
            if (!CheckRoots(bySize[_entries.Size]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>An entry by itself and beside the one before it.</summary>
    private AuditFinding? CheckEntry(byte[] json)
    {
        long place = _entries.Size;
        AuditEntry? entry;
        try
        {
            if (FindNotCanonical(json) is { } field)
            {
                return new AuditFinding(AuditFault.NotCanonical, place, $"Entry {place} is not canonical JSON (RFC 8785) at {field}: it was changed after it was appended.");
            }

            entry = JsonSerializer.Deserialize<AuditEntry>(json, FormatJson.Options);
        }
        catch (JsonException e)
        {
            return new AuditFinding(AuditFault.NotCanonical, place, $"Entry {place} is no audit entry: {e.Message}");
        }

        _log ??= entry?.Log;
        AuditFinding? finding = entry is not { Format: AuditEntry.CurrentFormat }
            ? new AuditFinding(AuditFault.NotCanonical, place, $"Entry {place} is not of the format {AuditEntry.CurrentFormat}.")
            : entry.Log != _log ? new AuditFinding(AuditFault.WrongLog, place, $"Entry {place} is of the log {entry.Log}, not of {_log}.")
            : entry.Index > place ? new AuditFinding(AuditFault.Missing, place, $"Entry {place} is missing: entry {entry.Index} stands in its place.")
            : entry.Index < place ? new AuditFinding(AuditFault.OutOfOrder, place, $"Entry {entry.Index} stands in the place of entry {place}.")
            : entry.Time < _time ? new AuditFinding(AuditFault.TimeRunsBackwards, place, $"Entry {place} ({entry.Time:u}) is older than the one before it ({_time:u}).")
            : null;
        _time = entry?.Time ?? _time;
        _began ??= entry?.Time;
        return finding;
    }

    /// <summary>Whether the entry that is not at its place stands further down.</summary>
    private static bool ComesLater(IEnumerator<string> lines, long index)
    {
        while (lines.MoveNext())
        {
            try
            {
                if (JsonSerializer.Deserialize<AuditEntry>(lines.Current, FormatJson.Options)?.Index == index)
                {
                    return true;
                }
            }
            catch (JsonException)
            {
                // Not the entry that is looked for.
            }
        }

        return false;
    }

    /// <summary>The root so far against the checkpoints of this size.</summary>
    private bool CheckRoots(IEnumerable<Checkpoint> checkpoints)
    {
        foreach (Checkpoint checkpoint in checkpoints)
        {
            if (_entries.Root != checkpoint.Root)
            {
                // The tiles fit the signature and one entry does not fit the tiles: that entry it is.
                if (_differsFromTile is { } index && _leaves.Root == checkpoint.Root)
                {
                    Find(AuditFault.Altered, index, $"Entry {index} was changed after it was appended: its hash is not the one that the checkpoint of {Describe(checkpoint)} was signed over.");
                }
                else
                {
                    long from = _covering?.Size ?? 0;
                    Find(AuditFault.RootMismatch, from, $"Entries {from} to {checkpoint.Size - 1} are not those that the checkpoint of {Describe(checkpoint)} was signed over: one of them was changed.");
                }

                return false;
            }

            if (_differsFromTile is { } wrong)
            {
                Find(AuditFault.TilesWrong, wrong, $"The service's tiles have another hash for entry {wrong} than its text gives, and the checkpoint of {Describe(checkpoint)} agrees with the text: the tiles were changed.");
                return false;
            }

            _covering = checkpoint;
        }

        return true;
    }

    private void CheckEnd(TreeHead? head)
    {
        long count = _entries.Size;
        if (_checkpoints.MaxBy(checkpoint => checkpoint.Size) is { } last && last.Size > count)
        {
            Find(AuditFault.RolledBack, count, $"Entries {count} to {last.Size - 1} are missing at the end: the checkpoint of {Describe(last)} was signed over them. The log was cut off or rolled back.");
        }
        else if (head is not null && head.Size < count)
        {
            _findings.Add(BeyondHead(head.Size));
        }
        else if (head is not null && head.Size > count)
        {
            Find(AuditFault.Missing, count, $"Entries {count} to {head.Size - 1} are missing at the end: the log's head knows them.");
        }
        else if (_differsFromTile is { } index)
        {
            Find(AuditFault.Altered, index, $"Entry {index} was changed after it was appended, or the tiles were: its hash is not the one that they have. No checkpoint covers it yet.");
        }
        else if (head is not null && head.Root != _entries.Root)
        {
            long from = _covering?.Size ?? 0;
            Find(AuditFault.RootMismatch, from, $"Entries {from} to {count - 1} are not those that the log's head was made from: one of them was changed.");
        }
    }

    /// <summary>A young log has no checkpoint yet; an old one has had one.</summary>
    private void CheckVouched(DateTimeOffset? now)
    {
        if (_checkpoints.Count == 0 && _began is { } began && (now ?? _time) - began > FirstCheckpointAfter)
        {
            Find(
                AuditFault.NoCheckpoint,
                null,
                $"There is no checkpoint, and the first entry is of {began:u}: one is made every hour. Either nobody has made them since, or somebody took them away.");
        }
    }

    private static AuditFinding BeyondHead(long place) => new(AuditFault.BeyondHead, place, $"What stands at place {place} was not appended: the log's head does not know it.");

    private void Find(AuditFault fault, long? index, string what) => _findings.Add(new AuditFinding(fault, index, what));

    private static string Describe(Checkpoint checkpoint) => $"{checkpoint.Time:u}, {checkpoint.Size} entries";

    /// <summary>Null where the text is canonical; else the path of the first member that is not.</summary>
    private static string? FindNotCanonical(byte[] json)
    {
        if (CanonicalJson.Canonicalize(json).AsSpan().SequenceEqual(json))
        {
            return null;
        }

        using JsonDocument document = JsonDocument.Parse(json);
        return FindNotCanonical(document.RootElement, "$") ?? "the space between its members";
    }

    private static string? FindNotCanonical(JsonElement element, string path)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            return Encoding.UTF8.GetString(CanonicalJson.Serialize(element)) == element.GetRawText() ? null : path;
        }

        string previous = "";
        foreach (JsonProperty member in element.EnumerateObject())
        {
            string at = $"{path}.{member.Name}";
            if (string.CompareOrdinal(member.Name, previous) < 0)
            {
                return at;
            }

            if (FindNotCanonical(member.Value, at) is { } inner)
            {
                return inner;
            }

            previous = member.Name;
        }

        return null;
    }
}
