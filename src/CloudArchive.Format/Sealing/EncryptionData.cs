using System.Text.Json.Serialization;

namespace CloudArchive.Format.Sealing;

/// <summary>
/// The value of a sealed blob's metadata <c>encryptiondata</c>: Azure Storage client-side encryption v2. Member names and order are
/// the Azure SDK's, which writes them in Pascal case.
/// </summary>
public sealed record EncryptionData(
    [property: JsonPropertyName("EncryptionMode")] string EncryptionMode,
    [property: JsonPropertyName("WrappedContentKey")] WrappedContentKey WrappedContentKey,
    [property: JsonPropertyName("EncryptionAgent")] EncryptionAgent EncryptionAgent,
    [property: JsonPropertyName("EncryptedRegionInfo")] EncryptedRegionInfo EncryptedRegionInfo,
    [property: JsonPropertyName("KeyWrappingMetadata")] IReadOnlyDictionary<string, string> KeyWrappingMetadata);

/// <summary>A content key, wrapped: which key wrapped it, how, and the result.</summary>
/// <param name="KeyId">The wrapping key: a versioned Key Vault id, or for an escrow key its RFC 7638 thumbprint.</param>
/// <param name="EncryptedKey">The wrapped 40 bytes: "2.0" padded with NUL to 8, then the 32-byte key.</param>
/// <param name="Algorithm"><c>RSA-OAEP-256</c>.</param>
public sealed record WrappedContentKey(
    [property: JsonPropertyName("KeyId")] string KeyId,
    [property: JsonPropertyName("EncryptedKey")] byte[] EncryptedKey,
    [property: JsonPropertyName("Algorithm")] string Algorithm);

/// <summary>The protocol, <c>2.0</c>, and the cipher, <c>AES_GCM_256</c>.</summary>
public sealed record EncryptionAgent(
    [property: JsonPropertyName("Protocol")] string Protocol,
    [property: JsonPropertyName("EncryptionAlgorithm")] string EncryptionAlgorithm);

/// <summary>Bytes of plaintext in a region (4,194,304) and of its nonce (12).</summary>
public sealed record EncryptedRegionInfo(
    [property: JsonPropertyName("DataLength")] int DataLength,
    [property: JsonPropertyName("NonceLength")] int NonceLength);
