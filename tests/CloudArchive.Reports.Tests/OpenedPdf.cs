using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using CloudArchive.Testing;

namespace CloudArchive.Reports.Tests;

/// <summary>A PDF, opened with poppler's tools as an auditor would open it; without them the test is skipped, and says so.</summary>
internal sealed class OpenedPdf(TemporaryFolder folder)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static string Flat(string text) => Regex.Replace(text, "\\s+", " ", RegexOptions.NonBacktracking);

    public async Task<string> TextAsync(byte[] pdf)
    {
        await File.WriteAllBytesAsync(folder["report.pdf"], pdf, Cancel);
        await RunAsync("pdftotext", "-layout", folder["report.pdf"], folder["report.txt"]);
        return await File.ReadAllTextAsync(folder["report.txt"], Cancel);
    }

    /// <summary>What poppler says of the document as a whole.</summary>
    public async Task<string> InfoAsync(byte[] pdf)
    {
        await File.WriteAllBytesAsync(folder["report.pdf"], pdf, Cancel);
        return await RunAsync("pdfinfo", folder["report.pdf"]);
    }

    /// <summary>That no word leaves the margins or lies on another. Returns how many words there are.</summary>
    public async Task<int> CheckWordsAsync(byte[] pdf)
    {
        await File.WriteAllBytesAsync(folder["report.pdf"], pdf, Cancel);
        await RunAsync("pdftotext", "-bbox", folder["report.pdf"], folder["words.html"]);
        string html = Regex.Replace(await File.ReadAllTextAsync(folder["words.html"], Cancel), "<(!DOCTYPE|meta)[^>]*>", "", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture);
        int words = 0;
        foreach (XElement page in XDocument.Parse(html).Descendants().Where(element => element.Name.LocalName == "page"))
        {
            Word[] onPage = [.. page.Elements().Select(Word.Of)];
            words += onPage.Length;
            Assert.All(onPage, word => Assert.True(word is { Left: >= 53, Right: <= 559, Top: >= 40, Bottom: <= 770 }, $"{word} leaves the page's margins"));
            for (int i = 0; i < onPage.Length; i++)
            {
                Word a = onPage[i];
                Assert.DoesNotContain(onPage[(i + 1)..], b => a.Overlaps(b));
            }
        }

        return words;
    }

    /// <summary>That every page can be drawn, without a complaint, and none is blank.</summary>
    public async Task CheckPagesAsync(byte[] pdf)
    {
        await File.WriteAllBytesAsync(folder["report.pdf"], pdf, Cancel);
        string errors = await RunAsync("pdftoppm", "-r", "40", "-gray", folder["report.pdf"], folder["page"]);
        Assert.Equal("", errors);
        string[] pages = Directory.GetFiles(folder.Path, "page*.pgm");
        Assert.NotEmpty(pages);
        foreach (string page in pages)
        {
            byte[] pixels = await File.ReadAllBytesAsync(page, Cancel);
            Assert.True(pixels.AsSpan(20).Count((byte)255) < pixels.Length - 1000, $"{Path.GetFileName(page)} is blank");
        }
    }

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        Process process;
        try
        {
            process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true })!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip($"There is no {program} on the PATH (Debian: poppler-utils).");
            throw;
        }

        using (process)
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(Cancel);
            string errors = await process.StandardError.ReadToEndAsync(Cancel);
            await process.WaitForExitAsync(Cancel);
            Assert.True(process.ExitCode == 0, errors);
            return errors + await output;
        }
    }

    private sealed record Word(string Text, double Left, double Top, double Right, double Bottom)
    {
        public static Word Of(XElement word) => new(word.Value, Number(word, "xMin"), Number(word, "yMin"), Number(word, "xMax"), Number(word, "yMax"));

        /// <summary>Boxes reach from ascender to descender and so may touch between lines: a fifth of the smaller box is an overlap.</summary>
        public bool Overlaps(Word other)
        {
            double width = Math.Min(Right, other.Right) - Math.Max(Left, other.Left), height = Math.Min(Bottom, other.Bottom) - Math.Max(Top, other.Top);
            return width > 0.5 && height > 0.35 * Math.Min(Bottom - Top, other.Bottom - other.Top);
        }

        private static double Number(XElement element, string name) => double.Parse(element.Attribute(name)!.Value, CultureInfo.InvariantCulture);
    }
}
