using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;

namespace CloudArchive.Cli.SignIn;

/// <summary>Signs in with this computer's browser, which brings its answer to a port here (RFC 8252 §7.3), with proof that the answer is for us (RFC 7636).</summary>
internal static class BrowserSignIn
{
    /// <summary>Enough for a password that has to be looked up, and for a telephone that is in another room.</summary>
    internal static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    private const int Tries = 10;

    /// <summary>Opens the browser and waits for its answer.</summary>
    /// <param name="issuer">Who signs in.</param>
    /// <param name="hint">Whom; null: the person chooses.</param>
    /// <param name="environment">The browser, the clock, and where waiting is told.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static async Task<StaffSession> RunAsync(OpenIdIssuer issuer, string? hint, CliEnvironment environment, CancellationToken cancellationToken)
    {
        using HttpListener listener = Listen(out string redirect);
        string state = CryptoRandom.CreateUniqueId(), verifier = CryptoRandom.CreateUniqueId();
        Uri url = await issuer.AuthorizeUrlAsync(redirect, state, verifier, hint, cancellationToken);
        await environment.Error.WriteLineAsync(environment.OpenBrowser(url)
            ? $"Sign in at {issuer.Host}, in the browser window that opens.{Environment.NewLine}None opens? Press Ctrl+C, then add --device to cloudarchive login."
            : $"No browser could be opened here. Open this address on this computer, or press{Environment.NewLine}Ctrl+C and add --device to cloudarchive login:{Environment.NewLine}{url.AbsoluteUri}");
        AuthorizeResponse answer = await WaitAsync(listener, state, environment.Clock, cancellationToken);
        return answer.IsError ? throw new IssuerRefusedException(answer.Error ?? "", $"{issuer.Host} does not sign in: {Terminal.Texts.Printable(answer.ErrorDescription?.Split('\n', '\r')[0] ?? answer.Error ?? "")}")
            : await issuer.RedeemAsync(answer.Code!, redirect, verifier, cancellationToken);
    }

    /// <summary>The address as Entra ID wants it registered, which looks at no port: http://localhost, without a path.</summary>
    private static HttpListener Listen(out string redirect)
    {
        for (int tried = 1; ; tried++)
        {
            int port;
            using (TcpListener free = new(IPAddress.Loopback, 0))
            {
                free.Start();
                port = ((IPEndPoint)free.LocalEndpoint).Port;
            }

            HttpListener listener = new();
            try
            {
                redirect = $"http://localhost:{port}";
                listener.Prefixes.Add(redirect + "/");
                listener.Start();
                return listener;
            }
            catch (HttpListenerException) when (tried < Tries)
            {
                listener.Close(); // somebody took it in between
            }
        }
    }

    private static async Task<AuthorizeResponse> WaitAsync(HttpListener listener, string state, TimeProvider clock, CancellationToken cancellationToken)
    {
        long began = clock.GetTimestamp();
        bool foreign = false;
        while (true)
        {
            HttpListenerContext context;
            try
            {
                TimeSpan left = Limit - clock.GetElapsedTime(began);
                context = await listener.GetContextAsync().WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, clock, cancellationToken);
            }
            catch (TimeoutException error)
            {
                throw new SignInNeededException(
                    $"The browser brought no answer within {Limit.TotalMinutes:0} minutes{(foreign ? "; one came that was of another sign-in, and was not believed" : "")}", "cloudarchive login, or cloudarchive login --device", error);
            }

            // Any page that is open in the browser can send something here: only who knows the state is the issuer (RFC 6749 §10.12).
            AuthorizeResponse answer = new(context.Request.Url!.AbsoluteUri);
            bool ours = context.Request is { HttpMethod: "GET", Url.AbsolutePath: "/" } && answer.State == state && (answer.IsError || answer.Code is { Length: > 0 });
            foreign |= !ours && context.Request.Url.Query.Length > 0;
            await AnswerAsync(context.Response, ours, answer.IsError);
            if (ours)
            {
                return answer;
            }
        }
    }

    private static async Task AnswerAsync(HttpListenerResponse response, bool ours, bool refused)
    {
        string text = !ours ? "This is not the answer that cloudarchive waits for."
            : refused ? "Nobody was signed in. The terminal says why. You can close this window."
            : "Signed in. Go back to the terminal; you can close this window.";
        byte[] page = Encoding.UTF8.GetBytes($"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>CloudArchive</title></head><body><p>{text}</p></body></html>");
        try
        {
            response.StatusCode = ours ? 200 : 404;
            response.ContentType = "text/html; charset=utf-8";
            response.Headers["Content-Security-Policy"] = "default-src 'none'";
            response.Headers["Cache-Control"] = "no-store";
            response.ContentLength64 = page.Length;
            await response.OutputStream.WriteAsync(page);
            response.Close();
        }
        catch (HttpListenerException)
        {
            // The browser is gone already; what it brought counts.
        }
    }

    /// <summary>Opens an address in the browser of whoever sits here; false where that cannot be.</summary>
    public static bool Open(Uri url)
    {
        // Without a desktop xdg-open would start a browser of letters inside this terminal, or none.
        bool desktop = !OperatingSystem.IsLinux() || ((string[])["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"]).Any(name => Environment.GetEnvironmentVariable(name) is { Length: > 0 });
        ProcessStartInfo browser = OperatingSystem.IsWindows() ? new ProcessStartInfo(url.AbsoluteUri) { UseShellExecute = true }
            : new ProcessStartInfo(OperatingSystem.IsMacOS() ? "open" : "xdg-open", [url.AbsoluteUri]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using Process? process = desktop ? Process.Start(browser) : null;
            return desktop;
        }
        catch (Exception error) when (error is System.ComponentModel.Win32Exception or PlatformNotSupportedException)
        {
            return false;
        }
    }
}
