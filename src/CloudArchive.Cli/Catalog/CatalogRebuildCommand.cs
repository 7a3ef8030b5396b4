using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Catalog;

/// <summary><c>catalog rebuild</c>.</summary>
internal static class CatalogRebuildCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> json = CommonOptions.Json();
        Command command = new("rebuild", "Make the clinic's catalogue anew from the sidecars in storage (admin).") { json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            ClinicId clinic = connection.Clinic(parsed);
            (int packs, int instances, List<string> problems) = await ProgressViews.RunAsync(environment, parsed.GetValue(json), view => RebuildAsync(client, clinic, view, cancellationToken));
            if (parsed.GetValue(json))
            {
                environment.WriteJson(new { clinic, packs, instances, problems = problems.Take(CommonOptions.MostListed), problemsNotListed = CommonOptions.NotListed(problems.Count) });
            }
            else
            {
                environment.Out.WriteLine($"Rebuilt: {Texts.Count(packs, "pack")}, {Texts.Count(instances, "instance")}.");
                foreach (string problem in problems) environment.Out.WriteLine($"  PROBLEM: {problem}");
            }

            return (int)(problems.Count > 0 ? ExitCode.Integrity : ExitCode.Ok);
        });
        return command;
    }

    private static async Task<(int Packs, int Instances, List<string> Problems)> RebuildAsync(ArchiveClient client, ClinicId clinic, IProgressView view, CancellationToken cancellationToken)
    {
        using IProgressStep step = view.Begin("Reading sidecars", ProgressUnit.Count, null);
        int packs = 0, instances = 0;
        List<string> problems = [];
        string? after = null;
        do
        {
            string path = $"v1/clinics/{clinic}/catalog/rebuild";
            RebuildResponse answer = await client.PostAsync<RebuildResponse>(after is null ? path : $"{path}?after={Uri.EscapeDataString(after)}", null, repeatable: true, cancellationToken);
            packs += answer.Packs;
            instances += answer.Instances;
            problems.AddRange(answer.Problems);
            step.Add(answer.Packs);
            if (answer.Next is not null && answer.Next == after) throw new IntegrityException("The rebuild does not come to an end: the service repeats itself.");
            after = answer.Next;
        }
        while (after is not null);
        return (packs, instances, problems);
    }
}
