using CloudArchive.Cli.Setup;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Setup;

public sealed class SetupPartsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestCli _cli = new();

    [Fact]
    public void Usual_imaging_folders_are_proposed_those_with_DICOM_first_and_none_inside_another()
    {
        Directory.CreateDirectory(_folder["drive/Images"]);
        Directory.CreateDirectory(_folder["drive/Images/DICOM"]);
        Directory.CreateDirectory(_folder["drive/Holidays"]);
        SampleStudies.WriteOne(_folder["drive/pdata/P1/a.dcm"], "a");
        IReadOnlyList<ImagingFolder> found = ImagingFolders.Find([_folder["drive"]], _folder["profile"]);
        Assert.Equal(new ImagingFolder(_folder["drive/pdata"], true), found[0]);
        Assert.DoesNotContain(found, folder => folder.Path.Contains("Holidays", StringComparison.Ordinal));
        Assert.Contains(found, folder => folder.Path == _folder["drive/Images"] && !folder.HasDicom);
    }

    [Fact]
    public void An_answer_is_numbers_of_the_list_or_one_path_with_spaces()
    {
        ImagingFolder[] found = [new("/a", true), new("/b", false)];
        Assert.Equal(["/b", "/a"], SetupRun.Chosen("2, 1", found));
        Assert.Equal(["D:\\My Images"], SetupRun.Chosen("\"D:\\My Images\"", found));
        Assert.Throws<UsageException>(() => SetupRun.Chosen("3", found));
        Assert.Throws<UsageException>(() => SetupRun.Chosen("", found));
    }

    [Fact]
    public void An_escrow_key_on_the_images_disk_is_warned_of_and_so_is_a_disk_that_cannot_be_told()
    {
        CliEnvironment environment = _cli.Environment() with { VolumeOf = path => path.StartsWith("/usb", StringComparison.Ordinal) ? "stick" : path.StartsWith("/odd", StringComparison.Ordinal) ? null : "disk" };
        Assert.Null(EscrowPlaces.Warn(environment, "/usb/escrow.pem", ["/images"]));
        Assert.Contains("same disk", EscrowPlaces.Warn(environment, "/safe/escrow.pem", ["/images"]), StringComparison.Ordinal);
        Assert.Contains("cannot be found out", EscrowPlaces.Warn(environment, "/odd/escrow.pem", ["/images"]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("setup", "--url")]
    [InlineData("setup --url https://archive.example.org", "--code")]
    [InlineData("setup --url https://archive.example.org --code 0T3Y8", "code")]
    public async Task Where_nobody_can_be_asked_the_option_that_is_missing_is_named(string line, string named)
    {
        (ExitCode code, _, string error) = await _cli.RunAsync(line.Split(' '));
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains(named, error, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _folder.Dispose();
        _cli.Dispose();
    }
}
