namespace CloudArchive.Dicom;

/// <summary>
/// What the archive catalogues of a file. Values are trimmed of padding, and null where they are absent, empty or not valid.
/// <see cref="ToString"/> gives identifiers only.
/// </summary>
/// <param name="TransferSyntaxUid">(0002,0010), or what the data set was seen to be in where there is none.</param>
/// <param name="SopInstanceUid">(0008,0018), else (0002,0003).</param>
/// <param name="SopClassUid">(0008,0016), else (0002,0002).</param>
/// <param name="StudyInstanceUid">(0020,000D).</param>
/// <param name="SeriesInstanceUid">(0020,000E).</param>
/// <param name="StudyDate">(0008,0020), <c>yyyyMMdd</c>.</param>
/// <param name="Modality">(0008,0060).</param>
/// <param name="AccessionNumber">(0008,0050).</param>
/// <param name="PatientId">(0010,0020).</param>
/// <param name="PatientName">(0010,0010).</param>
/// <param name="PatientBirthDate">(0010,0030).</param>
/// <param name="HasPreamble">128 bytes and <c>DICM</c> come first.</param>
/// <param name="HasMetaHeader">There is a group 0002.</param>
/// <param name="Damage">What ended the reading early, where study and instance were known by then: the file can be kept, and is damaged.</param>
public sealed record DicomHeader(
    string TransferSyntaxUid,
    string? SopInstanceUid,
    string? SopClassUid,
    string? StudyInstanceUid,
    string? SeriesInstanceUid,
    string? StudyDate,
    string? Modality,
    DicomText? AccessionNumber,
    DicomText? PatientId,
    DicomText? PatientName,
    DicomText? PatientBirthDate,
    bool HasPreamble,
    bool HasMetaHeader,
    DicomFault? Damage = null)
{
    /// <summary>(0008,1030).</summary>
    public DicomText? StudyDescription { get; init; }

    /// <summary>(0008,103E).</summary>
    public DicomText? SeriesDescription { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"DicomHeader {{ SopInstanceUid = {SopInstanceUid}, TransferSyntaxUid = {TransferSyntaxUid} }}";
}

/// <summary>What a walk over a whole file found.</summary>
/// <param name="Header">What the archive catalogues.</param>
/// <param name="Length">Bytes of the file, to its end.</param>
/// <param name="DataSetLength">Bytes of the data set; of the inflated one where it is deflated.</param>
/// <param name="Elements">Elements on every level, without group 0002, items and delimiters.</param>
/// <param name="Sequences">Sequences on every level.</param>
/// <param name="Items">Items on every level, without fragments.</param>
/// <param name="Depth">The deepest nesting: 0 without sequences.</param>
/// <param name="Frames">Frames of the pixel data as (0028,0008) declares them, 1 where it does not; 0 without pixel data.</param>
/// <param name="Fragments">Fragments of encapsulated pixel data, without the offset table.</param>
/// <param name="PixelDataLength">Bytes of (7FE0,0010), (7FE0,0008) or (7FE0,0009): of all fragments, where it is encapsulated.</param>
/// <param name="Oddities">What was tolerated: the first <see cref="DicomReader.MaxOddities"/>.</param>
/// <param name="OddityCount">How many there were.</param>
public sealed record DicomSummary(
    DicomHeader Header,
    long Length,
    long DataSetLength,
    long Elements,
    long Sequences,
    long Items,
    int Depth,
    long Frames,
    long Fragments,
    long PixelDataLength,
    IReadOnlyList<DicomOddity> Oddities,
    long OddityCount);

/// <summary>Something that the standard does not allow and that does not keep the file from being read.</summary>
/// <param name="Kind">What.</param>
/// <param name="Tag">The element, as group and element number; 0 where it is about no element.</param>
/// <param name="Offset">Where, counted as in <see cref="DicomException.Offset"/>.</param>
public readonly record struct DicomOddity(DicomOddityKind Kind, uint Tag, long Offset);

/// <summary>What is tolerated. docs/dicom.md says what each one looks like in the field.</summary>
public enum DicomOddityKind
{
    /// <summary>No 128 bytes and <c>DICM</c> before the meta header or data set.</summary>
    NoPreamble,

    /// <summary>One padding byte before a data set that begins without preamble: a header cut off one byte early.</summary>
    StrayFirstByte,

    /// <summary>No group 0002.</summary>
    NoMetaHeader,

    /// <summary>(0002,0000) is absent or not the length of group 0002.</summary>
    MetaGroupLength,

    /// <summary>Group 0002 is not in explicit VR little endian.</summary>
    MetaEncoding,

    /// <summary>Class or instance in the meta header are not those of the data set.</summary>
    MetaDiffers,

    /// <summary>No (0002,0010); the encoding was recognised.</summary>
    NoTransferSyntax,

    /// <summary>A transfer syntax that this reader does not know; read as explicit VR little endian, as all of the compressed ones are.</summary>
    UnknownTransferSyntax,

    /// <summary>The data set is in another encoding than its transfer syntax says.</summary>
    EncodingDiffers,

    /// <summary>An item in implicit VR in a data set in explicit VR.</summary>
    ImplicitItem,

    /// <summary>Two capital letters that are no VR; read with a 32-bit length (PS3.5 §7.1.2).</summary>
    UnknownVr,

    /// <summary>A value of odd length.</summary>
    OddLength,

    /// <summary>Tags that do not ascend, or one twice.</summary>
    TagOrder,

    /// <summary>A delimiter in what has a defined length.</summary>
    StrayDelimiter,

    /// <summary>A delimiter with a length.</summary>
    DelimiterLength,

    /// <summary>A private value that begins as a sequence in implicit VR would, and is none; its own length holds.</summary>
    OpaqueValue,

    /// <summary>A value that the catalogue wants is too long or not of its kind; it is left out.</summary>
    InvalidValue,

    /// <summary>Rows (0028,0010) without pixel data.</summary>
    NoPixelData,

    /// <summary>Native pixel data is not as long as rows, columns, samples, bits and frames make it.</summary>
    PixelDataLength,

    /// <summary>Zeros after the data set.</summary>
    TrailingPadding,
}
