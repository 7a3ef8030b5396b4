using BenchmarkDotNet.Attributes;
using CloudArchive.Dicom;
using CloudArchive.Testing;

namespace CloudArchive.Benchmarks;

/// <summary>The DICOM reader from memory: the header of an intraoral image, and whole walks of one with many elements and of a 256 MB volume.</summary>
[MemoryDiagnoser]
public class DicomBenchmarks
{
    private readonly byte[] _small = Write(file =>
    {
        for (uint i = 0; i < 200; i++)
        {
            file.Text(0x0009_1000 + i, "LO", "a private value");
        }
    }, pixels: 64 << 10);

    private readonly byte[] _elements = Write(file =>
    {
        for (uint i = 0; i < 1000; i++)
        {
            file.Sequence(0x0009_1000 + i, (i & 1) == 0, item =>
            {
                for (uint j = 0; j < 20; j++)
                {
                    item.Text(0x0009_2000 + j, "LO", "a private value");
                }
            });
        }
    }, pixels: 2);

    private readonly byte[] _volume = Write(_ => { }, pixels: 256 << 20);

    /// <summary>250 elements.</summary>
    [Benchmark]
    public async Task<DicomHeader> HeaderOfSmallFile() => await DicomReader.ReadHeaderAsync(new MemoryStream(_small), CancellationToken.None);

    /// <summary>21,000 elements in 1,000 sequences, 0.6 MB.</summary>
    [Benchmark]
    public async Task<DicomSummary> WalkManyElements() => await DicomReader.WalkAsync(new MemoryStream(_elements), CancellationToken.None);

    [Benchmark]
    public async Task<DicomSummary> WalkVolume256MB() => await DicomReader.WalkAsync(new MemoryStream(_volume), CancellationToken.None);

    private static byte[] Write(Action<DicomWriter> more, int pixels)
    {
        MemoryStream bytes = new(pixels + 4096);
        using (DicomWriter file = new(bytes, TransferSyntaxes.ExplicitVrLittleEndian))
        {
            file.Meta("1.2.840.10008.5.1.4.1.1.1.3", "1.2.3.4");
            file.Text(0x0008_0018, "UI", "1.2.3.4");
            file.Text(0x0008_0060, "CS", "IO");
            more(file);
            file.Text(0x0010_0010, "PN", "Doe^Jane");
            file.Text(0x0010_0020, "LO", "P-0042");
            file.Text(0x0020_000D, "UI", "1.2.3");
            file.Text(0x0020_000E, "UI", "1.2.3.1");
            file.PixelData("OW", (uint)pixels, stream => stream.Write(new byte[pixels]));
        }

        return bytes.ToArray();
    }
}
