using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using CloudArchive.Cli;
using CloudArchive.Cli.Transport;
using CloudArchive.Testing;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>A restore of what lies in the archive tier. The emulator brings back at once what takes Azure hours, so the test does that part itself.</summary>
public sealed class ArchiveTierTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_restore_waits_for_packs_in_the_archive_tier_as_long_as_it_may_and_brings_them_back()
    {
        await using Practice practice = await Practice.OpenAsync();
        SampleStudies.WriteOne(Path.Combine(practice["clinic"], "a.dcm"), "one");
        await practice.BackUpAsync(practice["clinic"]);
        BlobContainerClient packs = StoredArchive.Service(practice.Archive.BlobUrl).GetBlobContainerClient("packs");
        BlobClient pack = packs.GetBlobClient(packs.GetBlobs(cancellationToken: Cancel).Select(blob => blob.Name).Where(name => !name.Contains('.', StringComparison.Ordinal)).Order(StringComparer.Ordinal).First()); // the study's; the snapshot's came later
        await pack.SetAccessTierAsync(AccessTier.Archive, cancellationToken: Cancel);

        CliRun refused = await practice.Admin.RunAsync("restore", "--clinic", practice.Clinic, "--everything", "--out", practice["back"], "--purpose", "test", "--recipient", "test", "--wait", "0");
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("Packs of this page (1 of 2) lie in the archive tier", refused.Error);
        Assert.All(Directory.EnumerateFileSystemEntries(practice["back"]), entry => Assert.StartsWith(".cloudarchive-", Path.GetFileName(entry), StringComparison.Ordinal)); // its journal

        // Hours go by: an hour for each look at the clock that the command waits for.
        FakeTimeProvider clock = new(TimeProvider.System.GetUtcNow());
        int asked = 0;
        using StringWriter output = new();
        using StringWriter error = new();
        NetworkOptions patient = new() { IdleTimeout = TimeSpan.FromDays(20), AnswerTimeout = TimeSpan.FromDays(20), RunPatience = TimeSpan.FromDays(20) }; // by this clock
        CliEnvironment environment = InProcessCli.Environment(practice["admin"], output, error, clock: clock, network: patient, between: (request, answer) =>
        {
            if (request.RequestUri!.AbsolutePath.EndsWith("/result", StringComparison.Ordinal) && ++asked == 3)
            {
                pack.SetAccessTier(AccessTier.Hot, cancellationToken: Cancel);
            }

            return answer;
        });
        Task<int> restore = CloudArchiveCli.RunAsync(
            ["restore", "--url", practice.Archive.Url, "--token", practice.Archive.AdminToken, "--clinic", practice.Clinic, "--everything", "--out", practice["back"], "--purpose", "test", "--recipient", "test", "--wait", "1000"],
            environment,
            Cancel);
        while (!restore.IsCompleted)
        {
            await Task.Delay(50, Cancel);
            clock.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.True(await restore == 0, $"{output}{error}");
        Assert.Equal(4, asked);
        Assert.Contains("on their way back, which takes up to 15 hours", output.ToString());
        Assert.Equal(Practice.Contents(practice["clinic"]), Practice.Contents(practice["back"]));
    }
}
