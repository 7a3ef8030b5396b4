using CloudArchive.Core;
using CloudArchive.Core.Work;

namespace CloudArchive.Functions.Work;

/// <summary>Scheduled work of an app, and of no other: each has a queue of its own, in its own storage account.</summary>
public sealed class RoleWork(AppSettings settings, JobTimer timer, JobRunner runner)
{
    /// <summary>Puts what is due into the queue.</summary>
    public Task TickAsync(ArchiveRole role, CancellationToken cancellationToken)
    {
        Require(role);
        return timer.TickAsync(role, isToBeUp: true, cancellationToken);
    }

    /// <summary>Does a slice.</summary>
    public Task RunAsync(ArchiveRole role, string message, CancellationToken cancellationToken)
    {
        Require(role);
        return runner.RunAsync(role, message, cancellationToken);
    }

    /// <summary>Gives a slice up.</summary>
    public Task GiveUpAsync(ArchiveRole role, string message, CancellationToken cancellationToken)
    {
        Require(role);
        return runner.GiveUpAsync(role, message, cancellationToken);
    }

    /// <summary>infra/functions.json switches off what is another role's; an app that runs it all the same is deployed wrong.</summary>
    private void Require(ArchiveRole role)
    {
        if (settings.Role != role)
        {
            throw new InvalidOperationException($"This app is {settings.Role}, and the function is for {role}. infra/functions.json says which app runs what: deploy again.");
        }
    }
}
