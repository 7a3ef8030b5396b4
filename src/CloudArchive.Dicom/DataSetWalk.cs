namespace CloudArchive.Dicom;

/// <summary>
/// Walks a data set (PS3.5 §7) in the bytes that a <see cref="DicomWindow"/> has at hand: a stack of what is open instead of recursion, so
/// that no file decides how deep the call stack gets. Every length is held against the limit of what encloses it.
/// </summary>
internal sealed class DataSetWalk
{
    private const long NoLimit = long.MaxValue;

    // Each abandoned guess costs an exception; a file that wants many of them has no sequences worth guessing.
    private const int MaxAbandoned = 100;

    private readonly DicomWindow _window;
    private readonly Findings _findings;
    private readonly WalkKind _kind;
    private Frame[] _stack = new Frame[8];
    private int _top;
    private int _depth;
    private int _abandoned;
    private bool _padding;

    public DataSetWalk(DicomWindow window, Findings findings, DataSetEncoding encoding, WalkKind kind)
    {
        (_window, _findings, _kind) = (window, findings, kind);
        _stack[0] = new Frame { Kind = FrameKind.Root, Limit = NoLimit, Undefined = true, Encoding = encoding };
    }

    public long Elements { get; private set; }

    public long Sequences { get; private set; }

    public long Items { get; private set; }

    public int Depth { get; private set; }

    public long Fragments { get; private set; }

    public long PixelDataLength { get; private set; }

    public bool HasPixelData { get; private set; }

    /// <summary>What ended a walk to the pixel data: the first element of group 7FE0 or higher on the outermost level.</summary>
    public ElementHeader? PixelData { get; private set; }

    /// <summary>Where its value begins.</summary>
    public long PixelDataOffset { get; private set; }

    /// <summary>Goes as far as the window's bytes allow.</summary>
    public Step Advance()
    {
        while (true)
        {
            Step step;
            try
            {
                step = _padding ? Padding() : _stack[_top].Kind switch
                {
                    FrameKind.Root or FrameKind.Item => Element(ref _stack[_top]),
                    FrameKind.Sequence => Item(ref _stack[_top]),
                    _ => Fragment(ref _stack[_top]),
                };
            }
            catch (DicomException e) when (e.Fault != DicomFault.Truncated && OutermostGuess() is > 0 and int guess)
            {
                step = Abandon(guess);
            }

            if (step.Kind != StepKind.Continue)
            {
                return step;
            }
        }
    }

    private Step Element(ref Frame frame)
    {
        long at = _window.Position;
        if (AtEnd(ref frame))
        {
            return Pop();
        }

        ReadOnlySpan<byte> bytes = _window.Bytes;
        if (bytes.Length < 8)
        {
            return frame.Kind == FrameKind.Root && _window.Ended ? EndOfFile(bytes) : Fill(ref frame, 8);
        }

        CheckRoom(ref frame, 8, at);
        int needed = ElementHeader.Read(bytes, frame.Encoding, out ElementHeader header);
        if (needed == ElementHeader.MaxSize)
        {
            return Fill(ref frame, needed);
        }

        if (frame.Kind == FrameKind.Root && header.Tag == 0)
        {
            _padding = true;
            return default;
        }

        if (needed < 0)
        {
            return BadVr(ref frame, header.Tag);
        }

        if (header.Tag >> 16 == 0xFFFE)
        {
            return Delimiter(ref frame, header);
        }

        if (_kind == WalkKind.ToPixelData && frame.Kind == FrameKind.Root && header.Tag >= 0x7FE0_0000)
        {
            (PixelData, PixelDataOffset) = (header, at + header.Size);
            return new(StepKind.Done);
        }

        if (_kind == WalkKind.Header && frame.Kind == FrameKind.Root && (header.Tag >= 0x7FE0_0000 || (header.Tag > 0x0020_000E && _findings.IsComplete)))
        {
            return new(StepKind.Done);
        }

        return Value(ref frame, header, at);
    }

    private Step Value(ref Frame frame, ElementHeader header, long at)
    {
        bool opens = header.IsUndefinedLength;
        if (!opens)
        {
            CheckEnd(ref frame, header, at);
            if (_kind != WalkKind.Header && (header.Vr == Vr.SQ || MayBeSequence(ref frame, header)))
            {
                if (header.Vr != Vr.SQ && _window.Bytes.Length < header.Size + 8)
                {
                    return Fill(ref frame, header.Size + 8);
                }

                opens = header.Vr == Vr.SQ || frame.Encoding.ReadUInt16(_window.Bytes[header.Size..]) == 0xFFFE
                    && frame.Encoding.ReadUInt16(_window.Bytes[(header.Size + 2)..]) == 0xE000;
            }
        }

        bool root = frame.Kind == FrameKind.Root;
        bool wanted = root && !opens && Findings.Wants(header.Tag);
        int kept = header.Size + (int)Math.Min(header.Length, Findings.MaxKeptLength);
        if (wanted && _window.Bytes.Length < kept && !_window.Ended)
        {
            return new(StepKind.Fill, kept);
        }

        // From here on, nothing asks for more: the element is counted once.
        Elements++;
        if (header.Tag <= frame.LastTag)
        {
            _findings.Odd(DicomOddityKind.TagOrder, header.Tag, at);
        }

        frame.LastTag = header.Tag;
        if (frame.Encoding.ExplicitVr && !Vr.IsKnown(header.Vr))
        {
            _findings.Odd(DicomOddityKind.UnknownVr, header.Tag, at);
        }

        if (opens)
        {
            return Open(ref frame, header, at);
        }

        if ((header.Length & 1) != 0)
        {
            _findings.Odd(DicomOddityKind.OddLength, header.Tag, at);
        }

        if (root && header.Tag is ElementHeader.PixelData or 0x7FE0_0008 or 0x7FE0_0009)
        {
            HasPixelData = true;
            PixelDataLength = header.Length;
            CheckPixelDataLength(header, at);
        }

        if (wanted)
        {
            Keep(ref frame, header, at);
        }

        return Pass(header);
    }

    /// <summary>Pushes what an element contains: items or fragments.</summary>
    private Step Open(ref Frame frame, ElementHeader header, long at)
    {
        CheckRoom(ref frame, header.Size, at);
        bool undefined = header.IsUndefinedLength;
        long limit = undefined ? frame.Limit : at + header.Size + header.Length;
        bool pixels = header.Tag == ElementHeader.PixelData;
        if (undefined && (pixels || Vr.IsOther(header.Vr)))
        {
            HasPixelData |= pixels && frame.Kind == FrameKind.Root;
            Push(new Frame { Kind = FrameKind.Fragments, Limit = limit, Undefined = true, Encoding = frame.Encoding, Tag = header.Tag, IsPixelData = pixels && frame.Kind == FrameKind.Root });
        }
        else if (header.Vr is Vr.SQ or Vr.UN or Vr.None)
        {
            if (_depth == DicomReader.MaxNesting)
            {
                throw new DicomException(DicomFault.NestingTooDeep, at, $"{ElementHeader.Name(header.Tag)} is a sequence on level {_depth + 1}; {DicomReader.MaxNesting} are read.");
            }

            Sequences++;
            Depth = Math.Max(Depth, ++_depth);
            // A value of VR UN and undefined length is a sequence in implicit VR little endian, whatever surrounds it (PS3.5 §6.2.2 note 4).
            DataSetEncoding encoding = header.Vr == Vr.UN ? DataSetEncoding.ImplicitLittle : frame.Encoding;
            bool guess = header.Vr == Vr.None && !undefined && header.IsPrivate;
            Push(new Frame { Kind = FrameKind.Sequence, Limit = limit, Undefined = undefined, Encoding = encoding, Tag = header.Tag, IsGuess = guess });
        }
        else
        {
            throw new DicomException(DicomFault.BadSequence, at, $"{ElementHeader.Name(header.Tag)} has an undefined length, which its VR does not allow.");
        }

        _window.Consume(header.Size);
        return default;
    }

    private Step Item(ref Frame frame)
    {
        long at = _window.Position;
        if (AtEnd(ref frame))
        {
            return Pop();
        }

        if (_window.Bytes.Length < 8)
        {
            return Fill(ref frame, 8);
        }

        CheckRoom(ref frame, 8, at);
        ElementHeader.Read(_window.Bytes, frame.Encoding, out ElementHeader header);
        switch (header.Tag)
        {
            case ElementHeader.Item:
                bool undefined = header.IsUndefinedLength;
                if (!undefined)
                {
                    CheckEnd(ref frame, header, at);
                }

                Items++;
                _window.Consume(header.Size);
                Push(new Frame
                {
                    Kind = FrameKind.Item,
                    Limit = undefined ? frame.Limit : at + header.Size + header.Length,
                    Undefined = undefined,
                    Encoding = frame.Encoding,
                    Tag = frame.Tag,
                });
                return default;
            case ElementHeader.SequenceDelimiter:
                return Delimiter(ref frame, header);
            default:
                throw new DicomException(DicomFault.BadSequence, at, $"In sequence {Name(ref frame)} there is {ElementHeader.Name(header.Tag)} where an item must be.");
        }
    }

    private Step Fragment(ref Frame frame)
    {
        long at = _window.Position;
        if (_window.Bytes.Length < 8)
        {
            return Fill(ref frame, 8);
        }

        CheckRoom(ref frame, 8, at);
        ElementHeader.Read(_window.Bytes, frame.Encoding, out ElementHeader header);
        if (header.Tag == ElementHeader.SequenceDelimiter)
        {
            return Delimiter(ref frame, header);
        }

        if (header.Tag != ElementHeader.Item || header.IsUndefinedLength)
        {
            throw new DicomException(DicomFault.BadSequence, at, $"In {Name(ref frame)} there is {ElementHeader.Name(header.Tag)} where a fragment must be.");
        }

        CheckEnd(ref frame, header, at);
        if ((header.Length & 1) != 0)
        {
            _findings.Odd(DicomOddityKind.OddLength, header.Tag, at);
        }

        // The first item is the basic offset table, empty or not (PS3.5 A.4).
        if (frame.HasOffsetTable && frame.IsPixelData)
        {
            Fragments++;
            PixelDataLength += header.Length;
        }

        frame.HasOffsetTable = true;
        return Pass(header);
    }

    /// <summary>A delimiter: the end of what is open with an undefined length; elsewhere, one too many.</summary>
    private Step Delimiter(ref Frame frame, ElementHeader header)
    {
        long at = _window.Position;
        bool ends = header.Tag == (frame.Kind == FrameKind.Item ? ElementHeader.ItemDelimiter : ElementHeader.SequenceDelimiter)
            && frame.Undefined && frame.Kind != FrameKind.Root;
        bool stray = header.Tag is ElementHeader.ItemDelimiter or ElementHeader.SequenceDelimiter && header.Length == 0 && (!frame.Undefined || frame.Kind == FrameKind.Root);
        if (!ends && !stray)
        {
            throw new DicomException(DicomFault.BadSequence, at, $"In {Name(ref frame)} there is {ElementHeader.Name(header.Tag)}, which ends or begins nothing there.");
        }

        if (stray)
        {
            _findings.Odd(DicomOddityKind.StrayDelimiter, header.Tag, at);
        }
        else if (header.Length != 0)
        {
            _findings.Odd(DicomOddityKind.DelimiterLength, header.Tag, at);
        }

        _window.Consume(header.Size);
        return ends ? Pop() : default;
    }

    /// <summary>Some devices write the items of private sequences in implicit VR: seen at the first element of an item, and nowhere else.</summary>
    private Step BadVr(ref Frame frame, uint tag)
    {
        long at = _window.Position;
        bool implicitItem = frame.Kind == FrameKind.Item && frame.LastTag == 0 && !frame.Encoding.BigEndian;
        if (implicitItem)
        {
            ElementHeader.Read(_window.Bytes, DataSetEncoding.ImplicitLittle, out ElementHeader header);
            if (header.IsUndefinedLength || at + header.Size + header.Length <= frame.Limit)
            {
                _findings.Odd(DicomOddityKind.ImplicitItem, tag, at);
                frame.Encoding = DataSetEncoding.ImplicitLittle;
                return default;
            }
        }

        throw new DicomException(DicomFault.BadVr, at, $"{ElementHeader.Name(tag)} has no VR where explicit VR has one.");
    }

    /// <summary>The file ends on the outermost level: between elements, or there is padding shorter than an element.</summary>
    private Step EndOfFile(ReadOnlySpan<byte> rest)
    {
        // In big endian a tag may begin with one zero, not with two.
        bool padding = !rest.ContainsAnyExcept((byte)0) && !(rest.Length == 1 && _stack[0].Encoding.BigEndian);
        if (Elements == 0 || !padding)
        {
            throw new DicomException(DicomFault.Truncated, _window.Position, Elements == 0 ? "The file ends before its data set." : "The file ends inside the header of an element.");
        }

        if (!rest.IsEmpty)
        {
            _findings.Odd(DicomOddityKind.TrailingPadding, 0, _window.Position);
            _window.Consume(rest.Length);
        }

        return new(StepKind.Done);
    }

    /// <summary>Zeros where the next element would begin: media and gateways pad files to whole blocks.</summary>
    private Step Padding()
    {
        ReadOnlySpan<byte> bytes = _window.Bytes;
        if (Elements == 0 || bytes.ContainsAnyExcept((byte)0))
        {
            throw new DicomException(DicomFault.TrailingGarbage, _window.Position, "Zeros where an element would begin, and something else after them.");
        }

        _window.Consume(bytes.Length);
        if (!_window.Ended)
        {
            return new(StepKind.Fill, 1);
        }

        _findings.Odd(DicomOddityKind.TrailingPadding, 0, _window.Position);
        return new(StepKind.Done);
    }

    /// <summary>
    /// Implicit VR does not tell a sequence from other values; its first item does. Bulk data may begin with anything. A private value may too,
    /// so a private sequence is a guess that may be abandoned.
    /// </summary>
    private bool MayBeSequence(ref Frame frame, ElementHeader header) =>
        !frame.Encoding.ExplicitVr && header.Length >= 8 && !Findings.Wants(header.Tag) && !(header.IsPrivate && _abandoned == MaxAbandoned) && (header.Tag >> 16) switch
        {
            0x7FE0 or 0x0042 => false,
            0x5400 => header.Tag == 0x5400_0100,
            uint group and (>= 0x5000 and <= 0x50FF or >= 0x6000 and <= 0x60FF) when (group & 1) == 0 => false,
            _ => true,
        };

    private int OutermostGuess() => Array.FindIndex(_stack, 0, _top + 1, frame => frame.IsGuess);

    /// <summary>The guessed sequence is a value like any other: on to its end, which was checked when it was opened.</summary>
    private Step Abandon(int guess)
    {
        Frame frame = _stack[guess];
        _abandoned++;
        _findings.Odd(DicomOddityKind.OpaqueValue, frame.Tag, _window.Position);
        for (; _top >= guess; _top--)
        {
            _depth -= _stack[_top].Kind == FrameKind.Sequence ? 1 : 0;
        }

        return new(StepKind.Skip, frame.Limit - _window.Position);
    }

    private void Keep(ref Frame frame, ElementHeader header, long at)
    {
        if (header.Length > Findings.MaxKeptLength)
        {
            _findings.Odd(DicomOddityKind.InvalidValue, header.Tag, at);
        }
        else if (_window.Bytes.Length >= header.Size + header.Length)
        {
            _findings.Take(header.Tag, _window.Bytes.Slice(header.Size, (int)header.Length), frame.Encoding, at);
        }
    }

    private void CheckPixelDataLength(ElementHeader header, long at)
    {
        // One byte more makes an odd length even (PS3.5 §8.1.1).
        if (_findings.ExpectedPixelDataLength() is { } expected && header.Length != expected && header.Length != expected + (expected & 1))
        {
            _findings.Odd(DicomOddityKind.PixelDataLength, header.Tag, at);
        }
    }

    private Step Pass(ElementHeader header)
    {
        long whole = header.Size + (long)header.Length;
        if (whole <= _window.Bytes.Length)
        {
            _window.Consume((int)whole);
            return default;
        }

        _window.Consume(header.Size);
        return new(StepKind.Skip, header.Length);
    }

    private bool AtEnd(ref Frame frame) => !frame.Undefined && _window.Position == frame.Limit;

    private Step Fill(ref Frame frame, int count)
    {
        CheckRoom(ref frame, count, _window.Position);
        return _window.Ended
            ? throw new DicomException(DicomFault.Truncated, _window.Position, $"The file ends inside {Name(ref frame)}.")
            : new(StepKind.Fill, count);
    }

    private static void CheckRoom(ref Frame frame, int count, long at)
    {
        if (count > frame.Limit - at)
        {
            throw new DicomException(DicomFault.LengthPastEnd, at, $"{Name(ref frame)} ends inside the header of an element.");
        }
    }

    private void CheckEnd(ref Frame frame, ElementHeader header, long at)
    {
        if (header.Size + (long)header.Length > frame.Limit - at)
        {
            throw new DicomException(DicomFault.LengthPastEnd, at, $"{ElementHeader.Name(header.Tag)} has {header.Length} bytes, {Name(ref frame)} ends before them.");
        }

        if (_window.Length - at - header.Size < header.Length)
        {
            throw new DicomException(DicomFault.Truncated, at, $"{ElementHeader.Name(header.Tag)} has {header.Length} bytes, the file ends before them.");
        }
    }

    private static string Name(ref Frame frame) => frame.Kind == FrameKind.Root ? "the data set" : ElementHeader.Name(frame.Tag);

    private void Push(Frame frame)
    {
        if (++_top == _stack.Length)
        {
            Array.Resize(ref _stack, _stack.Length * 2);
        }

        _stack[_top] = frame;
    }

    private Step Pop()
    {
        _depth -= _stack[_top].Kind == FrameKind.Sequence ? 1 : 0;
        _top--;
        return default;
    }
}
