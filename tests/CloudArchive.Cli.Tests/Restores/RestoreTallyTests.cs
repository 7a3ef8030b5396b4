using CloudArchive.Cli.Restores;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;

namespace CloudArchive.Cli.Tests.Restores;

public sealed class RestoreTallyTests
{
    [Fact]
    public void A_list_for_scripts_is_bounded_and_has_what_failed()
    {
        RestoreTally tally = new(new QuietView(_ => { }));
        PackId pack = PackId.New(TimeProvider.System);
        for (int i = 0; i < 10_005; i++)
        {
            tally.Add(new FileReport(pack, FileOutcome.Restored, $"{i}.dcm", null, 1));
        }

        tally.Add(new FileReport(pack, FileOutcome.Failed, "bad.dcm", null, 1, "x"));
        FileReport[] listed = [.. tally.Listed];
        Assert.Equal((10_000, "bad.dcm", "0.dcm"), (listed.Length, listed[0].Path, listed[1].Path));
        Assert.Equal(10_006, tally.Files.Count);
    }
}
