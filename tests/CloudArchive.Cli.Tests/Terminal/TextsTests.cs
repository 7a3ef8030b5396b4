using CloudArchive.Cli.Terminal;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Cli.Tests.Terminal;

public class TextsTests
{
    [Theory]
    [InlineData(0, "0 bytes")]
    [InlineData(1, "1 byte")]
    [InlineData(999, "999 bytes")]
    [InlineData(1000, "1.0 kB")]
    [InlineData(9_949_999, "9.9 MB")]
    [InlineData(9_960_000, "10 MB")]
    [InlineData(999_600_000, "1.0 GB")]
    [InlineData(1_500_000_000_000, "1.5 TB")]
    [InlineData(long.MaxValue, "9223 PB")]
    public void Sizes_are_told_in_two_or_three_digits(long bytes, string expected) => Assert.Equal(expected, Texts.Size(bytes));

    [Theory]
    [InlineData(0.2, "under 1 s")]
    [InlineData(42, "42 s")]
    [InlineData(120, "2 min")]
    [InlineData(7200, "2 h")]
    [InlineData(400_000, "5 days")]
    public void Spans_are_told_as_coarsely_as_they_are_long(double seconds, string expected) => Assert.Equal(expected, Texts.Duration(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData("plain/Größe.dcm", "plain/Größe.dcm")]
    [InlineData("evil\u001b[31m\nname", "evil?[31m?name")]
    public void A_name_cannot_drive_the_terminal(string name, string expected) => Assert.Equal(expected, Texts.Printable(name));

    [Fact]
    public void Without_a_terminal_progress_is_a_line_now_and_then_with_rate_and_time_left()
    {
        FakeTimeProvider clock = new();
        using StringWriter output = new();
        using (IProgressStep step = new LineView(output, clock).Begin("Uploading", ProgressUnit.Bytes, 100_000_000))
        {
            for (int i = 0; i < 40; i++)
            {
                clock.Advance(TimeSpan.FromSeconds(1));
                step.Add(1_000_000);
            }
        }

        Assert.Equal(["Uploading: 100 MB to do", "Uploading: 30 MB of 100 MB, 1.0 MB/s, about 70 s left", "Uploading: 40 MB in 40 s, 1.0 MB/s"], output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries));
    }
}
