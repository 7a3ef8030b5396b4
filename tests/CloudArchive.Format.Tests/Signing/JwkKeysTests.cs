using System.Security.Cryptography;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Tests.Signing;

public sealed class JwkKeysTests
{
    /// <summary>RFC 7638 §3.1.</summary>
    [Fact]
    public void The_thumbprint_of_the_rfcs_key_is_the_rfcs()
    {
        Jwk jwk = new(
            "RSA",
            Kid: "2011-04-29",
            N: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            E: "AQAB",
            Alg: "RS256");

        Assert.Equal("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", JwkKeys.Thumbprint(jwk));
    }

    [Fact]
    public void A_signing_key_survives_the_way_to_json_and_back()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Jwk jwk = JwkKeys.FromEcdsa(key);
        using ECDsa back = JwkKeys.ToEcdsa(jwk);

        Assert.Equal(JwkKeys.Thumbprint(jwk), jwk.Kid);
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), back.ExportSubjectPublicKeyInfo());
        Assert.ThrowsAny<CryptographicException>(() => back.SignData([1], HashAlgorithmName.SHA256)); // the public half alone
    }

    [Fact]
    public void A_wrapping_key_survives_the_way_to_json_and_back()
    {
        using RSA key = RSA.Create(2048);
        Jwk jwk = JwkKeys.FromRsa(key, "https://vault.example/keys/clinic/1");
        using RSA back = JwkKeys.ToRsa(jwk);

        Assert.Equal("https://vault.example/keys/clinic/1", jwk.Kid);
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), back.ExportSubjectPublicKeyInfo());
    }

    [Fact]
    public void A_signing_key_on_another_curve_is_refused()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP384);

        Assert.Throws<FormatException>(() => JwkKeys.FromEcdsa(key));
    }

    [Fact]
    public void A_hostile_signing_key_is_refused()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Jwk good = JwkKeys.FromEcdsa(key);
        Jwk[] bad =
        [
            good with { Kty = "RSA" },
            good with { Crv = "P-384" },
            good with { X = null },
            good with { X = good.Y }, // not on the curve
            good with { X = good.X + "=" },
            good with { X = " " + good.X },
            good with { X = good.X![..^4] },
            good with { X = "not base64url!" },
            good with { Alg = "ES384" },
            good with { Use = "enc" },
        ];

        Assert.All(bad, jwk => Assert.Throws<FormatException>(() => JwkKeys.ToEcdsa(jwk).Dispose()));
    }

    [Fact]
    public void A_hostile_wrapping_key_is_refused()
    {
        using RSA key = RSA.Create(2048);
        using RSA small = RSA.Create(1024);
        Jwk good = JwkKeys.FromRsa(key);
        Jwk[] bad =
        [
            good with { Kty = "EC" },
            good with { N = null },
            good with { N = JwkKeys.FromRsa(small).N },
            good with { N = new string('_', 4 * 1024) }, // 24,576 bits: only costs time
            good with { N = "" },
            good with { N = "AAAA" + good.N }, // RFC 7518 §6.3.1.1: no leading zeros
            good with { E = "AQ" }, // 1: wrapping would be no wrapping
            good with { E = "AA" },
            good with { E = "Ag" },
            good with { E = "" },
            good with { Use = "sig" },
            good with { Alg = "RSA1_5" },
        ];

        Assert.All(bad, jwk => Assert.Throws<FormatException>(() => JwkKeys.ToRsa(jwk).Dispose()));
    }
}
