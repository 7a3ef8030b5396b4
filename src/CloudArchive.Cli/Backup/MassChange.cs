namespace CloudArchive.Cli.Backup;

/// <summary>
/// When so many files of a folder changed within a day that nobody did it by hand: ransomware rewrites and renames. From then on the folder's new
/// versions are held back until a person accepts them; new files still go. What the archive has, it keeps anyway (docs/decisions, 52).
/// </summary>
public static class MassChange
{
    /// <summary>Fewer are somebody's work.</summary>
    public const long LeastFiles = 20;

    /// <summary>One in so many files of the folder.</summary>
    public const long OneIn = 10;

    /// <summary>Changes within this time count together: a watch sees them a few at a time.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromHours(24);

    /// <summary>Whether that many are too many.</summary>
    public static bool Is(long changed, long all) => changed >= LeastFiles && changed * OneIn >= all;
}
