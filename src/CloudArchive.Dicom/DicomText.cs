namespace CloudArchive.Dicom;

/// <summary>
/// A text value as it stands in the file, and the character set that the file declares for it. It is PHI: <see cref="ToString"/> does not
/// show it, and nothing decodes it that need not.
/// </summary>
public readonly struct DicomText : IEquatable<DicomText>
{
    private readonly byte[]? _bytes;

    /// <param name="bytes">The value without padding.</param>
    /// <param name="characterSet">Specific Character Set (0008,0005) as it stands, with '\' between its values; empty for the default repertoire.</param>
    public DicomText(byte[] bytes, string characterSet)
    {
        _bytes = bytes;
        CharacterSet = characterSet;
    }

    /// <summary>The value without padding, in the file's own bytes.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <summary>Specific Character Set (0008,0005) as it stands; empty for the default repertoire.</summary>
    public string CharacterSet { get; }

    /// <summary>The text. What its character set does not explain becomes U+FFFD; this never throws.</summary>
    public string Decode() => CharacterSets.Decode(_bytes, CharacterSet ?? "");

    /// <summary>The text, where its character set explains every byte of it.</summary>
    public bool TryDecode(out string text)
    {
        text = Decode();
        return !text.Contains(CharacterSets.Unexplained);
    }

    /// <inheritdoc/>
    public bool Equals(DicomText other) => Bytes.Span.SequenceEqual(other.Bytes.Span) && (CharacterSet ?? "") == (other.CharacterSet ?? "");

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is DicomText other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.AddBytes(Bytes.Span);
        return hash.ToHashCode();
    }

    /// <summary>"**redacted**": this is PHI.</summary>
    public override string ToString() => "**redacted**";

    public static bool operator ==(DicomText left, DicomText right) => left.Equals(right);

    public static bool operator !=(DicomText left, DicomText right) => !left.Equals(right);
}
