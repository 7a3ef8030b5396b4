using CloudArchive.Core.Clinics;
using CloudArchive.Format;

namespace CloudArchive.Core.Alerts;

/// <summary>A mail.</summary>
/// <param name="To">One address.</param>
/// <param name="Subject">One line.</param>
/// <param name="Text">Plain text.</param>
/// <param name="Id">The same for every attempt: its Message-ID is made from it.</param>
/// <param name="At">When what it says became so.</param>
public sealed record Mail(string To, string Subject, string Text, string Id, DateTimeOffset At);

/// <summary>Hands mail to a server. One attempt, bounded; whoever asks repeats it.</summary>
public interface IMailer
{
    /// <summary>Whom to tell about the archive as a whole.</summary>
    string Operator { get; }

    /// <summary>Where people read more.</summary>
    Uri Portal { get; }

    /// <summary>Hands it over. It throws nothing but what the token cancelled.</summary>
    Task<SendOutcome> SendAsync(Mail mail, CancellationToken cancellationToken);
}

/// <summary>What the mail channels share.</summary>
public static class MailChannels
{
    /// <summary>What their names begin with.</summary>
    public const string Prefix = "mail-";

    internal const string OfOperator = Prefix + "operator";
    internal const string OfClinic = Prefix + "clinic";

    /// <summary>The alert that a channel's mail does not arrive.</summary>
    internal static Alert Undeliverable(string channel, ClinicId? clinic, string error) => channel == OfClinic
        ? new Alert(clinic, AlertCause.MailUndeliverable, OfClinic, $"Mail to the clinic's contact does not arrive: {error} Set an address that takes mail: cloudarchive clinic contact.")
        : new Alert(null, AlertCause.MailUndeliverable, OfOperator, $"Mail to the archive's operator does not arrive: {error} See docs/alerts.md, \"Mail\".");

    /// <summary>Whether an alert is about a channel itself: that one does not take it.</summary>
    internal static bool IsAbout(Notice notice, string channel) => notice.Alert is { Cause: AlertCause.MailUndeliverable } alert && alert.Subject == channel;

    /// <summary>A notice as a mail.</summary>
    internal static Mail Write(Notice notice, string channel, string to, string? clinicName, Uri portal)
    {
        string who = clinicName ?? "the archive";
        string page = notice.Clinic is { } clinic ? $"portal/clinics/{clinic}" : "portal";
        string why = channel == OfClinic
            ? "You get this because you are the clinic's contact. An admin changes that on the clinic's page."
            : "You get this because you operate the archive.";
        string[] parts =
        [
            $"{who}{(notice.Clinic is { } id && clinicName is not null ? $" ({id})" : "")}",
            .. notice.Lines,
            $"More: {new Uri(portal, page)}",
            $"{why} It was so at {notice.At.UtcDateTime:yyyy-MM-dd HH:mm} UTC.",
        ];
        return new Mail(to, $"[CloudArchive] {who}: {notice.Title}", string.Join("\n\n", parts) + "\n", $"{notice.Log.TrimStart('$')}.{notice.Id}.{channel}", notice.At);
    }
}

/// <summary>Mail to the operator: every alert, that its cause is over, and the weekly letter about all clinics.</summary>
public sealed class OperatorMail(IMailer mailer, ClinicDirectory clinics) : INoticeChannel
{
    /// <inheritdoc/>
    public string Name => MailChannels.OfOperator;

    /// <inheritdoc/>
    public async Task<SendOutcome> SendAsync(Notice notice, CancellationToken cancellationToken)
    {
        if (MailChannels.IsAbout(notice, Name) || (notice.Kind == NoticeKind.Weekly && notice.Clinic is not null))
        {
            return SendOutcome.NotConcerned;
        }

        string? name = notice.Clinic is { } id ? (await clinics.FindAsync(id, cancellationToken))?.Name : null;
        return await mailer.SendAsync(MailChannels.Write(notice, Name, mailer.Operator, name, mailer.Portal), cancellationToken);
    }
}

/// <summary>Mail to a clinic's contact: the clinic's own alerts, that their cause is over, and its weekly letter.</summary>
public sealed class ClinicMail(IMailer mailer, ClinicDirectory clinics) : INoticeChannel
{
    /// <inheritdoc/>
    public string Name => MailChannels.OfClinic;

    /// <inheritdoc/>
    public async Task<SendOutcome> SendAsync(Notice notice, CancellationToken cancellationToken)
    {
        if (MailChannels.IsAbout(notice, Name) || notice.Clinic is not { } id || await clinics.FindAsync(id, cancellationToken) is not { Contact: { } contact } clinic)
        {
            return SendOutcome.NotConcerned;
        }

        return await mailer.SendAsync(MailChannels.Write(notice, Name, contact, clinic.Name, mailer.Portal), cancellationToken);
    }
}
