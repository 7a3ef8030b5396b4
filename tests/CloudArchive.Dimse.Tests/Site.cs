using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using CloudArchive.Dicom;
using CloudArchive.Testing;

namespace CloudArchive.Dimse.Tests;

/// <summary>A receiver on a port of its own, files to send, and DCMTK's programs where they are installed.</summary>
internal sealed class Site : IDisposable
{
    public const string SopClass = "1.2.840.10008.5.1.4.1.1.7";
    public const string Instance = "1.2.826.0.1.3680043.8.498.7.3";
    public const string Study = "1.2.826.0.1.3680043.8.498.7.1";

    private readonly TemporaryFolder _folder = new();
    private Receiver? _receiver;

    public string Spool => _folder["spool"];

    public int Port { get; } = FreePort();

    public List<ReceivedInstance> Instances { get; } = [];

    public string this[string relative] => _folder[relative];

    public static async Task<Site> StartAsync(params string[] senders)
    {
        Site site = new();
        site._receiver = await Receiver.StartAsync(new("127.0.0.1", site.Port, "ARCHIVE", senders, site.Spool), instance => { lock (site.Instances) { site.Instances.Add(instance); } }, TestContext.Current.CancellationToken);
        return site;
    }

    public IEnumerable<string> ReceivedFiles() => Directory.EnumerateFiles(Path.Combine(Spool, "received"), "*", SearchOption.AllDirectories);

    public IEnumerable<string> IncomingFiles() => Directory.EnumerateFiles(Path.Combine(Spool, "incoming"));

    /// <summary>A data set as DCMTK would write it too, so that what it sends is what is in the file.</summary>
    public static byte[] DataSet(string syntax, int pixels = 50_000, string instance = Instance, string? study = Study) => Write(syntax, pixels, instance, study, meta: false);

    public static byte[] File(string syntax, int pixels = 50_000, string instance = Instance) => Write(syntax, pixels, instance, Study, meta: true);

    /// <summary>What stands behind the meta header.</summary>
    public static byte[] DataSetOf(string path)
    {
        byte[] file = System.IO.File.ReadAllBytes(path);
        return file[(144 + BitConverter.ToInt32(file, 140))..];
    }

    /// <summary>Runs one of DCMTK's programs to its end.</summary>
    public static async Task<int> RunAsync(string program, params string[] arguments)
    {
        using Process process = Start(program, arguments);
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await Task.WhenAll(output, errors, process.WaitForExitAsync(TestContext.Current.CancellationToken));
        TestContext.Current.SendDiagnosticMessage(await output + await errors);
        return process.ExitCode;
    }

    /// <summary>Starts one of DCMTK's programs; the test is skipped where it is not installed.</summary>
    public static Process Start(string program, params string[] arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip($"{program} (DCMTK) is not on the PATH.");
            throw;
        }
    }

    public static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public void Dispose()
    {
        _receiver?.Dispose();
        _folder.Dispose();
    }

    private static byte[] Write(string syntax, int pixels, string instance, string? study, bool meta)
    {
        using MemoryStream bytes = new();
        using (DicomWriter file = new(bytes, syntax))
        {
            if (meta)
            {
                file.Meta(SopClass, instance);
            }

            file.Text(0x0008_0016, "UI", SopClass);
            file.Text(0x0008_0018, "UI", instance);
            file.Text(0x0010_0010, "PN", "Doe^Jane");
            file.Text(0x0010_0020, "LO", "P-1");
            if (study is not null)
            {
                file.Text(0x0020_000D, "UI", study);
            }

            file.Text(0x0020_000E, "UI", "1.2.826.0.1.3680043.8.498.7.2");
            if (TransferSyntaxes.IsCompressed(syntax))
            {
                file.EncapsulatedPixelData([new byte[pixels], new byte[100]]);
            }
            else
            {
                file.PixelData("OW", (uint)pixels, stream => stream.Write(new byte[pixels]));
            }
        }

        return bytes.ToArray();
    }
}
