using System.Security.Cryptography;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary>Fetches a restore that is ready, reports to the archive how it went, and says so.</summary>
/// <param name="environment">The terminal.</param>
/// <param name="client">The service.</param>
/// <param name="patience">How long to wait for packs that have to come back from the archive tier.</param>
internal sealed class RestoreFetch(CliEnvironment environment, ArchiveClient client, TimeSpan patience)
{
    private static readonly TimeSpan PollEvery = TimeSpan.FromMinutes(5);

    public async Task<ExitCode> RunAsync(RestoreResponse restore, RSA key, TargetFolder target, bool json, CancellationToken cancellationToken)
    {
        CheckSpace(target, restore);
        RestoreListing listing = new(client, restore);
        IReadOnlyList<ListedPack> packs = await ListAsync(listing, json, cancellationToken);
        RestoreTally tally = await ProgressViews.RunAsync(environment, json, view => new RestoreRun(listing, environment, restore, key, view).RunAsync(packs, target, cancellationToken));
        bool reported = await ReportAsync(restore, tally, cancellationToken);
        Tell(json, restore, target, tally, reported);
        return CodeOf(restore, tally);
    }

    private async Task<IReadOnlyList<ListedPack>> ListAsync(RestoreListing listing, bool json, CancellationToken cancellationToken)
    {
        long began = environment.Clock.GetTimestamp();
        bool told = false;
        return await listing.ReadAsync(WaitsAsync, cancellationToken);

        async Task<bool> WaitsAsync(CancellationToken cancellation)
        {
            if (environment.Clock.GetElapsedTime(began) + PollEvery > patience) return false;
            if (!told)
            {
                await (json ? environment.Error : environment.Out).WriteLineAsync(
                    $"Packs of this restore lie in the archive tier and are on their way back, which takes up to 15 hours. Waiting up to {Texts.Duration(patience)}. Leave this running.");
                told = true;
            }

            await Task.Delay(PollEvery, environment.Clock, cancellation);
            return true;
        }
    }

    private static void CheckSpace(TargetFolder target, RestoreResponse restore)
    {
        long free = new DriveInfo(target.Root).AvailableFreeSpace;
        if (free < restore.Bytes) throw new LocalFailureException($"The restore needs {Texts.Size(restore.Bytes)}, and {target.Root} has {Texts.Size(free)} free. Nothing was restored.");
    }

    private async Task<bool> ReportAsync(RestoreResponse restore, RestoreTally tally, CancellationToken cancellationToken)
    {
        try
        {
            RestoreReport report = new(tally.Restored, tally.Skipped, tally.Failed, tally.Bytes);
            await client.PostAsync<Nothing>($"v1/clinics/{restore.Clinic}/restores/{Uri.EscapeDataString(restore.Id)}/report", report, repeatable: true, cancellationToken);
            return true;
        }
        catch (CliException error) when (error is ServiceUnreachableException or ServiceRefusedException)
        {
            // The files are back; that the archive does not know it is told and changes nothing else.
            await environment.Error.WriteLineAsync($"The report could not be sent: {error.Message}");
            return false;
        }
    }

    private void Tell(bool json, RestoreResponse restore, TargetFolder target, RestoreTally tally, bool reported)
    {
        if (json)
        {
            environment.WriteJson(new { restore.Id, restore.Clinic, folder = target.Root, tally.Restored, tally.Skipped, tally.Failed, tally.Bytes, expected = restore.Instances, reported, files = tally.Files });
            return;
        }

        environment.Out.WriteLine($"Restored {Texts.Count(tally.Restored, "file")}, {Texts.Size(tally.Bytes)}, to {target.Root}; {tally.Files.Count(f => f.Outcome == FileOutcome.AlreadyThere):N0} were there already.");
        int exists = tally.Files.Count(f => f.Outcome == FileOutcome.Exists);
        if (exists > 0) environment.Out.WriteLine($"{Texts.Count(exists, "file")} not restored: others of the same name are in the target (--overwrite replaces them).");
        if (tally.Failed > 0) environment.Out.WriteLine($"{Texts.Count(tally.Failed, "FILE")} FAILED, as listed above.");
        if (tally.Files.Count < restore.Instances) environment.Out.WriteLine($"The catalogue has {restore.Instances:N0} files for this request; only {tally.Files.Count:N0} are accounted for.");
    }

    private static ExitCode CodeOf(RestoreResponse restore, RestoreTally tally) => tally.Code == ExitCode.Ok && tally.Files.Count < restore.Instances ? ExitCode.Incomplete : tally.Code;
}
