using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Clinics;

/// <summary><c>clinic contact</c>.</summary>
internal static class ClinicContactCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Argument<string?> address = new("address") { Description = "The mail address that gets the clinic's alerts and its weekly letter", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> none = new("--none") { Description = "Nobody gets mail any more" };
        return StaffCommand.Act(
            environment,
            "contact",
            "Set who gets the clinic's alerts and its weekly letter by mail (admin, second factor).",
            [address, none],
            call => string.IsNullOrWhiteSpace(call.Parsed.GetValue(address)) == call.Value(none)
                ? call.PutAsync<ClinicResponse>($"{call.Clinic}/contact", new ClinicContactRequest(call.Parsed.GetValue(address)))
                : throw new UsageException("Give one mail address, or --none."),
            (output, clinic) => output.WriteLine(clinic.Contact is null ? $"Nobody gets mail about clinic {clinic.Clinic}." : $"{clinic.Contact} gets mail about clinic {clinic.Clinic}."));
    }
}
