using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>The main job: a folder goes off site and comes back byte for byte.</summary>
public sealed class RoundTripTests
{
    [Fact]
    public async Task Two_thousand_mixed_files_come_back_byte_for_byte_and_nothing_is_uploaded_twice()
    {
        await using Practice practice = await Practice.OpenAsync();
        string clinic = practice["clinic"];
        SampleStudies.WriteMixed(clinic, 1990);
        SampleStudies.WriteClinic(clinic, cbctSide: 96);
        int files = Directory.GetFiles(clinic, "*", SearchOption.AllDirectories).Length;

        CliRun first = await practice.BackUpAsync(clinic);
        Assert.Equal(files, (int)first.Json["filesFound"]!);
        Assert.Equal(files, (int)first.Json["backedUp"]!);
        Assert.Equal(0, (int)first.Json["skipped"]!);
        Assert.True((int)first.Json["packs"]! > 0);
        Assert.Equal((int)first.Json["packs"]!, (int)first.Json["receipts"]!);

        CliRun second = await practice.BackUpAsync(clinic);
        Assert.Equal(files, (int)second.Json["backedUp"]!);
        Assert.Equal(0, (int)second.Json["packs"]!);
        Assert.Equal(0, (int)second.Json["read"]!);

        // The agent's disk is lost: it enrolls anew, hashes the files, and learns that the archive has them.
        Directory.Delete(practice.Agent.Home, recursive: true);
        await practice.EnrollAsync();
        CliRun third = await practice.BackUpAsync(clinic);
        Assert.Equal(files, (int)third.Json["backedUp"]!);
        Assert.Equal(0, (int)third.Json["packs"]!);

        string target = practice["restored"];
        CliRun restore = (await practice.RestoreEverythingAsync(target)).Expect(0);
        Assert.Equal(files, (int)restore.Json["restored"]!);
        Assert.Equal(Practice.Contents(clinic), Practice.Contents(target));

        // A second restore to the same place finds the files there, and touches none.
        CliRun again = (await practice.RestoreEverythingAsync(target)).Expect(0);
        Assert.Equal(0, (int)again.Json["restored"]!);
    }

    [Fact]
    public async Task A_renamed_file_is_not_uploaded_and_a_changed_one_is_kept_beside_its_older_version()
    {
        await using Practice practice = await Practice.OpenAsync();
        string clinic = practice["clinic"];
        SampleStudies.WriteOne(Path.Combine(clinic, "a.dcm"), "one");
        await practice.BackUpAsync(clinic);

        File.Move(Path.Combine(clinic, "a.dcm"), Path.Combine(clinic, "b.dcm"));
        Assert.Equal(0, (int)(await practice.BackUpAsync(clinic)).Json["packs"]!);

        byte[] older = await File.ReadAllBytesAsync(Path.Combine(clinic, "b.dcm"), TestContext.Current.CancellationToken);
        byte[] newer = [.. older];
        newer[^1] ^= 1;
        await File.WriteAllBytesAsync(Path.Combine(clinic, "b.dcm"), newer, TestContext.Current.CancellationToken);
        Assert.Equal(1, (int)(await practice.BackUpAsync(clinic)).Json["packs"]!);

        string target = practice["restored"];
        CliRun restore = (await practice.RestoreEverythingAsync(target)).Expect(0);
        Assert.Equal(2, (int)restore.Json["restored"]!);
        byte[][] back = [.. Directory.GetFiles(target, "*", SearchOption.AllDirectories).Select(File.ReadAllBytes)];
        Assert.Contains(back, b => b.AsSpan().SequenceEqual(older));
        Assert.Contains(back, b => b.AsSpan().SequenceEqual(newer));
    }

    [Fact]
    public async Task Backing_up_takes_less_than_250_MB_of_memory_for_a_large_volume_and_for_many_files()
    {
        await using Practice practice = await Practice.OpenAsync();
        string clinic = practice["clinic"];
        SampleStudies.WriteClinic(clinic, cbctSide: 512);
        SampleStudies.WriteMixed(Path.Combine(clinic, "many"), 3000);

        CliRun run = await practice.BackUpAsync(clinic);

        Assert.Equal(3007, (int)run.Json["backedUp"]!);
        Assert.InRange(run.PeakBytes, 10_000_000, 250_000_000);
    }

    [Fact]
    public async Task Every_sample_file_that_the_agent_takes_comes_back_byte_for_byte()
    {
        Assert.SkipWhen(Repository.DicomSamples is null, "../shared/dicom-samples is not there");
        await using Practice practice = await Practice.OpenAsync();
        string clinic = practice["clinic"];
        Directory.CreateDirectory(clinic);
        foreach (string file in Directory.GetFiles(Repository.DicomSamples, "*.dcm")) File.Copy(file, Path.Combine(clinic, Path.GetFileName(file)));

        CliRun backup = await practice.Agent.RunAsync("backup", clinic, "--json");
        int backedUp = (int)backup.Json["backedUp"]!;
        Assert.Equal((int)backup.Json["filesFound"]!, backedUp + (int)backup.Json["skipped"]!);
        Assert.True(backedUp >= 18, backup.Output);

        string target = practice["restored"];
        CliRun restore = (await practice.RestoreEverythingAsync(target)).Expect(0);
        Assert.Equal(backedUp, (int)restore.Json["restored"]!);
        Assert.Subset(Practice.Contents(clinic).ToHashSet(StringComparer.Ordinal), Practice.Contents(target).ToHashSet(StringComparer.Ordinal));
    }
}
