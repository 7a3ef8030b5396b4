using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace CloudArchive.Format.Tests;

public sealed class CanonicalJsonTests
{
    /// <summary>RFC 8785 §3.2.2 and §3.2.3.</summary>
    [Fact]
    public void The_rfcs_sample_comes_out_as_the_rfc_has_it()
    {
        const string Input = """
            {
              "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
              "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
              "literals": [null, true, false]
            }
            """;
        const string Expected = """{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}""";

        Assert.Equal(Expected, Canonical(Input));
    }

    /// <summary>RFC 8785 §3.2.3: by UTF-16 code units, so that a surrogate pair stands before U+FB33.</summary>
    [Fact]
    public void Members_stand_in_the_order_of_their_utf16_code_units()
    {
        const string Input = """
            {"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
             "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}
            """;

        using JsonDocument canonical = JsonDocument.Parse(Canonical(Input));

        Assert.Equal(
            ["Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign", "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"],
            canonical.RootElement.EnumerateObject().Select(member => member.Value.GetString()!));
    }

    /// <summary>RFC 8785 appendix B.</summary>
    [Theory]
    [InlineData(0x0000000000000000, "0")]
    [InlineData(0x8000000000000000, "0")]
    [InlineData(0x0000000000000001, "5e-324")]
    [InlineData(0x8000000000000001, "-5e-324")]
    [InlineData(0x7fefffffffffffff, "1.7976931348623157e+308")]
    [InlineData(0xffefffffffffffff, "-1.7976931348623157e+308")]
    [InlineData(0x4340000000000000, "9007199254740992")]
    [InlineData(0xc340000000000000, "-9007199254740992")]
    [InlineData(0x4430000000000000, "295147905179352830000")]
    [InlineData(0x44b52d02c7e14af5, "9.999999999999997e+22")]
    [InlineData(0x44b52d02c7e14af6, "1e+23")]
    [InlineData(0x44b52d02c7e14af7, "1.0000000000000001e+23")]
    [InlineData(0x444b1ae4d6e2ef4e, "999999999999999700000")]
    [InlineData(0x444b1ae4d6e2ef4f, "999999999999999900000")]
    [InlineData(0x444b1ae4d6e2ef50, "1e+21")]
    [InlineData(0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7")]
    [InlineData(0x3eb0c6f7a0b5ed8d, "0.000001")]
    [InlineData(0x41b3de4355555553, "333333333.3333332")]
    [InlineData(0x41b3de4355555554, "333333333.33333325")]
    [InlineData(0x41b3de4355555555, "333333333.3333333")]
    [InlineData(0x41b3de4355555556, "333333333.3333334")]
    [InlineData(0x41b3de4355555557, "333333333.33333343")]
    [InlineData(0xbecbf647612f3696, "-0.0000033333333333333333")]
    [InlineData(0x43143ff3c1cb0959, "1424953923781206.2")]
    public void Numbers_are_written_as_the_rfcs_appendix_has_them(ulong bits, string expected)
    {
        double value = BitConverter.UInt64BitsToDouble(bits);

        Assert.Equal(expected, CanonicalJson.Number(value));
        Assert.Equal(expected, Encoding.UTF8.GetString(CanonicalJson.Serialize(value)));
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void What_is_no_number_is_refused(double value) => Assert.Throws<JsonException>(() => CanonicalJson.Number(value));

    /// <summary>The two digests are of what Node 20's <c>String(x)</c> makes of the same doubles, one to a line.</summary>
    [Fact]
    public void A_hundred_thousand_numbers_are_written_as_ecmascript_writes_them()
    {
        using IncrementalHash random = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int i = 0, n = 0; n < 100_000; i++)
        {
            double value = BitConverter.ToDouble(SHA256.HashData(Encoding.ASCII.GetBytes($"cloudarchive number {i}")));
            if (double.IsFinite(value))
            {
                random.AppendData(Encoding.ASCII.GetBytes(CanonicalJson.Number(value) + "\n"));
                n++;
            }
        }

        using IncrementalHash plain = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int e = -330; e <= 308; e++)
        {
            plain.AppendData(Encoding.ASCII.GetBytes($"{CanonicalJson.Number(double.Parse($"1e{e}"))}\n{CanonicalJson.Number(double.Parse($"-123456789e{e - 8}"))}\n"));
        }

        for (int i = -20_000; i < 20_000; i++)
        {
            plain.AppendData(Encoding.ASCII.GetBytes(CanonicalJson.Number(i / 1000.0) + "\n"));
        }

        Assert.Equal("22c45c96ba4079dd69f0ae61b3735e9e907efdc474572b3be7141dd0ff906dc3", Convert.ToHexStringLower(random.GetHashAndReset()));
        Assert.Equal("4e00ce6edebf4ff4028ce33d2d838aacc53cfffa223c226ba439611df99a5fa1", Convert.ToHexStringLower(plain.GetHashAndReset()));
    }

    [Theory]
    [InlineData("9007199254740993")] // 2^53 + 1
    [InlineData("-9007199254740993")]
    [InlineData("9223372036854775807")]
    [InlineData("1e400")]
    [InlineData("\"\\ud800\"")]
    [InlineData("{\"\\udead\":1}")]
    [InlineData("{\"a\":1,\"a\":1}")]
    [InlineData("{\"a\":1,\"\\u0061\":2}")]
    [InlineData("[1,]")]
    [InlineData("{} {}")]
    public void What_has_no_canonical_form_is_refused(string json) => Assert.ThrowsAny<JsonException>(() => Canonical(json));

    [Fact]
    public void A_member_that_is_there_twice_is_refused_in_parsed_documents_too()
    {
        using JsonDocument document = JsonDocument.Parse("""{"b":1,"a":1,"b":2}""");

        Assert.Throws<JsonException>(() => CanonicalJson.Serialize(document.RootElement));
    }

    [Fact]
    public void Control_characters_are_escaped_and_nothing_else_is()
    {
        JsonNode node = JsonValue.Create("\0\b\t\n\u000b\f\r\u001f\u007f\u2028<>&'+/é");

        Assert.Equal("\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\u007f\u2028<>&'+/é\"", Encoding.UTF8.GetString(CanonicalJson.Serialize(node)));
    }

    [Fact]
    public void The_canonical_form_is_its_own_canonical_form()
    {
        byte[] once = CanonicalJson.Canonicalize(Encoding.UTF8.GetBytes("""{"z":[1e21,123456789012345680000,-0,0.1],"a":{"é":"\u00e9","b":[]}}"""));

        Assert.Equal(once, CanonicalJson.Canonicalize(once));
    }

    [Fact]
    public void Records_are_written_without_nulls_and_with_lengths_as_integers()
    {
        byte[] canonical = CanonicalJson.Serialize(new { Length = 4_503_599_627_370_496L, Missing = (string?)null, At = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero) });

        Assert.Equal("""{"at":"2026-01-02T03:04:05+00:00","length":4503599627370496}""", Encoding.UTF8.GetString(canonical));
    }

    private static string Canonical(string json) => Encoding.UTF8.GetString(CanonicalJson.Canonicalize(Encoding.UTF8.GetBytes(json)));
}
