using System.Text;
using System.Text.Json;
using CloudArchive.Dicom;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Find;

/// <summary>A file that was read, as far as the index of <c>find</c> has a use for it.</summary>
/// <param name="Set">The id of its set: what <c>restore --study</c> takes.</param>
/// <param name="Kind">Null: a study.</param>
/// <param name="Path">Absolute.</param>
/// <param name="Header">Of an instance.</param>
public sealed record IndexedFile(Uid Set, SetKind? Kind, string Path, DicomHeader? Header)
{
    /// <inheritdoc/>
    public override string ToString() => $"IndexedFile {{ Set = {Set} }}";
}

/// <summary>What the index of <c>find</c> knows of a study, or of the plain files of a folder. All of it is PHI: it is at rest under a seal, and <see cref="ToString"/> shows none of it.</summary>
public sealed record IndexedSet
{
    /// <summary>Of a study so many names of files are kept: with its folders they say where it lies. Of plain files, each name.</summary>
    public const int MostNames = 100;

    /// <summary>Null: a study.</summary>
    public SetKind? Kind { get; init; }

    /// <summary>(0010,0010), as DICOM writes it; more than one where files of the study differ.</summary>
    public SortedSet<string> PatientNames { get; init; } = NewSet();

    /// <summary>(0010,0030), <c>yyyyMMdd</c> where it is a date.</summary>
    public SortedSet<string> BirthDates { get; init; } = NewSet();

    /// <summary>(0010,0020).</summary>
    public SortedSet<string> PatientIds { get; init; } = NewSet();

    /// <summary>(0008,0050).</summary>
    public SortedSet<string> Accessions { get; init; } = NewSet();

    /// <summary>(0008,0020), <c>yyyyMMdd</c>.</summary>
    public SortedSet<string> StudyDates { get; init; } = NewSet();

    /// <summary>(0008,0060).</summary>
    public SortedSet<string> Modalities { get; init; } = NewSet();

    /// <summary>(0008,1030) and (0008,103E).</summary>
    public SortedSet<string> Descriptions { get; init; } = NewSet();

    /// <summary>Where it was found.</summary>
    public SortedSet<string> Folders { get; init; } = NewSet();

    /// <summary>Names of files.</summary>
    public SortedSet<string> Files { get; init; } = NewSet();

    /// <summary>Adds what a file says. False: nothing of it is new.</summary>
    public bool Add(IndexedFile file)
    {
        bool isNew = Add(Folders, Path.GetDirectoryName(file.Path));
        if (Kind is not null || Files.Count < MostNames)
        {
            isNew |= Add(Files, Path.GetFileName(file.Path));
        }

        if (file.Header is not { } header)
        {
            return isNew;
        }

        isNew |= Add(PatientNames, header.PatientName?.Decode());
        isNew |= Add(BirthDates, header.PatientBirthDate?.Decode().Replace(".", "", StringComparison.Ordinal)); // yyyy.MM.dd is what ACR-NEMA wrote
        isNew |= Add(PatientIds, header.PatientId?.Decode());
        isNew |= Add(Accessions, header.AccessionNumber?.Decode());
        isNew |= Add(StudyDates, header.StudyDate);
        isNew |= Add(Modalities, header.Modality);
        isNew |= Add(Descriptions, header.StudyDescription?.Decode());
        return Add(Descriptions, header.SeriesDescription?.Decode()) || isNew;
    }

    /// <summary>What is sealed: all of it once folded, for the search, then a NUL, then as it is, for who finds it.</summary>
    public byte[] Serialize()
    {
        StringBuilder folded = new();
        foreach (string text in (IEnumerable<string>)[.. PatientNames, .. BirthDates, .. PatientIds, .. Accessions, .. StudyDates, .. Modalities, .. Descriptions, .. Folders, .. Files])
        {
            folded.Append(FindQuery.Fold(text).Replace('\0', ' ')).Append('\n');
        }

        return [.. Encoding.UTF8.GetBytes(folded.ToString()), 0, .. JsonSerializer.SerializeToUtf8Bytes(this, FormatJson.Options)];
    }

    /// <summary>The opposite; null where it is none.</summary>
    public static IndexedSet? Parse(ReadOnlySpan<byte> content)
    {
        try
        {
            int end = content.IndexOf((byte)0);
            return end < 0 ? null : JsonSerializer.Deserialize<IndexedSet>(content[(end + 1)..], FormatJson.Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => "**redacted**";

    private static bool Add(SortedSet<string> texts, string? text) => text?.Trim() is { Length: > 0 } value && texts.Add(value);

    private static SortedSet<string> NewSet() => new(StringComparer.Ordinal);
}
