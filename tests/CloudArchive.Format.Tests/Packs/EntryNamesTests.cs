using System.Text;
using CloudArchive.Format.Packs;

namespace CloudArchive.Format.Tests.Packs;

public sealed class EntryNamesTests
{
    [Theory]
    [InlineData("a.dcm")]
    [InlineData("Müller, Hans (1970)/2026-01-02/IMG 0001.dcm")]
    [InlineData("日本/画像.dcm")]
    [InlineData("😀.dcm")]
    [InlineData("no extension")]
    [InlineData(".hidden")]
    [InlineData("icon/comfort/lpt10/nully.aux")]
    public void An_ordinary_path_is_its_own_name(string path) => Assert.Equal(path, new EntryNames().Add(path));

    [Theory]
    [InlineData("../../etc/passwd", "._/._/etc/passwd")]
    [InlineData("..", "._")]
    [InlineData(".", "_")]
    [InlineData("/etc/passwd", "etc/passwd")]
    [InlineData("C:/Windows/x.dll", "C_/Windows/x.dll")]
    [InlineData(@"..\..\x", ".._.._x")]
    [InlineData(@"\\server\share", "__server_share")]
    [InlineData("a//b", "a/b")]
    [InlineData("", "_")]
    [InlineData("///", "_")]
    [InlineData("CON", "_CON")]
    [InlineData("nul.dcm", "_nul.dcm")]
    [InlineData("Com1.tar.gz", "_Com1.tar.gz")]
    [InlineData("COM¹", "_COM¹")]
    [InlineData("aux .dcm", "_aux .dcm")]
    [InlineData("ends with dot.", "ends with dot_")]
    [InlineData("ends with space ", "ends with space_")]
    [InlineData("a\0b\u001fc\u007fd\u0085e", "a_b_c_d_e")]
    [InlineData("what?*<>|\":.dcm", "what_______.dcm")]
    [InlineData("stream.dcm:hidden", "stream.dcm_hidden")]
    [InlineData("manifest.json", "manifest~2.json")]
    [InlineData("Manifest.JSON", "Manifest~2.JSON")]
    public void An_unsafe_path_gets_a_safe_name(string path, string expected)
    {
        Assert.Equal(expected, new EntryNames().Add(path));
        Assert.False(new EntryNames().TryReserve(path));
    }

    [Fact]
    public void A_lone_surrogate_is_no_character()
    {
        // Not in an InlineData: it would not survive the way to the test runner.
        Assert.Equal("a_b", new EntryNames().Add("a\ud800b"));
    }

    [Fact]
    public void Names_are_unique_ignoring_case()
    {
        EntryNames names = new();

        Assert.Equal(["x/a.dcm", "x/A~2.dcm", "X/a~3.dcm", "x/a~2~2.dcm", "b_", "b_~2"], new[] { "x/a.dcm", "x/A.dcm", "X/a.dcm", "x/a~2.dcm", "b?", "b*" }.Select(names.Add));
    }

    [Fact]
    public void A_file_is_never_anothers_folder()
    {
        EntryNames names = new();

        Assert.Equal(["a", "A~2/b", "c/d", "c~2"], new[] { "a", "A/b", "c/d", "c" }.Select(names.Add));
    }

    [Theory]
    [InlineData("a", "a")]
    [InlineData("a", "A")]
    [InlineData("a", "a/b")]
    [InlineData("a/b", "A")]
    [InlineData("a/b", "a/B")]
    public void Names_that_meet_on_a_disk_cannot_both_be_reserved(string first, string second)
    {
        EntryNames names = new();

        Assert.True(names.TryReserve(first));
        Assert.False(names.TryReserve(second));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/a")]
    [InlineData("a/")]
    [InlineData("a//b")]
    [InlineData("a/./b")]
    public void Empty_parts_cannot_be_reserved(string name) => Assert.False(new EntryNames().TryReserve(name));

    /// <summary>Whatever is found on a disk: the name is safe, unique, and what the reader accepts.</summary>
    [Fact]
    public void Whatever_the_path_the_reader_accepts_the_name()
    {
        Random random = new(20260304);
        const string Alphabet = "aAbB.~2 /\\:*?\"<>|\0\u001f\u007fäÄß😀CONcon_";
        EntryNames writer = new();
        EntryNames reader = new();
        for (int i = 0; i < 5000; i++)
        {
            string path = new([.. Enumerable.Range(0, random.Next(0, 12)).Select(_ => Alphabet[random.Next(Alphabet.Length)])]);
            path = i % 100 == 0 ? string.Concat(Enumerable.Repeat(path + "ä", random.Next(1, 200))) : path;
            string name = writer.Add(path);

            Assert.True(reader.TryReserve(name), $"{path} -> {name}");
            Assert.All(name.Split('/'), part => Assert.InRange(Encoding.UTF8.GetByteCount(part), 1, 255));
            Assert.InRange(Encoding.UTF8.GetByteCount(name), 1, PackLimits.EntryNameLength);
            Assert.DoesNotContain(name.Split('/'), part => part is "." or "..");
        }
    }

    [Fact]
    public void A_very_deep_path_keeps_its_last_name()
    {
        string path = string.Join('/', Enumerable.Repeat("0123456789", 200)) + "/last.dcm";

        Assert.Equal("last.dcm", new EntryNames().Add(path));
    }
}
