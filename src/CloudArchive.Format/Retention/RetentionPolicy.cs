namespace CloudArchive.Format.Retention;

/// <summary>From when the years of a policy count.</summary>
public enum RetentionBasis
{
    /// <summary>The study's own date.</summary>
    StudyDate,

    /// <summary>The date of the patient's latest study in the archive: every study of a patient who comes back is kept longer.</summary>
    LastTreatment,
}

/// <summary>
/// How long a clinic's studies are kept. The law differs from state to state, so this is data (docs/retention.md). The agent and the service
/// work dates out with the same code; what is locked is only ever extended, whatever a later version says.
/// </summary>
/// <param name="Version">1, 2, 3 ...: each change is a new one, and all are kept.</param>
/// <param name="Years">After <paramref name="From"/>.</param>
/// <param name="MinimumYears">After archiving, whatever the study's date is: images of long ago, or without a date.</param>
/// <param name="From">From when <paramref name="Years"/> count.</param>
/// <param name="MinorsUntilAge">Studies of who was younger are kept until that age and <paramref name="MinorYears"/> more; null: no rule for minors.</param>
/// <param name="MinorYears">After <paramref name="MinorsUntilAge"/>.</param>
/// <param name="ArchiveAfterYears">Packs go to the archive tier so many years after archiving, one of <see cref="ArchiveAges"/>; null: they stay online.</param>
public sealed record RetentionPolicy(
    int Version, int Years, int MinimumYears, RetentionBasis From = RetentionBasis.StudyDate, int? MinorsUntilAge = null, int MinorYears = 0, int? ArchiveAfterYears = null)
{
    /// <summary>The ages for which there is a lifecycle rule (infra/lifecycle.json).</summary>
    public static readonly IReadOnlyList<int> ArchiveAges = [1, 2, 3, 5];

    /// <summary>The largest number of years of any term.</summary>
    public const int MostYears = 100;

    /// <summary>The highest age of a rule for minors. The year of birth of who was older does not leave the clinic.</summary>
    public const int HighestAge = 25;

    /// <summary>A study date further ahead than this is a clock that was wrong, and does not count.</summary>
    public static readonly TimeSpan MostAhead = TimeSpan.FromDays(31);

    /// <summary>What breaks a rule; null where nothing does.</summary>
    public string? Violation =>
        Years is < 1 or > MostYears ? $"years: 1 to {MostYears}."
        : MinimumYears is < 1 or > MostYears ? $"minimumYears: 1 to {MostYears}."
        : MinorsUntilAge is < 1 or > HighestAge ? $"minorsUntilAge: 1 to {HighestAge}."
        : MinorYears is < 0 or > MostYears ? $"minorYears: 0 to {MostYears}."
        : MinorsUntilAge is null && MinorYears != 0 ? "minorYears: give minorsUntilAge with it."
        : ArchiveAfterYears is { } age && !ArchiveAges.Contains(age) ? $"archiveAfterYears: one of {string.Join(", ", ArchiveAges)}."
        : null;

    /// <summary>The policy of a clinic that only knows a number of years: after the later of the study's date and its archiving.</summary>
    public static RetentionPolicy ForYears(int years) => new(1, years, years);

    /// <summary>Until when a study is kept, in whole seconds, which is as fine as storage has it.</summary>
    /// <param name="studyDate">(0008,0020), <c>yyyyMMdd</c>, where it is known and valid.</param>
    /// <param name="archivedAt">When its images were archived.</param>
    /// <param name="bornIn">The patient's year of birth, where the patient was younger than <see cref="HighestAge"/>.</param>
    /// <param name="lastTreatment">The date of the patient's latest study, where <see cref="From"/> asks for it.</param>
    public DateTimeOffset Until(string? studyDate, DateTimeOffset archivedAt, int? bornIn = null, string? lastTreatment = null)
    {
        archivedAt = archivedAt.ToUniversalTime();
        DateTimeOffset until = archivedAt.AddYears(MinimumYears);
        DateTimeOffset? studied = EndOf(studyDate, archivedAt);
        until = Later(until, studied?.AddYears(Years));
        if (From == RetentionBasis.LastTreatment)
        {
            until = Later(until, EndOf(lastTreatment, DateTimeOffset.MaxValue - MostAhead)?.AddYears(Years));
        }

        // To the year: who was born on any day of it is of age on the first day of the one after. Nobody is born after the archiving.
        if (MinorsUntilAge is { } age && bornIn is { } born && DicomValues.IsYear(born) && born <= archivedAt.Year && (studied ?? archivedAt) < StartOf(born + 1 + age))
        {
            until = Later(until, StartOf(born + 1 + age + MinorYears));
        }

        long rest = until.Ticks % TimeSpan.TicksPerSecond;
        return rest == 0 ? until : until.AddTicks(TimeSpan.TicksPerSecond - rest);
    }

    /// <summary>The part of <see cref="Until"/> that depends on nobody's clock: null where the study has no date, or one that is yet to come.</summary>
    public DateTimeOffset? UntilByStudyDate(string? studyDate, DateTimeOffset now) => EndOf(studyDate, now.ToUniversalTime() - MostAhead)?.AddYears(Years);

    /// <summary>Later than any date that this policy can give a study that is archived now.</summary>
    public DateTimeOffset Latest(DateTimeOffset now) =>
        now.ToUniversalTime().AddYears(Math.Max(Math.Max(Years, MinimumYears), (MinorsUntilAge ?? 0) + MinorYears) + 2);

    /// <summary>The year of birth as far as it may leave the clinic: only of who was younger than <see cref="HighestAge"/> then.</summary>
    /// <param name="birthDate">(0010,0030), <c>yyyyMMdd</c>.</param>
    /// <param name="studyDate">(0008,0020), <c>yyyyMMdd</c>.</param>
    /// <param name="now">Counts where the study has no date.</param>
    public static int? BornIn(string? birthDate, string? studyDate, DateTimeOffset now)
    {
        if (DicomValues.ParseDate(birthDate) is not { } born || !DicomValues.IsYear(born.Year))
        {
            return null;
        }

        DateOnly studied = DicomValues.ParseDate(studyDate) ?? DateOnly.FromDateTime(now.UtcDateTime);
        return studied >= born && studied.Year - born.Year <= HighestAge ? born.Year : null;
    }

    private static DateTimeOffset? EndOf(string? date, DateTimeOffset archivedAt) =>
        DicomValues.ParseDate(date) is { } day && day.Year <= DicomValues.LastYear && new DateTimeOffset(day.AddDays(1), TimeOnly.MinValue, TimeSpan.Zero) is var end && end <= archivedAt + MostAhead ? end : null;

    private static DateTimeOffset StartOf(int year) => new(year, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset? other) => other > one ? other.Value : one;
}
