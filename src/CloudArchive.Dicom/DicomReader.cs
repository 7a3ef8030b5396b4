using System.IO.Compression;

namespace CloudArchive.Dicom;

/// <summary>
/// Reads DICOM Part 10 files (PS3.10) as they are found in clinics: streaming, in a buffer of fixed size, whatever the file says of itself.
/// Damage is a <see cref="DicomException"/>; anything else that is thrown comes from the stream. Streams are left open.
/// </summary>
public static class DicomReader
{
    /// <summary>Sequences inside sequences. Structured reports, the deepest files there are, have some 20.</summary>
    public const int MaxNesting = 64;

    /// <summary>How many oddities a walk lists.</summary>
    public const int MaxOddities = 64;

    /// <summary>What a deflated data set may inflate to, in bytes: two of the longest values that there can be.</summary>
    public const long MaxInflatedLength = 8L << 30;

    private const int HeaderBuffer = 8 << 10;
    private const int WalkBuffer = 128 << 10;

    /// <summary>
    /// What the archive catalogues. Stops as soon as it has that, and before pixel data in any case; where the stream stands then is not
    /// defined. Damage after instance and study were found does not throw: see <see cref="DicomHeader.Damage"/>.
    /// </summary>
    public static async ValueTask<DicomHeader> ReadHeaderAsync(Stream stream, CancellationToken cancellationToken = default)
    {
        using DicomWindow file = new(stream, HeaderBuffer, seek: true);
        Findings findings = new();
        try
        {
            await ReadAsync(file, findings, HeaderBuffer, headerOnly: true, MaxInflatedLength, cancellationToken);
            return findings.ToHeader();
        }
        catch (DicomException e) when (findings.HasIdentity)
        {
            return findings.ToHeader(e.Fault);
        }
    }

    /// <summary>Reads the whole file to its end and checks every length, on every level.</summary>
    public static ValueTask<DicomSummary> WalkAsync(Stream stream, CancellationToken cancellationToken = default) =>
        WalkAsync(stream, MaxInflatedLength, cancellationToken);

    internal static async ValueTask<DicomSummary> WalkAsync(Stream stream, long maxInflatedLength, CancellationToken cancellationToken)
    {
        using DicomWindow file = new(stream, WalkBuffer, seek: false);
        Findings findings = new();
        (DataSetWalk walk, long dataSetLength) = await ReadAsync(file, findings, WalkBuffer, headerOnly: false, maxInflatedLength, cancellationToken);
        await file.SkipAsync(long.MaxValue, cancellationToken);
        if (findings.MetaDiffers)
        {
            findings.Odd(DicomOddityKind.MetaDiffers, 0, 0);
        }

        if (findings.HasRows && !walk.HasPixelData)
        {
            findings.Odd(DicomOddityKind.NoPixelData, ElementHeader.PixelData, dataSetLength);
        }

        return new(
            findings.ToHeader(),
            file.Position,
            dataSetLength,
            walk.Elements,
            walk.Sequences,
            walk.Items,
            walk.Depth,
            walk.HasPixelData ? findings.Frames : 0,
            walk.Fragments,
            walk.PixelDataLength,
            findings.Oddities,
            findings.OddityCount);
    }

    /// <summary>
    /// Whether a file that starts like this is worth reading: preamble and prefix, or what a meta header or data set starts with. For quick
    /// sorting of files; 132 bytes or more.
    /// </summary>
    public static bool LooksLikeDicom(ReadOnlySpan<byte> start) => FileStart.Recognise(start) is not null;

    private static async ValueTask<(DataSetWalk Walk, long Length)> ReadAsync(DicomWindow file, Findings findings, int buffer, bool headerOnly, long maxInflatedLength, CancellationToken cancellationToken)
    {
        await FileStart.ReadAsync(file, findings, cancellationToken);
        if (findings.TransferSyntax is not { } syntax || !TransferSyntaxes.IsDeflated(syntax))
        {
            long start = file.Position;
            DataSetEncoding encoding = await FileStart.ResolveEncodingAsync(file, findings, cancellationToken);
            DataSetWalk walk = await WalkAsync(file, new(file, findings, encoding, headerOnly ? WalkKind.Header : WalkKind.Whole), long.MaxValue, cancellationToken);
            return (walk, file.Position - start);
        }

        WindowStream deflated = new(file);
        await using DeflateStream inflater = new(deflated, CompressionMode.Decompress, leaveOpen: true);
        using DicomWindow inflated = new(inflater, buffer, seek: false);
        try
        {
            DataSetEncoding encoding = await FileStart.ResolveEncodingAsync(inflated, findings, cancellationToken);
            DataSetWalk walk = await WalkAsync(inflated, new(inflated, findings, encoding, headerOnly ? WalkKind.Header : WalkKind.Whole), maxInflatedLength, cancellationToken);
            // An inflater that came to the end of its stream did not come to the end of the deflated bytes.
            return !deflated.HitEnd || headerOnly
                ? (walk, inflated.Position)
                : throw new DicomException(DicomFault.Truncated, inflated.Position, "The deflated data set is cut off.");
        }
        catch (InvalidDataException e)
        {
            throw deflated.HitEnd
                ? new DicomException(DicomFault.Truncated, inflated.Position, "The deflated data set is cut off.", e)
                : new DicomException(DicomFault.BadDeflate, inflated.Position, "The deflated data set does not inflate.", e);
        }
    }

    internal static async ValueTask<DataSetWalk> WalkAsync(DicomWindow window, DataSetWalk walk, long maxLength, CancellationToken cancellationToken)
    {
        while (true)
        {
            Step step = walk.Advance();
            long at = window.Position;
            if ((step.Kind == StepKind.Skip ? step.Count : 0) > maxLength - at)
            {
                throw new DicomException(DicomFault.BadDeflate, at, "The deflated data set inflates to more than any that is one.");
            }

            switch (step.Kind)
            {
                case StepKind.Done:
                    return walk;
                case StepKind.Fill:
                    await window.FillAsync((int)step.Count, cancellationToken);
                    break;
                default:
                    if (!await window.SkipAsync(step.Count, cancellationToken))
                    {
                        throw new DicomException(DicomFault.Truncated, at, $"A value of {step.Count} bytes begins here; the file ends before them.");
                    }

                    break;
            }
        }
    }
}
