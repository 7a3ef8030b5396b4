using System.Security.Cryptography;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Dicom;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Backup;

public sealed class FileInspectionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly IdentifierSecret _secret = IdentifierSecret.Create();
    private const string Computer = "reception";
    private string File => _folder["file"];

    public void Dispose()
    {
        _secret.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Reads_what_the_catalogue_may_know_and_hashes_every_byte()
    {
        SampleStudies.WriteOne(File, "one");
        Inspection.Known dicom = Assert.IsType<Inspection.Known>(await ReadAsync());
        byte[] bytes = System.IO.File.ReadAllBytes(File);
        Assert.Equal(Sha256Digest.FromBytes(SHA256.HashData(bytes)), dicom.Content.Instance.Sha256);
        Assert.Equal(bytes.Length, dicom.Content.Instance.Length);
        Assert.Equal(SampleStudies.UidOf("instance one"), dicom.Content.Instance.SopInstance.Value);
        Assert.Equal("20250101", dicom.Content.Study.Date);
        Assert.Equal(_secret.Hmac("P-one"), dicom.Content.Study.Patient);
        Assert.Equal(System.IO.File.GetLastWriteTimeUtc(File).Ticks, dicom.ModifiedTicks);
    }

    /// <summary>ISO 8859-1 in a file that declares nothing, or UTF-8: common where software is older than its settings.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData("ISO_IR 192")]
    [InlineData("ISO 2022 IR 149")]
    public async Task Two_IDs_whose_bytes_do_not_decode_stay_two_patients(string? declared)
    {
        Sha256Digest? müller = await PatientAsync("Müller1", declared), möller = await PatientAsync("Möller1", declared);
        Assert.NotEqual(müller, möller);
        Assert.Equal(_secret.Hmac(System.Text.Encoding.Latin1.GetBytes("Müller1")), müller);
        Assert.NotEqual(_secret.Hmac("M\uFFFDller1"), müller);
    }

    [Fact]
    public async Task An_ID_that_decodes_has_the_HMAC_of_its_text()
    {
        Assert.Equal(_secret.Hmac("Müller1"), await PatientAsync("Müller1", "ISO_IR 100"));
        Assert.Equal(_secret.Hmac("Muller1"), await PatientAsync("Muller1", null));
    }

    [Theory]
    [InlineData("just text", "7f5dde76c8464594732baeae1e0171af7955005e488790245ed52949a2c7841c")]
    [InlineData("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    public async Task What_is_no_DICOM_is_a_plain_file_of_its_folder(string text, string sha256)
    {
        System.IO.File.WriteAllText(File, text);
        FileContent content = await PlainAsync();
        Assert.Equal(sha256, content.Instance.Sha256.Hex);
        Assert.Equal(SidecarInstance.Plain(FileKind.Other, text.Length, content.Instance.Sha256), content.Instance);
        Assert.Equal(new StudyKey(Sets.FolderOf(_secret, Computer, _folder.Path, ""), null, null, null, Set: SetKind.Folder), content.Study);
        Assert.Null(content.Remark);
    }

    [Fact]
    public async Task What_was_DICOM_and_is_no_longer_stands_out()
    {
        System.IO.File.WriteAllBytes(File, RandomNumberGenerator.GetBytes(4096));
        Assert.Equal(SkipReason.NoLongerDicom, (await SkippedAsync(wasDicom: true)).Reason);
    }

    [Fact]
    public async Task A_DICOMDIR_is_a_plain_file_with_a_remark()
    {
        using (FileStream stream = System.IO.File.Create(File))
        using (DicomWriter writer = new(stream, TransferSyntaxes.ExplicitVrLittleEndian))
        {
            writer.Meta("1.2.840.10008.1.3.10", "1.2.3");
            writer.Text(0x0004_1130, "CS", "SET");
        }

        Assert.Equal("a DICOMDIR", (await PlainAsync()).Remark);
    }

    [Fact]
    public async Task DICOM_without_a_study_is_a_plain_file_with_that_remark()
    {
        using (FileStream stream = System.IO.File.Create(File))
        using (DicomWriter writer = new(stream, TransferSyntaxes.ExplicitVrLittleEndian))
        {
            writer.Meta("1.2.840.10008.5.1.4.1.1.7", "1.2.3");
            writer.Text(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.7");
            writer.Text(0x0008_0018, "UI", "1.2.3");
            writer.Text(0x0008_0060, "CS", "OT");
        }

        FileContent content = await PlainAsync();
        Assert.Equal(FileKind.Dicom, content.Instance.Kind);
        Assert.Equal("DICOM without study or instance UID", content.Remark);
    }

    [Fact]
    public async Task A_file_that_breaks_off_before_its_UIDs_is_a_plain_file_with_that_remark()
    {
        SampleStudies.WriteOne(File, "one");
        byte[] whole = System.IO.File.ReadAllBytes(File);
        System.IO.File.WriteAllBytes(File, whole[..400]);
        FileContent content = await PlainAsync();
        Assert.Equal((FileKind.Dicom, 400L), (content.Instance.Kind, content.Instance.Length));
        Assert.StartsWith("DICOM that cannot be", content.Remark, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_breaks_off_in_its_pixels_is_kept_as_it_is()
    {
        SampleStudies.WriteOne(File, "one");
        byte[] whole = System.IO.File.ReadAllBytes(File);
        System.IO.File.WriteAllBytes(File, whole[..^100]);
        Assert.Equal(whole.Length - 100, Assert.IsType<Inspection.Known>(await ReadAsync()).Length);
    }

    [Fact]
    public async Task A_file_that_changes_while_it_is_read_is_not_taken()
    {
        SampleStudies.WriteOne(File, "one");
        bool written = false;
        Inspection inspection = await FileInspection.ReadAsync(
            Seen(),
            _secret,
            Computer,
            _ =>
            {
                if (written) return;
                written = true;
                using FileStream other = new(File, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
                other.Write(new byte[10]);
            },
            TestContext.Current.CancellationToken);
        Assert.Equal(new FileInfo(File).Length, Assert.IsType<Inspection.Changed>(inspection).Length);
    }

    [Fact]
    public async Task A_file_that_is_rewritten_with_the_same_length_while_it_is_read_is_not_taken()
    {
        SampleStudies.WriteOne(File, "one");
        Inspection inspection = await FileInspection.ReadAsync(
            Seen(), _secret, Computer, _ => System.IO.File.SetLastWriteTimeUtc(File, DateTime.UnixEpoch.AddDays(1)), TestContext.Current.CancellationToken);
        Assert.IsType<Inspection.Changed>(inspection);
    }

    [Fact]
    public async Task A_file_that_is_gone_is_gone()
    {
        SampleStudies.WriteOne(File, "one");
        FileToRead seen = Seen();
        System.IO.File.Delete(File);
        Assert.IsType<Inspection.Gone>(await FileInspection.ReadAsync(seen, _secret, Computer, _ => { }, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_file_that_may_not_be_read_is_told_without_its_path()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Needs a file that this user may not read.");
            return; // which the analyzer cannot know
        }

        Assert.SkipWhen(Environment.UserName == "root", "Needs a file that this user may not read.");
        SampleStudies.WriteOne(File, "one");
        System.IO.File.SetUnixFileMode(File, UnixFileMode.None);
        Inspection.Skip skip = await SkippedAsync();
        Assert.Equal(SkipReason.Unreadable, skip.Reason);
        Assert.DoesNotContain(_folder.Path, skip.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reading_keeps_nobody_from_writing_renaming_or_deleting_the_file()
    {
        SampleStudies.WriteOne(File, "one");
        await using FileStream reader = FileInspection.Open(File);
        await using (FileStream writer = new(File, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete)) writer.WriteByte(0);
        System.IO.File.Move(File, _folder["renamed"]);
        System.IO.File.Delete(_folder["renamed"]);
    }

    private FileToRead Seen(bool wasDicom = false)
    {
        (long length, long modified) = FileInspection.Stat(File);
        return new FileToRead(1, File, _folder.Path, length, modified, wasDicom);
    }

    private Task<Inspection> ReadAsync(bool wasDicom = false) => FileInspection.ReadAsync(Seen(wasDicom), _secret, Computer, _ => { }, TestContext.Current.CancellationToken);

    private async Task<FileContent> PlainAsync()
    {
        FileContent content = Assert.IsType<Inspection.Known>(await ReadAsync()).Content;
        Assert.Equal((null, null, null), (content.Instance.SopClass, content.Instance.Series, content.Instance.TransferSyntax));
        return content;
    }

    private async Task<Inspection.Skip> SkippedAsync(bool wasDicom = false) => Assert.IsType<Inspection.Skip>(await ReadAsync(wasDicom));

    private async Task<Sha256Digest?> PatientAsync(string id, string? declared)
    {
        using (FileStream stream = System.IO.File.Create(File))
        using (DicomWriter writer = new(stream, TransferSyntaxes.ExplicitVrLittleEndian))
        {
            writer.Meta("1.2.840.10008.5.1.4.1.1.1.3", "1.2.3");
            if (declared is not null)
            {
                writer.Text(0x0008_0005, "CS", declared);
            }

            writer.Text(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.1.3");
            writer.Text(0x0008_0018, "UI", "1.2.3");
            writer.Text(0x0010_0020, "LO", id);
            writer.Text(0x0020_000D, "UI", "1.2");
        }

        return Assert.IsType<Inspection.Known>(await ReadAsync()).Content.Study.Patient;
    }
}
