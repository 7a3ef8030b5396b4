using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Clinics;

/// <summary><c>enrollment create</c>.</summary>
internal static class EnrollmentCreateCommand
{
    public static Command Create(CliEnvironment environment) => StaffCommand.Act(
        environment,
        "create",
        "Make a one-time code with which one computer of the clinic enrolls (admin).",
        [],
        async call => (Made: await call.PostAsync<EnrollmentCodeResponse>($"{call.Clinic}/enrollments", repeatable: false), call.Client.Service),
        (output, code) =>
        {
            output.WriteLine($"Code for one computer of {code.Made.Clinic}, good once and until {code.Made.ExpiresAt.ToLocalTime():yyyy-MM-dd HH:mm}:");
            output.WriteLine();
            output.WriteLine($"  {code.Made.Code}");
            output.WriteLine();
            string service = (code.Made.Service ?? code.Service).AbsoluteUri.TrimEnd('/');
            output.WriteLine($"On that computer, which is asked for the rest: cloudarchive setup --url {service} --code <code>");
            output.WriteLine($"In a script: cloudarchive enroll --url {service} --code <code>{(code.Made.MakesEscrowKey ? " --escrow-out <file.pem>" : "")}");
            if (code.Made.MakesEscrowKey)
            {
                output.WriteLine("It is the clinic's first computer: --escrow-out names the file for the clinic's escrow key, best on a USB stick.");
            }
        },
        code => code.Made);
}
