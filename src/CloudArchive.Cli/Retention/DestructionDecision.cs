using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary>What <c>retention approve</c> and <c>retention reject</c> share: an admin decides on some destructions, one after the other.</summary>
internal static class DestructionDecision
{
    /// <summary>The command <paramref name="verb"/>, which is the API's too; <paramref name="told"/> says what came of one.</summary>
    public static Command Create(CliEnvironment environment, string verb, string description, Func<DestructionResponse, string> told)
    {
        StaffConnection connection = new(environment);
        Argument<string[]> ids = new("destruction") { Description = "The destructions' ids", Arity = ArgumentArity.OneOrMore };
        Option<bool> json = CommonOptions.Json();
        Command command = new(verb, description) { ids, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            List<DestructionResponse> all = [];
            foreach (string id in parsed.GetValue(ids)!)
            {
                DestructionResponse made = await client.PostAsync<DestructionResponse>(
                    $"v1/clinics/{connection.Clinic(parsed)}/destructions/{Uri.EscapeDataString(id)}/{verb}", null, repeatable: true, cancellationToken);
                all.Add(made);
                if (!parsed.GetValue(json)) environment.Out.WriteLine(told(made));
            }

            if (parsed.GetValue(json)) environment.WriteJson(all);
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
