using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;

namespace CloudArchive.Cli.SignIn;

/// <summary>Signs in with a browser somewhere else, by a code that the person types there (RFC 8628).</summary>
internal static class DeviceSignIn
{
    private static readonly TimeSpan s_slower = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_usualInterval = TimeSpan.FromSeconds(5);

    /// <summary>What an issuer may say at most: nobody types a code for longer.</summary>
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(30);

    /// <summary>Entra ID's word for access_denied.</summary>
    private const string Declined = "authorization_declined";

    /// <summary>Tells the code and waits until somebody has typed it.</summary>
    public static async Task<StaffSession> RunAsync(OpenIdIssuer issuer, CliEnvironment environment, CancellationToken cancellationToken)
    {
        using DeviceAuthorizationResponse device = await issuer.BeginDeviceAsync(cancellationToken);
        if (device is not { DeviceCode: { Length: > 0 } deviceCode, UserCode: { Length: > 0 } userCode, VerificationUri: { Length: > 0 } address })
        {
            throw new IssuerRefusedException("", $"{issuer.Host} answered without a code.");
        }

        TimeSpan limit = device.ExpiresIn is { } seconds and > 0 && TimeSpan.FromSeconds(seconds) < s_longest ? TimeSpan.FromSeconds(seconds) : s_longest;
        TimeSpan interval = device.Interval > 0 ? TimeSpan.FromSeconds(device.Interval) : s_usualInterval;
        await environment.Error.WriteLineAsync($"Open  {Texts.Printable(address)}");
        await environment.Error.WriteLineAsync($"Code  {Texts.Printable(userCode)}");
        await environment.Error.WriteLineAsync($"Type the code there, in a browser on any device. Waiting up to {Texts.Duration(limit)}.");
        long began = environment.Clock.GetTimestamp();
        while (environment.Clock.GetElapsedTime(began) < limit)
        {
            await Task.Delay(interval, environment.Clock, cancellationToken);
            try
            {
                return await issuer.PollAsync(deviceCode, cancellationToken);
            }
            catch (IssuerRefusedException pending) when (pending.Error == OidcConstants.TokenErrors.AuthorizationPending)
            {
                // Nobody has typed it yet.
            }
            catch (IssuerRefusedException pending) when (pending.Error == OidcConstants.TokenErrors.SlowDown)
            {
                interval += s_slower;
            }
            catch (IssuerRefusedException over) when (over.Error == OidcConstants.TokenErrors.ExpiredToken)
            {
                break;
            }
            catch (IssuerRefusedException denied) when (denied.Error is OidcConstants.TokenErrors.AccessDenied or Declined)
            {
                throw new IssuerRefusedException(denied.Error, "The sign-in was declined in the browser: nobody was signed in.");
            }
            catch (AnswerException lost) when (lost.Failure.Passes)
            {
                interval += interval; // RFC 8628 §3.5: no answer, so ask less often; the code is good all the same
            }
        }

        throw new SignInNeededException($"Nobody typed the code within {Texts.Duration(limit)}", "cloudarchive login --device");
    }
}
