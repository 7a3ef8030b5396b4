using BenchmarkDotNet.Attributes;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Benchmarks;

/// <summary>
/// What sealing costs beside an uplink of 1 to 10 MB/s: a pack of 64 MiB, in one instance that looks like a CBCT volume: 12-bit samples in 16 bits.
/// Divide 67.1 MB by the time for MB/s.
/// </summary>
[MemoryDiagnoser]
public class SealingBenchmarks
{
    private static readonly PackHeader Header = new(ClinicId.Parse("benchmark"), PackId.New(TimeProvider.System), Uid.Parse("1.2.3"), TimeProvider.System.GetUtcNow());
    private readonly byte[] _content = new byte[64 * 1024 * 1024];
    private byte[] _pack = [];
    private byte[] _wrapInput = [];
    private SidecarInstance _instance = null!;
    private PackSummary _summary = null!;

    [GlobalSetup]
    public async Task SetupAsync()
    {
        Random random = new(1);
        for (int i = 0, sample = 1000; i < _content.Length; i += 2)
        {
            sample = Math.Clamp(sample + random.Next(-24, 25), 0, 4095);
            (_content[i], _content[i + 1]) = ((byte)sample, (byte)(sample >> 8));
        }

        Uid uid = Uid.Parse("1.2.3");
        _instance = new SidecarInstance(uid, uid, uid, "CT", uid, _content.Length, Sha256Digest.Of(_content));
        using ContentKey key = ContentKey.Create();
        using MemoryStream pack = new();
        _summary = await WritePackAsync(pack, key, deflate: false);
        (_pack, _wrapInput) = (pack.ToArray(), key.ToWrapInput());
    }

    [Benchmark]
    public async Task<SealedBytes> Seal_and_hash()
    {
        using ContentKey key = ContentKey.Create();
        await using SealingStream sealing = new(Stream.Null, key, leaveOpen: true);
        await sealing.WriteAsync(_content);
        return await sealing.CompleteAsync(CancellationToken.None);
    }

    [Benchmark]
    public async Task Unseal()
    {
        using ContentKey key = ContentKey.FromWrapInput(_wrapInput);
        await using UnsealingStream unsealing = new(new MemoryStream(_pack), key);
        await unsealing.CopyToAsync(Stream.Null);
    }

    [Benchmark]
    public async Task<PackSummary> Write_a_pack()
    {
        using ContentKey key = ContentKey.Create();
        return await WritePackAsync(Stream.Null, key, deflate: false);
    }

    [Benchmark]
    public async Task<PackSummary> Write_a_deflated_pack()
    {
        using ContentKey key = ContentKey.Create();
        return await WritePackAsync(Stream.Null, key, deflate: true);
    }

    /// <summary>Length and SHA-256 of the ciphertext, manifest, and the instance's SHA-256 and CRC: what a restore test does with a pack.</summary>
    [Benchmark]
    public async Task Verify_and_extract_a_pack()
    {
        using ContentKey key = ContentKey.FromWrapInput(_wrapInput);
        PackIdentity identity = new(Header.Clinic, Header.Pack, Header.Study, _summary.Length, _summary.Sha256, _summary.InstancesRoot);
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(_pack), key, identity, CancellationToken.None);
        await reader.ExtractAsync(reader.Manifest.Instances[0], Stream.Null, CancellationToken.None);
    }

    private async Task<PackSummary> WritePackAsync(Stream output, ContentKey key, bool deflate)
    {
        await using PackWriter writer = new(output, Header, key);
        await writer.AddAsync(new PackEntry("volume.dcm", Header.CreatedAt, _instance, deflate), new MemoryStream(_content), CancellationToken.None);
        return await writer.CompleteAsync(CancellationToken.None);
    }
}
