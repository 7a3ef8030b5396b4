using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using CloudArchive.Core.Storage;

namespace CloudArchive.Core;

/// <summary>The id of a restore or of a run of restore tests: a UUIDv7, so that they sort by when they were asked for.</summary>
public readonly record struct WorkId : IParsable<WorkId>
{
    private readonly Guid _value;

    private WorkId(Guid value) => _value = value;

    /// <summary>When it was made, to the millisecond (RFC 9562 §5.7).</summary>
    public DateTimeOffset MadeAt
    {
        get
        {
            ReadOnlySpan<byte> bytes = _value.ToByteArray(bigEndian: true);
            return DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(bytes) >> 16);
        }
    }

    /// <summary>A new one.</summary>
    public static WorkId New(TimeProvider clock) => new(Guid.CreateVersion7(clock.GetUtcNow()));

    /// <summary>An id that sorts before every one that was made at a time or later, and is none itself.</summary>
    public static WorkId Before(DateTimeOffset time)
    {
        byte[] bytes = Guid.CreateVersion7(time).ToByteArray(bigEndian: true);
        bytes.AsSpan(6).Clear();
        return new(new Guid(bytes, bigEndian: true));
    }

    /// <summary>The same as a key's end: for <see cref="NewestFirst"/>.</summary>
    internal static string KeyAt(DateTimeOffset time) => Before(time).ToString();

    /// <inheritdoc/>
    public static WorkId Parse(string s, IFormatProvider? provider = null) => TryParse(s, provider, out WorkId id) ? id : throw new FormatException("The id of a restore or a run is a lower-case UUID.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out WorkId result)
    {
        bool valid = Guid.TryParseExact(s, "D", out Guid guid) && guid.ToString("D") == s;
        result = valid ? new WorkId(guid) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _value.ToString("D");
}
