using System.Security.Cryptography;
using System.Text;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Tests.Packs;

public sealed class ReceiptsTests
{
    private static readonly ECDsa Key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private static readonly JwkSet Keys = new([JwkKeys.FromEcdsa(Key)]);

    private static readonly Receipt Sample = new(
        Receipt.CurrentFormat,
        SamplePack.Header.Clinic,
        SamplePack.Header.Pack,
        SamplePack.Header.Study,
        Sha256Digest.Of("ciphertext"u8),
        1234,
        "2026-03-04T05:06:08.0000000Z",
        new DateTimeOffset(2036, 3, 4, 5, 6, 7, TimeSpan.Zero),
        Sha256Digest.Of("root"u8),
        2,
        "musterpraxis",
        17,
        new DateTimeOffset(2026, 3, 4, 5, 6, 9, TimeSpan.Zero));

    [Fact]
    public async Task A_signed_receipt_is_read_back() => Assert.Equal(Sample, Receipts.Verify(await SignAsync(Receipts.Serialize(Sample)), Keys));

    [Fact]
    public async Task A_statement_of_another_kind_is_no_receipt()
    {
        string jws = await SignAsync(Receipts.Serialize(Sample), "cloudarchive-checkpoint+jws");

        Assert.Equal(JwsFault.WrongType, Assert.Throws<JwsException>(() => Receipts.Verify(jws, Keys)).Fault);
    }

    [Theory]
    [InlineData("cloudarchive/receipt/1", "cloudarchive/receipt/2")]
    [InlineData("\"length\":1234", "\"length\":\"1234\"")]
    [InlineData("\"auditIndex\":17,", "")]
    [InlineData("\"auditIndex\":17,", "\"auditIndex\":17,\"auditIndex\":18,")]
    [InlineData("{", "[")]
    public async Task A_malformed_receipt_is_refused_although_it_is_signed(string part, string instead)
    {
        string json = Encoding.UTF8.GetString(Receipts.Serialize(Sample)).Replace(part, instead);
        string jws = await SignAsync(Encoding.UTF8.GetBytes(json));

        Assert.Equal(PackFault.ReceiptInvalid, Assert.Throws<PackException>(() => Receipts.Verify(jws, Keys)).Fault);
    }

    private static Task<string> SignAsync(byte[] payload, string typ = Receipt.JwsType) =>
        Jws.SignAsync(typ, payload, Keys.Keys[0].Kid!, (data, _) => Task.FromResult(Key.SignData(data.Span, HashAlgorithmName.SHA256)), TestContext.Current.CancellationToken);
}
