using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace CloudArchive.Format;

/// <summary>
/// A one-time code that enrolls one agent: 128 random bits in Crockford's base 32, grouped for people who type it. The archive keeps its
/// hash alone. <see cref="Reveal"/> gives the one spelling, under which <see cref="IdentifierSecret.SealUnder"/> seals.
/// </summary>
public sealed class EnrollmentCode
{
    private const string Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    private const int Characters = 26; // 130 bits: the last character carries three
    private const int Group = 5;
    private readonly byte[] _bits;

    private EnrollmentCode(byte[] bits) => _bits = bits;

    /// <summary>SHA-256 of the 16 bytes: as many bits as these have, a plain hash cannot be searched.</summary>
    public Sha256Digest Hash => Sha256Digest.Of(_bits);

    /// <summary>A new code.</summary>
    public static EnrollmentCode Create() => new(RandomNumberGenerator.GetBytes(16));

    /// <summary>Reads what a person typed: in any case, with or without dashes and spaces, with O for 0 and I or L for 1.</summary>
    public static bool TryParse(string? typed, [NotNullWhen(true)] out EnrollmentCode? code)
    {
        code = null;
        if (typed is not { Length: <= 100 })
        {
            return false;
        }

        UInt128 value = 0;
        int read = 0;
        foreach (char c in typed.ToUpperInvariant().Where(c => c is not ('-' or ' ')))
        {
            int digit = Alphabet.IndexOf(c switch { 'O' => '0', 'I' or 'L' => '1', _ => c }, StringComparison.Ordinal);
            bool last = ++read == Characters;
            if (digit < 0 || read > Characters || (last && (digit & 3) != 0))
            {
                return false;
            }

            value = last ? (value << 3) | (uint)(digit >> 2) : (value << 5) | (uint)digit;
        }

        if (read != Characters)
        {
            return false;
        }

        byte[] bits = new byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bits, value);
        code = new EnrollmentCode(bits);
        return true;
    }

    /// <summary>The code's one spelling: upper case, in groups of five. To be shown once and never logged.</summary>
    public string Reveal()
    {
        UInt128 value = System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(_bits);
        char[] text = new char[Characters];
        text[^1] = Alphabet[(int)(value & 7) << 2];
        value >>= 3;
        for (int i = Characters - 2; i >= 0; i--)
        {
            text[i] = Alphabet[(int)(value & 31)];
            value >>= 5;
        }

        return string.Join('-', text.Chunk(Group).Select(group => new string(group)));
    }

    /// <inheritdoc/>
    public override string ToString() => "**redacted**";
}
