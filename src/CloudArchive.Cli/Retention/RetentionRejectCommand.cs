using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention reject</c>.</summary>
internal static class RetentionRejectCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string[]> ids = new("destruction") { Description = "The destructions' ids", Arity = ArgumentArity.OneOrMore };
        Option<bool> json = CommonOptions.Json();
        Command command = new("reject", "Reject destructions (admin). The plan asks again after 90 days; set a hold for what must be kept longer.") { ids, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            List<DestructionResponse> all = [];
            foreach (string id in parsed.GetValue(ids)!)
            {
                DestructionResponse made = await client.PostAsync<DestructionResponse>(
                    $"v1/clinics/{connection.Clinic(parsed)}/destructions/{Uri.EscapeDataString(id)}/reject", null, repeatable: true, cancellationToken);
                all.Add(made);
                if (!parsed.GetValue(json)) environment.Out.WriteLine($"Rejected: study {made.Study} stays.");
            }

            if (parsed.GetValue(json)) environment.WriteJson(all);
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
