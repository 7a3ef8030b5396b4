using System.Text;
using CloudArchive.Cli.Find;
using CloudArchive.Dicom;
using CloudArchive.Format;

namespace CloudArchive.Cli.Tests.Find;

public sealed class FindQueryTests
{
    private static readonly byte[] s_known = Known();

    [Theory]
    [InlineData("lindq")]
    [InlineData("LINDQVIST")]
    [InlineData("anna lindq")]
    [InlineData("lindqvist anna")]
    [InlineData("Lindqvist^Anna")]
    [InlineData("muller")]
    [InlineData("MÜLLER")]
    [InlineData("Mu\u0308ller")] // as macOS writes it
    [InlineData("strasse")]
    [InlineData("lodz")]
    [InlineData("山田")]
    [InlineData("ヤマダ")]
    [InlineData("ivanov")] // in Cyrillic
    [InlineData("Иванов")]
    [InlineData("1980-03-01")]
    [InlineData("19800301")]
    [InlineData("01.03.1980")]
    [InlineData("1.3.1980")]
    [InlineData("03/01/1980")]
    [InlineData("1980-03")]
    [InlineData("p-1001 zahnfilm lindqvist 2026-03-11 acc-7")]
    [InlineData("io 'scans' 0001.dcm")]
    public void All_words_of_it_stand_there(string typed) => Assert.True(FindQuery.Parse([typed.Replace("'", "", StringComparison.Ordinal)]).Fits(s_known), typed);

    [Theory]
    [InlineData("lindqvist okafor")]
    [InlineData("1980-03-02")]
    [InlineData("1980-04")]
    [InlineData("annalindqvist")]
    [InlineData("陕田")]
    [InlineData("lindqvistlindqvist")]
    public void A_word_that_stands_nowhere_is_enough_not_to_fit(string typed) => Assert.False(FindQuery.Parse([typed]).Fits(s_known), typed);

    [Fact]
    public void Nothing_is_no_query()
    {
        Assert.Throws<UsageException>(() => FindQuery.Parse([]));
        Assert.Throws<UsageException>(() => FindQuery.Parse([" ^ "]));
    }

    [Theory]
    [InlineData("Müller", "muller")]
    [InlineData("ØRSTED Łuczak", "orsted luczak")]
    [InlineData("Straße", "strasse")]
    [InlineData("İstanbul", "istanbul")]
    [InlineData("ＡＢ１２", "ab12")]
    [InlineData("Иванов", "ivanov")]
    [InlineData("Mu\u0308ller", "muller")]
    [InlineData("山田", "山田")]
    public void Folding_leaves_small_letters_without_accents(string text, string folded) => Assert.Equal(folded, FindQuery.Fold(text));

    [Fact]
    public void Of_a_study_a_hundred_names_are_kept_and_of_plain_files_each()
    {
        IndexedSet study = new(), plain = new() { Kind = Format.Packs.SetKind.Folder };
        for (int i = 0; i < 150; i++)
        {
            study.Add(new IndexedFile(Uid.Parse("1.2"), null, $"/a/{i}.dcm", null));
            plain.Add(new IndexedFile(Uid.Parse("1.2"), Format.Packs.SetKind.Folder, $"/a/{i}.jpg", null));
        }

        Assert.Equal((IndexedSet.MostNames, 150), (study.Files.Count, plain.Files.Count));
        Assert.False(study.Add(new IndexedFile(Uid.Parse("1.2"), null, "/a/149.dcm", null)));
        Assert.True(study.Add(new IndexedFile(Uid.Parse("1.2"), null, "/b/149.dcm", null)));
    }

    private static byte[] Known()
    {
        IndexedSet set = new();
        DicomText Text(string text) => new(Encoding.UTF8.GetBytes(text), "ISO_IR 192");
        set.Add(new IndexedFile(Uid.Parse("1.2"), null, Path.Combine(Path.GetTempPath(), "scans", "Łódź Straße", "0001.dcm"), new DicomHeader(
            "1.2.840.10008.1.2.1", "1.2.3", "1.2.4", "1.2", null, "20260311", "IO", Text("ACC-7"), Text("P-1001"), Text("Lindqvist^Anna=山田=ヤマダ^Иванов"), Text("1980.03.01"), true, true)
        {
            StudyDescription = Text("Zahnfilm Dr. Müller"),
        }));
        byte[] content = set.Serialize();
        return content[..content.AsSpan().IndexOf((byte)0)];
    }
}
