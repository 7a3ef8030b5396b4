using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace CloudArchive.Api.Tests.Mail;

/// <summary>A mail as a server got it.</summary>
internal sealed record GotMail(string From, IReadOnlyList<string> To, string Data, bool Secure, string? User, string? Password);

/// <summary>
/// A small SMTP server (RFC 5321) on a socket of the loopback: EHLO, STARTTLS, AUTH PLAIN and LOGIN, MAIL, RCPT, DATA with dot-stuffing, and whatever fault a
/// test asks for. It keeps what it got, and every line that a client sent.
/// </summary>
internal sealed class SmtpStandIn : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly X509Certificate2 _certificate = MakeCertificate();
    private readonly Task _accepting;

    public SmtpStandIn()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public ConcurrentQueue<GotMail> Got { get; } = new();

    public ConcurrentQueue<string> Lines { get; } = new();

    /// <summary>What is answered instead, by the verb; an empty one is no answer at all.</summary>
    public Dictionary<string, string> Answers { get; } = [];

    /// <summary>After which verb the connection is cut.</summary>
    public string? CutAfter { get; set; }

    public bool ImplicitTls { get; set; }

    public bool OffersStartTls { get; set; } = true;

    public string? Password { get; set; }

    /// <summary>What is said in place of a certificate.</summary>
    public bool Gibberish { get; set; }

    /// <summary>Trusts this server's certificate and no other.</summary>
    public bool Trust(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) =>
        certificate is not null && certificate.GetCertHashString() == _certificate.GetCertHashString();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _listener.Dispose();
        _certificate.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> sessions = [];
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                sessions.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // Stopped.
        }

        await Task.WhenAll(sessions);
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                await new Session(this, client.GetStream(), _stop.Token).RunAsync();
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or System.Security.Authentication.AuthenticationException)
            {
                // The client hung up, or the test is over.
            }
        }
    }

    private static X509Certificate2 MakeCertificate()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    /// <summary>One connection.</summary>
    private sealed class Session(SmtpStandIn server, Stream stream, CancellationToken stop)
    {
        private Stream _stream = stream;
        private bool _secure;
        private string? _user, _password;
        private string _from = "";
        private List<string> _to = [];

        public async Task RunAsync()
        {
            if (server.Gibberish)
            {
                await SayAsync("SSH-2.0-not-what-you-want");
            }

            if (server.ImplicitTls)
            {
                await SecureAsync();
            }

            await AnswerAsync("CONNECT", "220 stand-in ESMTP");
            while (await ReadLineAsync() is { } line)
            {
                string verb = line.Split(' ')[0].ToUpperInvariant();
                if (verb == "STARTTLS")
                {
                    await AnswerAsync(verb, "220 go on");
                    await SecureAsync();
                    continue;
                }

                if (verb == "AUTH")
                {
                    await AuthenticateAsync(line);
                    continue;
                }

                await AnswerAsync(verb, verb switch
                {
                    "EHLO" => Hello(),
                    "MAIL" => Sender(line),
                    "RCPT" => Recipient(line),
                    "DATA" => "354 end with a dot",
                    "RSET" or "NOOP" => "250 fine",
                    "QUIT" => "221 bye",
                    _ => "502 what?",
                });
                if (verb == "DATA" && !server.Answers.ContainsKey("DATA"))
                {
                    await ReadMailAsync();
                    await AnswerAsync("DOT", "250 queued");
                }

                if (verb == "QUIT" || verb == server.CutAfter)
                {
                    return;
                }
            }
        }

        private string Hello() => string.Join("\r\n", (string[])["250-stand-in", .. server.OffersStartTls && !_secure ? ["250-STARTTLS"] : (string[])[], "250-8BITMIME", "250 AUTH PLAIN LOGIN"]);

        private string Sender(string line)
        {
            _from = Address(line);
            _to = [];
            return "250 fine";
        }

        private string Recipient(string line)
        {
            _to.Add(Address(line));
            return "250 fine";
        }

        private async Task AuthenticateAsync(string line)
        {
            string[] parts = line.Split(' ');
            string initial = parts.Length > 2 ? parts[2] : await AskAsync("");
            if (parts[1].Equals("PLAIN", StringComparison.OrdinalIgnoreCase))
            {
                string[] credentials = Encoding.UTF8.GetString(Convert.FromBase64String(initial)).Split('\0');
                (_user, _password) = (credentials[1], credentials[2]);
            }
            else
            {
                _user = Encoding.UTF8.GetString(Convert.FromBase64String(initial.Length > 0 ? initial : await AskAsync("VXNlcm5hbWU6")));
                _password = Encoding.UTF8.GetString(Convert.FromBase64String(await AskAsync("UGFzc3dvcmQ6")));
            }

            await AnswerAsync("AUTH", _password == server.Password ? "235 welcome" : "535 no");
        }

        private async Task<string> AskAsync(string challenge)
        {
            await SayAsync("334 " + challenge);
            return await ReadLineAsync() ?? "";
        }

        private async Task ReadMailAsync()
        {
            StringBuilder data = new();
            while (await ReadLineAsync() is { } line && line != ".")
            {
                data.Append(line.StartsWith('.') ? line[1..] : line).Append("\r\n");
            }

            server.Got.Enqueue(new GotMail(_from, _to, data.ToString(), _secure, _user, _password));
        }

        private async Task SecureAsync()
        {
            SslStream secure = new(_stream);
            await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = server._certificate }, stop);
            (_stream, _secure) = (secure, true);
        }

        private async Task AnswerAsync(string verb, string usual)
        {
            string answer = server.Answers.GetValueOrDefault(verb == "HELO" ? "EHLO" : verb, usual);
            if (answer.Length == 0)
            {
                await Task.Delay(Timeout.Infinite, stop);
            }

            await SayAsync(answer);
        }

        private async Task SayAsync(string text)
        {
            await _stream.WriteAsync(Encoding.ASCII.GetBytes(text + "\r\n"), stop);
            await _stream.FlushAsync(stop);
        }

        private async Task<string?> ReadLineAsync()
        {
            List<byte> line = [];
            byte[] one = new byte[1];
            while (await _stream.ReadAsync(one, stop) == 1)
            {
                if (one[0] == '\n')
                {
                    string text = Encoding.UTF8.GetString([.. line]).TrimEnd('\r');
                    server.Lines.Enqueue(text);
                    return text;
                }

                line.Add(one[0]);
            }

            return null;
        }

        private static string Address(string line) => line.Split('<', '>')[1];
    }
}
