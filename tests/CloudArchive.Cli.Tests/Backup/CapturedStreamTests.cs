using System.Security.Cryptography;
using CloudArchive.Cli.Backup;
using CloudArchive.Format.Packs;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Backup;

public sealed class CapturedStreamTests
{
    [Fact]
    public async Task A_file_is_told_whole_or_damaged_while_every_byte_of_it_passes_through()
    {
        using TemporaryFolder folder = new();
        CtSeries.WriteVolume(folder["volume.dcm"], "1.2.3", frames: 4, side: 256);
        byte[] whole = await File.ReadAllBytesAsync(folder["volume.dcm"], TestContext.Current.CancellationToken), noise = RandomNumberGenerator.GetBytes(300_000);
        foreach ((byte[] bytes, CaptureVerdict expected) in ((byte[], CaptureVerdict)[])
            [(whole, CaptureVerdict.Whole), (whole[..^100], CaptureVerdict.Damaged), ([.. whole[..2000], .. noise], CaptureVerdict.Damaged), (noise, CaptureVerdict.Damaged), ([], CaptureVerdict.Damaged)])
        {
            await using CapturedStream stream = new(new MemoryStream(bytes));
            using MemoryStream passed = new();
            await stream.CopyToAsync(passed, TestContext.Current.CancellationToken);
            Assert.Equal(bytes, passed.ToArray());
            Assert.Equal(expected, await stream.VerdictAsync());
        }
    }

    [Fact]
    public async Task A_file_that_is_read_in_part_only_holds_nobody_up()
    {
        using TemporaryFolder folder = new();
        CtSeries.WriteVolume(folder["volume.dcm"], "1.2.3", frames: 4, side: 256);
        CapturedStream stream = new(File.OpenRead(folder["volume.dcm"]));
        Assert.Equal(100, await stream.ReadAsync(new byte[100], TestContext.Current.CancellationToken));
        await stream.DisposeAsync();
        Assert.Equal(CaptureVerdict.Damaged, await stream.VerdictAsync());
    }
}
