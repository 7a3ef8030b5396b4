using CloudArchive.Cli.Service;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Audit;

/// <summary>
/// Remembers the last checkpoint of a log that this computer saw and checks that the next one continues it: a log that was rewritten or
/// rolled back is found out by every clinic that has seen more. What is remembered lies in files of its own beside the agent's state, because that
/// can be rebuilt from the service and this must not be.
/// </summary>
/// <param name="client">The service.</param>
/// <param name="keys">The keys that this computer pinned.</param>
/// <param name="folder">The agent's data folder.</param>
public sealed class Witness(ArchiveClient client, JwkSet keys, string folder)
{
    /// <summary>
    /// Checks a log's latest checkpoint against the one before, and remembers it. Null where the log has none yet.
    /// </summary>
    /// <exception cref="LogAlarmException">The log does not continue what was seen. What was seen stays remembered, and the checkpoint that contradicts it is kept beside it.</exception>
    public async Task<Checkpoint?> CheckAsync(string log, CancellationToken cancellationToken)
    {
        Checkpoint? seen = LastSeen(log) is { } kept ? Verify(log, kept, $"the checkpoint in {FileOf(log)}") : null;
        CheckpointResponse latest;
        try
        {
            latest = await client.GetAsync<CheckpointResponse>(LogPath.Of(log) + "/checkpoints/latest", cancellationToken);
        }
        catch (ServiceRefusedException e) when (e.Problem == "checkpoint-unknown")
        {
            return seen is null ? null : throw Alarm(log, $"the service has no checkpoint of it, and had one of {seen.Size} entries ({seen.Time:u})", e);
        }
        catch (ArchiveDamagedException e)
        {
            throw Alarm(log, "the service finds its checkpoints damaged", e);
        }

        Checkpoint now = Verify(log, latest.Checkpoint, "the service's latest checkpoint");
        if (now.Log != log)
        {
            throw Alarm(log, $"the service answers with a checkpoint of {now.Log}");
        }

        if (seen is not null && LogContinuity.FindBreak(seen, now, await ProofAsync(seen, now, cancellationToken)) is { } broken)
        {
            Save(FileOf(log) + $".contradicted-{now.Time:yyyyMMdd'T'HHmmss'Z'}", latest.Checkpoint);
            throw Alarm(log, broken);
        }

        if (seen is null || now.Size > seen.Size)
        {
            Save(FileOf(log), latest.Checkpoint);
        }

        return now;
    }

    /// <summary>The JWS that was remembered, or null.</summary>
    public string? LastSeen(string log) => File.Exists(FileOf(log)) ? File.ReadAllText(FileOf(log)).Trim() : null;

    /// <summary>What a person is told of a log that cannot be trusted.</summary>
    internal static LogAlarmException Alarm(string log, string what, Exception? inner = null) =>
        new($"ALARM: the audit log of {log} cannot be trusted: {what}. Do not delete anything on this computer; tell the archive's operator and the clinic's compliance officer.", inner);

    private async Task<ConsistencyProof?> ProofAsync(Checkpoint seen, Checkpoint now, CancellationToken cancellationToken)
    {
        if (now.Size <= seen.Size)
        {
            return null;
        }

        try
        {
            return await client.GetAsync<ConsistencyProof>($"{LogPath.Of(seen.Log)}/consistency?from={seen.Size}&to={now.Size}", cancellationToken);
        }
        catch (ServiceRefusedException e) when (e.Problem == "request-invalid")
        {
            // The service has not got the entries that its own checkpoint states: no proof is a broken one.
            return null;
        }
        catch (ArchiveDamagedException e)
        {
            throw Alarm(seen.Log, "the service finds it damaged when it is to prove that it continues what this computer saw", e);
        }
    }

    private Checkpoint Verify(string log, string jws, string what)
    {
        try
        {
            return SignedCheckpoint.Verify(jws, keys).Statement;
        }
        catch (JwsException e)
        {
            throw Alarm(log, e.Fault == JwsFault.UnknownKey
                ? $"{what} is signed with a key that this computer does not know. If the operator announced a new key, enroll again"
                : $"{what} does not verify ({e.Message.TrimEnd('.')})", e);
        }
    }

    private string FileOf(string log) => Path.Combine(folder, $"{log}.checkpoint.jws");

    private static void Save(string path, string jws)
    {
        string temporary = path + ".new";
        using (FileStream file = File.Create(temporary))
        {
            file.Write(System.Text.Encoding.ASCII.GetBytes(jws + "\n"));
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }
}

/// <summary>Where a log is in the API.</summary>
internal static class LogPath
{
    public static string Of(string log) => log == AuditEntry.SystemLog ? "v1/system/audit" : $"v1/clinics/{ClinicId.Parse(log)}/audit";
}
