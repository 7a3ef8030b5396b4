using System.Net;
using System.Net.Http.Json;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Tests.Disclosures;

/// <summary>What <c>disclosures</c> tells of a list that is not known to be all.</summary>
public sealed class DisclosuresCommandTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(2, 0)]
    [InlineData(0, 3)]
    [InlineData(1, 1)]
    public async Task What_could_not_be_read_is_not_told_as_nothing(int unreadable, int ofNobody)
    {
        DateTimeOffset now = new(2026, 11, 28, 12, 0, 0, TimeSpan.Zero);
        using TestCli cli = new()
        {
            Answer = (_, _) => Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK)
            {
                Content = JsonContent.Create(new DisclosuresResponse(now.AddYears(-6), now, [], unreadable, ofNobody), options: FormatJson.Options),
            }),
        };
        (ExitCode code, string output, string error) = await cli.RunAsync("disclosures", "--url", "https://archive.example/", "--token", "t", "--clinic", "smile-dental", "--patient", "P-1");
        Assert.Equal(ExitCode.Ok, code);
        Assert.StartsWith("Released\t", output, StringComparison.Ordinal); // standard output is the table and nothing else
        Assert.Equal(unreadable + ofNobody > 0, error.Length > 0);
        Assert.Equal(unreadable > 0, error.Contains($"Not checked: {(unreadable == 1 ? "1 record" : $"{unreadable} records")}", StringComparison.Ordinal));
        Assert.Equal(ofNobody > 0, error.Contains($"{(ofNobody == 1 ? "1 restore" : $"{ofNobody} restores")} handed out what the archive knows no patient of", StringComparison.Ordinal));
    }
}
