using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Clinics;

/// <summary><c>clinic contact</c>.</summary>
internal static class ClinicContactCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string?> address = new("address") { Description = "The mail address that gets the clinic's alerts and its weekly letter", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> none = new("--none") { Description = "Nobody gets mail any more" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("contact", "Set who gets the clinic's alerts and its weekly letter by mail (admin, second factor).") { address, none, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string? to = parsed.GetValue(address);
            if (string.IsNullOrWhiteSpace(to) != parsed.GetValue(none))
            {
                throw new UsageException("Give one mail address, or --none.");
            }

            using ArchiveClient client = connection.Connect(parsed);
            ClinicResponse clinic = await client.PutAsync<ClinicResponse>($"v1/clinics/{connection.Clinic(parsed)}/contact", new ClinicContactRequest(to), cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(clinic);
            }
            else
            {
                environment.Out.WriteLine(clinic.Contact is null ? $"Nobody gets mail about clinic {clinic.Clinic}." : $"{clinic.Contact} gets mail about clinic {clinic.Clinic}.");
            }

            return (int)ExitCode.Ok;
        });
        return command;
    }
}
