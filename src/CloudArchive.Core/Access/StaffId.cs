namespace CloudArchive.Core.Access;

/// <summary>
/// A person: their tenant's id and their object id in it (<c>tid</c> and <c>oid</c>), which are the same in every token of theirs, whatever
/// it is for. <c>sub</c> is not: Entra ID gives each application another. Written <c>object@tenant</c>, in lower case.
/// </summary>
public readonly record struct StaffId
{
    private const int MaxCharacters = 64;

    private StaffId(string tenant, string objectId)
    {
        Tenant = tenant;
        ObjectId = objectId;
    }

    /// <summary>The directory.</summary>
    public string Tenant { get; }

    /// <summary>Who in it.</summary>
    public string ObjectId { get; }

    /// <summary>The person that a token's two claims name; false where one is missing or is no id.</summary>
    public static bool TryCreate(string? tenant, string? objectId, out StaffId id)
    {
        id = IsPart(tenant) && IsPart(objectId) ? new StaffId(tenant!.ToLowerInvariant(), objectId!.ToLowerInvariant()) : default;
        return id != default;
    }

    /// <summary>Reads <c>object@tenant</c>, or an object id alone as one of the tenant that is given.</summary>
    public static bool TryParse(string text, string? tenant, out StaffId id)
    {
        int at = text.IndexOf('@', StringComparison.Ordinal);
        return at < 0 ? TryCreate(tenant, text, out id) : TryCreate(text[(at + 1)..], text[..at], out id);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{ObjectId}@{Tenant}";

    private static bool IsPart(string? text) =>
        text is { Length: > 0 and <= MaxCharacters } && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
}
