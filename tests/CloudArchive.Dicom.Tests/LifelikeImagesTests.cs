using System.Security.Cryptography;
using CloudArchive.Testing;

namespace CloudArchive.Dicom.Tests;

/// <summary>What benchmarks and filters are measured with is what it says that it is.</summary>
public sealed class LifelikeImagesTests
{
    public static TheoryData<string, int, int> Kinds => new()
    {
        { "ct", 512 * 512 * 2, 1 },
        { "cbct", 3 * 128 * 128 * 2, 3 },
        { "intraoral", 1344 * 944 * 2, 1 },
        { "photograph", 1600 * 1200 * 3, 1 },
        { "compressed", 1_000_000, 1 },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task An_image_is_read_without_an_oddity_and_is_as_long_as_it_should_be(string kind, int pixelBytes, int frames)
    {
        using TemporaryFolder folder = new();
        Write(kind, folder["a.dcm"], "study", 1);
        await using FileStream file = File.OpenRead(folder["a.dcm"]);
        DicomSummary summary = await DicomReader.WalkAsync(file, TestContext.Current.CancellationToken);
        Assert.Equal(0, summary.OddityCount);
        Assert.Equal(pixelBytes, summary.PixelDataLength);
        Assert.Equal(frames, summary.Frames);
        Assert.InRange(file.Length - pixelBytes, 500, 1500);
        Assert.Equal(SampleStudies.UidOf("lifelike study study"), summary.Header.StudyInstanceUid);
    }

    [Theory]
    [InlineData("ct")]
    [InlineData("cbct")]
    [InlineData("intraoral")]
    [InlineData("photograph")]
    [InlineData("compressed")]
    [InlineData("small")]
    public void Images_are_the_same_every_time_and_pixels_no_others(string kind)
    {
        using TemporaryFolder folder = new();
        Write(kind, folder["a.dcm"], "study", 1);
        Write(kind, folder["again.dcm"], "study", 1);
        Write(kind, folder["study.dcm"], "another", 1);
        Write(kind, folder["image.dcm"], "study", 2);
        Assert.Equal(File.ReadAllBytes(folder["a.dcm"]), File.ReadAllBytes(folder["again.dcm"]));
        Assert.Equal(3, new[] { "a.dcm", "study.dcm", "image.dcm" }.Select(name => EndOf(folder[name])).Distinct().Count());
        Assert.NotEqual(Header(folder["a.dcm"]), Header(folder["study.dcm"]));
    }

    [Fact]
    public void The_noise_of_a_CT_is_ten_to_twenty_HU_and_air_has_less()
    {
        using TemporaryFolder folder = new();
        LifelikeImages.WriteCtSlice(folder["a.dcm"], "study", 1);
        byte[] bytes = File.ReadAllBytes(folder["a.dcm"]);
        const int side = 512;
        Assert.InRange(Noise(180, 328), 10, 20);
        Assert.InRange(Noise(side / 2, 16), 2, 8);
        Assert.Equal(0, At(0, 0));

        int At(int x, int y) => BitConverter.ToUInt16(bytes, bytes.Length - (side * side * 2) + (((y * side) + x) * 2));

        // Samples two columns apart share no noise, and next to no anatomy changes between them.
        double Noise(int x, int y)
        {
            double[] differences = [.. Enumerable.Range(0, 1024).Select(i => (double)(At(x + (i & 31), y + (i >> 5)) - At(x + (i & 31) + 2, y + (i >> 5))))];
            return Math.Sqrt(differences.Sum(d => d * d) / differences.Length / 2);
        }
    }

    private static void Write(string kind, string path, string study, int image)
    {
        switch (kind)
        {
            case "ct": LifelikeImages.WriteCtSlice(path, study, image); break;
            case "cbct": LifelikeImages.WriteCbct(path, $"{study}{(image == 1 ? "" : " 2")}", frames: 3, side: 128); break;
            case "intraoral": LifelikeImages.WriteIntraOral(path, study, image); break;
            case "photograph": LifelikeImages.WritePhotograph(path, study, image); break;
            case "compressed": LifelikeImages.WriteCompressed(path, study, image); break;
            default: LifelikeImages.WriteSmall(path, study, image); break;
        }
    }

    private static string EndOf(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        return Convert.ToHexString(SHA256.HashData(bytes.AsSpan(bytes.Length / 2)));
    }

    private static string? Header(string path)
    {
        using FileStream file = File.OpenRead(path);
        return DicomReader.ReadHeaderAsync(file).AsTask().GetAwaiter().GetResult().StudyInstanceUid;
    }
}
