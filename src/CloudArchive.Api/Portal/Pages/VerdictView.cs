using CloudArchive.Core.Verdicts;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>How the portal shows a verdict: the rule and the sentences are the archive's, the places of pages are the portal's.</summary>
internal static class VerdictView
{
    /// <summary>The state for <see cref="Parts.Status"/>.</summary>
    public static string Kind(VerdictState state) => state switch { VerdictState.Safe => "good", VerdictState.Attention => "warn", _ => "bad" };

    /// <summary>A folder's state: it has no word of its own for what only wants attention.</summary>
    public static VerdictState StateOf(FolderVerdict folder) => ClinicRule.StateOf(folder.Findings);

    /// <summary>The clinic's reasons, the grave ones first.</summary>
    public static IReadOnlyList<VerdictReason> Reasons(CheckedClinic found, DateTimeOffset now) => [.. VerdictReasons.List(found, now).OrderByDescending(reason => reason.NotSafe)];

    /// <summary>The clinic's page that shows what a reason is about.</summary>
    public static string Page(VerdictReason reason) => reason switch
    {
        { Agent: { } agent } => $"agents#a-{agent}",
        { Finding.Cause: VerdictCause.RestoreTestFailed or VerdictCause.NoRestoreTest } => "restore-tests",
        { Finding.Cause: VerdictCause.LogAlarm or VerdictCause.LogUnchecked } => "audit",
        { Finding.Cause: VerdictCause.PacksLost } => "alerts",
        _ => "agents",
    };
}
