using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Cli.Status;

/// <summary>Tells the archive this computer's verdict: counts and causes, no path and no name.</summary>
public static class VerdictReport
{
    /// <summary>The next run reports again: nobody is to wait for this.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>Works the verdict out and sends it. That it cannot be sent is told, and fails nothing: an archive of before there were verdicts has no place for it.</summary>
    /// <returns>The verdict, and why it could not be sent; null where it was.</returns>
    public static async Task<(AgentLook Look, AgentVerdict Verdict, string? NotSent)> SendAsync(AgentSession session, TimeProvider clock, CancellationToken cancellationToken)
    {
        AgentLook look = AgentLook.Of(session.State, session.Identity, session.Secret, clock.GetUtcNow());
        AgentVerdict verdict = VerdictRule.For(look.Facts);
        using CancellationTokenSource enough = new(Patience, clock);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, enough.Token);
        try
        {
            await session.Client.PostAsync<Nothing>($"v1/clinics/{session.Identity.Clinic}/agents/{session.Identity.AgentId}/verdict", VerdictRule.Shorten(verdict), repeatable: true, either.Token);
            return (look, verdict, null);
        }
        catch (ServiceRefusedException refused) when (refused.Status is 404 or 405)
        {
            return (look, verdict, null);
        }
        catch (Exception error) when (!(error is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            return (look, verdict, enough.IsCancellationRequested ? "no answer in time" : Failures.Describe(error).Message);
        }
    }
}
