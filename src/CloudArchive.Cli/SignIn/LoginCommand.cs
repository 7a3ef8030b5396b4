using System.CommandLine;
using System.Globalization;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.SignIn;

/// <summary><c>login</c>.</summary>
internal static class LoginCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<string?> url = new("--url") { Description = "The service's URL, for staff [CLOUDARCHIVE_URL; else that of the last sign-in, or the one that this computer is enrolled with]", HelpName = "url" };
        Option<bool> device = new("--device") { Description = "Sign in with a browser on another device, by a code: where this computer has none" };
        Option<bool> mfa = new("--mfa") { Description = "With a second factor at once; without, a command asks for it where it needs one" };
        Option<bool> status = new("--status") { Description = "Say who is signed in, and do nothing" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("login", "Sign in, so that commands for staff need no token: with the browser, or on another device.") { url, device, mfa, status, json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            StaffSessions sessions = new(environment);
            StaffSession? session = parsed.GetValue(status)
                ? sessions.Find()
                : await SignInAsync(StaffConnection.ServiceOf(environment, parsed.GetValue(url)), parsed.GetValue(device), parsed.GetValue(mfa), sessions, environment, cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(new
                {
                    signedIn = session is not null,
                    service = session?.Service,
                    name = session?.Name,
                    secondFactor = session is { Claims: not null },
                    renewed = session is { RefreshToken: not null },
                    expiresAt = session?.ExpiresAt,
                });
            }
            else
            {
                Tell(environment, session);
            }

            return (int)(session is null ? ExitCode.Unhealthy : ExitCode.Ok);
        });
        return command;
    }

    private static async Task<StaffSession> SignInAsync(Uri service, bool device, bool mfa, StaffSessions sessions, CliEnvironment environment, CancellationToken cancellationToken)
    {
        using ArchiveClient client = new(service, null, environment);
        SignInResponse answer = await client.GetAsync<SignInResponse>("v1/sign-in", cancellationToken);
        if (mfa && answer.SecondFactorClaims is null)
        {
            throw new UsageException($"{service.Authority} names no authentication context that stands for a second factor, so --mfa has nothing to ask for (docs/operations.md, Who may do what).");
        }

        StaffSession session = await Login.RunAsync(SignInRequest.Of(service, answer, mfa ? answer.SecondFactorClaims : null), device, null, environment, cancellationToken);
        sessions.Save(session);
        return session;
    }

    private static void Tell(CliEnvironment environment, StaffSession? session)
    {
        if (session is null)
        {
            environment.Out.WriteLine("Nobody is signed in. cloudarchive login --url <service>");
            return;
        }

        environment.Out.WriteLine($"Signed in as {session.Who}{(session.Claims is null ? "" : ", with a second factor")}");
        environment.Out.WriteLine($"to {session.Service.AbsoluteUri.TrimEnd('/')}");
        environment.Out.WriteLine(
            session.RefreshToken is not null ? "Renewed by itself; cloudarchive logout ends it."
            : session.ExpiresAt > environment.Clock.GetUtcNow() ? $"Good until {session.ExpiresAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)}."
            : "It has run out: cloudarchive login");
    }
}

/// <summary>A login, by itself or because a command needs a second factor.</summary>
internal static class Login
{
    /// <summary>Signs somebody in.</summary>
    /// <param name="request">To what.</param>
    /// <param name="device">With a browser on another device.</param>
    /// <param name="hint">Whom; null: the person chooses.</param>
    /// <param name="environment">Where.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static async Task<StaffSession> RunAsync(SignInRequest request, bool device, string? hint, CliEnvironment environment, CancellationToken cancellationToken)
    {
        using OpenIdIssuer issuer = new(request, environment);
        try
        {
            return device ? await DeviceSignIn.RunAsync(issuer, environment, cancellationToken) : await BrowserSignIn.RunAsync(issuer, hint, environment, cancellationToken);
        }
        catch (AnswerException error)
        {
            // A person sits there and can try again: no waiting for better times.
            throw new ServiceUnreachableException(issuer.Host, error.Failure.Why, error, error.Failure.Kind);
        }
    }
}
