using System.Text.Json;
using System.Text.RegularExpressions;
using CloudArchive.Format.Packs.Pixels;
using CloudArchive.Format.Tests.Packs.Pixels;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests.Vectors;

/// <summary>
/// tests/vectors/filter-1: made once by <see cref="PixelVectorGenerator"/>, and fixed. For each name the layout (<c>.json</c>), the original (<c>.bin</c>) and what it is
/// filtered (<c>.f1</c>). A better encoder may write other records; these must come back as long as there is a filter f1.
/// </summary>
public sealed partial class PixelVectorTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Names => [.. PixelVectors.All.Keys];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_vector_comes_back(string name)
    {
        (PixelLayout layout, byte[] file, byte[] filtered) = PixelVectors.Read(name);

        Assert.Equal(file, await Filtered.BackAsync(layout, file.Length, filtered));
    }

    [Fact]
    public void The_vectors_have_every_predictor_and_every_way_to_use_a_frame()
    {
        List<byte> modes = [.. PixelVectors.All.Keys.Select(PixelVectors.Read).Select(vector => vector.Filtered[(int)vector.Layout.Offset])];

        Assert.Contains((byte)0, modes);
        Assert.Equal([0, 1, 2, 3], modes.Where(mode => mode != 0).Select(mode => mode & 7).Distinct().Order());
        Assert.Equal([0, 1, 2], modes.Where(mode => mode != 0).Select(mode => (mode >> 3) & 3).Distinct().Order());
        Assert.Contains(modes, mode => (mode & 0x20) != 0);
        Assert.Contains(modes, mode => (mode & 0x40) != 0);
    }

    [Fact]
    public void The_inverse_of_the_documentation_has_at_most_40_lines() =>
        Assert.InRange(Script().Split('\n').Count(line => line.Trim().Length > 0), 20, 40);

    [Fact]
    public async Task The_inverse_of_the_documentation_brings_every_vector_back()
    {
        foreach (string path in Directory.EnumerateFiles(PixelVectors.Folder, "*.*"))
        {
            File.Copy(path, _folder[Path.GetFileName(path)]);
        }

        // How a file is cut into chunks shows with large ones only; noise is not coded, so that Python is quick about it.
        Write("cut-bands", new(7, (1700 * 1000 * 2) + 9, 1700, 1000, 1, 16, 0, false));
        Write("cut-frames", new(3, 800 * 900 * 9, 800, 900, 1, 8, 0, false));
        Write("cut-planes", new(0, 900 * 1001 * 3, 900, 1001, 3, 8, 1, false));
        await File.WriteAllTextAsync(_folder["inverse.py"], Script() + """

            import json, pathlib
            for layout in sorted(pathlib.Path(__file__).parent.glob("*.json"), key=lambda path: path.stem):
                back = unfilter(layout.with_suffix(".f1").read_bytes(), json.loads(layout.read_text()))
                print(layout.stem, back == layout.with_suffix(".bin").read_bytes())
            """, TestContext.Current.CancellationToken);

        string output = await RunPythonAsync(_folder["inverse.py"]);

        string[] names = [.. PixelVectors.All.Keys, "cut-bands", "cut-frames", "cut-planes"];
        Assert.Equal(names.Order(StringComparer.Ordinal).Select(name => name + " True"), output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Trim()));
    }

    private void Write(string name, PixelLayout layout)
    {
        byte[] file = new byte[layout.Offset + layout.Length + 5];
        new Random(5).NextBytes(file);
        Assert.True(PixelFilter.Plan(layout, file.Length).Count > 1);
        PixelVectors.Write(_folder.Path, name, layout, file);
    }

    internal static string Script() => PythonBlock().Match(File.ReadAllText(Path.Combine(Repository.Root, "docs", "formats.md"))).Groups["script"].Value;

    internal static async Task<string> RunPythonAsync(string script, params string[] arguments)
    {
        Assert.SkipUnless(Programs.Has("python3"), "There is no python3 on the PATH.");
        (_, string output, string errors) = await Programs.RunAsync("python3", [script, .. arguments], TestContext.Current.CancellationToken);
        Assert.Equal("", errors);
        return output;
    }

    [GeneratedRegex("```python\r?\n(?<script>.*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex PythonBlock();
}

/// <summary>What the vectors are made of, and where they lie.</summary>
internal static class PixelVectors
{
    public static string Folder => Path.Combine(Repository.Vectors, "filter-1");

    public static IReadOnlyDictionary<string, (PixelLayout Layout, Images.Kind Kind)> All { get; } = new Dictionary<string, (PixelLayout, Images.Kind)>
    {
        ["air"] = (new(16, 2 * 30 * 20, 20, 30, 1, 16, 0, false), Images.Kind.Same),
        ["big-endian"] = (new(20, 2 * 33 * 30, 30, 33, 1, 16, 0, true), Images.Kind.Smooth),
        ["eight-bits-odd-tail"] = (new(5, (37 * 41) + 1, 41, 37, 1, 8, 0, false), Images.Kind.Smooth),
        ["frames-that-repeat"] = (new(10, 2 * 16 * 16 * 6, 16, 16, 1, 16, 0, false), Images.Kind.RepeatedNoise),
        ["frames-with-noise"] = (new(10, 2 * 24 * 24 * 5, 24, 24, 1, 16, 0, false), Images.Kind.RepeatedWithNoise),
        ["high-bits"] = (new(10, 2 * 31 * 29, 29, 31, 1, 16, 0, false), Images.Kind.HighBitsSet),
        ["noise"] = (new(10, 2 * 16 * 16, 16, 16, 1, 16, 0, false), Images.Kind.Noise),
        ["rgb"] = (new(10, 3 * 26 * 31, 31, 26, 3, 8, 0, false), Images.Kind.Colour),
        ["rgb-planes"] = (new(10, 3 * 26 * 31, 31, 26, 3, 8, 1, false), Images.Kind.Colour),
        ["signed"] = (new(10, 2 * 40 * 30, 30, 40, 1, 16, 0, false), Images.Kind.SignedAroundZero),
        ["steps"] = (new(10, 2 * 40 * 30, 30, 40, 1, 16, 0, false), Images.Kind.Steps),
        ["stripes"] = (new(10, 2 * 40 * 30, 30, 40, 1, 16, 0, false), Images.Kind.Stripes),
        ["twelve-bits"] = (new(128, 2 * 45 * 40, 40, 45, 1, 16, 0, false), Images.Kind.Smooth12Bit),
    };

    public static (PixelLayout Layout, byte[] File, byte[] Filtered) Read(string name) => (
        JsonSerializer.Deserialize<PixelLayout>(File.ReadAllBytes(Path.Combine(Folder, name + ".json")), FormatJson.Options)!,
        File.ReadAllBytes(Path.Combine(Folder, name + ".bin")),
        File.ReadAllBytes(Path.Combine(Folder, name + ".f1")));

    public static void Write(string folder, string name, PixelLayout layout, byte[] file)
    {
        File.WriteAllBytes(Path.Combine(folder, name + ".json"), CanonicalJson.Serialize(layout));
        File.WriteAllBytes(Path.Combine(folder, name + ".bin"), file);
        File.WriteAllBytes(Path.Combine(folder, name + ".f1"), Filtered.Bytes(layout, file));
    }
}

/// <summary>
/// Made the committed vectors; only for a new version's folder:
/// <c>dotnet run --project tests/CloudArchive.Format.Tests -- --explicit only --filter-class "*PixelVectorGenerator*"</c>.
/// </summary>
public sealed class PixelVectorGenerator
{
    [Fact(Explicit = true)]
    public void Make_the_vectors()
    {
        Assert.False(File.Exists(Path.Combine(PixelVectors.Folder, "rgb.f1")), "These vectors are committed: a new version gets a folder of its own.");
        Directory.CreateDirectory(PixelVectors.Folder);
        Random random = new(1);
        foreach ((string name, (PixelLayout layout, Images.Kind kind)) in PixelVectors.All)
        {
            byte[] file = new byte[layout.Offset + layout.Length + 3];
            random.NextBytes(file);
            Images.Fill(kind, layout, file.AsSpan((int)layout.Offset, (int)layout.Length), random);
            PixelVectors.Write(PixelVectors.Folder, name, layout, file);
        }
    }
}
