using System.Text.Json;
using System.Text.RegularExpressions;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Core.Verdicts;

/// <summary>What a report may be, and what it says in short.</summary>
internal static partial class VerdictForm
{
    /// <summary>The largest body of a report.</summary>
    public const long MostBytes = 512 * 1024;

    private const int MostFindings = 40;
    private const long MostCount = 1_000_000_000_000;
    private const long MostTotal = long.MaxValue / 2 / AgentVerdict.MaxFolders;

    /// <summary>What only the archive can know.</summary>
    private static readonly VerdictCause[] s_archivesOwn = [VerdictCause.NoReport, VerdictCause.NoAgent, VerdictCause.RestoreTestFailed, VerdictCause.NoRestoreTest];

    /// <summary>Refuses what is no report. A pseudonym is made of a few characters, so that no path and no name fits in by mistake.</summary>
    public static void Check(AgentVerdict verdict)
    {
        if (verdict.Version != AgentVerdict.CurrentVersion)
        {
            throw Invalid($"version: this service reads {AgentVerdict.CurrentVersion}.");
        }

        if (verdict.Folders.Count > AgentVerdict.MaxFolders)
        {
            throw Invalid($"folders: {AgentVerdict.MaxFolders} at most.");
        }

        if (verdict.Folders.Select(folder => folder.Folder).Distinct(StringComparer.Ordinal).Count() != verdict.Folders.Count)
        {
            throw Invalid("folders: each once.");
        }

        Check(verdict.Findings);
        foreach (FolderVerdict folder in verdict.Folders)
        {
            if (!Pseudonym().IsMatch(folder.Folder))
            {
                throw Invalid("folder: a pseudonym of 1 to 64 letters, digits, '-' and '_', never a path or a name.");
            }

            if (folder.Files is < 0 or > MostCount || folder.Bytes is < 0 or > MostTotal || folder.Archived < 0 || folder.Excluded < 0
                || folder.Archived > folder.Files || folder.Excluded > folder.Files - folder.Archived)
            {
                throw Invalid("files, archived, excluded, bytes: none is negative, and archived and excluded are no more than files together.");
            }

            Check(folder.Findings);
        }
    }

    /// <summary>Whether it says safe, and nothing in it says otherwise.</summary>
    public static bool IsSafe(AgentVerdict verdict) =>
        verdict.Safe && verdict.Folders.All(folder => folder.Safe) && All(verdict).All(finding => !finding.NotSafe);

    /// <summary>Its causes by name, each once, in order. Those that only want attention end in <c>?</c>.</summary>
    public static string[] Causes(AgentVerdict verdict) =>
        [.. All(verdict).Select(Name).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>What it says without numbers and times: two reports of one gist are the same to the audit log.</summary>
    public static string Gist(AgentVerdict verdict) => $"{IsSafe(verdict)} {string.Join(',', Causes(verdict))}";

    private static IEnumerable<VerdictFinding> All(AgentVerdict verdict) => verdict.Findings.Concat(verdict.Folders.SelectMany(folder => folder.Findings));

    private static string Name(VerdictFinding finding) => JsonNamingPolicy.KebabCaseLower.ConvertName(finding.Cause.ToString()) + (finding.NotSafe ? "" : "?");

    private static void Check(IReadOnlyList<VerdictFinding> findings)
    {
        if (findings.Count > MostFindings)
        {
            throw Invalid($"findings: {MostFindings} at most, a cause at a time.");
        }

        foreach (VerdictFinding finding in findings)
        {
            if (s_archivesOwn.Contains(finding.Cause))
            {
                throw Invalid("findings: a cause that only the archive itself can know.");
            }

            if (finding.Count is < 0 or > MostCount || finding.Bytes is < 0 or > MostTotal)
            {
                throw Invalid("count, bytes: none is negative.");
            }
        }
    }

    private static RefusedException Invalid(string message) => new(Refusal.RequestInvalid, message);

    [GeneratedRegex("^[A-Za-z0-9_-]{1,64}$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Pseudonym();
}
