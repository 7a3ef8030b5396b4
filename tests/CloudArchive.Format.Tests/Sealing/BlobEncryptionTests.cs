using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Tests.Sealing;

public sealed class BlobEncryptionTests
{
    private const string Metadata =
        """{"EncryptionMode":"FullBlob","WrappedContentKey":{"KeyId":"https://v.example/keys/k/1","EncryptedKey":"AQID","Algorithm":"RSA-OAEP-256"},"EncryptionAgent":{"Protocol":"2.0","EncryptionAlgorithm":"AES_GCM_256"},"EncryptedRegionInfo":{"DataLength":4194304,"NonceLength":12},"KeyWrappingMetadata":{"EncryptionLibrary":"CloudArchive 1"}}""";

    [Fact]
    public void The_metadata_is_the_sdks_to_the_byte_and_says_nothing_of_the_machine()
    {
        EncryptionData data = BlobEncryption.For(new WrappedContentKey("https://v.example/keys/k/1", [1, 2, 3], "RSA-OAEP-256"));

        Assert.Equal(Metadata, BlobEncryption.ToMetadata(data));
        Assert.Equal(Metadata, BlobEncryption.ToMetadata(BlobEncryption.Parse(Metadata)));
    }

    [Fact]
    public void Metadata_is_ascii_whatever_the_keys_name() =>
        Assert.All(BlobEncryption.ToMetadata(BlobEncryption.For(new WrappedContentKey("schlüssel", [0xFB, 0xFF], "RSA-OAEP-256"))), c => Assert.InRange(c, ' ', '~'));

    [Fact]
    public void Another_writers_library_and_members_are_read_over() =>
        BlobEncryption.Parse(Metadata.Replace("\"CloudArchive 1\"", "\"Python 12.15\",\"x\":\"y\"").Replace("{\"EncryptionMode\"", "{\"New\":1,\"EncryptionMode\""));

    [Theory]
    [InlineData("FullBlob", "Blob")]
    [InlineData("\"2.0\"", "\"1.0\"")]
    [InlineData("\"2.0\"", "\"2.1\"")]
    [InlineData("AES_GCM_256", "AES_CBC_256")]
    [InlineData("4194304", "1048576")]
    [InlineData(":12}", ":16}")]
    [InlineData("RSA-OAEP-256", "RSA-OAEP")]
    [InlineData("\"AQID\"", "\"not base64!\"")]
    [InlineData("\"AQID\"", "null")]
    [InlineData("\"FullBlob\",", "\"FullBlob\",\"EncryptionMode\":\"FullBlob\",")]
    [InlineData("EncryptedRegionInfo", "Other")]
    [InlineData("}}", "}")]
    public void Another_format_is_refused(string part, string instead) =>
        Assert.Equal(PackFault.EncryptionDataInvalid, Assert.Throws<PackException>(() => BlobEncryption.Parse(Metadata.Replace(part, instead))).Fault);

    [Theory]
    [InlineData("null")]
    [InlineData("")]
    [InlineData("[]")]
    public void What_is_no_metadata_is_refused(string text) =>
        Assert.Equal(PackFault.EncryptionDataInvalid, Assert.Throws<PackException>(() => BlobEncryption.Parse(text)).Fault);
}
