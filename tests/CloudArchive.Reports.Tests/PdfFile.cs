using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;

#pragma warning disable MA0009 // what is matched was made by the code under test, in this process

namespace CloudArchive.Reports.Tests;

/// <summary>A PDF's objects, read through its cross-reference table: a reader that knows nothing of the writer but ISO 32000-1.</summary>
internal sealed class PdfFile
{
    private readonly byte[] _bytes;
    private readonly string _text;
    private readonly Dictionary<int, int> _places = [];

    public PdfFile(byte[] bytes)
    {
        _bytes = bytes;
        _text = Encoding.Latin1.GetString(bytes);
        int table = int.Parse(Regex.Match(_text, @"startxref\n(\d+)\n%%EOF\n$").Groups[1].Value, CultureInfo.InvariantCulture);
        string[] lines = _text[table..].Split('\n');
        Assert.Equal("xref", lines[0]);
        int count = int.Parse(lines[1].Split(' ')[1], CultureInfo.InvariantCulture);
        for (int i = 1; i < count; i++)
        {
            Assert.Equal(19, lines[2 + i].Length);
            int at = _places[i] = int.Parse(lines[2 + i][..10], CultureInfo.InvariantCulture);
            Assert.StartsWith($"{i} 0 obj\n", _text[at..Math.Min(at + 20, _text.Length)], StringComparison.Ordinal);
        }

        Trailer = _text[_text.IndexOf("trailer", table, StringComparison.Ordinal)..];
    }

    public string Trailer { get; }

    public IEnumerable<int> Numbers => _places.Keys;

    /// <summary>What a dictionary's text says under a name, as text; null where it has no such name.</summary>
    public static string? Entry(string dictionary, string name) =>
        Regex.Match(dictionary, $@"/{name}(?![A-Za-z0-9])\s*(<[0-9A-F]+>|/[A-Za-z0-9+_-]+|\d+ 0 R|\[[^\]]*\]|-?[\d.]+|true|\([^)]*\))") is { Success: true } found ? found.Groups[1].Value : null;

    public static int Reference(string text) => int.Parse(text.Split(' ')[0], CultureInfo.InvariantCulture);

    public static string String(string hex) => Encoding.BigEndianUnicode.GetString(Convert.FromHexString(hex.Trim('<', '>')))[1..];

    /// <summary>An object without its stream.</summary>
    public string Object(int number)
    {
        string text = _text[_places[number].._text.IndexOf("\nendobj\n", _places[number], StringComparison.Ordinal)];
        int stream = text.IndexOf("\nstream\n", StringComparison.Ordinal);
        return stream < 0 ? text : text[..stream];
    }

    public string Object(string dictionary, string name) => Object(Reference(Entry(dictionary, name) ?? throw new InvalidDataException($"There is no {name} in {dictionary}.")));

    public byte[] Stream(int number)
    {
        string head = Object(number);
        int from = _places[number] + head.Length + "\nstream\n".Length;
        byte[] raw = _bytes[from..(from + int.Parse(Entry(head, "Length")!, CultureInfo.InvariantCulture))];
        Assert.StartsWith("\nendstream", _text[(from + raw.Length)..Math.Min(from + raw.Length + 20, _text.Length)], StringComparison.Ordinal);
        if (Entry(head, "Filter") is null)
        {
            return raw;
        }

        using ZLibStream inflate = new(new MemoryStream(raw), CompressionMode.Decompress);
        using MemoryStream content = new();
        inflate.CopyTo(content);
        return content.ToArray();
    }

    /// <summary>The pages, in order.</summary>
    public int[] Pages() =>
        [.. Regex.Matches(Entry(Object(Object(Trailer, "Root"), "Pages"), "Kids")!, @"(\d+) 0 R").Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture))];
}
