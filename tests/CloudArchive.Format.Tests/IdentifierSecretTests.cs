using System.Security.Cryptography;
using System.Text;

namespace CloudArchive.Format.Tests;

public sealed class IdentifierSecretTests
{
    private const string Code = "4F7K-9QZ2-M3XV-T8BW-R6PD-1C5H";

    /// <summary>RFC 4231 would need a key of another length: computed with Python's hmac module.</summary>
    [Fact]
    public void The_hmac_is_hmac_sha256()
    {
        using IdentifierSecret secret = IdentifierSecret.FromBytes(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray());

        Assert.Equal("4088bcef86d112a68ee9e64e007b8c18d585c603e0757580c3ff7732fe54f63a", secret.Hmac("PAT-001")!.Value.Hex);
    }

    [Theory]
    [InlineData("PAT-001 ")]
    [InlineData(" PAT-001")]
    [InlineData("PAT-001\0")]
    [InlineData("  PAT-001 \0")]
    public void Dicoms_padding_does_not_count(string padded)
    {
        using IdentifierSecret secret = IdentifierSecret.Create();

        Assert.Equal(secret.Hmac("PAT-001"), secret.Hmac(padded));
        Assert.Equal(secret.Hmac("PAT-001"), secret.Hmac(Encoding.UTF8.GetBytes(padded)));
        Assert.NotEqual(secret.Hmac("PAT-001"), secret.Hmac("PAT- 001"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("  \0")]
    [InlineData(null)]
    public void No_identifier_has_no_hmac(string? nothing)
    {
        using IdentifierSecret secret = IdentifierSecret.Create();

        Assert.Null(secret.Hmac(nothing));
    }

    [Fact]
    public void The_code_opens_what_was_sealed_under_it()
    {
        using IdentifierSecret secret = IdentifierSecret.Create();
        using IdentifierSecret opened = IdentifierSecret.Open(secret.SealUnder(Code), Code);

        Assert.Equal(secret.ToBytes(), opened.ToBytes());
        Assert.NotEqual(secret.SealUnder(Code), secret.SealUnder(Code)); // a fresh nonce each time
    }

    [Fact]
    public void Another_code_and_every_flipped_bit_are_refused()
    {
        using IdentifierSecret secret = IdentifierSecret.Create();
        byte[] sealedSecret = secret.SealUnder(Code);

        Assert.ThrowsAny<CryptographicException>(() => IdentifierSecret.Open(sealedSecret, Code + "X"));
        Assert.ThrowsAny<CryptographicException>(() => IdentifierSecret.Open(sealedSecret.AsSpan(1), Code));
        for (int bit = 0; bit < sealedSecret.Length * 8; bit++)
        {
            byte[] altered = [.. sealedSecret];
            altered[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.ThrowsAny<CryptographicException>(() => IdentifierSecret.Open(altered, Code));
        }
    }

    [Fact]
    public void A_code_that_can_be_guessed_is_refused()
    {
        using IdentifierSecret secret = IdentifierSecret.Create();

        Assert.Throws<ArgumentException>(() => secret.SealUnder("123456"));
    }

    [Fact]
    public void A_disposed_secret_is_gone()
    {
        IdentifierSecret secret = IdentifierSecret.Create();
        secret.Dispose();

        Assert.Throws<ObjectDisposedException>(() => secret.Hmac("PAT-001"));
        Assert.Throws<ObjectDisposedException>(secret.ToBytes);
        Assert.Throws<ObjectDisposedException>(() => secret.SealUnder(Code));
    }

    [Fact]
    public void A_secret_does_not_print_itself()
    {
        using IdentifierSecret secret = IdentifierSecret.Create();

        Assert.Equal("**redacted**", $"{secret}");
        Assert.Equal("{}", System.Text.Json.JsonSerializer.Serialize(secret, FormatJson.Options));
    }
}
