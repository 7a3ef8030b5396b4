using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace CloudArchive.Format;

/// <summary>A clinic's slug, the name of the tenant: <c>[a-z0-9-]{3,40}</c>.</summary>
[JsonConverter(typeof(ParsableJsonConverter<ClinicId>))]
public readonly record struct ClinicId : IParsable<ClinicId>
{
    private readonly string? _value;

    private ClinicId(string value) => _value = value;

    /// <summary>The slug.</summary>
    public string Value => _value ?? throw new InvalidOperationException("A default ClinicId names no clinic.");

    /// <inheritdoc/>
    public static ClinicId Parse(string s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out ClinicId id) ? id : throw new FormatException("A clinic id is 3 to 40 of a-z, 0-9 and '-'.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out ClinicId result)
    {
        bool valid = s is { Length: >= 3 and <= 40 } && s.All(c => c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-');
        result = valid ? new ClinicId(s!) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}

/// <summary>A pack's id: a UUIDv7 (RFC 9562), so that packs sort by the time they were opened. Lower-case, 36 characters.</summary>
[JsonConverter(typeof(ParsableJsonConverter<PackId>))]
public readonly record struct PackId : IParsable<PackId>
{
    private readonly Guid _value;

    private PackId(Guid value) => _value = value;

    /// <summary>A new id for a pack that is opened now.</summary>
    public static PackId New(TimeProvider clock) => new(Guid.CreateVersion7(clock.GetUtcNow()));

    /// <summary>When it was made, as a version 7 UUID says it (RFC 9562 §5.7); of an id of another version nothing that means anything.</summary>
    public DateTimeOffset CreatedAt => DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(_value.ToByteArray(bigEndian: true)) >>> 16);

    /// <inheritdoc/>
    public static PackId Parse(string s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out PackId id) ? id : throw new FormatException("A pack id is a lower-case UUID.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out PackId result)
    {
        // One spelling only: the id is part of blob names, which are compared as text.
        bool valid = Guid.TryParseExact(s, "D", out Guid guid) && guid != Guid.Empty && guid.ToString("D") == s;
        result = valid ? new PackId(guid) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _value.ToString("D");
}

/// <summary>A DICOM unique identifier: 1 to 64 digits and dots (PS3.5 §9.1). Leading zeros, which §9.1 forbids and devices write, are kept.</summary>
[JsonConverter(typeof(ParsableJsonConverter<Uid>))]
public readonly record struct Uid : IParsable<Uid>
{
    private readonly string? _value;

    private Uid(string value) => _value = value;

    /// <summary>The identifier, without padding.</summary>
    public string Value => _value ?? throw new InvalidOperationException("A default Uid identifies nothing.");

    /// <inheritdoc/>
    public static Uid Parse(string s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out Uid uid) ? uid : throw new FormatException("A DICOM UID is 1 to 64 digits and dots.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out Uid result)
    {
        bool valid = s is { Length: >= 1 and <= 64 } && s.All(c => c is (>= '0' and <= '9') or '.') && s[0] != '.' && s[^1] != '.';
        result = valid ? new Uid(s!) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}

/// <summary>A SHA-256 digest, written as 64 lower-case hexadecimal digits.</summary>
[JsonConverter(typeof(ParsableJsonConverter<Sha256Digest>))]
public readonly record struct Sha256Digest : IParsable<Sha256Digest>
{
    private readonly string? _hex;

    private Sha256Digest(string hex) => _hex = hex;

    /// <summary>64 lower-case hexadecimal digits.</summary>
    public string Hex => _hex ?? throw new InvalidOperationException("A default Sha256Digest is the digest of nothing.");

    /// <summary>The digest of <paramref name="data"/>.</summary>
    public static Sha256Digest Of(ReadOnlySpan<byte> data)
    {
        Span<byte> digest = stackalloc byte[32];
        System.Security.Cryptography.SHA256.HashData(data, digest);
        return FromBytes(digest);
    }

    /// <summary>Wraps a digest that was computed elsewhere.</summary>
    public static Sha256Digest FromBytes(ReadOnlySpan<byte> digest) =>
        digest.Length == 32 ? new(Convert.ToHexStringLower(digest)) : throw new ArgumentException("A SHA-256 digest has 32 bytes.", nameof(digest));

    /// <summary>The 32 bytes.</summary>
    public byte[] ToBytes() => Convert.FromHexString(Hex);

    /// <inheritdoc/>
    public static Sha256Digest Parse(string s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out Sha256Digest digest) ? digest : throw new FormatException("A SHA-256 digest is 64 lower-case hexadecimal digits.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out Sha256Digest result)
    {
        bool valid = s is { Length: 64 } && s.All(c => c is (>= '0' and <= '9') or (>= 'a' and <= 'f'));
        result = valid ? new Sha256Digest(s!) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _hex ?? "";
}

/// <summary>Reads and writes an id as a JSON string; a string that is no such id is a <see cref="JsonException"/>.</summary>
public sealed class ParsableJsonConverter<T> : JsonConverter<T>
    where T : struct, IParsable<T>
{
    /// <inheritdoc/>
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        T.TryParse(reader.GetString(), null, out T value) ? value : throw new JsonException($"Not a valid {typeof(T).Name}.");

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());

    /// <inheritdoc/>
    public override T ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Read(ref reader, typeToConvert, options);

    /// <inheritdoc/>
    public override void WriteAsPropertyName(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WritePropertyName(value.ToString()!);
}
