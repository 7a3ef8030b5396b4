using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Restores;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Verdicts;

namespace CloudArchive.Core.Work;

/// <summary>All scheduled work of the archive. docs/operations.md has the same table, and a test compares.</summary>
public static class Jobs
{
    /// <summary>The daily restore tests, also started when somebody asks for one.</summary>
    public const string RestoreTest = "restore-test";

    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_day = TimeSpan.FromDays(1);
    private static readonly TimeSpan s_week = TimeSpan.FromDays(7);

    /// <summary>Every job.</summary>
    public static IReadOnlyList<Job> All { get; } =
    [
        new("reconcile", ArchiveRole.Ingest, JobScopes.Clinics | JobScopes.Archive, s_hour, typeof(Reconciler)),
        new("retention", ArchiveRole.Ingest, JobScopes.Clinics, s_hour, typeof(RetentionRun)),
        new("tiering", ArchiveRole.Ingest, JobScopes.Clinics, s_day, typeof(TieringRun)),
        new("watch", ArchiveRole.Ingest, JobScopes.Clinics | JobScopes.Archive, s_hour, typeof(ClinicWatch)),
        new("restore-test-watch", ArchiveRole.Ingest, JobScopes.Clinics, 4 * s_hour, typeof(RestoreTestWatch)),
        new("checkpoint", ArchiveRole.Recovery, JobScopes.Clinics | JobScopes.Archive, s_hour, typeof(CheckpointRun)),
        new("log-check", ArchiveRole.Recovery, JobScopes.Clinics | JobScopes.Archive, s_day, typeof(LogCheck)),
        new(RestoreTest, ArchiveRole.Recovery, JobScopes.Clinics, s_day, typeof(RestoreTestSchedule)),
        new("restores", ArchiveRole.Recovery, JobScopes.Clinics, 4 * s_hour, typeof(RestoreSweep)),
        new("rewrap", ArchiveRole.Recovery, JobScopes.Clinics, s_day, typeof(KeyRewrapRun)),
        new("letter", ArchiveRole.Recovery, JobScopes.Clinics, s_week, typeof(WeeklyLetters), WeeklyLetters.At),
        new("summary", ArchiveRole.Recovery, JobScopes.Archive, s_week, typeof(WeeklySummary), WeeklySummary.At),
        new("alerts", ArchiveRole.Recovery, JobScopes.Archive, TimeSpan.FromMinutes(1), typeof(AlertDelivery)),
        new("census", ArchiveRole.Recovery, JobScopes.Archive, s_day, typeof(ClinicCensus)),
        new("sweep", ArchiveRole.Recovery, JobScopes.Archive, s_hour, typeof(Sweeper)),
    ];

    /// <summary>The job of a name; <see cref="FormatException"/> where there is none.</summary>
    public static Job Find(string name) => All.FirstOrDefault(job => job.Name == name) ?? throw new FormatException("A message of the work queue names a job that there is none of.");
}
