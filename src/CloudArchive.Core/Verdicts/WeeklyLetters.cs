using CloudArchive.Core.Alerts;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Core.Verdicts;

/// <summary>
/// Every week a letter to a clinic's contact: all safe, or not, and why. That it does not come says something too. Only written where mail is configured;
/// <see cref="AlertDelivery"/> sends it. What each says is kept for the operator's <see cref="WeeklySummary"/>.
/// </summary>
public sealed class WeeklyLetters(IRowStore rows, ClinicDirectory clinics, ClinicCheck check, TimeProvider clock, IMailer? mailer = null) : IWork
{
    /// <summary>When in the week: on Mondays at 06:00 UTC, when practices open in Europe.</summary>
    public static readonly TimeSpan At = TimeSpan.FromHours(6);

    /// <summary>The partition of <see cref="RowTable.Work"/> with a row for each clinic: what was found this week.</summary>
    internal const string Partition = "$weekly";

    /// <summary>The longest list.</summary>
    internal const int MostLines = 100;

    private const string LastKey = "weekly-letter";

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        await RunAsync(slice.Clinic!.Value, cancellationToken);
        return SliceEnd.Finished();
    }

    /// <summary>Writes a clinic's. Repeating it on the same day writes none anew. True where one was written.</summary>
    public async Task<bool> RunAsync(ClinicId id, CancellationToken cancellationToken)
    {
        if (mailer is null || await clinics.FindAsync(id, cancellationToken) is not { } clinic)
        {
            return false;
        }

        DateTimeOffset now = clock.GetUtcNow();
        CheckedClinic found = await check.RunAsync(clinic, cancellationToken);
        IReadOnlyList<string> reasons = VerdictReasons.Of(found, now);
        Dictionary<string, object> values = new() { ["at"] = now };
        if (found.Verdict.State != VerdictState.Safe)
        {
            values["line"] = $"{VerdictReasons.Word(found.Verdict.State)}: {clinic.Name} ({id}). {reasons[0]}{(reasons.Count > 1 ? $" And {reasons.Count - 1} more." : "")}";
        }

        await rows.SubmitAsync(RowTable.Work, Partition, [new RowWrite.Upsert(id.Value, values)], cancellationToken);
        return clinic.Contact is not null && await TryWriteAsync(rows, Of(found, reasons, now), now, cancellationToken);
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

    private static string Computers(int count) => count == 1 ? "1 computer" : $"{count} computers";

    /// <summary>Writes a letter; false where it was written today.</summary>
    internal static async Task<bool> TryWriteAsync(IRowStore rows, Notice notice, DateTimeOffset now, CancellationToken cancellationToken)
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
            await AlertRows.NoteDueAsync(rows, notice.Log, cancellationToken);
            return true;
        }
        catch (RowConflictException)
        {
            return false; // Another host wrote it a moment ago.
        }
    }
}

/// <summary>Every week a letter about all clinics to the operator, from what <see cref="WeeklyLetters"/> found of each; of which nothing was found, that is told.</summary>
public sealed class WeeklySummary(IRowStore rows, ClinicDirectory clinics, TimeProvider clock, IMailer? mailer = null) : IWork
{
    /// <summary>When in the week: three hours after the clinics' letters, which are written by then.</summary>
    public static readonly TimeSpan At = WeeklyLetters.At + TimeSpan.FromHours(3);

    // What is older is last week's.
    private static readonly TimeSpan s_fresh = TimeSpan.FromDays(1);

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        await RunAsync(cancellationToken);
        return SliceEnd.Finished();
    }

    /// <summary>Writes it. Repeating it on the same day writes none anew. True where it was written.</summary>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        if (mailer is null)
        {
            return false;
        }

        DateTimeOffset now = clock.GetUtcNow();
        Dictionary<string, Row> found = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, WeeklyLetters.Partition, RowRange.All, cancellationToken))
        {
            found[row.Key] = row;
        }

        int safe = 0;
        List<string> others = [];
        await foreach (ClinicId id in clinics.ReadAllAsync(cancellationToken))
        {
            bool known = found.TryGetValue(id.Value, out Row? row) && row.Values.GetValueOrDefault("at") is DateTimeOffset at && now - at <= s_fresh;
            if (known && row!.Values.GetValueOrDefault("line") is not string)
            {
                safe++;
            }
            else
            {
                others.Add(known ? row!.Text("line")! : $"Not checked: {id}. The service's log says why.");
            }
        }

        return await WeeklyLetters.TryWriteAsync(rows, OfAll(safe, others, now), now, cancellationToken);
    }

    private static Notice OfAll(int safe, List<string> others, DateTimeOffset now)
    {
        string title = others.Count == 0 ? $"All safe ({safe} clinics)" : $"{others.Count} of {safe + others.Count} clinics want a look";
        string more = others.Count > WeeklyLetters.MostLines ? $"And {others.Count - WeeklyLetters.MostLines} more: see the portal." : "";
        string[] lines = [$"{safe} clinics are safe: every file that was found there is in the archive, or was excluded on purpose.", .. others.Order(StringComparer.Ordinal).Take(WeeklyLetters.MostLines), more];
        return new Notice(Letter.NewId("weekly", now), AuditEntry.SystemLog, NoticeKind.Weekly, now, title, [.. lines.Where(line => line.Length > 0)]);
    }
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
