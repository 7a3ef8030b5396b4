using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Agent;

/// <summary>What an agent does for its own keys before a backup: follows a rotation of the archive's, and changes its own before it grows old.</summary>
public static class AgentUpkeep
{
    /// <summary>An agent's key is changed at this age. docs/threat-model.md counts with it: so long is a copy of it worth something at most.</summary>
    public static readonly TimeSpan OldestKey = TimeSpan.FromDays(90);

    /// <summary>Does both. What cannot be done now is told, and done next time: a backup must not wait for it.</summary>
    /// <exception cref="IntegrityException">The archive signs with a key that nothing which is pinned vouches for.</exception>
    /// <returns>What could not be done, for people; null where nothing was left.</returns>
    public static async Task<string?> RunAsync(AgentSession session, CancellationToken cancellationToken)
    {
        try
        {
            JwkSet published = await session.Client.GetAsync<JwkSet>("v1/keys", cancellationToken);
            if (published.Keys is [{ } current, ..])
            {
                await session.FollowKeysAsync("a signing key", identity => identity.SigningKeys.Keys.Any(pinned => IsSame(pinned, current)), cancellationToken);
            }

            await session.RenewKeyAsync(OldestKey, cancellationToken);
            return null;
        }
        catch (CliException error) when (error is ServiceUnreachableException or ServiceRefusedException)
        {
            return error.Message;
        }
    }

    private static bool IsSame(Jwk pinned, Jwk offered) => pinned.Kid == offered.Kid && JwkKeys.Thumbprint(pinned) == JwkKeys.Thumbprint(offered);
}
