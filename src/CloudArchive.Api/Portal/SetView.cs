using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Portal;

/// <summary>Sets as people read them: a study has a date, a folder's plain files and a computer's snapshots have none.</summary>
internal static class SetView
{
    /// <summary>What stands in a list where a study has its date.</summary>
    public static string Date(StudyResponse set) => set.Set is { } kind ? Word(kind) : Show.StudyDate(set.StudyDate);

    /// <summary>The heading of its page.</summary>
    public static string Title(StudyResponse set) => set.Set is { } kind ? Word(kind) : $"Study of {Show.StudyDate(set.StudyDate)}";

    /// <summary>Modalities, or the kinds of plain files.</summary>
    public static string Kinds(StudyResponse set) => string.Join(", ", set.Kinds is { } kinds ? kinds.Select(kind => Show.Words(kind)) : set.Modalities);

    /// <summary>What kind of set it is; nothing of a study.</summary>
    public static string Word(SetKind? kind) => kind switch
    {
        SetKind.Folder => "Folder set",
        SetKind.Snapshot => "Snapshots of a computer",
        _ => "",
    };
}
