using System.Text.Json;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Audit;

/// <summary>A checkpoint whose signature was made or checked.</summary>
/// <param name="Statement">What it says.</param>
/// <param name="KeyId">The key that signed it.</param>
/// <param name="Jws">The compact JWS.</param>
public sealed record SignedCheckpoint(Checkpoint Statement, string KeyId, string Jws)
{
    /// <summary>Signs with the key <paramref name="keyId"/>: ECDSA P-256 over SHA-256, r || s.</summary>
    public static async Task<SignedCheckpoint> SignAsync(
        Checkpoint statement, string keyId, Func<ReadOnlyMemory<byte>, CancellationToken, Task<byte[]>> sign, CancellationToken cancellationToken) =>
        new(statement, keyId, await Signing.Jws.SignAsync(Checkpoint.JwsType, CanonicalJson.Serialize(statement), keyId, sign, cancellationToken));

    /// <summary>Checks the signature and reads the statement.</summary>
    /// <exception cref="JwsException">Not a checkpoint that one of <paramref name="keys"/> signed.</exception>
    public static SignedCheckpoint Verify(string jws, JwkSet keys)
    {
        JwsContent content = Signing.Jws.Verify(jws, Checkpoint.JwsType, keys);
        try
        {
            Checkpoint? statement = JsonSerializer.Deserialize<Checkpoint>(content.Payload, FormatJson.Options);
            return statement is { Format: Checkpoint.CurrentFormat, Size: >= 0 }
                ? new SignedCheckpoint(statement, content.Kid, jws)
                : throw new JwsException(JwsFault.Malformed, $"It is no statement of the format {Checkpoint.CurrentFormat}.");
        }
        catch (JsonException e)
        {
            throw new JwsException(JwsFault.Malformed, "Its payload is no checkpoint.", e);
        }
    }
}

/// <summary>Whether a log that was seen before goes on: what a witness checks, and what the service checks before it signs.</summary>
public static class LogContinuity
{
    /// <summary>
    /// Null where <paramref name="now"/> continues <paramref name="seen"/>; else what broke, for people. Where the log has grown,
    /// <paramref name="proof"/> must be a proof from the older size to the newer one.
    /// </summary>
    public static string? FindBreak(Checkpoint seen, Checkpoint now, ConsistencyProof? proof) =>
        now.Log != seen.Log ? $"the checkpoint is of the log {now.Log}, not of {seen.Log}"
        : now.Size < seen.Size ? $"the log was rolled back: it had {seen.Size} entries at {seen.Time:u} and has {now.Size} now"
        : now.Size == seen.Size && now.Root != seen.Root ? $"the log was rewritten: its first {seen.Size} entries are not those of {seen.Time:u}"
        : now.Size == seen.Size ? null
        : proof is null || proof.From != seen.Size || proof.To != now.Size ? $"there is no proof that the log's {now.Size} entries begin with the {seen.Size} of {seen.Time:u}"
        : !proof.Proves(seen.Root, now.Root) ? $"the log was rewritten: its {now.Size} entries do not begin with the {seen.Size} of {seen.Time:u}"
        : null;
}
