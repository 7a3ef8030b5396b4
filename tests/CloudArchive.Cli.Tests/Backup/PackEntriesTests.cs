using System.Security.Cryptography;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Dicom;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Backup;

/// <summary>Files go into packs as an agent puts them there, and come back: real ones, and real ones whose headers were damaged.</summary>
public sealed class PackEntriesTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Native_pixels_are_filtered_and_all_else_is_not()
    {
        Assert.SkipWhen(Repository.DicomSamples is null, "../shared/dicom-samples is not there");
        string[] names = [.. Directory.GetFiles(Repository.DicomSamples, "*.dcm").Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];
        byte[][] files = [.. names.Select(name => File.ReadAllBytes(Path.Combine(Repository.DicomSamples, name)))];
        IReadOnlyList<ManifestInstance> instances = await RoundTripAsync(files);

        Assert.Equal(
            ["CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm"],
            names.Zip(instances).Where(pair => pair.Second.Filter is not null).Select(pair => pair.First).Where(name => name is not "no_meta.dcm"));
    }

    /// <summary>Whatever a damaged header says of the pixels, the file goes into its pack and comes back.</summary>
    [Fact]
    public async Task Ten_thousand_damaged_headers_fail_no_pack()
    {
        Assert.SkipWhen(Repository.DicomSamples is null, "../shared/dicom-samples is not there");
        byte[][] samples = [.. ((string[])["MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "CT_small.dcm"]).Select(name => File.ReadAllBytes(Path.Combine(Repository.DicomSamples, name)))];
        Random random = new(20261127);
        int filtered = 0;
        for (int pack = 0; pack < 10; pack++)
        {
            byte[][] files = [.. Enumerable.Range(0, 1000).Select(i => Damaged(samples[i % 20 == 0 ? 3 : i % 3], random))];
            filtered += (await RoundTripAsync(files)).Count(instance => instance.Filter is not null);
        }

        Assert.InRange(filtered, 2000, 9999); // of both kinds
    }

    /// <summary>Some bits, some bytes or a cut, in what stands before the pixels; most of all in the numbers that describe them.</summary>
    private static byte[] Damaged(byte[] sample, Random random)
    {
        byte[] file = [.. sample];
        int head = Math.Min(file.Length, 2000);
        for (int times = random.Next(1, 4); times > 0; times--)
        {
            switch (random.Next(4))
            {
                case 0:
                    file[random.Next(132, head)] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    file[random.Next(132, head)] = (byte)random.Next(256);
                    break;
                case 2:
                    BitConverter.TryWriteBytes(file.AsSpan(random.Next(132, head - 4)), random.Next(3) switch { 0 => uint.MaxValue, 1 => 0u, _ => (uint)random.Next() });
                    break;
                default:
                    // Group 0028 in either byte order: Rows and what follows it.
                    int at = file.AsSpan().IndexOf(random.Next(2) == 0 ? [0x28, 0x00, 0x10, 0x00] : (ReadOnlySpan<byte>)[0x00, 0x28, 0x00, 0x10]);
                    if (at > 0)
                    {
                        file[at + random.Next(8, 64)] = (byte)random.Next(256);
                    }

                    break;
            }
        }

        return random.Next(20) == 0 ? file[..random.Next(1, file.Length)] : file;
    }

    private static async Task<IReadOnlyList<ManifestInstance>> RoundTripAsync(byte[][] files)
    {
        using MemoryStream output = new();
        using ContentKey key = ContentKey.Create();
        PackHeader header = new(Packs.Clinic, PackId.New(TimeProvider.System), Packs.Study, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        await using PackWriter writer = new(output, header, key);
        for (int i = 0; i < files.Length; i++)
        {
            string syntax = await SyntaxAsync(files[i]);
            SidecarInstance instance = Packs.Instance($"1.2.3.{i + 1}", files[i]) with { TransferSyntax = Uid.Parse(syntax) };
            PendingFile file = new(i, $"/images/{i}.dcm", "/images", files[i].Length, 5, instance, new StudyKey(Packs.Study, null, null, null, null), HasOtherVersion: false);
            await writer.AddAsync(PackEntries.Of(file, new ManifestRoot("reception", "images")), new MemoryStream(files[i]), Cancellation);
        }

        PackSummary summary = await writer.CompleteAsync(Cancellation);
        using ContentKey opens = ContentKey.FromWrapInput(key.ToWrapInput());
        await using PackReader reader = await PackReader.OpenAsync(output, opens, new PackIdentity(header.Clinic, header.Pack, header.Study, summary.Length, summary.Sha256, summary.InstancesRoot), Cancellation);
        for (int i = 0; i < files.Length; i++)
        {
            using MemoryStream back = new();
            await reader.ExtractAsync(reader.Manifest.Instances[i], back, Cancellation);
            Assert.True(files[i].AsSpan().SequenceEqual(back.ToArray()), $"file {i} came back as another");
        }

        return reader.Manifest.Instances;
    }

    /// <summary>As the scan has it: what the header says, or what is written where nobody could read one.</summary>
    private static async Task<string> SyntaxAsync(byte[] file)
    {
        try
        {
            return (await DicomReader.ReadHeaderAsync(new MemoryStream(file), Cancellation)).TransferSyntaxUid is { } syntax && Uid.TryParse(syntax, null, out Uid _) ? syntax : TransferSyntaxes.ExplicitVrLittleEndian;
        }
        catch (DicomException)
        {
            return TransferSyntaxes.ExplicitVrLittleEndian;
        }
    }
}
