using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention show</c>.</summary>
internal static class RetentionShowCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> json = CommonOptions.Json();
        Command command = new("show", "Show the retention policy that stands, and those before it (admin, compliance).") { json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            RetentionResponse retention = await client.GetAsync<RetentionResponse>($"v1/clinics/{connection.Clinic(parsed)}/retention", cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(retention);
                return (int)ExitCode.Ok;
            }

            environment.Out.WriteLine($"Studies are kept by {RetentionTexts.Describe(retention.Policy)}.");
            foreach (RetentionVersionResponse version in retention.Versions.Reverse().Skip(1))
            {
                environment.Out.WriteLine($"  from {version.ChangedAt.ToLocalTime():yyyy-MM-dd}: {RetentionTexts.Describe(version.Policy)}");
            }

            return (int)ExitCode.Ok;
        });
        return command;
    }
}
