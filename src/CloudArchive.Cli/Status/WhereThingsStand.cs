using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Cli.Status;

/// <summary><c>cloudarchive</c> alone: how things stand, in a few lines, and the one thing to do next.</summary>
internal static class WhereThingsStand
{
    /// <summary>Tells it. Looks at what is remembered, not into the folders: that takes no time whatever their size.</summary>
    public static ExitCode Tell(CliEnvironment environment, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        AgentHome home = AgentHome.Of(environment);
        if (AgentIdentity.TryLoad(home) is not { } identity)
        {
            return TellStranger(environment);
        }

        using AgentState? state = AgentState.OpenToRead(home.State(identity.Clinic));
        AgentLook look = AgentLook.Of(state, identity, null, environment.Clock.GetUtcNow());
        AgentVerdict verdict = VerdictRule.For(look.Facts);
        StatusText status = new(identity, look, verdict, state);
        status.Write(environment);
        environment.Out.WriteLine();
        environment.WriteBehind("Next: ", Next(look, verdict));
        return status.Code;
    }

    /// <summary>What somebody at this computer should do, by the gravest cause.</summary>
    internal static string Next(AgentLook look, AgentVerdict verdict)
    {
        HashSet<VerdictCause> causes = [.. verdict.All.Where(finding => finding.NotSafe).Select(finding => finding.Cause)];
        return causes switch
        {
            _ when verdict.Safe => "nothing. Look closer with cloudarchive status; see every command with cloudarchive --help",
            _ when look.Folders.Count == 0 => "say what is to be backed up: cloudarchive setup, or cloudarchive backup <folder>",
            _ when causes.Contains(VerdictCause.LogAlarm) => "tell the archive's operator, today",
            _ when causes.Contains(VerdictCause.MassChange) => "find out what changed so many files. If it was meant: cloudarchive backup --accept-changes",
            _ when causes.Overlaps([VerdictCause.FolderMissing, VerdictCause.VolumeChanged, VerdictCause.FolderEmpty]) =>
                "see that the drive or share is connected. If the folder is gone for good: cloudarchive folders remove <folder>",
            _ when causes.Overlaps([VerdictCause.FilesNotArchived, VerdictCause.LinksNotCovered]) => "cloudarchive status names the files; leave out what need not be kept: cloudarchive folders exclude <folder> <pattern>",
            _ when causes.Contains(VerdictCause.NothingFound) => "see that it is the right folder: cloudarchive folders list",
            _ => "cloudarchive backup; and so that it goes by itself: cloudarchive service install",
        };
    }

    private static ExitCode TellStranger(CliEnvironment environment)
    {
        if (environment.Variable("CLOUDARCHIVE_URL") is { Length: > 0 })
        {
            environment.Out.WriteLine("This computer backs nothing up. It is set up for staff's commands: cloudarchive --help lists them.");
            return ExitCode.Ok;
        }

        environment.WriteBehind("", "CloudArchive is not set up on this computer: nothing is backed up.");
        environment.Out.WriteLine();
        environment.WriteBehind("Next: ", "ask your archive's admin for a code, then run: cloudarchive setup");
        environment.Out.WriteLine("Every command: cloudarchive --help");
        return ExitCode.NotEnrolled;
    }
}
