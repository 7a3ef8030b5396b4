using System.Globalization;
using System.Security;
using System.Text;
using System.Text.Json;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Background;
using CloudArchive.Cli.Status;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Cli.Watch;

/// <summary>What somebody at the computer was told last.</summary>
/// <param name="WasSafe">Whether it was SAFE once.</param>
/// <param name="NotSafeSince">Since when it is NOT SAFE without a break; null: it is SAFE.</param>
/// <param name="ToldAt">When NOT SAFE was told last; null: not since it was SAFE.</param>
public sealed record NoticeMemory(bool WasSafe = false, DateTimeOffset? NotSafeSince = null, DateTimeOffset? ToldAt = null);

/// <summary>A message for the desktop. It names no path: a folder may be called like a patient.</summary>
public sealed record Notice(string Title, string Text);

/// <summary>When somebody at the computer is disturbed. Pure.</summary>
public static class NoticeRule
{
    /// <summary>What is only waiting for the next backup gets so long before it is told.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromHours(1);

    /// <summary>A first backup gets so long; and NOT SAFE is told again after as long.</summary>
    public static readonly TimeSpan Day = TimeSpan.FromDays(1);

    private static readonly HashSet<VerdictCause> s_passing = [VerdictCause.NeverBackedUp, VerdictCause.FilesPending, VerdictCause.FilesUnreadable];

    /// <summary>What to tell now, if anything, and what to remember.</summary>
    public static (Notice? Notice, NoticeMemory Memory) For(AgentVerdict verdict, NoticeMemory memory, DateTimeOffset now)
    {
        if (verdict.Safe)
        {
            return (
                memory.ToldAt is not null ? new Notice("CloudArchive: SAFE again", "Every file is in the archive.")
                    : !memory.WasSafe ? new Notice("CloudArchive: SAFE", "The first backup is complete: every file is in the archive.")
                    : null,
                new NoticeMemory(WasSafe: true));
        }

        NoticeMemory next = memory with { NotSafeSince = memory.NotSafeSince ?? now };
        VerdictFinding[] grave = VerdictRule.InOrder(verdict.All.Where(finding => finding.NotSafe));
        TimeSpan patience = !grave.All(finding => s_passing.Contains(finding.Cause)) ? TimeSpan.Zero : memory.WasSafe ? Patience : Day;
        if (now - next.NotSafeSince < patience || now - next.ToldAt < Day)
        {
            return (null, next);
        }

        VerdictFinding worst = grave.FirstOrDefault(finding => !s_passing.Contains(finding.Cause)) ?? grave[0];
        return (new Notice("CloudArchive: NOT SAFE", $"{VerdictTexts.Describe(worst, now)} cloudarchive status says more."), next with { ToldAt = now });
    }
}

/// <summary>Tells somebody at the computer when it becomes NOT SAFE, and when it is SAFE again. As well as the desktop allows: nothing depends on it.</summary>
public sealed class Notices(AgentSession session, CliEnvironment environment)
{
    private const string MemoryName = "notices";

    // The application that Windows shows as the sender: one that is there on every computer, so that nothing has to be registered.
    private const string PowerShellId = @"{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\WindowsPowerShell\v1.0\powershell.exe";

    /// <summary>Works the verdict out and tells what is new of it.</summary>
    public async Task TellAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = environment.Clock.GetUtcNow();
        AgentVerdict verdict = VerdictRule.For(AgentLook.Of(session.State, session.Identity, null, now).Facts);
        NoticeMemory memory = Remembered();
        (Notice? notice, NoticeMemory next) = NoticeRule.For(verdict, memory, now);
        if (next != memory)
        {
            session.State.Set(MemoryName, JsonSerializer.Serialize(next, FormatJson.Options));
        }

        if (notice is not null)
        {
            await ShowAsync(environment, notice, cancellationToken);
        }
    }

    /// <summary>Shows a message, by whatever this desktop has for it. Whether it could, nobody needs to know.</summary>
    internal static Task<ProgramEnd> ShowAsync(CliEnvironment environment, Notice notice, CancellationToken cancellationToken)
    {
        (string program, string[] arguments) = Describe(
            notice, OperatingSystem.IsWindows() ? System.Diagnostics.Process.GetCurrentProcess().SessionId == 0 ? Desktop.WindowsService : Desktop.Windows
                : OperatingSystem.IsMacOS() ? Desktop.Mac : Desktop.Linux);
        return OtherProgram.RunAsync(environment, program, arguments, cancellationToken);
    }

    /// <summary>The program that shows a message, and what it is given.</summary>
    internal static (string Program, string[] Arguments) Describe(Notice notice, Desktop desktop) => desktop switch
    {
        Desktop.Mac => ("osascript", ["-e", $"display notification {AppleScript(notice.Text)} with title {AppleScript(notice.Title)}"]),
        Desktop.Windows => ("powershell", ["-NoProfile", "-NonInteractive", "-EncodedCommand", Convert.ToBase64String(Encoding.Unicode.GetBytes(Toast(notice)))]),

        // A service has no desktop of its own; this reaches those of whoever is signed in.
        Desktop.WindowsService => ("msg", ["*", "/TIME:86400", $"{notice.Title}. {notice.Text}"]),
        _ => ("notify-send", ["--app-name=CloudArchive", $"--urgency={(notice.Title.Contains("NOT", StringComparison.Ordinal) ? "critical" : "normal")}", notice.Title, notice.Text]),
    };

    private NoticeMemory Remembered()
    {
        try
        {
            return session.State.Get(MemoryName) is { Length: > 0 } text ? JsonSerializer.Deserialize<NoticeMemory>(text, FormatJson.Options)! : new NoticeMemory();
        }
        catch (JsonException)
        {
            return new NoticeMemory(); // of another version: at worst something is told twice
        }
    }

    private static string AppleScript(string text) => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    private static string Toast(Notice notice)
    {
        string xml = string.Create(
            CultureInfo.InvariantCulture,
            $"<toast><visual><binding template=\"ToastGeneric\"><text>{SecurityElement.Escape(notice.Title)}</text><text>{SecurityElement.Escape(notice.Text)}</text></binding></visual></toast>");
        return $"""
            [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime] | Out-Null
            $xml = [Windows.Data.Xml.Dom.XmlDocument, Windows.Data.Xml.Dom.XmlDocument, ContentType = WindowsRuntime]::new()
            $xml.LoadXml('{xml.Replace("'", "''", StringComparison.Ordinal)}')
            [Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier('{PowerShellId}').Show([Windows.UI.Notifications.ToastNotification]::new($xml))
            """;
    }
}

/// <summary>What shows messages.</summary>
internal enum Desktop
{
    Linux,
    Mac,
    Windows,
    WindowsService,
}
