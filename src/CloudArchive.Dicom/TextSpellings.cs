using System.Text;

namespace CloudArchive.Dicom;

/// <summary>
/// How files write a text that a person typed. A file whose bytes are in another encoding than it declares is common; its text cannot be known from
/// the file alone, but whoever knows the text can try the encodings.
/// </summary>
public static class TextSpellings
{
    /// <summary>ISO 8859, Windows, DOS and Mac code pages, and the multi-byte ones of China, Japan, Korea and Taiwan. UTF-8 comes first, by itself.</summary>
    private static readonly int[] s_pages =
    [
        28591, 28592, 28593, 28594, 28595, 28596, 28597, 28598, 28599, 28605,
        1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258, 874,
        437, 850, 852, 866, 10000, 20866,
        932, 936, 949, 950, 20932, 51949, 54936,
    ];

    /// <summary>Terms of Specific Character Set whose decoders differ in what they leave unexplained.</summary>
    private static readonly string[] s_declared =
    [
        "", "ISO_IR 192", "GB18030", "GBK", "ISO_IR 13", "ISO 2022 IR 149", "ISO 2022 IR 58", "ISO_IR 166",
        "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 126", "ISO_IR 127", "ISO_IR 138", "ISO_IR 144", "ISO_IR 148",
    ];

    /// <summary>The text in every encoding that can write it, each once; UTF-8 first.</summary>
    public static IReadOnlyList<byte[]> Of(string text)
    {
        List<byte[]> found = [Encoding.UTF8.GetBytes(text)];
        if (Ascii.IsValid(text))
        {
            return found; // the same in all
        }

        foreach (int page in s_pages)
        {
            if (CharacterSets.TryEncode(text, page) is { } bytes && !found.Any(one => one.AsSpan().SequenceEqual(bytes)))
            {
                found.Add(bytes);
            }
        }

        return found;
    }

    /// <summary>
    /// What decoding those under a character set that does not explain them gives: texts with U+FFFD, which other texts share.
    /// </summary>
    public static IReadOnlyList<string> MisreadOf(string text) =>
        [.. Of(text).SelectMany(bytes => s_declared.Select(declared => CharacterSets.Decode(bytes, declared))).Where(read => read.Contains(CharacterSets.Unexplained)).Distinct()];
}
