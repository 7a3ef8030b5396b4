using System.Net.Security;
using System.Net.Sockets;
using CloudArchive.Core.Alerts;
using MailKit;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;
using MimeKit.Text;

namespace CloudArchive.Api.Mail;

/// <summary>Hands mail to the operator's server by SMTP (RFC 5321), over TLS: one attempt, which ends within a minute. <see cref="AlertDelivery"/> repeats it.</summary>
public sealed class SmtpMailer : IMailer
{
    private readonly MailServer _server;
    private readonly TimeSpan _timeout;
    private readonly RemoteCertificateValidationCallback? _trust;

    /// <param name="server">Where to.</param>
    /// <param name="portal">Where people read more.</param>
    public SmtpMailer(MailServer server, Uri portal)
        : this(server, portal, TimeSpan.FromSeconds(60), null)
    {
    }

    internal SmtpMailer(MailServer server, Uri portal, TimeSpan timeout, RemoteCertificateValidationCallback? trust) => (_server, Portal, _timeout, _trust) = (server, portal, timeout, trust);

    /// <inheritdoc/>
    public string Operator => _server.Operator;

    /// <inheritdoc/>
    public Uri Portal { get; }

    /// <inheritdoc/>
    public async Task<SendOutcome> SendAsync(Core.Alerts.Mail mail, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_timeout);
        try
        {
            using MimeMessage message = Write(mail);
            using SmtpClient client = new() { CheckCertificateRevocation = false, LocalDomain = Domain(_server.From) };
            if (_trust is not null)
            {
                client.ServerCertificateValidationCallback = _trust;
            }

            SecureSocketOptions security = _server.ImplicitTls ? SecureSocketOptions.SslOnConnect : _server.MayBePlain ? SecureSocketOptions.StartTlsWhenAvailable : SecureSocketOptions.StartTls;
            await client.ConnectAsync(_server.Host, _server.Port, security, limit.Token);
            if (_server.User is { } user)
            {
                await client.AuthenticateAsync(user, _server.RevealPassword(), limit.Token);
            }

            await client.SendAsync(message, limit.Token);
            await SayGoodbyeAsync(client, limit.Token);
            return SendOutcome.Sent;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return SendOutcome.Failed($"The mail server did not answer within {_timeout.TotalSeconds:0} seconds.");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Whatever a server does is this attempt's failure and nobody else's.
            return Describe(e);
        }
    }

    /// <summary>What the server said is not repeated, but for its status: it may say anything, an address among it.</summary>
    private static SendOutcome Describe(Exception error) => error switch
    {
        SmtpCommandException { ErrorCode: SmtpErrorCode.RecipientNotAccepted, StatusCode: >= (SmtpStatusCode)500 } e => SendOutcome.Refused($"The mail server does not take mail for that address ({(int)e.StatusCode})."),
        SmtpCommandException { ErrorCode: SmtpErrorCode.SenderNotAccepted } e => SendOutcome.Failed($"The mail server does not take mail from the configured sender ({(int)e.StatusCode})."),
        SmtpCommandException { ErrorCode: SmtpErrorCode.MessageNotAccepted, StatusCode: >= (SmtpStatusCode)500 } e => SendOutcome.Refused($"The mail server refused the mail ({(int)e.StatusCode})."),
        SmtpCommandException { StatusCode: >= (SmtpStatusCode)500 } e => SendOutcome.Failed($"The mail server does not serve this sender ({(int)e.StatusCode})."),
        SmtpCommandException e => SendOutcome.Failed($"The mail server asks to try again later ({(int)e.StatusCode})."),
        AuthenticationException => SendOutcome.Failed("The mail server did not accept the user name and the password."),
        SslHandshakeException => SendOutcome.Failed("No secure connection to the mail server: its certificate was not accepted, or it speaks no TLS there."),
        NotSupportedException => SendOutcome.Failed("The mail server offers no secure connection (STARTTLS), or no way to sign in that is known here."),
        SocketException e => SendOutcome.Failed($"The mail server could not be reached ({e.SocketErrorCode})."),
        ProtocolException or IOException or ServiceNotConnectedException => SendOutcome.Failed("The mail server broke off."),
        _ => SendOutcome.Failed($"Mail could not be sent ({error.GetType().Name})."),
    };

    /// <summary>The server has it already: whatever becomes of the goodbye, it is not sent again.</summary>
    private static async Task SayGoodbyeAsync(SmtpClient client, CancellationToken cancellationToken)
    {
        try
        {
            await client.DisconnectAsync(quit: true, cancellationToken);
        }
        catch (Exception e) when (e is OperationCanceledException or ProtocolException or IOException or SocketException or CommandException)
        {
            // The connection is closed with the client.
        }
    }

    private MimeMessage Write(Core.Alerts.Mail mail)
    {
        MimeMessage message = new() { Subject = OneLine(mail.Subject), Date = mail.At, MessageId = $"{mail.Id}@{Domain(_server.From)}" };
        message.From.Add(new MailboxAddress("CloudArchive", _server.From));
        message.To.Add(new MailboxAddress("", mail.To));
        message.Headers.Add(HeaderId.AutoSubmitted, "auto-generated"); // RFC 3834: no out-of-office answers
        message.Headers.Add("X-Auto-Response-Suppress", "All");
        message.Body = new TextPart(TextFormat.Plain) { Text = mail.Text };
        return message;
    }

    /// <summary>No header is begun by what a person typed.</summary>
    private static string OneLine(string text) => string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c));

    private static string Domain(string address) => address[(address.LastIndexOf('@') + 1)..];
}
