using CloudArchive.Core.Alerts;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Verdicts;

/// <summary>
/// Every week a letter to each clinic's contact, and one about all clinics to the operator: all safe, or not, and why. That it does not come says something
/// too. Only written where mail is configured; <see cref="AlertDelivery"/> sends it.
/// </summary>
public sealed partial class WeeklyLetters(IRowStore rows, ClinicDirectory clinics, ClinicCheck check, TimeProvider clock, ILogger<WeeklyLetters> logger, IMailer? mailer = null)
{
    /// <summary>When, as NCRONTAB with six fields, UTC: on Mondays, when practices open in Europe.</summary>
    public const string Ncrontab = "0 0 6 * * 1";

    private const string LastKey = "weekly-letter";
    private const int MostLines = 100;

    /// <summary>Writes this week's. Repeating it on the same day writes none anew.</summary>
    /// <returns>How many were written, and how many clinics could not be looked at.</returns>
    public async Task<(int Written, int Failed)> RunAsync(CancellationToken cancellationToken)
    {
        if (mailer is null)
        {
            return (0, 0);
        }

        DateTimeOffset now = clock.GetUtcNow();
        int written = 0, failed = 0, safe = 0;
        List<string> others = [];
        await foreach (ClinicId id in clinics.ReadAllAsync(cancellationToken))
        {
            try
            {
                if (await clinics.FindAsync(id, cancellationToken) is not { } clinic)
                {
                    continue;
                }

                CheckedClinic found = await check.RunAsync(clinic, cancellationToken);
                IReadOnlyList<string> reasons = VerdictReasons.Of(found, now);
                safe += found.Verdict.State == VerdictState.Safe ? 1 : 0;
                if (found.Verdict.State != VerdictState.Safe)
                {
                    others.Add($"{VerdictReasons.Word(found.Verdict.State)}: {clinic.Name} ({id}). {reasons[0]}{(reasons.Count > 1 ? $" And {reasons.Count - 1} more." : "")}");
                }

                if (clinic.Contact is not null && await WriteAsync(Of(found, reasons, now), now, cancellationToken))
                {
                    written++;
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // A clinic that cannot be looked at is told of as such, and keeps no other from its letter.
                failed++;
                others.Add($"Not checked: {id}. The service's log says why.");
                LogFailed(logger, e, id);
            }
        }

        Notice all = OfAll(safe, others, now);
        return (written + (await WriteAsync(all, now, cancellationToken) ? 1 : 0), failed);
    }

    /// <summary>A clinic's letter.</summary>
    internal static Notice Of(CheckedClinic found, IReadOnlyList<string> reasons, DateTimeOffset now)
    {
        string id = found.Clinic.Id.Value;
        long files = found.Verdict.Computers.Sum(computer => computer.Folders.Sum(folder => folder.Archived));
        string test = found.LastTest is { FinishedAt: { } at } last
            ? $"The last restore test ended on {at.UtcDateTime:yyyy-MM-dd}: {last.Passed} of {last.Passed + last.Failed} packs came back whole."
            : "There was no restore test in the last month.";
        string backup = found.LastBackup is { } newest ? $"The newest file in the archive came on {newest.UtcDateTime:yyyy-MM-dd}." : "There is nothing in the archive yet.";
        string[] facts = [$"{files:N0} files are in the archive, by the reports of {Computers(found.Verdict.Computers.Count)}. {backup}", test];
        (string title, string[] lines) = found.Verdict.State switch
        {
            VerdictState.Safe => ("All safe", (string[])["Every file that was found is in the archive, or was excluded on purpose.", .. facts]),
            VerdictState.Attention => ("Safe; somebody should look", ["Nothing is at risk. Somebody should look at this:", .. reasons, .. facts]),
            _ => ("NOT SAFE", ["Files are at risk, or it is not known whether they are:", .. reasons, .. facts]),
        };
        return new Notice(Letter.NewId($"weekly {id}", now), id, NoticeKind.Weekly, now, title, [.. lines.Take(MostLines)]);
    }

    private static Notice OfAll(int safe, List<string> others, DateTimeOffset now)
    {
        string title = others.Count == 0 ? $"All safe ({safe} clinics)" : $"{others.Count} of {safe + others.Count} clinics want a look";
        string more = others.Count > MostLines ? $"And {others.Count - MostLines} more: see the portal." : "";
        string[] lines = [$"{safe} clinics are safe: every file that was found there is in the archive, or was excluded on purpose.", .. others.Order(StringComparer.Ordinal).Take(MostLines), more];
        return new Notice(Letter.NewId("weekly", now), AuditEntry.SystemLog, NoticeKind.Weekly, now, title, [.. lines.Where(line => line.Length > 0)]);
    }

    private static string Computers(int count) => count == 1 ? "1 computer" : $"{count} computers";

    private async Task<bool> WriteAsync(Notice notice, DateTimeOffset now, CancellationToken cancellationToken)
    {
        Row? before = await rows.FindAsync(RowTable.Work, notice.Log, LastKey, cancellationToken);
        if (before?.Text("letter") == notice.Id)
        {
            return false;
        }

        Dictionary<string, object> last = new() { ["letter"] = notice.Id };
        RowWrite note = before is null ? new RowWrite.Insert(LastKey, last) : new RowWrite.Replace(LastKey, last, before.ETag!);
        try
        {
            await rows.SubmitAsync(RowTable.Work, notice.Log, [.. LetterRows.Insert(new Letter(notice.Id, notice, DeliveryState.Begin(now)), now), note], cancellationToken);
            return true;
        }
        catch (RowConflictException)
        {
            return false; // Another host wrote it a moment ago.
        }
    }

    [LoggerMessage(122, LogLevel.Error, "Clinic {Clinic} gets no letter this week.")]
    private static partial void LogFailed(ILogger logger, Exception exception, ClinicId clinic);
}

/// <summary>A clinic's verdict in sentences, wherever people read it.</summary>
public static class VerdictReasons
{
    /// <summary>The state in a word.</summary>
    public static string Word(VerdictState state) => state switch { VerdictState.Safe => "Safe", VerdictState.Attention => "Needs attention", _ => "Not safe" };

    /// <summary>Why, the grave ones first.</summary>
    public static IReadOnlyList<string> Of(CheckedClinic found, DateTimeOffset now) => [.. List(found, now).OrderByDescending(reason => reason.NotSafe).Select(reason => reason.Sentence)];

    /// <summary>Each reason with what it is about, in the order of the clinic, its computers and their folders.</summary>
    public static IEnumerable<VerdictReason> List(CheckedClinic found, DateTimeOffset now)
    {
        foreach (VerdictFinding finding in found.Verdict.Findings)
        {
            yield return new VerdictReason(finding, VerdictTexts.Describe(finding, now), null);
        }

        foreach (ComputerVerdict computer in found.Verdict.Computers)
        {
            string name = found.NameOf(computer.Agent);
            foreach (VerdictFinding finding in computer.Findings)
            {
                yield return new VerdictReason(finding, $"{name}: {VerdictTexts.Describe(finding, now)}", computer.Agent);
            }

            for (int number = 0; number < computer.Folders.Count; number++)
            {
                foreach (VerdictFinding finding in computer.Folders[number].Findings)
                {
                    yield return new VerdictReason(finding, $"{VerdictNames.Folder(number, name)}: {VerdictTexts.Describe(finding, now)}", computer.Agent);
                }
            }
        }
    }
}

/// <summary>Why a clinic is not safe, or wants attention.</summary>
/// <param name="Finding">The finding.</param>
/// <param name="Sentence">In words.</param>
/// <param name="Agent">The computer that it is about; null where it is about the clinic.</param>
public sealed record VerdictReason(VerdictFinding Finding, string Sentence, string? Agent)
{
    /// <summary>Whether files are at risk over it.</summary>
    public bool NotSafe => Finding.NotSafe;
}
