using System.Buffers.Binary;

namespace CloudArchive.Dicom;

/// <summary>What comes before the data set (PS3.10 §7.1): preamble, prefix, meta header. Any of it may be missing in the field.</summary>
internal static class FileStart
{
    private const int PreambleLength = 128;
    private const int SniffLength = 1024;

    /// <summary>What a file starts with, after <paramref name="Skip"/> bytes that say nothing more.</summary>
    public readonly record struct Start(int Skip, bool HasPrefix, DicomOddityKind? Oddity);

    /// <summary>Null where the bytes are no start of a DICOM file.</summary>
    public static Start? Recognise(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length >= PreambleLength + 4 && bytes.Slice(PreambleLength, 4).SequenceEqual("DICM"u8))
        {
            return new(PreambleLength + 4, true, null);
        }

        if (bytes.StartsWith("DICM"u8))
        {
            return new(4, true, DicomOddityKind.NoPreamble);
        }

        if (MetaEncodingOf(bytes) is not null || Sniff(bytes) is not null)
        {
            return new(0, false, DicomOddityKind.NoPreamble);
        }

        // A meta header cut off one byte early leaves the padding of its last value.
        return bytes.Length > 0 && bytes[0] is 0 or (byte)' ' && Sniff(bytes[1..]) is not null
            ? new(1, false, DicomOddityKind.StrayFirstByte)
            : null;
    }

    /// <summary>Consumes what comes before the data set, and notes what it says.</summary>
    public static async ValueTask ReadAsync(DicomWindow window, Findings findings, CancellationToken cancellationToken)
    {
        await window.FillAsync(SniffLength, cancellationToken);
        Start start = Recognise(window.Bytes) ?? throw new DicomException(DicomFault.NotDicom, 0, "Neither preamble and prefix nor the start of a data set.");
        findings.HasPreamble = start.Skip == PreambleLength + 4;
        if (start.Oddity is { } oddity)
        {
            findings.Odd(oddity, 0, 0);
        }

        window.Consume(start.Skip);
        if (MetaEncodingOf(window.Bytes) is { } encoding)
        {
            await ReadMetaAsync(window, findings, encoding, cancellationToken);
        }
        else if (start.HasPrefix && window.Bytes.Length < 8)
        {
            throw new DicomException(DicomFault.Truncated, window.Position, "The file ends before its meta header.");
        }
        else
        {
            findings.Odd(DicomOddityKind.NoMetaHeader, 0, window.Position);
        }
    }

    /// <summary>What the data set is encoded in: what its transfer syntax says, unless its first element plainly says something else.</summary>
    public static async ValueTask<DataSetEncoding> ResolveEncodingAsync(DicomWindow window, Findings findings, CancellationToken cancellationToken)
    {
        if (!await window.FillAsync(8, cancellationToken))
        {
            throw new DicomException(DicomFault.Truncated, window.Position, "The file ends before its data set.");
        }

        await window.FillAsync(SniffLength, cancellationToken);
        if (findings.TransferSyntax is not { } syntax)
        {
            if (findings.HasMetaHeader)
            {
                findings.Odd(DicomOddityKind.NoTransferSyntax, 0x0002_0010, window.Position);
            }

            // Behind a meta header this is DICOM for certain, and may begin with any group.
            DataSetEncoding encoding = Sniff(window.Bytes) ?? (findings.HasMetaHeader ? Sniff(window.Bytes, anyGroup: true) : null) ?? throw new DicomException(DicomFault.BadTransferSyntax, window.Position, "No transfer syntax, and no encoding that the data set would be in.");
            findings.TransferSyntax = encoding.Uid;
            return encoding;
        }

        if (!TransferSyntaxes.IsKnown(syntax))
        {
            findings.Odd(DicomOddityKind.UnknownTransferSyntax, 0x0002_0010, window.Position);
        }

        DataSetEncoding declared = TransferSyntaxes.EncodingOf(syntax);
        if (Sniff(window.Bytes) is { } other && other != declared)
        {
            findings.Odd(DicomOddityKind.EncodingDiffers, 0x0002_0010, window.Position);
            return other;
        }

        return declared;
    }

    private static async ValueTask ReadMetaAsync(DicomWindow window, Findings findings, DataSetEncoding encoding, CancellationToken cancellationToken)
    {
        findings.HasMetaHeader = true;
        if (encoding != DataSetEncoding.ExplicitLittle)
        {
            findings.Odd(DicomOddityKind.MetaEncoding, 0, window.Position);
        }

        long start = window.Position;
        long afterGroupLength = start;
        // The group ends where another begins: (0002,0000) is too often wrong to be believed.
        while (true)
        {
            if (!await window.FillAsync(8, cancellationToken))
            {
                throw new DicomException(DicomFault.Truncated, window.Position, "The file ends before its data set.");
            }

            if (encoding.ReadUInt16(window.Bytes) != 2)
            {
                break;
            }

            long at = window.Position;
            int needed = ElementHeader.Read(window.Bytes, encoding, out ElementHeader header);
            if (needed > 0 && await window.FillAsync(needed, cancellationToken))
            {
                needed = ElementHeader.Read(window.Bytes, encoding, out header);
            }

            if (needed != 0)
            {
                throw needed > 0
                    ? new DicomException(DicomFault.Truncated, at, "The file ends inside its meta header.")
                    : new DicomException(DicomFault.BadMetaHeader, at, $"{ElementHeader.Name(header.Tag)} has no VR.");
            }

            if (header.IsUndefinedLength)
            {
                throw new DicomException(DicomFault.BadMetaHeader, at, $"{ElementHeader.Name(header.Tag)} has an undefined length.");
            }

            window.Consume(header.Size);
            bool wanted = Findings.Wants(header.Tag) && header.Length <= Findings.MaxKeptLength;
            if (wanted && await window.FillAsync((int)header.Length, cancellationToken))
            {
                findings.Take(header.Tag, window.Bytes[..(int)header.Length], encoding, at);
            }

            if (!await window.SkipAsync(header.Length, cancellationToken))
            {
                throw new DicomException(DicomFault.Truncated, at, $"{ElementHeader.Name(header.Tag)} has {header.Length} bytes, the file ends before them.");
            }

            afterGroupLength = header.Tag == 0x0002_0000 ? window.Position : afterGroupLength;
        }

        if (findings.MetaLength != window.Position - afterGroupLength)
        {
            findings.Odd(DicomOddityKind.MetaGroupLength, 0x0002_0000, start);
        }
    }

    /// <summary>How group 0002 is encoded, or null where the bytes do not start with it.</summary>
    private static DataSetEncoding? MetaEncodingOf(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 8)
        {
            return null;
        }

        bool letters = Vr.IsWellFormed(bytes[4..]);
        return (bytes[0], bytes[1]) switch
        {
            (2, 0) when letters => DataSetEncoding.ExplicitLittle,
            (0, 2) when letters => DataSetEncoding.ExplicitBig,
            // In implicit VR nothing but its few tags tells group 0002 from noise: the first is its length or its version.
            (2, 0) when bytes[3] == 0 && bytes[2] <= 0x10 && BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]) <= 64 => DataSetEncoding.ImplicitLittle,
            _ => null,
        };
    }

    /// <summary>
    /// The encoding of a data set that nothing announces, by its first element: group 0008, as every instance has it first, with a VR that
    /// exists, or in implicit VR a short value. The second element, where it is at hand, must be a plausible one too.
    /// </summary>
    private static DataSetEncoding? Sniff(ReadOnlySpan<byte> bytes, bool anyGroup = false)
    {
        foreach (DataSetEncoding encoding in (ReadOnlySpan<DataSetEncoding>)[DataSetEncoding.ExplicitLittle, DataSetEncoding.ExplicitBig, DataSetEncoding.ImplicitLittle])
        {
            if (IsPlausible(bytes, encoding, out ElementHeader first) && (anyGroup || first.Tag >> 16 == 8))
            {
                ReadOnlySpan<byte> rest = first.Length < bytes.Length - first.Size ? bytes[(first.Size + (int)first.Length)..] : [];
                if (rest.Length < ElementHeader.MaxSize || (IsPlausible(rest, encoding, out ElementHeader second) && second.Tag > first.Tag))
                {
                    return encoding;
                }
            }
        }

        return null;
    }

    private static bool IsPlausible(ReadOnlySpan<byte> bytes, DataSetEncoding encoding, out ElementHeader header)
    {
        header = default;
        return bytes.Length >= 8
            && ElementHeader.Read(bytes, encoding, out header) == 0
            && header.Tag >> 16 < 0x7FE1
            && (encoding.ExplicitVr ? Vr.IsKnown(header.Vr) : header.Length <= 0x0400 || header.IsUndefinedLength);
    }
}
