namespace CloudArchive.Format.Audit;

/// <summary>A statement of a log's size and root; the payload of a compact JWS (ES256) of type <c>cloudarchive-checkpoint+jws</c>.</summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Log">The clinic's id, or <see cref="AuditEntry.SystemLog"/>.</param>
/// <param name="Size">Number of entries.</param>
/// <param name="Root">RFC 6962 §2.1 Merkle tree head of the first <paramref name="Size"/> entries.</param>
/// <param name="Time">When it was made, UTC.</param>
public sealed record Checkpoint(string Format, string Log, long Size, Sha256Digest Root, DateTimeOffset Time)
{
    /// <summary>Version 1.</summary>
    public const string CurrentFormat = "cloudarchive/checkpoint/1";

    /// <summary>The JWS header's <c>typ</c>.</summary>
    public const string JwsType = "cloudarchive-checkpoint+jws";
}
