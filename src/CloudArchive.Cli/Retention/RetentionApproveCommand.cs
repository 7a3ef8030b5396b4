using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention approve</c>.</summary>
internal static class RetentionApproveCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string[]> ids = new("destruction") { Description = "The destructions' ids", Arity = ArgumentArity.OneOrMore };
        Option<bool> json = CommonOptions.Json();
        Command command = new("approve", "Approve destructions that another, or the plan, asked for (admin). The next run destroys the studies: they cannot be brought back.") { ids, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            List<DestructionResponse> all = [];
            foreach (string id in parsed.GetValue(ids)!)
            {
                DestructionResponse made = await client.PostAsync<DestructionResponse>(
                    $"v1/clinics/{connection.Clinic(parsed)}/destructions/{Uri.EscapeDataString(id)}/approve", null, repeatable: true, cancellationToken);
                all.Add(made);
                if (!parsed.GetValue(json)) environment.Out.WriteLine($"Approved: study {made.Study} ({Texts.Count(made.Instances, "file")}, {Texts.Size(made.Bytes)}), kept until {made.KeptUntil:yyyy-MM-dd}, is destroyed by the next run. The certificate follows.");
            }

            if (parsed.GetValue(json)) environment.WriteJson(all);
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
