using System.Security.Cryptography;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Tests.Sealing;

public sealed class KeyWrappingTests
{
    private static readonly RSA Key = RSA.Create(2048);

    [Fact]
    public void The_private_half_unwraps_what_the_public_half_wrapped()
    {
        using ContentKey key = ContentKey.Create();
        WrappedContentKey wrapped = KeyWrapping.Wrap(key, JwkKeys.FromRsa(Key, "kek/1"));
        using ContentKey unwrapped = KeyWrapping.Unwrap(wrapped, Key);

        Assert.Equal(key.ToWrapInput(), unwrapped.ToWrapInput());
        Assert.Equal("kek/1", wrapped.KeyId);
        Assert.Equal("RSA-OAEP-256", wrapped.Algorithm);
        Assert.StartsWith("2.0\0\0\0\0\0", System.Text.Encoding.ASCII.GetString(key.ToWrapInput()), StringComparison.Ordinal);
        Assert.Equal(40, key.ToWrapInput().Length);
    }

    [Fact]
    public void A_key_without_an_id_is_named_by_its_thumbprint()
    {
        using ContentKey key = ContentKey.Create();
        Jwk jwk = JwkKeys.FromRsa(Key) with { Kid = null };

        Assert.Equal(JwkKeys.Thumbprint(jwk), KeyWrapping.Wrap(key, jwk).KeyId);
    }

    [Fact]
    public void Another_private_key_is_a_wrong_key()
    {
        using RSA other = RSA.Create(2048);
        using ContentKey key = ContentKey.Create();
        WrappedContentKey wrapped = KeyWrapping.Wrap(key, JwkKeys.FromRsa(Key));

        Assert.Equal(PackFault.WrongKey, Assert.Throws<PackException>(() => KeyWrapping.Unwrap(wrapped, other)).Fault);
    }

    [Fact]
    public void A_flipped_bit_of_the_wrapped_key_is_a_wrong_key()
    {
        using ContentKey key = ContentKey.Create();
        WrappedContentKey wrapped = KeyWrapping.Wrap(key, JwkKeys.FromRsa(Key));
        for (int i = 0; i < wrapped.EncryptedKey.Length; i += 5)
        {
            byte[] altered = [.. wrapped.EncryptedKey];
            altered[i] ^= 0x10;
            Assert.Equal(PackFault.WrongKey, Assert.Throws<PackException>(() => KeyWrapping.Unwrap(wrapped with { EncryptedKey = altered }, Key)).Fault);
        }
    }

    [Theory]
    [InlineData("2.1\0\0\0\0\0", 32)]
    [InlineData("2.0\0\0\0\0\0", 31)]
    [InlineData("2.0\0\0\0\0\0", 33)]
    [InlineData("", 32)]
    public void What_is_no_content_key_of_this_version_is_a_wrong_key(string version, int length)
    {
        byte[] input = [.. System.Text.Encoding.ASCII.GetBytes(version), .. new byte[length]];
        WrappedContentKey wrapped = new("kek/1", Key.Encrypt(input, RSAEncryptionPadding.OaepSHA256), KeyWrapping.Algorithm);

        Assert.Equal(PackFault.WrongKey, Assert.Throws<PackException>(() => KeyWrapping.Unwrap(wrapped, Key)).Fault);
    }

    [Fact]
    public void Another_algorithm_is_refused()
    {
        using ContentKey key = ContentKey.Create();
        WrappedContentKey wrapped = KeyWrapping.Wrap(key, JwkKeys.FromRsa(Key)) with { Algorithm = "RSA1_5" };

        Assert.Equal(PackFault.EncryptionDataInvalid, Assert.Throws<PackException>(() => KeyWrapping.Unwrap(wrapped, Key)).Fault);
    }

    [Fact]
    public void A_content_key_does_not_print_itself()
    {
        using ContentKey key = ContentKey.Create();

        Assert.Equal("**redacted**", $"{key}");
        Assert.Equal("{}", System.Text.Json.JsonSerializer.Serialize(key, FormatJson.Options));
    }

    [Fact]
    public void A_disposed_content_key_is_gone()
    {
        ContentKey key = ContentKey.Create();
        key.Dispose();

        Assert.Throws<ObjectDisposedException>(key.ToWrapInput);
        Assert.Throws<ObjectDisposedException>(() => new SealingStream(Stream.Null, key, leaveOpen: true));
        Assert.Throws<ObjectDisposedException>(() => new UnsealingStream(new MemoryStream(new byte[100]), key));
    }
}
