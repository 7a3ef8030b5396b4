namespace CloudArchive.Format.Tests;

public sealed class EnrollmentCodeTests
{
    [Fact]
    public void A_code_reads_back_as_people_type_it()
    {
        for (int i = 0; i < 200; i++)
        {
            EnrollmentCode code = EnrollmentCode.Create();
            string shown = code.Reveal();
            Assert.Matches("^([0-9A-HJKMNP-TV-Z]{5}-){5}[0-9A-HJKMNP-TV-Z]\\z", shown);
            string[] typed = [shown, shown.ToLowerInvariant(), shown.Replace("-", "", StringComparison.Ordinal), " " + shown.Replace('-', ' ') + " ", shown.Replace('0', 'o').Replace('1', 'l'), shown.Replace('1', 'I')];
            foreach (string text in typed)
            {
                Assert.True(EnrollmentCode.TryParse(text, out EnrollmentCode? read), text);
                Assert.Equal((code.Hash, shown), (read.Hash, read.Reveal()));
            }
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("00000-00000-00000-00000-00000")]
    [InlineData("00000-00000-00000-00000-00000-00")]
    [InlineData("00000-00000-00000-00000-00000-1")]
    [InlineData("U0000-00000-00000-00000-00000-0")]
    [InlineData("00000-00000-00000-00000-0000é-0")]
    public void What_is_no_code_is_not_read(string? typed) => Assert.False(EnrollmentCode.TryParse(typed, out _));

    [Fact]
    public void The_spelling_is_fixed()
    {
        Assert.True(EnrollmentCode.TryParse("ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-W", out EnrollmentCode? last));
        Assert.Equal(Sha256Digest.Of([.. Enumerable.Repeat((byte)255, 16)]), last.Hash);
        Assert.True(EnrollmentCode.TryParse("00000-00000-00000-00000-00000-4", out EnrollmentCode? one));
        Assert.Equal(Sha256Digest.Of([.. new byte[15], 1]), one.Hash);
    }

    [Fact]
    public void It_cannot_be_logged() => Assert.Equal("**redacted**", EnrollmentCode.Create().ToString());
}
