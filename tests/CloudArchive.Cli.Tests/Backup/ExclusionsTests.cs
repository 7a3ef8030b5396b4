using CloudArchive.Cli.Backup;

namespace CloudArchive.Cli.Tests.Backup;

public class ExclusionsTests
{
    [Theory]
    [InlineData("*.jpg", "a.jpg", true)]
    [InlineData("*.jpg", "deep/down/B.JPG", true)]
    [InlineData("*.jpg", "a.jpg.dcm", false)]
    [InlineData("photo?.png", "photo1.png", true)]
    [InlineData("photo?.png", "photo12.png", false)]
    [InlineData("/top.txt", "top.txt", true)]
    [InlineData("/top.txt", "sub/top.txt", false)]
    [InlineData("sub/*.txt", "sub/a.txt", true)]
    [InlineData("sub/*.txt", "sub/deep/a.txt", false)]
    [InlineData("sub/**", "sub/deep/a.txt", true)]
    [InlineData("sub/**/a.txt", "sub/a.txt", true)]
    [InlineData("sub/**/a.txt", "sub/x/y/a.txt", true)]
    [InlineData("**/old/*", "x/old/a", true)]
    [InlineData("[ab].txt", "a.txt", true)]
    [InlineData("[!ab].txt", "a.txt", false)]
    [InlineData("[!ab].txt", "c.txt", true)]
    [InlineData("[", "[", true)]
    [InlineData("a+b(c).{d}$", "a+b(c).{d}$", true)]
    [InlineData("sub\\a.txt", "sub/a.txt", true)]
    [InlineData("Größe*", "größe 1", true)]
    [InlineData("dir/", "dir", false)]
    public void Patterns_are_those_of_gitignore_without_regard_to_case(string pattern, string path, bool excluded) =>
        Assert.Equal(excluded ? pattern : null, Exclusions.Of([pattern]).RuleFor(path, path.Split('/')[^1], isDirectory: false));

    [Fact]
    public void A_slash_at_the_end_means_directories() => Assert.Equal("dir/", Exclusions.Of(["dir/"]).RuleFor("x/dir", "dir", isDirectory: true));

    [Fact]
    public void The_last_pattern_that_matches_counts()
    {
        Exclusions rules = Exclusions.Of(["*.txt", "!keep.txt", "/old/keep.txt"]);
        Assert.Equal("*.txt", rules.RuleFor("a.txt", "a.txt", isDirectory: false));
        Assert.Null(rules.RuleFor("keep.txt", "keep.txt", isDirectory: false));
        Assert.Equal("/old/keep.txt", rules.RuleFor("old/keep.txt", "keep.txt", isDirectory: false));
    }

    [Theory]
    [InlineData("Thumbs.db")]
    [InlineData("THUMBS.DB")]
    [InlineData("desktop.ini")]
    [InlineData(".DS_Store")]
    [InlineData(".cloudarchive-9f.part")]
    public void The_systems_litter_and_our_own_are_left_out_anyway(string name) => Assert.Equal(Exclusions.LitterRule, Exclusions.Of([]).RuleFor("x/" + name, name, isDirectory: false));

    [Fact]
    public void Nothing_else_is_left_out_by_itself() =>
        Assert.All(["x.part", "x.tmp", ".hidden", "DICOMDIR", "x.jpg", "x.db"], name => Assert.Null(Exclusions.Of([]).RuleFor(name, name, isDirectory: false)));

    [Theory]
    [InlineData("", false)]
    [InlineData("   ", false)]
    [InlineData("/", false)]
    [InlineData("!", false)]
    [InlineData("[z-a]", false)]
    [InlineData("*", true)]
    public void What_says_nothing_is_no_pattern(string text, bool expected) => Assert.Equal(expected, Exclusions.IsPattern(text));

    [Fact]
    public void A_pattern_of_many_stars_takes_no_longer_than_the_path_is_long() =>
        Assert.Null(Exclusions.Of([string.Concat(Enumerable.Repeat("*a", 40)) + "b"]).RuleFor("x", new string('a', 250), isDirectory: false));
}
