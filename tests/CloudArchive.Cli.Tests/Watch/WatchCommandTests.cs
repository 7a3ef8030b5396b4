using System.Diagnostics;
using CloudArchive.Cli.Watch;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Watch;

public class WatchCommandTests
{
    [Fact]
    public async Task A_folder_that_is_added_meanwhile_is_taken_up_at_the_next_look_through_everything()
    {
        using Computers computer = new();
        computer.Write("a.dcm");
        await computer.BackUpAsync();
        string other = computer["other"];
        Directory.CreateDirectory(other);
        File.Copy(computer.Path("a.dcm"), Path.Combine(other, "a copy.dcm")); // the archive has its bytes

        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        DateTimeOffset? before = computer.State.LastRun()!.StartedAt;
        Task<int> watch = CloudArchiveCli.RunAsync(["watch", "--settle", "1", "--rescan", "1"], computer.Environment with { Out = TextWriter.Null }, stop.Token);
        await UntilAsync(() => computer.State.LastRun()!.StartedAt != before); // it looks through what was remembered
        computer.State.Folder(other);
        await UntilAsync(() => computer.State.FindFolder(other)!.CompleteAt is not null);
        await stop.CancelAsync();
        Assert.Equal(ExitCode.Ok, (ExitCode)await watch);

        async Task UntilAsync(Func<bool> isSo)
        {
            for (Stopwatch waited = Stopwatch.StartNew(); !isSo(); await Task.Delay(50, TestContext.Current.CancellationToken))
            {
                Assert.False(watch.IsCompleted, "The watch ended.");
                Assert.True(waited.Elapsed < TimeSpan.FromSeconds(30), "It was not taken up.");
                computer.Clock.Advance(TimeSpan.FromSeconds(10));
            }
        }
    }

    [Fact]
    public void A_log_begins_anew_at_a_megabyte_and_keeps_the_one_before_it()
    {
        using TemporaryFolder folder = new();
        using WatchLog log = new(folder["watch.log"]);
        log.WriteLine("first");
        log.Write(new string('x', 1_000_000));
        Assert.False(File.Exists(folder["watch.log.1"]));
        log.WriteLine("second");
        Assert.StartsWith("first", File.ReadAllText(folder["watch.log.1"]), StringComparison.Ordinal);
        Assert.Equal("second" + Environment.NewLine, File.ReadAllText(folder["watch.log"]));

        log.Write(new string('x', 1_000_000));
        log.WriteLine("third");
        Assert.StartsWith("second", File.ReadAllText(folder["watch.log.1"]), StringComparison.Ordinal);
        Assert.Equal("third" + Environment.NewLine, File.ReadAllText(folder["watch.log"]));
    }
}
