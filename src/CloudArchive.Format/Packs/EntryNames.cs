using System.Text;

namespace CloudArchive.Format.Packs;

/// <summary>
/// The names of a pack's ZIP entries: safe to extract on Windows, macOS and Linux, and unique ignoring case. The manifest keeps each path
/// as it was found; what is restored to disk goes by the entry's name.
/// </summary>
public sealed class EntryNames
{
    private const int PartLength = 240; // bytes; file systems stop at 255
    private const int StemLength = 200; // leaves room for a number and an extension
    private const int LongestExtension = 16;
    private const char Substitute = '_';
    private static readonly HashSet<string> Reserved = new(ReservedNames(), StringComparer.OrdinalIgnoreCase);

    private readonly HashSet<string> _files = new(StringComparer.OrdinalIgnoreCase) { Manifest.EntryName };
    private readonly HashSet<string> _folders = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The entry name for a path with '/' between its parts: as a rule the path itself.</summary>
    public string Add(string path)
    {
        string[] parts = [.. path.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(SafePart)];
        if (parts.Length == 0)
        {
            parts = [Substitute.ToString()];
        }

        // Room for a suffix on every part; a path beyond that loses its folders.
        if (parts.Sum(part => Encoding.UTF8.GetByteCount(part) + 8) > PackLimits.EntryNameLength)
        {
            parts = [parts[^1]];
        }

        string folder = "";
        foreach (string part in parts[..^1])
        {
            folder += FirstFree(part, candidate => !_files.Contains(folder + candidate));
            _folders.Add(folder);
            folder += '/';
        }

        string name = folder + FirstFree(parts[^1], candidate => !_files.Contains(folder + candidate) && !_folders.Contains(folder + candidate));
        _files.Add(name);
        return name;
    }

    /// <summary>Takes a name as it is. False: it is not safe, or meets one that was taken before.</summary>
    public bool TryReserve(string name)
    {
        string[] parts = name.Split('/');
        if (Encoding.UTF8.GetByteCount(name) > PackLimits.EntryNameLength || parts.Any(part => part.Length == 0 || part != SafePart(part)) || _folders.Contains(name))
        {
            return false;
        }

        string folder = "";
        foreach (string part in parts[..^1])
        {
            folder += part;
            if (_files.Contains(folder))
            {
                return false;
            }

            _folders.Add(folder);
            folder += '/';
        }

        return _files.Add(name);
    }

    /// <summary>A name that every file system takes for a name: no separator, drive, wildcard, control character, device, "." or "..".</summary>
    private static string SafePart(string part)
    {
        StringBuilder safe = new(part.Length);
        foreach (Rune rune in part.EnumerateRunes())
        {
            bool bad = Rune.IsControl(rune) || rune == Rune.ReplacementChar || (rune.IsAscii && "\"*:<>?\\|".Contains((char)rune.Value));
            safe.Append(bad ? Substitute.ToString() : rune.ToString());
        }

        if (Reserved.Contains(safe.ToString().Split('.')[0].TrimEnd(' ')))
        {
            safe.Insert(0, Substitute);
        }

        string cut = Cut(safe.ToString(), PartLength);
        return cut[^1] is '.' or ' ' ? cut[..^1] + Substitute : cut; // Windows drops dots and spaces at the end
    }

    private static string FirstFree(string part, Func<string, bool> isFree)
    {
        string candidate = part;
        for (int n = 2; !isFree(candidate); n++)
        {
            string extension = Path.GetExtension(part) is { Length: <= LongestExtension } e ? e : "";
            candidate = $"{Cut(part[..^extension.Length], StemLength)}~{n}{extension}";
        }

        return candidate;
    }

    /// <summary>The longest start of a text that has at most so many bytes and ends with a whole character.</summary>
    private static string Cut(string text, int bytes)
    {
        int length = 0;
        StringBuilder start = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            length += rune.Utf8SequenceLength;
            if (length > bytes)
            {
                break;
            }

            start.Append(rune.ToString());
        }

        return start.ToString();
    }

    private static IEnumerable<string> ReservedNames()
    {
        // https://learn.microsoft.com/windows/win32/fileio/naming-a-file: the superscripts count as digits.
        foreach (char digit in "0123456789¹²³")
        {
            yield return "COM" + digit;
            yield return "LPT" + digit;
        }

        foreach (string name in (string[])["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"])
        {
            yield return name;
        }
    }
}
