using System.Security.Cryptography;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary>Fetches a restore that is ready, reports to the archive how it went, and says so.</summary>
/// <param name="environment">The terminal.</param>
/// <param name="client">The service.</param>
/// <param name="network">The way to storage.</param>
/// <param name="patience">How long to wait for packs that have to come back from the archive tier.</param>
internal sealed class RestoreFetch(CliEnvironment environment, ArchiveClient client, Network network, TimeSpan patience)
{
    private static readonly TimeSpan PollEvery = TimeSpan.FromMinutes(5);

    /// <summary>Fetches what is not there yet.</summary>
    /// <param name="restore">The restore.</param>
    /// <param name="key">Its private key.</param>
    /// <param name="target">Where to.</param>
    /// <param name="journal">What earlier runs did.</param>
    /// <param name="filter">What of a snapshot is wanted.</param>
    /// <param name="byRoot">Whether more than one folder comes back: then each has a folder of its own in the target. A snapshot knows its own.</param>
    /// <param name="json">Whether the result is told as JSON.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<ExitCode> RunAsync(RestoreResponse restore, RSA key, TargetFolder target, RestoreJournal journal, SnapshotFilter filter, bool byRoot, bool json, CancellationToken cancellationToken)
    {
        TextWriter notes = json ? environment.Error : environment.Out;
        if (journal.Earlier.Packs > 0)
        {
            await notes.WriteLineAsync($"Going on with restore {restore.Id}: {Texts.Count(journal.Earlier.Packs, "pack")} of {restore.Packs:N0} are there and are not fetched again.");
        }

        await CheckSpaceAsync(target, restore, journal, notes);
        RestoreListing listing = new(client, restore, environment.Clock);
        RestoreEnd end;
        try
        {
            end = await ProgressViews.RunAsync(
                environment,
                json,
                async view =>
                {
                    Placement placement = restore.Snapshot is null
                        ? Placement.AsFound(target, byRoot)
                        : new SnapshotPlacement(
                            await new SnapshotFetch(listing, network, restore, key, view).ReadAsync(target, cancellation => WaitsAsync(notes, cancellation), cancellationToken), filter, target, byRoot, view);
                    return await new RestoreRun(listing, network, restore, key, journal, placement, view).RunAsync(target, cancellation => WaitsAsync(notes, cancellation), cancellationToken);
                });
        }
        catch (IOException error) when (TargetFolder.IsFull(error))
        {
            throw new LocalFailureException($"{target.Root} is full. What was restored is there: make room, then run the same command again, which goes on from here.", error);
        }

        bool complete = end.Packs >= restore.Packs && !restore.CatalogueOnly && end.Tally.Failed == 0 && end.Tally.Count(FileOutcome.Exists) == 0;
        bool reported = await ReportAsync(restore, end, partial: !complete, cancellationToken);
        if (complete)
        {
            journal.Remove();
        }

        Tell(json, restore, target, end, complete, reported);
        return CodeOf(restore, end);
    }

    private long _began = -1;
    private bool _told;

    private async Task<bool> WaitsAsync(TextWriter notes, CancellationToken cancellationToken)
    {
        _began = _began < 0 ? environment.Clock.GetTimestamp() : _began;
        if (environment.Clock.GetElapsedTime(_began) + PollEvery > patience)
        {
            return false;
        }

        if (!_told)
        {
            await notes.WriteLineAsync(
                $"Packs of this restore lie in the archive tier and are on their way back, which takes up to 15 hours. Waiting up to {Texts.Duration(patience)}; the same command goes on later where this one is stopped.");
            _told = true;
        }

        await Task.Delay(PollEvery, environment.Clock, cancellationToken);
        return true;
    }

    /// <summary>Room for what is still missing, and for the sealed packs that lie there for a while. What cannot be asked is not checked, and that is said.</summary>
    private async Task CheckSpaceAsync(TargetFolder target, RestoreResponse restore, RestoreJournal journal, TextWriter notes)
    {
        long missing = Math.Max(restore.Bytes - journal.Earlier.Sealed, 0);
        long needed = missing + Math.Min(missing, RestoreRun.SealedAtOnce);
        if (environment.FreeSpace(target.Root) is not { } free)
        {
            await notes.WriteLineAsync($"How much room {target.Root} has cannot be found out: not checked. This restore needs {Texts.Size(needed)}.");
        }
        else if (free < needed)
        {
            throw new LocalFailureException(
                $"What is still to be restored needs {Texts.Size(needed)}, the packs that are unpacked meanwhile included, and {target.Root} has {Texts.Size(free)} free. Nothing was restored in this run; make room, then run the same command again.");
        }
    }

    private async Task<bool> ReportAsync(RestoreResponse restore, RestoreEnd end, bool partial, CancellationToken cancellationToken)
    {
        try
        {
            RestoreTally tally = end.Tally;
            RestoreReport report = new(tally.Restored, tally.Skipped, tally.Failed, tally.Bytes, partial, end.Damaged.Count > 0 ? end.Damaged : null);
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

    private void Tell(bool json, RestoreResponse restore, TargetFolder target, RestoreEnd end, bool complete, bool reported)
    {
        RestoreTally tally = end.Tally;
        if (json)
        {
            environment.WriteJson(new
            {
                restore.Id,
                restore.Clinic,
                folder = target.Root,
                tally.Restored,
                tally.Skipped,
                tally.Failed,
                tally.Bytes,
                expected = restore.Instances,
                packs = end.Packs,
                expectedPacks = restore.Packs,
                earlierPacks = tally.Earlier.Packs,
                restore.CatalogueOnly,
                complete,
                reported,
                files = tally.Listed,
                filesNotListed = CommonOptions.NotListed(tally.Files.Count),
            });
            return;
        }

        TextWriter output = environment.Out;
        int there = tally.Earlier.There + tally.Count(FileOutcome.AlreadyThere);
        output.WriteLine($"Restored {Texts.Count(tally.Restored, "file")}, {Texts.Size(tally.Bytes)}, to {target.Root}; {there:N0} were there already.");
        int exists = tally.Count(FileOutcome.Exists);
        if (exists > 0)
        {
            output.WriteLine($"{Texts.Count(exists, "file")} not restored: others of the same name are in the target (--overwrite replaces them).");
        }

        if (tally.Failed > 0)
        {
            output.WriteLine($"{Texts.Count(tally.Failed, "FILE")} FAILED, as listed above.");
        }

        if (end.Packs < restore.Packs)
        {
            output.WriteLine($"The restore is of {Texts.Count(restore.Packs, "pack")}, and the service spoke of {end.Packs:N0} alone: {restore.Packs - end.Packs:N0} are MISSING.");
        }

        if (restore.CatalogueOnly)
        {
            output.WriteLine("NOT CHECKED whether that is all: the archive could not read its audit log or storage to the end, and restored what its catalogue knows. Ask again later.");
        }

        if (!complete)
        {
            output.WriteLine($"Not complete. The same command tries again what is missing and fetches nothing twice{(end.MayPass ? "" : "; tell the archive's operator what failed first")}.");
        }
    }

    private static ExitCode CodeOf(RestoreResponse restore, RestoreEnd end) =>
        end.Tally.Code == ExitCode.Ok && (end.Packs < restore.Packs || restore.CatalogueOnly) ? ExitCode.Incomplete : end.Tally.Code;
}
