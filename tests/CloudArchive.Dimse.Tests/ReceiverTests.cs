using System.Net;
using System.Net.Sockets;
using CloudArchive.Dicom;

namespace CloudArchive.Dimse.Tests;

public sealed class ReceiverTests
{
    private const string Explicit = TransferSyntaxes.ExplicitVrLittleEndian;

    [Theory]
    [InlineData(TransferSyntaxes.ImplicitVrLittleEndian)]
    [InlineData(TransferSyntaxes.ExplicitVrLittleEndian)]
    [InlineData(TransferSyntaxes.ExplicitVrBigEndian)]
    [InlineData(TransferSyntaxes.Jpeg2000Lossless)]
    public async Task What_is_received_lies_byte_for_byte_behind_a_meta_header_in_the_folder_to_watch(string syntax)
    {
        using Site site = await Site.StartAsync();
        using RawSender sender = new();
        byte[] dataSet = Site.DataSet(syntax);

        Assert.True(await sender.AssociateAsync(site.Port, "ARCHIVE", "MODALITY", Site.SopClass, syntax));
        await sender.StoreAsync(Site.SopClass, Site.Instance, dataSet, dataSet.Length);

        Assert.Equal(0, await sender.StatusAsync());
        string path = Assert.Single(site.ReceivedFiles());
        Assert.Equal(dataSet, Site.DataSetOf(path));
        Assert.Equal(Site.Study, Path.GetFileName(Path.GetDirectoryName(path)));
        Assert.Empty(site.IncomingFiles());
        ReceivedInstance instance = Assert.Single(site.Instances);
        Assert.Equal((path, Site.Instance, syntax), (instance.Path, instance.SopInstanceUid, instance.TransferSyntaxUid));
        await using FileStream file = File.OpenRead(path);
        DicomSummary summary = await DicomReader.WalkAsync(file, TestContext.Current.CancellationToken);
        Assert.True(summary.Header.HasPreamble && summary.Header.HasMetaHeader);
        Assert.Empty(summary.Oddities);
    }

    [Fact]
    public async Task An_instance_that_is_sent_twice_is_there_once_and_with_other_bytes_beside_the_first()
    {
        using Site site = await Site.StartAsync();
        using RawSender sender = new();
        Assert.True(await sender.AssociateAsync(site.Port, "ARCHIVE", "MODALITY", Site.SopClass, Explicit));

        foreach (int pixels in (int[])[1000, 1000, 1002])
        {
            byte[] dataSet = Site.DataSet(Explicit, pixels);
            await sender.StoreAsync(Site.SopClass, Site.Instance, dataSet, dataSet.Length);
            Assert.Equal(0, await sender.StatusAsync());
        }

        Assert.Equal(2, site.ReceivedFiles().Count());
    }

    [Fact]
    public async Task What_is_received_is_for_the_eyes_of_one_user()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has access lists, which a folder hands down.");
            return; // which the analyzer cannot know
        }

        using Site site = await Site.StartAsync();
        using RawSender sender = new();
        Assert.True(await sender.AssociateAsync(site.Port, "ARCHIVE", "MODALITY", Site.SopClass, Explicit));
        byte[] dataSet = Site.DataSet(Explicit);
        await sender.StoreAsync(Site.SopClass, Site.Instance, dataSet, dataSet.Length);
        Assert.Equal(0, await sender.StatusAsync());

        string path = Assert.Single(site.ReceivedFiles()), study = Path.GetDirectoryName(path)!;
        const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Assert.Equal(Own, File.GetUnixFileMode(path));
        Assert.Equal(Own | UnixFileMode.UserExecute, File.GetUnixFileMode(study));
        Assert.Equal(Own | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.GetDirectoryName(study)!));
    }

    [Fact]
    public async Task What_arrives_in_part_is_never_seen_in_the_folder_to_watch_and_goes()
    {
        using Site site = await Site.StartAsync();
        byte[] dataSet = Site.DataSet(Explicit);
        using (RawSender sender = new())
        {
            Assert.True(await sender.AssociateAsync(site.Port, "ARCHIVE", "MODALITY", Site.SopClass, Explicit));
            await sender.StoreAsync(Site.SopClass, Site.Instance, dataSet, 30_000);
            while (!site.IncomingFiles().Any())
            {
                await Task.Delay(5, TestContext.Current.CancellationToken);
            }

            Assert.Empty(site.ReceivedFiles());
        }

        while (site.IncomingFiles().Any())
        {
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }

        Assert.Empty(site.ReceivedFiles());
    }

    [Fact]
    public async Task What_a_crash_left_in_part_goes_at_the_next_start()
    {
        using Site other = await Site.StartAsync();
        string left = Path.Combine(other.Spool, "incoming", "left.part");
        await File.WriteAllTextAsync(left, "part of an instance", TestContext.Current.CancellationToken);

        using Receiver second = await Receiver.StartAsync(new("127.0.0.1", Site.FreePort(), "ARCHIVE", [], other.Spool), _ => { }, TestContext.Current.CancellationToken);

        Assert.False(File.Exists(left));
    }

    [Theory]
    [InlineData("another instance", 0xA900)]
    [InlineData("no study", 0xA900)]
    [InlineData("no data set", 0xC000)]
    public async Task What_could_not_be_archived_is_refused_so_that_its_sender_keeps_it(string what, int status)
    {
        using Site site = await Site.StartAsync();
        using RawSender sender = new();
        byte[] dataSet = what switch
        {
            "another instance" => Site.DataSet(Explicit, instance: "1.2.3"),
            "no study" => Site.DataSet(Explicit, study: null),
            _ => [1, 2, 3, 4],
        };

        Assert.True(await sender.AssociateAsync(site.Port, "ARCHIVE", "MODALITY", Site.SopClass, Explicit));
        await sender.StoreAsync(Site.SopClass, Site.Instance, dataSet, dataSet.Length);

        Assert.Equal(status, await sender.StatusAsync());
        Assert.Empty(site.ReceivedFiles());
        Assert.Empty(site.IncomingFiles());
    }

    [Theory]
    [InlineData("ELSEWHERE", "MODALITY", Site.SopClass)]
    [InlineData("ARCHIVE", "STRANGER", Site.SopClass)]
    [InlineData("ARCHIVE", "MODALITY", "1.2.840.10008.5.1.4.1.2.2.1")]
    public async Task Another_archives_title_a_stranger_and_a_service_that_is_none_are_refused(string called, string calling, string sopClass)
    {
        using Site site = await Site.StartAsync("MODALITY");
        using RawSender sender = new();

        Assert.False(await sender.AssociateAsync(site.Port, called, calling, sopClass, Explicit));
    }

    [Fact]
    public async Task A_port_that_is_taken_is_an_error()
    {
        using Site site = await Site.StartAsync();
        using TcpListener other = new(IPAddress.Loopback, 0);
        other.Start();

        foreach (int port in (int[])[site.Port, ((IPEndPoint)other.LocalEndpoint).Port])
        {
            await Assert.ThrowsAsync<IOException>(() => Receiver.StartAsync(new("127.0.0.1", port, "ARCHIVE", [], site["other"]), _ => { }, TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public async Task Echoscu_gets_its_echo()
    {
        using Site site = await Site.StartAsync();

        Assert.Equal(0, await Site.RunAsync("echoscu", "-aec", "ARCHIVE", "127.0.0.1", $"{site.Port}"));
        Assert.NotEqual(0, await Site.RunAsync("echoscu", "-aec", "ELSEWHERE", "127.0.0.1", $"{site.Port}"));
    }

    [Theory]
    [InlineData(TransferSyntaxes.ImplicitVrLittleEndian, "-xi")]
    [InlineData(TransferSyntaxes.ExplicitVrLittleEndian, "-xe")]
    [InlineData(TransferSyntaxes.ExplicitVrBigEndian, "-xb")]
    [InlineData(TransferSyntaxes.Jpeg2000Lossless, "-xv")]
    [InlineData(TransferSyntaxes.RleLossless, "-xr")]
    public async Task What_storescu_sends_is_what_is_received(string syntax, string option)
    {
        using Site site = await Site.StartAsync();
        string path = site["send.dcm"];
        await File.WriteAllBytesAsync(path, Site.File(syntax), TestContext.Current.CancellationToken);

        Assert.Equal(0, await Site.RunAsync("storescu", option, "-aec", "ARCHIVE", "127.0.0.1", $"{site.Port}", path));

        Assert.Equal(Site.DataSetOf(path), Site.DataSetOf(Assert.Single(site.ReceivedFiles())));
    }
}
