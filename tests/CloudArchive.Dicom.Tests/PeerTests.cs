using System.Diagnostics;
using CloudArchive.Testing;

namespace CloudArchive.Dicom.Tests;

/// <summary>What DCMTK's dcmdump says of the same files, where it is installed.</summary>
public sealed class PeerTests
{
    // dcmdump misses a preamble and then the right first byte.
    private static readonly string[] s_refusedByDcmdumpAlone = ["no_meta"];

    public static TheoryData<string> Syntaxes => new(Files.Syntaxes);

    [Theory]
    [MemberData(nameof(Syntaxes))]
    public async Task Dcmdump_reads_what_the_writer_writes_as_this_reader_does(string syntax)
    {
        using TemporaryFolder folder = new();
        byte[] file = Files.Whole(syntax);
        string path = folder["written.dcm"];
        await File.WriteAllBytesAsync(path, file, TestContext.Current.CancellationToken);

        (int exitCode, string[] lines) = await DcmdumpAsync(path);

        Assert.Equal(0, exitCode);
        Compare(lines, await Files.WalkAsync(file));
    }

    [Fact]
    public async Task Dcmdump_agrees_on_every_sample()
    {
        Assert.SkipWhen(Repository.DicomSamples is null, "No sample files beside this clone.");
        foreach (string path in Directory.EnumerateFiles(Repository.DicomSamples, "*.dcm").Order(StringComparer.Ordinal))
        {
            (int exitCode, string[] lines) = await DcmdumpAsync(path);
            DicomSummary? summary = null;
            try
            {
                summary = await Files.WalkAsync(await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken));
            }
            catch (DicomException)
            {
                // dcmdump must refuse it too.
            }

            bool refusedByDcmdumpAlone = s_refusedByDcmdumpAlone.Contains(Path.GetFileNameWithoutExtension(path));
            Assert.True(exitCode == 0 == (summary is not null && !refusedByDcmdumpAlone), path);
            if (exitCode == 0)
            {
                Compare(lines, summary!);
            }
        }
    }

    private static void Compare(string[] lines, DicomSummary summary)
    {
        string[] tags = [.. lines.SkipWhile(line => !line.StartsWith("# Dicom-Data-Set", StringComparison.Ordinal)).Select(line => line.TrimStart()).Where(line => line.StartsWith('('))];
        // dcmdump shows the items of pixel data as 'pi', and a delimiter for every end, written or not.
        Assert.Equal(summary.Elements, tags.Count(line => !line.StartsWith("(fffe", StringComparison.Ordinal)));
        Assert.Equal(summary.Items, tags.Count(line => line.StartsWith("(fffe,e000) na", StringComparison.Ordinal)));
        Assert.Equal(summary.Fragments, Math.Max(0, tags.Count(line => line.StartsWith("(fffe,e000) pi", StringComparison.Ordinal)) - 1));
        Assert.Equal(summary.Header.SopInstanceUid, First("0008,0018") ?? First("0002,0003"));
        Assert.Equal(summary.Header.StudyInstanceUid, First("0020,000d"));
        Assert.Equal(summary.Header.SeriesInstanceUid, First("0020,000e"));
        Assert.Equal(summary.Header.Modality, First("0008,0060"));
        Assert.Equal(summary.Header.PatientId?.Decode(), First("0010,0020"));

        // Of the outermost data set or the meta header: those lines are not indented.
        string? First(string tag) => lines.FirstOrDefault(line => line.StartsWith($"({tag})", StringComparison.Ordinal)) is { } line && line.Contains('[', StringComparison.Ordinal)
            ? line[(line.IndexOf('[', StringComparison.Ordinal) + 1)..line.LastIndexOf(']')].Trim()
            : null;
    }

    /// <summary>Long values in full (+L), UIDs as numbers (-Un), no warnings.</summary>
    private static async Task<(int ExitCode, string[] Lines)> DcmdumpAsync(string path)
    {
        ProcessStartInfo start = new("dcmdump", ["-q", "+L", "-Un", path]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true, StandardOutputEncoding = System.Text.Encoding.Latin1 };
        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("dcmdump (DCMTK) is not on the PATH.");
        }

        using (process)
        {
            Task<string> errors = process!.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await errors;
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return (process.ExitCode, output.Split('\n'));
        }
    }
}
