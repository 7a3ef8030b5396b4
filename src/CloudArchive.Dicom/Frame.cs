namespace CloudArchive.Dicom;

/// <summary>What a walk wants next of whoever feeds it.</summary>
/// <param name="Kind">Fill: at least <see cref="Count"/> bytes at hand, or the end. Skip: <see cref="Count"/> bytes gone. Done: nothing.</param>
internal readonly record struct Step(StepKind Kind, long Count = 0);

internal enum StepKind
{
    Continue,
    Fill,
    Skip,
    Done,
}

/// <summary>How far a walk goes.</summary>
internal enum WalkKind
{
    /// <summary>To the last of what the catalogue wants, without a look into sequences of defined length.</summary>
    Header,

    /// <summary>To the pixel data of the outermost level, or the end.</summary>
    ToPixelData,

    /// <summary>To the end.</summary>
    Whole,
}

internal enum FrameKind : byte
{
    Root,
    Sequence,
    Item,
    Fragments,
}

/// <summary>Something open. Its limit is where it must end; with an undefined length, where what encloses it must end.</summary>
internal struct Frame
{
    public FrameKind Kind;
    public bool Undefined;
    public bool IsGuess;
    public bool IsPixelData;
    public bool HasOffsetTable;
    public DataSetEncoding Encoding;
    public uint Tag;
    public uint LastTag;
    public long Limit;
}
