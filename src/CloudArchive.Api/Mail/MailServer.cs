using CloudArchive.Core.Clinics;

namespace CloudArchive.Api.Mail;

/// <summary>Where mail goes out, as an operator configures it. It comes from no request, so that nobody can have the archive call another server.</summary>
public sealed class MailServer
{
    private readonly string? _password;

    private MailServer(Uri address, string? user, string? password, string from, string @operator)
    {
        (Host, Port, ImplicitTls, User, _password, From, Operator) = (address.Host, PortOf(address), address.Scheme == Smtps, user, password, from, @operator);
        MayBePlain = address.IsLoopback;
    }

    private const string Smtp = "smtp";
    private const string Smtps = "smtps";

    /// <summary>The server's name.</summary>
    public string Host { get; }

    /// <summary>Its port.</summary>
    public int Port { get; }

    /// <summary>Whether the connection is TLS from its first byte; else STARTTLS.</summary>
    public bool ImplicitTls { get; }

    /// <summary>Whether a server without TLS will do: on this machine alone.</summary>
    public bool MayBePlain { get; }

    /// <summary>Who signs in; null where nobody has to.</summary>
    public string? User { get; }

    /// <summary>The address that mail comes from.</summary>
    public string From { get; }

    /// <summary>Who is told about the archive as a whole.</summary>
    public string Operator { get; }

    /// <summary>From what an operator configures.</summary>
    /// <param name="server"><c>smtp://user@host:587</c>, with STARTTLS, or <c>smtps://user@host:465</c>. A user name's '@' is written <c>%40</c>.</param>
    /// <param name="password">The user's; a secret, so not part of the address.</param>
    /// <param name="from">The address that mail comes from.</param>
    /// <param name="operator">Who is told about the archive as a whole.</param>
    /// <exception cref="FormatException">Says what breaks its rule; never what the password is.</exception>
    public static MailServer Parse(string server, string? password, string? from, string? @operator)
    {
        if (!Uri.TryCreate(server, UriKind.Absolute, out Uri? url) || url.Scheme is not (Smtp or Smtps) || url.Host.Length == 0 || url.AbsolutePath is not ("" or "/") || url.Query.Length > 0 || url.Fragment.Length > 0)
        {
            throw new FormatException("The mail server is smtp://user@host:587 (with STARTTLS) or smtps://user@host:465; an '@' in the user name is %40.");
        }

        if (url.UserInfo.Contains(':', StringComparison.Ordinal))
        {
            throw new FormatException("The mail server's address holds a password. Take it out, and set it as the secret that it is.");
        }

        string? user = url.UserInfo.Length == 0 ? null : Uri.UnescapeDataString(url.UserInfo);
        if (user is null != string.IsNullOrEmpty(password))
        {
            throw new FormatException("The mail server needs a user name and a password, or neither.");
        }

        return MailAddresses.IsValid(from ?? "") && MailAddresses.IsValid(@operator ?? "")
            ? new MailServer(url, user, user is null ? null : password, from!, @operator!)
            : throw new FormatException("Mail needs the address that it comes from, and the operator's: one mail address each.");
    }

    /// <summary>The password: for the server alone.</summary>
    public string RevealPassword() => _password ?? "";

    /// <inheritdoc/>
    public override string ToString() => $"{Host}:{Port}";

    private static int PortOf(Uri address) => address.Port > 0 ? address.Port : address.Scheme == Smtps ? 465 : 587;
}
