using CloudArchive.Cli.Restores;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.State;

/// <summary>Two folders of one computer never come back as one: not by the labels that they get, that people give them, or that older snapshots have.</summary>
public sealed class FolderLabelTests : IDisposable
{
    private readonly Computers _computer = new();

    public void Dispose() => _computer.Dispose();

    [Fact]
    public void The_second_of_a_name_is_called_by_its_parent_too_and_the_third_by_a_number()
    {
        Assert.Equal("images", Label("a/images"));
        Assert.Equal("images (b)", Label("b/images"));
        Assert.Equal("images (2)", Label("c/b/images"));
        Assert.Equal("IMAGES (d)", Label("d/IMAGES")); // one folder on Windows
        Assert.Equal("Röntgen", Label("a/Röntgen"));
        Assert.Equal("RÖNTGEN (b)", Label("b/RÖNTGEN"));
        Assert.Equal("Ro\u0308ntgen (c)", Label("c/Ro\u0308ntgen")); // one folder on macOS
        string label = Label($"e/{new string('x', 200)}");
        Assert.Equal((80, 80), (label.Length, Label($"f/{new string('x', 200)}") is var other && other != label ? 80 : 0));
    }

    [Fact]
    public async Task A_label_that_files_were_archived_under_stays_that_folder_s()
    {
        _computer.Write("one.dcm");
        await _computer.BackUpAsync();
        Assert.Equal("images", _computer.Folder.Label);
        _computer.State.Forget(_computer.Images);
        Assert.Equal("images (other)", Label("other/images"));
        _computer.State.Folder(_computer.Images);
        Assert.Equal("images", _computer.Folder.Label); // the same folder, remembered again

        // One that never held anything gives its name free.
        Label("empty/scans");
        _computer.State.Forget(_computer["empty/scans"]);
        Assert.Equal("scans", Label("full/scans"));
    }

    [Fact]
    public async Task A_person_is_told_which_folder_has_or_had_a_label()
    {
        Directory.CreateDirectory(_computer["other/scans"]);
        Label("other/scans");
        _computer.Write("one.dcm");
        await _computer.BackUpAsync();

        (ExitCode code, string error) = await LabelAsync(_computer["other/scans"], "IMAGES");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains($"{_computer.Images} has the label IMAGES: a restore of both would put their files into one folder. Choose another label.", error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Ok, (await LabelAsync(_computer.Images, "X-rays")).Code);
        (code, error) = await LabelAsync(_computer["other/scans"], "images");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains($"{_computer.Images} was archived under the label images", error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Ok, (await LabelAsync(_computer.Images, "images")).Code); // it may have its own back
        Assert.Equal("scans", _computer.State.FindFolder(_computer["other/scans"])!.Label);
    }

    [Fact]
    public void Folders_of_an_older_snapshot_that_are_called_the_same_come_back_apart_and_it_is_told()
    {
        SnapshotRoot[] roots = [new(1, "images", "/a/images"), new(2, "Images", "/b/Images"), new(3, "images (2)", "/c"), new(4, "IMAGES", "/d"), new(5, "a:b", "/e"), new(6, "a_b", "/f")];
        Snapshot snapshot = new(Snapshot.CurrentFormat, Packs.Clinic, "pc", _computer.Clock.GetUtcNow(), roots, [], 0, 0, true);
        Assert.Equal(
            [(1, "images"), (2, "Images (3)"), (3, "images (2)"), (4, "IMAGES (4)"), (5, "a:b"), (6, "a_b (2)")],
            Placement.LabelsOf(snapshot).OrderBy(label => label.Key).Select(label => ((int)label.Key, label.Value)));
    }

    private string Label(string folder)
    {
        _computer.State.Folder(_computer[folder]);
        return _computer.State.FindFolder(_computer[folder])!.Label;
    }

    private async Task<(ExitCode Code, string Error)> LabelAsync(string folder, string label)
    {
        using StringWriter error = new();
        int code = await CloudArchiveCli.RunAsync(["folders", "label", folder, label], _computer.Environment with { Error = error }, TestContext.Current.CancellationToken);
        return ((ExitCode)code, error.ToString());
    }
}
