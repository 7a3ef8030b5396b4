using System.Text;

namespace CloudArchive.Dicom;

/// <summary>
/// Text in the character sets of PS3.3 C.12.1.1.2: single-byte ones, those with code extensions (ISO 2022, PS3.5 §6.1.2.5), and UTF-8,
/// GB18030 and GBK, which stand alone.
/// </summary>
internal static class CharacterSets
{
    /// <summary>What stands for bytes that their character set does not explain.</summary>
    public const char Unexplained = '\uFFFD';

    private const byte Escape = 0x1B;
    private const int Ascii = 20127;
    private const int JisX0201 = 0;
    private const int JisX0208 = 20932;
    private const int JisX0212 = 1;
    private const int KsX1001 = 51949;
    private const int Gb2312 = 936;

    private static readonly DecoderFallback s_replace = new DecoderReplacementFallback("\uFFFD");

    // Code pages come with .NET but have to be asked for; registering them would change Encoding for the whole process.
    private static Encoding Page(int page) => Page(page, EncoderFallback.ReplacementFallback);

    private static Encoding Page(int page, EncoderFallback unwritable) =>
        CodePagesEncodingProvider.Instance.GetEncoding(page, unwritable, s_replace) ?? Encoding.GetEncoding(page, unwritable, s_replace);

    /// <summary>The bytes of a text in a code page; null where that cannot write it.</summary>
    public static byte[]? TryEncode(string text, int page)
    {
        try
        {
            return Page(page, EncoderFallback.ExceptionFallback).GetBytes(text);
        }
        catch (EncoderFallbackException)
        {
            return null;
        }
    }

    public static string Decode(ReadOnlySpan<byte> bytes, string characterSet)
    {
        string first = characterSet.Split('\\')[0].Trim(' ', '\0');
        switch (first)
        {
            case "ISO_IR 192":
                return Encoding.UTF8.GetString(bytes);
            case "GB18030":
                return Page(54936).GetString(bytes);
            case "GBK":
                return Page(Gb2312).GetString(bytes);
            default:
                int g1 = SetOf(first);
                return bytes.Contains(Escape) || g1 is JisX0201 or KsX1001 or Gb2312 ? DecodeExtended(bytes, g1) : Page(g1).GetString(bytes);
        }
    }

    /// <summary>The set that a defined term puts into G1. Sets of G0 alone, and terms that nobody defined, leave it empty: ASCII.</summary>
    private static int SetOf(string term) => term.Replace("ISO 2022 IR ", "", StringComparison.Ordinal).Replace("ISO_IR ", "", StringComparison.Ordinal) switch
    {
        "13" => JisX0201,
        "58" => Gb2312,
        "100" => 28591,
        "101" => 28592,
        "109" => 28593,
        "110" => 28594,
        "126" => 28597,
        "127" => 28596,
        "138" => 28598,
        "144" => 28595,
        "148" => 28599,
        "149" => KsX1001,
        "166" => 874,
        "203" => 28605,
        _ => Ascii,
    };

    private static string DecodeExtended(ReadOnlySpan<byte> bytes, int initialG1)
    {
        StringBuilder text = new();
        (int g0, int g1) = (Ascii, initialG1);
        while (!bytes.IsEmpty)
        {
            int used = bytes[0] == Escape ? Designate(bytes, ref g0, ref g1) : 0;
            if (used == 0)
            {
                // Sets are back to the first ones after a delimiter (PS3.5 §6.1.2.5.3). Inside two-byte sets of G0 these bytes are halves of characters.
                if (g0 == Ascii && bytes[0] is (byte)'^' or (byte)'=' or (byte)'\\' or (byte)'\r' or (byte)'\n' or (byte)'\f')
                {
                    g1 = initialG1;
                }

                used = Append(text, bytes, bytes[0] < 0x80 ? g0 : g1);
            }

            bytes = bytes[used..];
        }

        return text.ToString();
    }

    /// <summary>The length of the escape sequence at the start, or 0 where it is none that DICOM knows.</summary>
    private static int Designate(ReadOnlySpan<byte> bytes, ref int g0, ref int g1)
    {
        if (bytes.StartsWith("\u001B$(D"u8))
        {
            g0 = JisX0212;
            return 4;
        }

        if (bytes.StartsWith("\u001B$)C"u8) || bytes.StartsWith("\u001B$)A"u8))
        {
            g1 = bytes[3] == (byte)'C' ? KsX1001 : Gb2312;
            return 4;
        }

        if (bytes.Length < 3)
        {
            return 0;
        }

        (int? newG0, int? newG1) = ((char)bytes[1], (char)bytes[2]) switch
        {
            ('(', 'B') => (Ascii, null),
            ('(', 'J') => (Ascii, null),
            ('$', 'B') => (JisX0208, (int?)null),
            (')', 'I') => (null, JisX0201),
            ('-', 'A') => (null, 28591),
            ('-', 'B') => (null, 28592),
            ('-', 'C') => (null, 28593),
            ('-', 'D') => (null, 28594),
            ('-', 'F') => (null, 28597),
            ('-', 'G') => (null, 28596),
            ('-', 'H') => (null, 28598),
            ('-', 'L') => (null, 28595),
            ('-', 'M') => (null, 28599),
            ('-', 'T') => (null, 874),
            ('-', 'b') => (null, 28605),
            _ => ((int?)null, (int?)null),
        };
        g0 = newG0 ?? g0;
        g1 = newG1 ?? g1;
        return newG0 is null && newG1 is null ? 0 : 3;
    }

    /// <summary>Appends the character at the start, which is in <paramref name="set"/>, and returns its length.</summary>
    private static int Append(StringBuilder text, ReadOnlySpan<byte> bytes, int set)
    {
        byte first = bytes[0];
        bool pair = set is JisX0208 or JisX0212 or KsX1001 or Gb2312 && bytes.Length > 1 && (first & 0x7F) is >= 0x21 and <= 0x7E && (bytes[1] & 0x7F) is >= 0x21 and <= 0x7E
            && ((first ^ bytes[1]) & 0x80) == 0; // halves of one set: else two texts would become one
        if (!pair)
        {
            // Half-width katakana stand in one row; below 0x80 everything that is left is ASCII, or near enough (yen sign, overline).
            text.Append(first < 0x80 ? ((char)first).ToString()
                : set == JisX0201 ? (first is >= 0xA1 and <= 0xDF ? (char)(0xFF61 + first - 0xA1) : '\uFFFD').ToString()
                : set is JisX0208 or JisX0212 or KsX1001 or Gb2312 ? "\uFFFD" : Page(set).GetString(bytes[..1]));
            return 1;
        }

        text.Append(set switch
        {
            // All go by their EUC form; JIS X 0212 shares a code page with 0208 and has the second byte's high bit off there.
            JisX0212 => Page(JisX0208).GetString([(byte)(first | 0x80), (byte)(bytes[1] & 0x7F)]),
            _ => Page(set).GetString([(byte)(first | 0x80), (byte)(bytes[1] | 0x80)]),
        });
        return 2;
    }
}
