using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Clinics;

/// <summary><c>enrollment create</c>.</summary>
internal static class EnrollmentCreateCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> json = CommonOptions.Json();
        Command command = new("create", "Make a one-time code with which one computer of the clinic enrolls (admin).") { json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            EnrollmentCodeResponse made = await client.PostAsync<EnrollmentCodeResponse>($"v1/clinics/{connection.Clinic(parsed)}/enrollments", null, repeatable: false, cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(made);
            }
            else
            {
                environment.Out.WriteLine($"Code for one computer of {made.Clinic}, good once and until {made.ExpiresAt.ToLocalTime():yyyy-MM-dd HH:mm}:");
                environment.Out.WriteLine();
                environment.Out.WriteLine($"  {made.Code}");
                environment.Out.WriteLine();
                environment.Out.WriteLine($"On that computer: cloudarchive enroll --url {client.Service} --code <code>");
            }

            return (int)ExitCode.Ok;
        });
        return command;
    }
}
