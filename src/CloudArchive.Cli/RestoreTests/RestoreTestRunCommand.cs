using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.RestoreTests;

/// <summary><c>restore-test run</c>.</summary>
internal static class RestoreTestRunCommand
{
    private static readonly TimeSpan PollEvery = TimeSpan.FromSeconds(1);

    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<int> packs = new("--packs") { Description = "How many packs to restore: half those that were tested longest ago, half random", DefaultValueFactory = _ => 10 };
        Option<long?> bytes = new("--bytes") { Description = "About how many bytes of packs to restore; without it what the clinic's budget says" };
        Option<bool> noWait = new("--no-wait") { Description = "Begin the run and do not wait for its end" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("run", "Restore a sample now, and see whether it comes back whole (admin).") { packs, bytes, noWait, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            string path = $"v1/clinics/{connection.Clinic(parsed)}/restore-tests";
            RestoreTestResponse run = await client.PostAsync<RestoreTestResponse>(path, new RestoreTestRequest(parsed.GetValue(packs), parsed.GetValue(bytes)), repeatable: false, cancellationToken);
            if (!parsed.GetValue(noWait)) run = await WaitAsync(environment, client, path, run, parsed.GetValue(json), cancellationToken);
            if (parsed.GetValue(json)) environment.WriteJson(RestoreTestReport.Document(run));
            else RestoreTestReport.Write(environment, run);
            return (int)RestoreTestReport.CodeOf(run);
        });
        return command;
    }

    private static Task<RestoreTestResponse> WaitAsync(CliEnvironment environment, ArchiveClient client, string path, RestoreTestResponse run, bool json, CancellationToken cancellationToken) =>
        ProgressViews.RunAsync(environment, json, async view =>
        {
            using IProgressStep step = view.Begin("Restoring packs", ProgressUnit.Count, run.Sample);
            int told = 0;
            while (true)
            {
                int done = run.Passed + run.Failed + run.NotTested;
                step.Add(done - told);
                told = done;

                // The single run has its packs; what POST answered and listings have may not.
                if (run.Status != RestoreTestStatus.Running && run.Packs is not null) return run;
                if (run.Status == RestoreTestStatus.Running) await Task.Delay(PollEvery, environment.Clock, cancellationToken);
                run = await client.GetAsync<RestoreTestResponse>($"{path}/{Uri.EscapeDataString(run.Id)}", cancellationToken);
                if (run.Status != RestoreTestStatus.Running) run = run with { Packs = run.Packs ?? [] };
            }
        });
}
