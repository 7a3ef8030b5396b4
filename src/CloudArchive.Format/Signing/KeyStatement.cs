using System.Text.Json;

namespace CloudArchive.Format.Signing;

/// <summary>
/// The keys that a clinic's agents are to believe and seal with from now on, signed by each of the archive's signing keys: an agent takes
/// it only from one that it believes already. docs/formats.md, "Key changes".
/// </summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Clinic">Whose agents.</param>
/// <param name="SigningKeys">What receipts and checkpoints verify against.</param>
/// <param name="WrappingKey">The clinic's key-encryption key, public half. The escrow key never changes.</param>
/// <param name="Time">When it was made: an older one than an agent has seen is worth nothing.</param>
public sealed record KeyStatement(string Format, ClinicId Clinic, JwkSet SigningKeys, Jwk WrappingKey, DateTimeOffset Time)
{
    /// <summary>The value of <see cref="Format"/>.</summary>
    public const string CurrentFormat = "cloudarchive/keys/1";

    /// <summary>The JWS's <c>typ</c>.</summary>
    public const string JwsType = "cloudarchive-keys+jws";

    /// <summary>The statement, where one of these is by a key among <paramref name="known"/>; null where none is.</summary>
    /// <exception cref="JsonException">It is signed, and is no statement of a version that this program knows.</exception>
    public static KeyStatement? FindVouchedFor(IEnumerable<string> statements, JwkSet known)
    {
        foreach (string jws in statements)
        {
            JwsContent content;
            try
            {
                content = Jws.Verify(jws, JwsType, known);
            }
            catch (JwsException)
            {
                continue; // By a key that is not believed yet: that is what the others are for.
            }

            KeyStatement statement = JsonSerializer.Deserialize<KeyStatement>(content.Payload, FormatJson.Options) ?? throw new JsonException("The statement is null.");
            return statement.Format == CurrentFormat ? statement : throw new JsonException($"This is {statement.Format}; this program reads {CurrentFormat}.");
        }

        return null;
    }
}
