using System.IO.Compression;
using System.Security.Cryptography;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Tests.Packs;

public sealed class PackRoundTripTests
{
    [Fact]
    public async Task What_was_packed_comes_back_byte_for_byte()
    {
        SamplePack sample = await SamplePack.CreateAsync();
        using ContentKey key = KeyWrapping.Unwrap(sample.Wrapped, sample.PrivateKey);
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(sample.Ciphertext), key, PackIdentity.Of(sample.Sidecar), TestContext.Current.CancellationToken);

        Assert.Equal(sample.Files.Select(file => file.Entry.Path), reader.Manifest.Instances.Select(i => i.Path));
        foreach ((ManifestInstance instance, byte[] content) in reader.Manifest.Instances.Zip(sample.Files.Select(file => file.Content)))
        {
            using MemoryStream restored = new();
            await reader.ExtractAsync(instance, restored, TestContext.Current.CancellationToken);
            Assert.Equal(content, restored.ToArray());
        }
    }
}
