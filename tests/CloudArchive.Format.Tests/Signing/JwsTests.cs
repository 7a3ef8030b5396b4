using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Tests.Signing;

public sealed class JwsTests
{
    private const string Typ = "test+jws";
    private static readonly ECDsa Key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private static readonly Jwk Public = JwkKeys.FromEcdsa(Key, "key-1");
    private static readonly JwkSet Keys = new([Public]);
    private static readonly byte[] Payload = Encoding.UTF8.GetBytes("""{"a":1}""");

    /// <summary>RFC 7515 appendix A.3.</summary>
    [Fact]
    public void The_rfcs_es256_example_verifies()
    {
        Jwk jwk = new("EC", Crv: "P-256", X: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", Y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        byte[] input = Jws.SigningInput("""{"alg":"ES256"}"""u8, "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"u8);
        byte[] signature = Base64Url.DecodeFromChars("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");

        Assert.StartsWith("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ", Encoding.ASCII.GetString(input));
        Assert.True(Jws.IsSignedBy(input, signature, jwk));
        Assert.False(Jws.IsSignedBy(input, signature, Public));
    }

    [Fact]
    public async Task What_was_signed_verifies()
    {
        JwsContent content = Jws.Verify(await SignAsync(), Typ, Keys);

        Assert.Equal("key-1", content.Kid);
        Assert.Equal(Payload, content.Payload);
    }

    [Fact]
    public async Task A_detached_signature_verifies_with_the_payload_beside_it()
    {
        string detached = await Jws.SignDetachedAsync(Typ, Payload, "key-1", Sign, TestContext.Current.CancellationToken);

        Assert.Contains("..", detached, StringComparison.Ordinal);
        Assert.Equal("key-1", Jws.VerifyDetached(detached, Payload, Typ, Keys));
        AssertFault(JwsFault.BadSignature, () => Jws.VerifyDetached(detached, "{}"u8, Typ, Keys));
        AssertFault(JwsFault.BadSignature, () => Jws.Verify(detached, Typ, Keys)); // an empty payload is another payload
        string[] parts = (await SignAsync()).Split('.');
        AssertFault(JwsFault.Malformed, () => Jws.VerifyDetached(string.Join('.', parts), Payload, Typ, Keys));
    }

    [Fact]
    public async Task A_statement_of_another_kind_is_refused() =>
        AssertFault(JwsFault.WrongType, await SignAsync(), "other+jws");

    [Fact]
    public async Task An_unknown_key_is_refused()
    {
        string jws = await SignAsync();

        AssertFault(JwsFault.UnknownKey, () => Jws.Verify(jws, Typ, new JwkSet([])));
        AssertFault(JwsFault.UnknownKey, () => Jws.Verify(jws, Typ, new JwkSet([Public with { Kid = "key-2" }])));
        AssertFault(JwsFault.UnknownKey, () => Jws.Verify(jws, Typ, new JwkSet([Public with { Use = "enc" }])));
    }

    [Fact]
    public async Task Another_keys_signature_is_refused()
    {
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string jws = await SignAsync();

        AssertFault(JwsFault.BadSignature, () => Jws.Verify(jws, Typ, new JwkSet([JwkKeys.FromEcdsa(other, "key-1")])));
    }

    [Theory]
    [InlineData("""{"alg":"none","kid":"key-1","typ":"test+jws"}""", JwsFault.WrongAlgorithm)]
    [InlineData("""{"alg":"HS256","kid":"key-1","typ":"test+jws"}""", JwsFault.WrongAlgorithm)]
    [InlineData("""{"alg":"es256","kid":"key-1","typ":"test+jws"}""", JwsFault.WrongAlgorithm)]
    [InlineData("""{"kid":"key-1","typ":"test+jws"}""", JwsFault.WrongAlgorithm)]
    [InlineData("""{"alg":"ES256","kid":"key-1"}""", JwsFault.WrongType)]
    [InlineData("""{"alg":"ES256","kid":"key-1","typ":"TEST+JWS"}""", JwsFault.WrongType)]
    [InlineData("""{"alg":"ES256","typ":"test+jws"}""", JwsFault.UnknownKey)]
    [InlineData("""{"alg":"ES256","crit":["b64"],"b64":false,"kid":"key-1","typ":"test+jws"}""", JwsFault.Malformed)]
    [InlineData("""{"alg":"none","alg":"ES256","kid":"key-1","typ":"test+jws"}""", JwsFault.Malformed)]
    [InlineData("""{"alg":["ES256"],"kid":"key-1","typ":"test+jws"}""", JwsFault.Malformed)]
    [InlineData("null", JwsFault.Malformed)]
    [InlineData("[]", JwsFault.Malformed)]
    [InlineData("", JwsFault.Malformed)]
    public void A_header_that_allows_more_than_es256_is_refused_however_well_signed(string header, JwsFault fault)
    {
        byte[] input = Jws.SigningInput(Encoding.UTF8.GetBytes(header), Payload);
        byte[] signature = Key.SignData(input, HashAlgorithmName.SHA256);

        AssertFault(fault, $"{Encoding.ASCII.GetString(input)}.{Base64Url.EncodeToString(signature)}");
    }

    [Fact]
    public async Task Without_its_signature_it_is_refused()
    {
        string[] parts = (await SignAsync()).Split('.');

        AssertFault(JwsFault.BadSignature, $"{parts[0]}.{parts[1]}.");
        AssertFault(JwsFault.Malformed, $"{parts[0]}.{parts[1]}");
        AssertFault(JwsFault.Malformed, $"{parts[0]}.{parts[1]}.{parts[2]}.");
    }

    [Fact]
    public async Task A_signature_in_der_is_refused()
    {
        string[] parts = (await SignAsync()).Split('.');
        byte[] der = Key.SignData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);

        AssertFault(JwsFault.BadSignature, $"{parts[0]}.{parts[1]}.{Base64Url.EncodeToString(der)}");
    }

    [Fact]
    public async Task Every_changed_character_is_noticed()
    {
        string jws = await SignAsync();
        for (int i = 0; i < jws.Length; i++)
        {
            foreach (char other in "AB=. \n")
            {
                if (jws[i] != other)
                {
                    string altered = jws[..i] + other + jws[(i + 1)..];
                    Assert.Throws<JwsException>(() => Jws.Verify(altered, Typ, Keys));
                }
            }
        }
    }

    [Fact]
    public async Task A_signer_that_answers_something_else_is_not_believed() =>
        await Assert.ThrowsAsync<CryptographicException>(() => Jws.SignAsync(Typ, Payload, "key-1", (_, _) => Task.FromResult(new byte[70]), TestContext.Current.CancellationToken));

    private static Task<byte[]> Sign(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => Task.FromResult(Key.SignData(data.Span, HashAlgorithmName.SHA256));

    private static Task<string> SignAsync() => Jws.SignAsync(Typ, Payload, "key-1", Sign, TestContext.Current.CancellationToken);

    private static void AssertFault(JwsFault fault, string jws, string typ = Typ) => AssertFault(fault, () => Jws.Verify(jws, typ, Keys));

    private static void AssertFault(JwsFault fault, Action verify) => Assert.Equal(fault, Assert.Throws<JwsException>(verify).Fault);
}
