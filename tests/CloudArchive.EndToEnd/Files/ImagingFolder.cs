using System.Text;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.Files;

/// <summary>A practice's imaging folder with everything that one may find in it, and whether two are the same.</summary>
internal static class ImagingFolder
{
    /// <summary>All that one may find: images, plain files of each kind, odd names, empty files, copies, files of the system.</summary>
    public static void WriteEverything(string folder, int many)
    {
        SampleStudies.WriteMixed(Path.Combine(folder, "images"), Math.Min(many / 10, 100));
        Random random = new(many);
        byte[] noise = new byte[40_000];
        random.NextBytes(noise);
        Write(folder, "photos/smile.jpg", [0xFF, 0xD8, 0xFF, 0xE0, .. noise]);
        Write(folder, "photos/smile copy.jpg", [0xFF, 0xD8, 0xFF, 0xE0, .. noise]);
        Write(folder, "photos/face.png", [0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10, .. noise[..9000]]);
        Write(folder, "photos/scan.tif", [(byte)'I', (byte)'I', 42, 0, .. noise[..5000]]);
        Write(folder, "scans/jaw.stl", [.. new byte[80], 2, 0, 0, 0, .. noise[..100]]);
        Write(folder, "scans/jaw.ply", "ply\nformat ascii 1.0\nelement vertex 0\nend_header\n");
        Write(folder, "scans/jaw.obj", "v 0 0 0\n");
        Write(folder, "reports/report.pdf", "%PDF-1.7\n%%EOF\n");
        Write(folder, "export.zip", "PK\u0005\u0006" + new string('\0', 18));
        Write(folder, "vendor/store.db", noise[..20_000]);
        Write(folder, "empty.txt", "");
        Write(folder, "vendor/also empty", "");
        Write(folder, "Thumbs.db", "litter");
        Write(folder, ".hidden", "hidden");
        Write(folder, ".cloudarchiveignore", "# nothing is left out\n");
        Write(folder, "DICOMDIR", [.. new byte[128], (byte)'D', (byte)'I', (byte)'C', (byte)'M', 2, 0, 0, 0]);
        Write(folder, "images/cut.dcm", [.. new byte[128], (byte)'D', (byte)'I', (byte)'C', (byte)'M', 2, 0]);
        Write(folder, "Größe µ 歯 \ud83e\uddb7.txt", "names are texts");
        Write(folder, "Über/ß/ſ.txt", "and folders too");
        if (OperatingSystem.IsLinux())
        {
            foreach (string name in (string[])["a:b", "what?", "star*", "back\\slash", "quote\"", "<>|", "con", "NUL.txt", "dot.", "space ", "Case.TXT", "case.txt", "new\nline", "~", "%41", "-rf", new string('ä', 120)])
            {
                Write(folder, $"odd/{name}", name);
            }
        }

        for (int i = 1; i <= many; i++)
        {
            Write(folder, i % 3 == 0 ? $"letters/letter {i}.txt" : $"cases/{i / 50:D3}/photo {i}.jpg", $"file {i}");
        }

        int n = 0;
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            File.SetLastWriteTimeUtc(file, new DateTime(2019, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddMinutes(n).AddTicks(n++ * 1_234_567L));
        }
    }

    public static void Write(string folder, string name, string content) => Write(folder, name, Encoding.UTF8.GetBytes(content));

    public static void Write(string folder, string name, byte[] content)
    {
        string path = $"{folder}/{name}";
        Directory.CreateDirectory(path[..path.LastIndexOf('/')]);
        File.WriteAllBytes(path, content);
    }

    /// <summary>The same names, bytes and times; as diff sees it too, where there is one.</summary>
    public static async Task AssertSameTreeAsync(string expected, string actual)
    {
        if (OperatingSystem.IsLinux())
        {
            (int exit, string output, _) = await Programs.RunAsync("diff", ["-r", expected, actual], TestContext.Current.CancellationToken);
            Assert.True(exit == 0, output);
        }

        Assert.Equal(Tree(expected), Tree(actual));
    }

    public static string[] Tree(string folder) => [.. new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories)
        .Select(file => $"{Path.GetRelativePath(folder, file.FullName)} {file.LastWriteTimeUtc:O} {Practice.HashOf(file.FullName)}").Order(StringComparer.Ordinal)];

    public static void CopyTree(string from, string to)
    {
        foreach (FileInfo file in new DirectoryInfo(from).EnumerateFiles("*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(to, Path.GetRelativePath(from, file.FullName));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            file.CopyTo(target);
        }
    }
}
