namespace CloudArchive.Dicom;

/// <summary>Why bytes are no readable DICOM file. docs/dicom.md says what each one looks like in the field.</summary>
public enum DicomFault
{
    /// <summary>Neither preamble and prefix, nor anything that a data set would start with.</summary>
    NotDicom,

    /// <summary>The file ends inside a header, a value, an item or a sequence, or before its data set.</summary>
    Truncated,

    /// <summary>A length reaches past the end of the item or sequence that it lies in.</summary>
    LengthPastEnd,

    /// <summary>More sequences inside sequences than <see cref="DicomReader.MaxNesting"/>.</summary>
    NestingTooDeep,

    /// <summary>Where an explicit VR must stand, there are no two capital letters.</summary>
    BadVr,

    /// <summary>An item, fragment or delimiter where none may be, or none where one must be.</summary>
    BadSequence,

    /// <summary>Group 0002 cannot be read.</summary>
    BadMetaHeader,

    /// <summary>The transfer syntax UID is none, or the data set is in no encoding that DICOM has.</summary>
    BadTransferSyntax,

    /// <summary>A deflated data set does not inflate, or inflates to more than <see cref="DicomReader.MaxInflatedLength"/>.</summary>
    BadDeflate,

    /// <summary>Zeros follow the data set, as padding does, and then something else.</summary>
    TrailingGarbage,
}

/// <summary>The bytes are no DICOM file, or a damaged one. The message names tags and offsets, never a value: values are PHI.</summary>
public sealed class DicomException : Exception
{
    internal DicomException(DicomFault fault, long offset, string message, Exception? inner = null)
        : base($"{message} (offset {offset})", inner)
    {
        Fault = fault;
        Offset = offset;
    }

    /// <summary>What is wrong.</summary>
    public DicomFault Fault { get; }

    /// <summary>Where, in bytes from where reading began; in a deflated data set, from the start of the inflated bytes.</summary>
    public long Offset { get; }
}
