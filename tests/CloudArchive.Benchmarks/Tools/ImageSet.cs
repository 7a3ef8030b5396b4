using System.Security.Cryptography;
using CloudArchive.Testing;

namespace CloudArchive.Benchmarks.Tools;

/// <summary>A folder of generated images that all tools back up.</summary>
/// <param name="Name">What <c>--sets</c> names it.</param>
/// <param name="Title">What it is, for the table.</param>
/// <param name="Bytes">About so many at scale 1.</param>
/// <param name="Write">Writes it to a folder at a scale; below 1 fewer files, or of volumes fewer frames.</param>
internal sealed record ImageSet(string Name, string Title, long Bytes, Action<string, double> Write)
{
    private const int IntraOralOfStudy = 5;
    private const int PhotographsOfStudy = 10;
    private const int SmallOfStudy = 50;

    public static IReadOnlyList<ImageSet> All { get; } =
    [
        new("ct", "CT slices of 525 KB, 12 bits in 16, one study", 787_000_000, (folder, scale) =>
            Each(1500, scale, slice => LifelikeImages.WriteCtSlice(Path.Combine(folder, "CT", $"{slice:D5}.dcm"), "ct", slice))),
        new("intraoral", "intraoral radiographs of 2.5 MB, 12 bits in 16, five a study", 761_000_000, (folder, scale) =>
            Each(300, scale, image => LifelikeImages.WriteIntraOral(Path.Combine(folder, $"{image / IntraOralOfStudy:D3}", $"{image:D5}.dcm"), $"io {image / IntraOralOfStudy}", image))),
        new("cbct", "CBCT volumes, 16 bits, one file each", 661_000_000, (folder, scale) =>
            Each(3, 1, volume => LifelikeImages.WriteCbct(Path.Combine(folder, $"{volume}", "volume.dcm"), $"cbct {volume}", Scaled(420, scale)))),
        new("photos", "photographs of 5.8 MB, 8-bit RGB, ten a study", 346_000_000, (folder, scale) =>
            Each(60, scale, image => LifelikeImages.WritePhotograph(Path.Combine(folder, $"{image / PhotographsOfStudy:D3}", $"{image:D5}.dcm"), $"photographs {image / PhotographsOfStudy}", image))),
        new("jpeg", "JPEG-compressed photographs of 1 MB, which nothing makes smaller, ten a study", 300_000_000, (folder, scale) =>
            Each(300, scale, image => LifelikeImages.WriteCompressed(Path.Combine(folder, $"{image / PhotographsOfStudy:D3}", $"{image:D5}.dcm"), $"jpeg {image / PhotographsOfStudy}", image))),
        new("small", "files of 2 to 6 KB, fifty a study", 80_000_000, (folder, scale) =>
            Each(20_000, scale, image => LifelikeImages.WriteSmall(Path.Combine(folder, $"{image / SmallOfStudy:D4}", $"{image:D6}.dcm"), $"small {image / SmallOfStudy}", image))),
    ];

    /// <summary>What goes through the slow line: a tenth of the CT, for at its speed all of it takes minutes for each tool and round.</summary>
    public static ImageSet Uplink { get; } = All[0] with { Name = "uplink", Bytes = All[0].Bytes / 10, Write = static (folder, scale) => All[0].Write(folder, scale / 10) };

    /// <summary>SHA-256 of every file, sorted: folders with the same list hold the same contents, wherever in them.</summary>
    public static string[] Contents(string folder)
    {
        string[] hashes = [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).AsParallel().WithDegreeOfParallelism(2).Select(path =>
        {
            using FileStream file = File.OpenRead(path);
            return Convert.ToHexStringLower(SHA256.HashData(file));
        })];
        Array.Sort(hashes, StringComparer.Ordinal);
        return hashes;
    }

    private static int Scaled(int count, double scale) => Math.Max(2, (int)Math.Round(count * scale));

    private static void Each(int count, double scale, Action<int> write) => Parallel.For(0, Scaled(count, scale), write);
}
