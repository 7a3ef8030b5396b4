using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Transport;

namespace CloudArchive.Cli.SignIn;

/// <summary>
/// The access token of whoever is signed in: renewed where it runs out, and exchanged for one that states a second factor where the service asks for
/// that. Several commands may run side by side: who renews holds the file's lock, and the others take what is there then.
/// </summary>
#pragma warning disable CA1001 // a SemaphoreSlim whose wait handle nobody asks for holds nothing to be released
internal sealed class SessionTokens(CliEnvironment environment, StaffSessions sessions, StaffSession first) : IAccessTokens, IStepUp
#pragma warning restore CA1001
{
    /// <summary>What <see cref="IAccessTokens"/> promises, and a little for the way.</summary>
    private static readonly TimeSpan s_margin = TimeSpan.FromMinutes(2);
    private readonly SemaphoreSlim _gate = new(1, 1);
    private StaffSession _session = first;

    /// <inheritdoc/>
    public async Task<string> GetAsync(string? refused, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (!IsGood(_session, refused))
            {
                using RunLock held = await sessions.LockAsync(cancellationToken);
                _session = Current();
                if (!IsGood(_session, refused))
                {
                    _session = await RenewAsync(_session, cancellationToken);
                    sessions.Save(_session);
                }
            }

            return _session.AccessToken;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <inheritdoc/>
    public async Task StepUpAsync(string refused, string claims, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            StaffSession before = Current();
            if (before.AccessToken != refused && before.Claims == claims)
            {
                _session = before; // another request, or another command, stepped up meanwhile
                return;
            }

            if (!environment.Interactive)
            {
                throw new SignInNeededException("This needs a second factor, and nobody sits at this terminal", "cloudarchive login --mfa at one, then run this again");
            }

            await environment.Error.WriteLineAsync("This needs a second factor.");
            StaffSession after = await Login.RunAsync(SignInRequest.Of(before, claims), before.Device, before.Name, environment, cancellationToken);
            if (after.Subject != before.Subject)
            {
                throw new SignInNeededException($"The second factor was {after.Who}'s, and this command is {before.Who}'s: nothing was done", "cloudarchive login --mfa");
            }

            sessions.Save(after);
            _session = after;
        }
        finally
        {
            _gate.Release();
        }
    }

    private bool IsGood(StaffSession session, string? refused) => session.AccessToken != refused && environment.Clock.GetUtcNow() < session.ExpiresAt - s_margin;

    /// <summary>What the file has by now. Somebody may have signed out, or in elsewhere: a token goes to no other archive than its own.</summary>
    private StaffSession Current() => sessions.Find() is { } now && now.Service == _session.Service ? now : throw new SignInNeededException($"The sign-in to {_session.Service.Authority} is no longer there");

    private async Task<StaffSession> RenewAsync(StaffSession session, CancellationToken cancellationToken)
    {
        string again = session.Claims is null ? "cloudarchive login" : "cloudarchive login --mfa";
        if (session.RefreshToken is not { } refreshToken)
        {
            throw new SignInNeededException($"The sign-in of {session.Who} has run out", again);
        }

        using OpenIdIssuer issuer = new(SignInRequest.Of(session, session.Claims), environment);
        try
        {
            return await issuer.RefreshAsync(session, refreshToken, cancellationToken);
        }
        catch (IssuerRefusedException error)
        {
            throw new SignInNeededException($"The sign-in of {session.Who} has ended. {error.Message}", again, error);
        }
    }
}
