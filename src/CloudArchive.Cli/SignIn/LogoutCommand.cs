using System.CommandLine;

namespace CloudArchive.Cli.SignIn;

/// <summary><c>logout</c>.</summary>
internal static class LogoutCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Command command = new("logout", "Forget the sign-in: delete its tokens from this computer.");
        command.SetAction(_ =>
        {
            environment.Out.WriteLine(new StaffSessions(environment).Delete()
                ? $"Signed out: the tokens are deleted from this computer.{Environment.NewLine}The browser may still be signed in where you signed in."
                : "Nobody was signed in.");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
