using System.Text;

namespace CloudArchive.Dicom.Tests;

/// <summary>The names are the examples of PS3.5 annexes H to K, and one for each other character set of PS3.3 C.12.1.1.2.</summary>
public sealed class CharacterSetTests
{
    [Theory]
    [InlineData("", "446F655E4A6F686E", "Doe^John")]
    [InlineData("ISO_IR 6", "446F655E4A6F686E", "Doe^John")]
    [InlineData("ISO_IR 100", "C46E6561735E52FC6469676572", "Äneas^Rüdiger")]
    [InlineData("ISO_IR 101", "5761B3EA7361", "Wałęsa")]
    [InlineData("ISO_IR 109", "616E7461FD6E6F6D6F", "antaŭnomo")]
    [InlineData("ISO_IR 110", "76E0726473", "vārds")]
    [InlineData("ISO_IR 144", "BBEEDA6365DCD179D3", "Люкceмбyг")]
    [InlineData("ISO_IR 127", "E2C8C7E6EA5EE4E6D2C7D1", "قباني^لنزار")]
    [InlineData("ISO_IR 126", "C4E9EFEDF5F3E9EFF2", "Διονυσιος")]
    [InlineData("ISO_IR 138", "F9F8E5EF5EE3E1E5F8E4", "שרון^דבורה")]
    [InlineData("ISO_IR 148", "C7617675FE6FF06C75", "Çavuşoğlu")]
    [InlineData("ISO_IR 166", "B9D2C1CAA1D8C5", "นามสกุล")]
    [InlineData("ISO_IR 203", "A4BD", "€œ")]
    [InlineData("ISO_IR 13", "D4CFC0DE5EC0DBB3", "ﾔﾏﾀﾞ^ﾀﾛｳ")]
    [InlineData("ISO_IR 192", "57616E675E5869616F446F6E673DE78E8B5EE5B08FE69DB1", "Wang^XiaoDong=王^小東")]
    [InlineData("GB18030", "57616E675E5869616F446F6E673DCDF55ED0A1B6AB", "Wang^XiaoDong=王^小东")]
    [InlineData("GBK", "CDF55ED0A1B6AB", "王^小东")]
    [InlineData("\\ISO 2022 IR 87", "1B24422464245E2440 1B28425E1B2442243F246D24261B2842", "やまだ^たろう")]
    [InlineData("ISO 2022 IR 13\\ISO 2022 IR 87", "D4CFC0DE5EC0DBB33D1B24423B3345441B284A5E1B24424240 4F3A1B284A", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎")]
    [InlineData("\\ISO 2022 IR 87\\ISO 2022 IR 159", "1B242844 6D21 1B2842", "黸")]
    [InlineData("\\ISO 2022 IR 149", "486F6E675E47696C646F6E673D1B242943FBF35E1B242943D1CED4D73D1B242943C8AB5E1B242943B1E6B5BF", "Hong^Gildong=洪^吉洞=홍^길동")]
    [InlineData("\\ISO 2022 IR 58", "5A68616E675E5869616F446F6E673D1B242941D5C55E1B242941D0A1B6AB3D", "Zhang^XiaoDong=张^小东=")]
    [InlineData("ISO 2022 IR 100\\ISO 2022 IR 144", "E9 1B2D4C BBEE 5E E9", "éЛю^é")]
    public void A_name_is_decoded_as_its_character_set_has_it(string characterSet, string hex, string expected)
    {
        DicomText name = new(Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)), characterSet);

        Assert.Equal(expected, name.Decode());
    }

    [Theory]
    [InlineData("", "C4")]
    [InlineData("ISO_IR 192", "C3")]
    [InlineData("NOBODY'S SET", "C4")]
    [InlineData("\\ISO 2022 IR 149", "1B242943FB")]
    public void What_a_character_set_does_not_explain_is_a_replacement_character(string characterSet, string hex)
    {
        Assert.Contains('\uFFFD', new DicomText(Convert.FromHexString(hex), characterSet).Decode());
    }

    [Fact]
    public void Nothing_that_is_decoded_throws()
    {
        Random random = new(7);
        string[] sets = ["", "ISO_IR 100", "ISO_IR 192", "GB18030", "GBK", "ISO_IR 13", "\\ISO 2022 IR 87\\ISO 2022 IR 159", "\\ISO 2022 IR 149", "ISO 2022 IR 58", "\\\\", "???"];
        string[] escapes = ["\u001B", "\u001B$B", "\u001B$(D", "\u001B$)C", "\u001B$)A", "\u001B(J", "\u001B)I", "\u001B-L", "\u001B(B", "^", "="];
        for (int i = 0; i < 20_000; i++)
        {
            List<byte> bytes = [];
            while (random.Next(6) != 0)
            {
                byte[] noise = new byte[random.Next(5)];
                random.NextBytes(noise);
                bytes.AddRange(Encoding.ASCII.GetBytes(escapes[random.Next(escapes.Length)]));
                bytes.AddRange(noise);
            }

            Assert.NotNull(new DicomText([.. bytes], sets[random.Next(sets.Length)]).Decode());
        }
    }

    [Fact]
    public void Texts_are_equal_by_bytes_and_character_set()
    {
        DicomText text = new("A"u8.ToArray(), "ISO_IR 100");

        Assert.Equal(new DicomText("A"u8.ToArray(), "ISO_IR 100"), text);
        Assert.NotEqual(new DicomText("A"u8.ToArray(), ""), text);
        Assert.NotEqual(new DicomText("B"u8.ToArray(), "ISO_IR 100"), text);
        Assert.Equal("", default(DicomText).Decode());
        Assert.Equal("**redacted**", $"{text}");
    }
}
