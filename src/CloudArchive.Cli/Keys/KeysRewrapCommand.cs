using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Keys;

/// <summary><c>keys rewrap</c>.</summary>
internal static class KeysRewrapCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> json = CommonOptions.Json();
        Command command = new("rewrap", "After the clinic's key was rotated: wrap every content key to the new version (admin). The timer does it within a day.") { json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            ClinicId clinic = connection.Clinic(parsed);
            (string keyId, int packs, int rewrapped, List<string> problems) =
                await ProgressViews.RunAsync(environment, parsed.GetValue(json), view => RewrapAsync(client, clinic, view, cancellationToken));
            if (parsed.GetValue(json))
            {
                environment.WriteJson(new { clinic, keyId, packs, rewrapped, problems = problems.Take(CommonOptions.MostListed), problemsNotListed = CommonOptions.NotListed(problems.Count) });
            }
            else
            {
                environment.Out.WriteLine($"Rewrapped {rewrapped} of {Texts.Count(packs, "pack")} to {keyId}.");
                foreach (string problem in problems) environment.Out.WriteLine($"  PROBLEM: {problem}");
            }

            return (int)(problems.Count > 0 ? ExitCode.Integrity : ExitCode.Ok);
        });
        return command;
    }

    private static async Task<(string KeyId, int Packs, int Rewrapped, List<string> Problems)> RewrapAsync(ArchiveClient client, ClinicId clinic, IProgressView view, CancellationToken cancellationToken)
    {
        using IProgressStep step = view.Begin("Rewrapping keys", ProgressUnit.Count, null);
        string keyId;
        int packs = 0, rewrapped = 0;
        List<string> problems = [];
        string? after = null;
        do
        {
            string path = $"v1/clinics/{clinic}/keys/rewrap";
            RewrapResponse answer = await client.PostAsync<RewrapResponse>(after is null ? path : $"{path}?after={Uri.EscapeDataString(after)}", null, repeatable: true, cancellationToken);
            keyId = answer.KeyId;
            packs += answer.Packs;
            rewrapped += answer.Rewrapped;
            problems.AddRange(answer.Problems);
            step.Add(answer.Packs);
            if (answer.Next is not null && answer.Next == after) throw new IntegrityException("The rewrap does not come to an end: the service repeats itself.");
            after = answer.Next;
        }
        while (after is not null);
        return (keyId, packs, rewrapped, problems);
    }
}
