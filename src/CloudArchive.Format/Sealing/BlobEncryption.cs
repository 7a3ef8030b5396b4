using System.Text.Json;
using CloudArchive.Format.Packs;

namespace CloudArchive.Format.Sealing;

/// <summary>A sealed blob's metadata, as the Azure Storage SDKs read and write it.</summary>
public static class BlobEncryption
{
    /// <summary>The metadata in which the SDKs look for an <see cref="EncryptionData"/>.</summary>
    public const string MetadataName = "encryptiondata";

    /// <summary>The metadata with an <see cref="EncryptionData"/> whose content key is wrapped to the clinic's escrow key.</summary>
    public const string EscrowMetadataName = "cloudarchive_escrow";

    private const string Mode = "FullBlob";
    private const string Protocol = "2.0";
    private const string Cipher = "AES_GCM_256";
    private const string LibraryName = "EncryptionLibrary";

    // The product and its format's version, nothing else: the SDK's own value tells SDK, runtime and OS of a clinic's machine.
    private const string Library = "CloudArchive 1";

    /// <summary>The description of a blob that <see cref="SealingStream"/> sealed.</summary>
    public static EncryptionData For(WrappedContentKey wrapped) => new(
        Mode,
        wrapped,
        new EncryptionAgent(Protocol, Cipher),
        new EncryptedRegionInfo(Regions.DataLength, Regions.NonceLength),
        new Dictionary<string, string> { [LibraryName] = Library });

    /// <summary>One line of ASCII JSON, members in the SDK's order.</summary>
    public static string ToMetadata(EncryptionData data) => JsonSerializer.Serialize(data, FormatJson.Options);

    /// <summary>Reads a blob's metadata.</summary>
    /// <exception cref="PackException"><see cref="PackFault.EncryptionDataInvalid"/>: not the v2.0 format.</exception>
    public static EncryptionData Parse(string metadata)
    {
        EncryptionData? data;
        try
        {
            data = JsonSerializer.Deserialize<EncryptionData>(metadata, FormatJson.Options);
        }
        catch (JsonException e)
        {
            throw new PackException(PackFault.EncryptionDataInvalid, "The blob's encryptiondata is no JSON of client-side encryption v2.", e);
        }

        Check(data);
        return data!;
    }

    /// <summary>Whether a description that came in another way, such as in a sidecar, is of the one format that is read here.</summary>
    /// <exception cref="PackException"><see cref="PackFault.EncryptionDataInvalid"/>: it is not.</exception>
    public static void Check(EncryptionData? data)
    {
        bool known = data is
        {
            EncryptionMode: Mode,
            EncryptionAgent: { Protocol: Protocol, EncryptionAlgorithm: Cipher },
            EncryptedRegionInfo: { DataLength: Regions.DataLength, NonceLength: Regions.NonceLength },
            WrappedContentKey: { Algorithm: KeyWrapping.Algorithm },
        };
        if (!known)
        {
            throw new PackException(PackFault.EncryptionDataInvalid, "The blob is not sealed with client-side encryption 2.0 in 4 MiB regions under RSA-OAEP-256.");
        }
    }
}
