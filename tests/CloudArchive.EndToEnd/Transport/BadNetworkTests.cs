using CloudArchive.Cli;
using CloudArchive.Cli.Transport;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.Transport;

/// <summary>
/// Networks as clinics have them, on real sockets: what is backed up comes back, nothing is called safe that is not, and little is sent twice.
/// Times are the product's, divided by up to a hundred; the links are as slow as they say.
/// </summary>
[Collection(BadlyConnected.Name)]
public sealed class BadNetworkTests(BadlyConnectedPractice practice)
{
    private const int Image = 200_000;

    [Theory]
    [InlineData(50_000, 3)]
    [InlineData(150_000, 9)]
    public async Task A_slow_link_is_slow_and_nothing_else(int bytesPerSecond, int images)
    {
        string folder = Write($"slow {bytesPerSecond}", images);
        practice.Set(new NetworkFaults { UpBytesPerSecond = bytesPerSecond, DownBytesPerSecond = bytesPerSecond });
        await BackUpAndRestoreAsync($"slow {bytesPerSecond}", folder);
    }

    [Fact]
    public async Task A_limit_is_kept_to_by_all_packs_together()
    {
        string folder = practice.Practice["limited"];
        for (int i = 0; i < 4; i++)
        {
            SampleStudies.WriteNoise(Path.Combine(folder, $"{i}.dcm"), $"limited {i}", Image, $"limited {i}");
        }

        practice.Set(new NetworkFaults());
        long began = TimeProvider.System.GetTimestamp();
        await practice.BackUpAsync(folder, "--limit", "200kB/s");
        Assert.InRange(TimeProvider.System.GetElapsedTime(began).TotalSeconds, (4 * Image / 200_000.0) - 0.6, 600);
    }

    [Fact]
    public async Task Connections_that_are_reset_in_mid_body_cost_little()
    {
        string folder = Write("resets", 20);
        practice.Set(new NetworkFaults { UpBytesPerSecond = 1_000_000, ResetAfterBytesUp = 1_200_000, ResetAfterBytesDown = 700_000 });
        await BackUpAndRestoreAsync("resets", folder);
    }

    [Fact]
    public async Task Answers_that_are_cut_off_are_asked_for_again()
    {
        string folder = Write("cut off", 10);
        practice.Set(new NetworkFaults { TruncatedAnswers = 0.1 });
        await BackUpAndRestoreAsync("cut off", folder, most: 1.4); // a block whose answer is lost goes again: a tenth of them, where blocks are few
    }

    [Fact]
    public async Task Connections_that_stand_still_are_left()
    {
        string folder = Write("stalls", 10);
        practice.Set(new NetworkFaults { Stalls = 0.3 });
        await BackUpAndRestoreAsync("stalls", folder, most: 1.6); // a block goes again where its answer stands still, and of a few blocks a third is many or few
    }

    [Fact]
    public async Task An_outage_of_connect_timeouts_is_waited_out()
    {
        string folder = Write("black hole", 5);
        practice.Set(new NetworkFaults { BlackHole = true });
        await WhileAsync(TimeSpan.FromSeconds(6), "black hole", folder);
    }

    [Fact]
    public async Task An_outage_of_refused_connections_in_the_middle_is_waited_out()
    {
        string folder = Write("refused", 60);
        practice.Set(new NetworkFaults { UpBytesPerSecond = 1_000_000 });
        Task backup = BackUpAndRestoreAsync("refused", folder);
        await Task.Delay(TimeSpan.FromSeconds(2), TestContext.Current.CancellationToken);
        practice.Set(new NetworkFaults { Refuses = true });
        await Task.Delay(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        practice.Set(new NetworkFaults());
        await backup;
    }

    [Theory]
    [InlineData("HTTP/1.1 503 Service Unavailable")]
    [InlineData("HTTP/1.1 503 Service Unavailable\nRetry-After: 2")]
    [InlineData("HTTP/1.1 429 Too Many Requests\nRetry-After: 1")]
    [InlineData("HTTP/1.1 502 Bad Gateway\nContent-Type: text/html\n\n<html>bad gateway</html>")]
    [InlineData("HTTP/1.1 200 OK\nContent-Type: text/html\n\n<html>Welcome to the hotel. Please sign in.</html>")]
    [InlineData("HTTP/1.1 302 Found\nLocation: http://sign.in/\nContent-Type: text/html\n\nmoved")]
    public async Task Whoever_answers_in_place_of_the_archive_is_waited_out(string answer)
    {
        string key = "answer " + SampleStudies.UidOf(answer);
        string folder = Write(key, 8);
        practice.Set(new NetworkFaults { Answer = answer });
        await WhileAsync(TimeSpan.FromSeconds(4), key, folder);
    }

    [Theory]
    [InlineData("HTTP/1.1 503 Service Unavailable")]
    [InlineData("HTTP/1.1 503 Service Unavailable\nRetry-After: 1")]
    public async Task A_storm_of_refusals_in_the_middle_costs_what_was_under_way(string answer)
    {
        string key = "storm " + SampleStudies.UidOf(answer);
        string folder = Write(key, 50);
        practice.Set(new NetworkFaults { UpBytesPerSecond = 500_000 });
        Task backup = BackUpAndRestoreAsync(key, folder);
        await Task.Delay(TimeSpan.FromSeconds(6), TestContext.Current.CancellationToken);
        practice.Storage.Set(new NetworkFaults { UpBytesPerSecond = 500_000, Answer = answer });
        await Task.Delay(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        practice.Storage.Set(new NetworkFaults { UpBytesPerSecond = 500_000 });
        await backup;
    }

    [Theory]
    [InlineData("HTTP/1.1 503 Service Unavailable", "503")]
    [InlineData("HTTP/1.1 500 Internal Server Error", "500")]
    [InlineData("HTTP/1.1 200 OK\nContent-Type: text/html\n\n<html>sign in</html>", "sign-in page")]
    [InlineData("HTTP/1.1 407 Proxy Authentication Required\nProxy-Authenticate: Basic realm=\"x\"", "proxy")]
    public async Task Storage_that_never_answers_is_an_outage_and_nothing_is_called_safe(string answer, string told)
    {
        string key = "never " + SampleStudies.UidOf(answer);
        string folder = Write(key, 2);
        NetworkOptions short3 = BadlyConnectedPractice.Hurried with { RunPatience = TimeSpan.FromSeconds(3) };
        practice.Set(new NetworkFaults());
        practice.Storage.Set(new NetworkFaults { Answer = answer });

        (ExitCode code, string output, string error) = await practice.RunAsync(short3, TestContext.Current.CancellationToken, "backup", folder);
        Assert.True(code is ExitCode.Unreachable or ExitCode.Incomplete, output + error);
        Assert.Contains(told, output + error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.NotSafe, (await practice.RunAsync("status")).Code);

        practice.Set(new NetworkFaults());
        await BackUpAndRestoreAsync(key, folder);

        // And back: whatever stands between says nothing about what is stored.
        practice.Storage.Set(new NetworkFaults { Answer = answer });
        (code, output, error) = await practice.RunAsync(
            short3, TestContext.Current.CancellationToken, "restore", "--study", SampleStudies.UidOf("study " + key), "--out", folder + "-never", "--purpose", "test", "--recipient", "test");
        Assert.True(code is ExitCode.Unreachable or ExitCode.Incomplete, $"{code} {output}{error}");
        Assert.DoesNotContain("missing", output + error, StringComparison.Ordinal);
        practice.Set(new NetworkFaults());
    }

    /// <summary>Writes one study into a folder of its own.</summary>
    private string Write(string study, int images)
    {
        string folder = practice.Practice[study];
        for (int i = 0; i < images; i++)
        {
            SampleStudies.WriteNoise(Path.Combine(folder, $"{i}.dcm"), $"{study} {i}", Image, study);
        }

        return folder;
    }

    private async Task WhileAsync(TimeSpan outage, string study, string folder)
    {
        Task backup = BackUpAndRestoreAsync(study, folder);
        await Task.Delay(outage, TestContext.Current.CancellationToken);
        Assert.False(backup.IsCompleted);
        practice.Set(new NetworkFaults());
        await backup;
    }

    private async Task BackUpAndRestoreAsync(string study, string folder, double most = 1.15)
    {
        (_, long sent, long needed) = await practice.BackUpAsync(folder);
        Assert.InRange(sent, needed, (long)(needed * most) + 20_000); // and some heads
        await practice.RestoreAndCompareAsync(study, folder);
        practice.Set(new NetworkFaults());
        Assert.Equal(0, (int)(await practice.BackUpAsync(folder)).Report["packs"]!);
    }
}
