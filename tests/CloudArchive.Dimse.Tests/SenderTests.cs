using System.Diagnostics;
using CloudArchive.Dicom;

namespace CloudArchive.Dimse.Tests;

public sealed class SenderTests
{
    private static readonly string[] s_syntaxes = [TransferSyntaxes.ImplicitVrLittleEndian, TransferSyntaxes.ExplicitVrLittleEndian, TransferSyntaxes.Jpeg2000Lossless, TransferSyntaxes.JpegBaseline, TransferSyntaxes.RleLossless];

    [Fact]
    public async Task What_is_sent_to_this_receiver_arrives_as_it_was()
    {
        using Site site = await Site.StartAsync();
        string[] paths = await FilesAsync(site);

        IReadOnlyList<SentFile> sent = await Sender.SendAsync(new("127.0.0.1", site.Port, "ARCHIVE", "SENDER"), paths, TestContext.Current.CancellationToken);

        Assert.All(sent, file => Assert.Null(file.Problem));
        Assert.Equal(paths, sent.Select(file => file.Path));
        Assert.Equal(paths.Select(path => Convert.ToHexString(Site.DataSetOf(path))).Order(), site.ReceivedFiles().Select(path => Convert.ToHexString(Site.DataSetOf(path))).Order());
    }

    [Fact]
    public async Task Storescp_takes_what_is_sent()
    {
        using Site site = await Site.StartAsync();
        string[] paths = await FilesAsync(site);
        string folder = Directory.CreateDirectory(site["pacs"]).FullName;
        int port = Site.FreePort();
        using Process pacs = Site.Start("storescp", "+B", "+xa", "-od", folder, "-aet", "PACS", $"{port}");
        try
        {
            while (await Site.RunAsync("echoscu", "-aec", "PACS", "127.0.0.1", $"{port}") != 0)
            {
                await Task.Delay(20, TestContext.Current.CancellationToken);
            }

            IReadOnlyList<SentFile> sent = await Sender.SendAsync(new("127.0.0.1", port, "PACS", "SENDER"), paths, TestContext.Current.CancellationToken);

            Assert.All(sent, file => Assert.Null(file.Problem));
            Assert.Equal(paths.Select(path => Convert.ToHexString(Site.DataSetOf(path))).Order(), Directory.EnumerateFiles(folder).Select(path => Convert.ToHexString(Site.DataSetOf(path))).Order());
        }
        finally
        {
            pacs.Kill();
            await pacs.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task A_file_that_is_none_and_one_that_is_refused_do_not_keep_the_others()
    {
        using Site site = await Site.StartAsync();
        string[] paths = [site["noise.dcm"], site["refused.dcm"], site["good.dcm"]];
        await File.WriteAllTextAsync(paths[0], "not DICOM", TestContext.Current.CancellationToken);
        byte[] refused = Site.File(TransferSyntaxes.ExplicitVrLittleEndian);
        refused.AsSpan(refused.AsSpan().IndexOf((ReadOnlySpan<byte>)[0x20, 0, 0x0D, 0, (byte)'U', (byte)'I']) + 2)[0] = 0x0C;
        await File.WriteAllBytesAsync(paths[1], refused, TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(paths[2], Site.File(TransferSyntaxes.ExplicitVrLittleEndian, instance: "1.2.3.9"), TestContext.Current.CancellationToken);

        IReadOnlyList<SentFile> sent = await Sender.SendAsync(new("127.0.0.1", site.Port, "ARCHIVE", "SENDER"), paths, TestContext.Current.CancellationToken);

        Assert.Equal([true, true, false], sent.Select(file => file.Problem is not null));
        Assert.Single(site.ReceivedFiles());
    }

    [Fact]
    public async Task A_PACS_that_is_not_there_or_that_does_not_know_us_is_an_error()
    {
        using Site site = await Site.StartAsync("SOMEBODY");
        string[] paths = await FilesAsync(site);

        await Assert.ThrowsAsync<IOException>(() => Sender.SendAsync(new("127.0.0.1", Site.FreePort(), "PACS", "SENDER"), paths, TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<IOException>(() => Sender.SendAsync(new("127.0.0.1", site.Port, "ARCHIVE", "SENDER"), paths, TestContext.Current.CancellationToken));
        Assert.Empty(site.ReceivedFiles());
    }

    private static async Task<string[]> FilesAsync(Site site)
    {
        List<string> paths = [];
        foreach (string syntax in s_syntaxes)
        {
            paths.Add(site[$"{syntax}.dcm"]);
            await File.WriteAllBytesAsync(paths[^1], Site.File(syntax, instance: $"1.2.3.{paths.Count}"), TestContext.Current.CancellationToken);
        }

        return [.. paths];
    }
}
