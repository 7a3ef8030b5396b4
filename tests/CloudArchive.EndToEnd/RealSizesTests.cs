using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>
/// Studies as large as real ones, that deflate as real ones do, over HTTP: a folder goes off site and comes back byte for byte. Each case has its own
/// archive, and its files are gone before they are brought back, so that no more disk is taken than for the largest twice.
/// </summary>
public sealed class RealSizesTests
{
    [Fact]
    public Task A_CT_study_of_1500_slices_comes_back_byte_for_byte() =>
        GoAndComeBackAsync(1500, 787_000_000, folder => CtSeries.Write(folder, "many slices", slices: 1500, side: 512));

    [Fact]
    public Task Three_hundred_intraoral_images_come_back_byte_for_byte() => GoAndComeBackAsync(300, 750_000_000, folder =>
    {
        for (int patient = 0; patient < 15; patient++)
        {
            CtSeries.Write(Path.Combine(folder, $"{patient:D2}"), $"patient {patient}", slices: 20, side: 1120);
        }
    });

    [Fact]
    public Task A_volume_of_220_MB_comes_back_byte_for_byte() =>
        GoAndComeBackAsync(1, 220_000_000, folder => CtSeries.WriteVolume(Path.Combine(folder, "volume.dcm"), "volume", frames: 420, side: 512));

    /// <summary>
    /// Lengths beyond 32 bits everywhere: packs, blocks, ranges. Writes 5 GB when it restores and takes minutes: run it with <c>--explicit only</c> before a release.
    /// </summary>
    [Fact(Explicit = true)]
    public Task A_file_of_5_GB_comes_back_byte_for_byte() => GoAndComeBackAsync(1, 5_200_000_000, folder => CtSeries.WriteSparse(Path.Combine(folder, "sparse.dcm"), "sparse"));

    private static async Task GoAndComeBackAsync(int files, long bytes, Action<string> write)
    {
        await using Practice practice = await Practice.OpenAsync();
        string clinic = practice["clinic"], target = practice["restored"];
        write(clinic);
        string[] before = Practice.Contents(clinic);
        Assert.Equal(files, before.Length);

        CliRun backup = await practice.BackUpAsync(clinic);
        Assert.Equal((files, true), ((int)backup.Json["backedUp"]!, (bool)backup.Json["safe"]!));
        Assert.InRange((long)backup.Json["backedUpBytes"]!, bytes, (long)(bytes * 1.02));
        Assert.InRange((long)backup.Json["bytes"]!, 0, (long)(bytes * 0.9)); // what nothing compresses shows nothing of entries' ends
        Assert.InRange(backup.PeakBytes, 10_000_000, 250_000_000);
        Directory.Delete(clinic, recursive: true);

        CliRun restore = (await practice.RestoreEverythingAsync(target)).Expect(0);
        Assert.Equal(files, (int)restore.Json["restored"]!);
        Assert.Equal(before, Practice.Contents(target));
        Assert.InRange(restore.PeakBytes, 10_000_000, 250_000_000);
    }
}
