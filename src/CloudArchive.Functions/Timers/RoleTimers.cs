using CloudArchive.Api;

namespace CloudArchive.Functions.Timers;

/// <summary>What timers share.</summary>
internal static class RoleTimers
{
    /// <summary>infra/functions.json switches off what is another role's; an app that runs it all the same is deployed wrong.</summary>
    public static void Require(this AppSettings settings, ArchiveRole role)
    {
        if (settings.Role != role)
        {
            throw new InvalidOperationException($"This app is {settings.Role}, and the function is for {role}. infra/functions.json says which app runs what: deploy again.");
        }
    }
}

/// <summary>A run that did not do all of its work. The host counts it as failed, which alerts; the log says what failed.</summary>
public sealed class TimerFailedException(string message) : Exception(message);
