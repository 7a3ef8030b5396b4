using System.Text.Json;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Packs;

/// <summary>
/// The archive's statement that a pack's content key is wrapped to another version of its clinic's key as well; the payload of a compact
/// JWS (ES256) of type <c>cloudarchive-rewrap+jws</c>. The pack's own metadata and its sidecar are locked and keep the first wrap.
/// </summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Clinic">Whose pack it is.</param>
/// <param name="Pack">The pack.</param>
/// <param name="Number">1 for a pack's first, then 2 and so on: the highest counts.</param>
/// <param name="Replaces">The key version that the wrap before it is for.</param>
/// <param name="ContentKey">The same content key, wrapped to the new version.</param>
/// <param name="At">When, UTC.</param>
public sealed record Rewrap(string Format, ClinicId Clinic, PackId Pack, int Number, string Replaces, WrappedContentKey ContentKey, DateTimeOffset At)
{
    /// <summary>Version 1.</summary>
    public const string CurrentFormat = "cloudarchive/rewrap/1";

    /// <summary>The JWS header's <c>typ</c>.</summary>
    public const string JwsType = "cloudarchive-rewrap+jws";

    /// <summary>The payload to sign.</summary>
    public byte[] Serialize() => CanonicalJson.Serialize(this);

    /// <summary>Verifies a signature and reads what it signs.</summary>
    /// <exception cref="JwsException">Not signed by one of <paramref name="keys"/>.</exception>
    /// <exception cref="PackException"><see cref="PackFault.EncryptionDataInvalid"/>: signed, and not of this format.</exception>
    public static Rewrap Verify(string compactJws, JwkSet keys)
    {
        byte[] payload = Jws.Verify(compactJws, JwsType, keys).Payload;
        try
        {
            return JsonSerializer.Deserialize<Rewrap>(payload, FormatJson.Options) is { Format: CurrentFormat, Number: > 0 } rewrap
                ? rewrap
                : throw new PackException(PackFault.EncryptionDataInvalid, $"The rewrap is not of the format {CurrentFormat}.");
        }
        catch (JsonException e)
        {
            throw new PackException(PackFault.EncryptionDataInvalid, "The rewrap is not JSON of a rewrap.", e);
        }
    }
}
