using System.Diagnostics;
using System.Globalization;
using CloudArchive.Dicom;
using CloudArchive.Testing;

namespace CloudArchive.Benchmarks;

/// <summary>
/// <c>-- header</c>: what it takes to learn which study a file of 500 MB belongs to, as the agent opens it. Its pixels are a hole in the file: nobody reads them.
/// </summary>
internal static class HeaderSpeed
{
    private const int Warm = 500;
    private const int Timed = 2000;
    private const long Length = 500_000_000;

    public static async Task<int> RunAsync()
    {
        using TemporaryFolder folder = new();
        string path = folder["volume.dcm"];
        WriteVolume(path);
        long read = 0;
        List<double> times = [];
        for (int i = 0; i < Warm + Timed; i++)
        {
            long start = Stopwatch.GetTimestamp();
            await using (CountedFile file = new(path))
            {
                DicomHeader header = await DicomReader.ReadHeaderAsync(file);
                read = header.StudyInstanceUid is { Length: > 0 } ? file.BytesRead : throw new InvalidDataException("no study");
            }

            if (i >= Warm)
            {
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
        }

        times.Sort();
        Console.WriteLine("| header of | median | 99 of 100 below | bytes read |");
        Console.WriteLine("|---|---|---|---|");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {Length / 1_000_000} MB, 200 elements before the pixels | {times[Timed / 2]:F3} ms | {times[Timed * 99 / 100]:F3} ms | {read:N0} |"));
        return 0;
    }

    private static void WriteVolume(string path)
    {
        using FileStream stream = new(path, FileMode.CreateNew, FileAccess.ReadWrite);
        using (DicomWriter file = new(stream, TransferSyntaxes.ExplicitVrLittleEndian))
        {
            file.Meta("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4");
            file.Text(0x0008_0018, "UI", "1.2.3.4");
            file.Text(0x0008_0060, "CS", "CT");
            for (uint i = 0; i < 190; i++)
            {
                file.Text(0x0009_1000 + i, "LO", "a private value");
            }

            file.Text(0x0010_0010, "PN", "Doe^Jane");
            file.Text(0x0010_0020, "LO", "P-0042");
            file.Text(0x0020_000D, "UI", "1.2.3");
            file.Text(0x0020_000E, "UI", "1.2.3.1");
            file.PixelData("OW", (uint)(Length - 8192), pixels => pixels.SetLength(pixels.Position + Length - 8192));
        }
    }

    private sealed class CountedFile(string path) : FileStream(path, new FileStreamOptions { BufferSize = 0, Options = FileOptions.Asynchronous, Share = FileShare.ReadWrite | FileShare.Delete })
    {
        public long BytesRead { get; private set; }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int read = await base.ReadAsync(buffer, cancellationToken);
            BytesRead += read;
            return read;
        }
    }
}
