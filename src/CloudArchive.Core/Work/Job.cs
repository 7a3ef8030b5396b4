using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Work;

/// <summary>Whose a job's work is, one by one.</summary>
[Flags]
public enum JobScopes
{
    /// <summary>Every clinic's.</summary>
    Clinics = 1,

    /// <summary>The archive's own: what belongs to no clinic.</summary>
    Archive = 2,
}

/// <summary>A kind of scheduled work, done for one clinic at a time, slice by slice (docs/scale.md).</summary>
/// <param name="Name">Such as <c>log-check</c>.</param>
/// <param name="Role">The host that has the rights for it.</param>
/// <param name="Scopes">Whose.</param>
/// <param name="Every">How often. Each clinic has its own moment within the period, so that they do not all come at once.</param>
/// <param name="Work">What does it: registered, and an <see cref="IWork"/>.</param>
/// <param name="At">The moment for all alike, counted from the period's begin (of a week: Monday, 00:00 UTC); null: each its own.</param>
public sealed record Job(string Name, ArchiveRole Role, JobScopes Scopes, TimeSpan Every, Type Work, TimeSpan? At = null)
{
    /// <summary>How long a slice may take before it saves its cursor; a function has 30 minutes.</summary>
    public static readonly TimeSpan Budget = TimeSpan.FromMinutes(5);

    // A tick asks for all of them, every minute.
    private readonly ConcurrentDictionary<string, TimeSpan> _offsets = new(StringComparer.Ordinal);

    // A Monday.
    private static readonly DateTimeOffset s_origin = new(1970, 1, 5, 0, 0, 0, TimeSpan.Zero);

    /// <summary>When it was due last for a scope, at <paramref name="now"/> or before.</summary>
    public DateTimeOffset LastDue(string scope, DateTimeOffset now)
    {
        TimeSpan offset = At ?? _offsets.GetOrAdd(scope, OffsetOf);
        long periods = (long)Math.Floor((now - s_origin - offset) / Every);
        return s_origin + offset + (periods * Every);
    }

    private TimeSpan OffsetOf(string scope) =>
        TimeSpan.FromSeconds((long)(BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{Name} {scope}"))) / (uint.MaxValue + 1.0) * Every.TotalSeconds));
}

/// <summary>What does a job's work for one scope. Done at least once: it may find its own traces, and it must bear to be ended at any moment.</summary>
public interface IWork
{
    /// <summary>Goes on from the slice's cursor for about <see cref="Job.Budget"/>. What is the matter with one item must not keep the others from theirs: it is counted, and named in the service's log.</summary>
    Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken);
}

/// <summary>A piece of a job for one scope.</summary>
/// <param name="Scope">The clinic's id, or <see cref="AuditEntry.SystemLog"/>.</param>
/// <param name="Due">When the job was due: the same for all its slices.</param>
/// <param name="Number">Which one: 0 is the first of the schedule's; what was started out of turn begins with 1.</param>
/// <param name="Cursor">Where the last slice ended; null at the begin.</param>
/// <param name="By">Who does it, for the audit log.</param>
public sealed record Slice(string Scope, DateTimeOffset Due, int Number, string? Cursor, Requester By)
{
    /// <summary>The clinic; null where it is the archive's own.</summary>
    public ClinicId? Clinic => ClinicId.TryParse(Scope, null, out ClinicId clinic) ? clinic : null;
}

/// <summary>How a slice ended.</summary>
/// <param name="Done">Whether nothing is left until the job is due again.</param>
/// <param name="Cursor">Where the next slice begins; null: anew.</param>
/// <param name="After">When the next slice comes.</param>
/// <param name="Failed">Items that the next time has to look at again; the log names each.</param>
public sealed record SliceEnd(bool Done, string? Cursor, TimeSpan After, int Failed)
{
    /// <summary>Nothing is left.</summary>
    public static SliceEnd Finished(int failed = 0) => new(true, null, TimeSpan.Zero, failed);

    /// <summary>There is more to do.</summary>
    public static SliceEnd More(string? cursor, TimeSpan after = default, int failed = 0) => new(false, cursor, after, failed);
}

/// <summary>A message of the queue: the next slice of a job.</summary>
/// <param name="Job">The job's name.</param>
/// <param name="Scope">Whose.</param>
/// <param name="Due">When it was due.</param>
/// <param name="Number">Which slice.</param>
public sealed record WorkMessage(string Job, string Scope, DateTimeOffset Due, int Number)
{
    /// <summary>As it is sent.</summary>
    public override string ToString() => JsonSerializer.Serialize(this, FormatJson.Options);

    /// <summary>Reads one; <see cref="FormatException"/> where it is none.</summary>
    public static WorkMessage Parse(string text)
    {
        try
        {
            WorkMessage message = JsonSerializer.Deserialize<WorkMessage>(text, FormatJson.Options) ?? throw new FormatException("A message of the work queue is empty.");
            return message.Scope == AuditEntry.SystemLog || ClinicId.TryParse(message.Scope, null, out _) ? message : throw new FormatException("A message of the work queue names no clinic.");
        }
        catch (JsonException e)
        {
            throw new FormatException("A message of the work queue is no JSON of a slice.", e);
        }
    }
}
