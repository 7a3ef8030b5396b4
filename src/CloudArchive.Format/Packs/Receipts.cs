using System.Text.Json;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Packs;

/// <summary>Reads receipts.</summary>
public static class Receipts
{
    /// <summary>The payload to sign.</summary>
    public static byte[] Serialize(Receipt receipt) => CanonicalJson.Serialize(receipt);

    /// <summary>Verifies a receipt's signature and reads it.</summary>
    /// <exception cref="JwsException">Not signed by one of <paramref name="keys"/>.</exception>
    /// <exception cref="PackException"><see cref="PackFault.ReceiptInvalid"/>.</exception>
    public static Receipt Verify(string compactJws, JwkSet keys) => Parse(Jws.Verify(compactJws, Receipt.JwsType, keys).Payload);

    /// <summary>Reads a receipt that was verified before it was kept; does not verify it again.</summary>
    /// <exception cref="PackException"><see cref="PackFault.ReceiptInvalid"/>.</exception>
    public static Receipt ReadStored(string compactJws)
    {
        try
        {
            return Parse(System.Buffers.Text.Base64Url.DecodeFromChars(compactJws.Split('.') is [_, var payload, _] ? payload : "."));
        }
        catch (FormatException e)
        {
            throw new PackException(PackFault.ReceiptInvalid, "The receipt is no JWS.", e);
        }
    }

    /// <summary>Reads the payload of a JWS that was verified.</summary>
    /// <exception cref="PackException"><see cref="PackFault.ReceiptInvalid"/>.</exception>
    public static Receipt Parse(ReadOnlySpan<byte> verifiedPayload)
    {
        try
        {
            return JsonSerializer.Deserialize<Receipt>(verifiedPayload, FormatJson.Options) is { Format: Receipt.CurrentFormat } receipt
                ? receipt
                : throw new PackException(PackFault.ReceiptInvalid, $"The receipt is not of the format {Receipt.CurrentFormat}.");
        }
        catch (JsonException e)
        {
            throw new PackException(PackFault.ReceiptInvalid, "The receipt is not JSON of a receipt.", e);
        }
    }
}
