using System.Buffers.Text;
using System.Security.Cryptography;

namespace CloudArchive.Format.Signing;

/// <summary>Public keys between .NET and JSON. What comes from outside is checked here: a <see cref="FormatException"/> says what is wrong with it.</summary>
public static class JwkKeys
{
    private const int MinRsaBits = 2048;
    private const int MaxRsaBits = 8192; // larger ones only cost the reader time

    /// <summary>The public half of a P-256 key. Without a <paramref name="kid"/> its thumbprint is the <c>kid</c>.</summary>
    public static Jwk FromEcdsa(ECDsa key, string? kid = null)
    {
        ECParameters parameters = key.ExportParameters(includePrivateParameters: false);
        if (parameters.Curve.Oid.Value != ECCurve.NamedCurves.nistP256.Oid.Value)
        {
            throw new FormatException("Signing keys are on the curve P-256.");
        }

        Jwk jwk = new("EC", null, "P-256", X: Base64Url.EncodeToString(parameters.Q.X), Y: Base64Url.EncodeToString(parameters.Q.Y), Alg: "ES256", Use: "sig");
        return jwk with { Kid = kid ?? Thumbprint(jwk) };
    }

    /// <summary>A key that verifies. The caller disposes it.</summary>
    public static ECDsa ToEcdsa(Jwk jwk)
    {
        if (jwk is not { Kty: "EC", Crv: "P-256", X: not null, Y: not null, Alg: null or "ES256", Use: null or "sig" })
        {
            throw new FormatException("This is no P-256 public key for ES256 signatures.");
        }

        ECPoint point = new() { X = Decode(jwk.X, 32), Y = Decode(jwk.Y, 32) };
        try
        {
            return ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = point });
        }
        catch (CryptographicException e)
        {
            throw new FormatException("The point is not on the curve P-256.", e);
        }
    }

    /// <summary>The public half of an RSA key for wrapping. Without a <paramref name="kid"/> its thumbprint is the <c>kid</c>.</summary>
    public static Jwk FromRsa(RSA key, string? kid = null)
    {
        RSAParameters parameters = key.ExportParameters(includePrivateParameters: false);
        Jwk jwk = new("RSA", N: Base64Url.EncodeToString(parameters.Modulus), E: Base64Url.EncodeToString(parameters.Exponent), Alg: "RSA-OAEP-256", Use: "enc");
        return jwk with { Kid = kid ?? Thumbprint(jwk) };
    }

    /// <summary>A key that wraps: 2048 to 8192 bits. The caller disposes it.</summary>
    public static RSA ToRsa(Jwk jwk)
    {
        if (jwk is not { Kty: "RSA", N: not null, E: not null, Alg: null or "RSA-OAEP-256", Use: null or "enc" })
        {
            throw new FormatException("This is no RSA public key for RSA-OAEP-256.");
        }

        RSAParameters parameters = new() { Modulus = Decode(jwk.N), Exponent = Decode(jwk.E) };
        int bits = parameters.Modulus is [0, ..] or [] ? 0 : parameters.Modulus.Length * 8;
        if (bits is < MinRsaBits or > MaxRsaBits || parameters.Exponent is not ([3] or [1, 0, 1]))
        {
            throw new FormatException("An RSA key for wrapping has 2048 to 8192 bits and the exponent 65537 (or 3).");
        }

        try
        {
            return RSA.Create(parameters);
        }
        catch (CryptographicException e)
        {
            throw new FormatException("The RSA key is not valid.", e);
        }
    }

    /// <summary>SHA-256 JWK thumbprint (RFC 7638), base64url.</summary>
    public static string Thumbprint(Jwk jwk)
    {
        // Required members only, in lexical order, without whitespace: the values are base64url and need no escapes.
        object members = jwk switch
        {
            { Kty: "EC", Crv: not null, X: not null, Y: not null } => new { crv = jwk.Crv, kty = jwk.Kty, x = jwk.X, y = jwk.Y },
            { Kty: "RSA", N: not null, E: not null } => new { e = jwk.E, kty = jwk.Kty, n = jwk.N },
            _ => throw new FormatException("A thumbprint needs an EC or RSA public key."),
        };
        return Base64Url.EncodeToString(SHA256.HashData(CanonicalJson.Serialize(members)));
    }

    private static byte[] Decode(string text, int? length = null) =>
        StrictBase64Url.TryDecode(text, out byte[] bytes) && (length is null || bytes.Length == length)
            ? bytes
            : throw new FormatException("A member of the key is not the base64url that RFC 7518 §6 asks for.");
}

/// <summary>Base64url as RFC 7515 §2 has it: no padding, no whitespace, and one spelling for each value.</summary>
internal static class StrictBase64Url
{
    public static bool TryDecode(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = [];
        if (!Base64Url.IsValid(text))
        {
            return false;
        }

        bytes = Base64Url.DecodeFromChars(text);
        return text.SequenceEqual(Base64Url.EncodeToString(bytes)); // refuses what IsValid lets pass: padding, whitespace, stray low bits
    }
}
