using CloudArchive.Cli.Service;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Audit;

/// <summary>A log that was taken out of the service.</summary>
/// <param name="Entries">How many entries.</param>
/// <param name="Damage">What the service answered where it found the log's head or hashes damaged; null where it did not.</param>
internal sealed record DownloadedLog(long Entries, string? Damage);

/// <summary>Takes a log out of the service and into a folder, as it lies there: nothing is checked, for the verifier is to see what is wrong with it.</summary>
internal static class LogDownload
{
    /// <summary>
    /// Writes the files of <see cref="AuditExport"/>. The log may grow meanwhile: the export ends where the log ended when it began. A log whose head
    /// or hashes are damaged is taken as far as it can be read.
    /// </summary>
    public static async Task<DownloadedLog> RunAsync(ArchiveClient client, string log, string folder, CancellationToken cancellationToken)
    {
        string path = LogPath.Of(log);
        Directory.CreateDirectory(folder);
        string entries = Path.Combine(folder, AuditExport.EntriesFile);
        if (File.Exists(entries))
        {
            throw new UsageException($"There is an export in {folder} already. Name another folder.");
        }

        // The checkpoints first: what they state is there, whatever is appended while this runs.
        await using (StreamWriter checkpoints = File.CreateText(Path.Combine(folder, AuditExport.CheckpointsFile)))
        {
            await foreach (CheckpointResponse checkpoint in client.GetPagesAsync<CheckpointResponse>(path + "/checkpoints?take=100", cancellationToken))
            {
                await checkpoints.WriteAsync(checkpoint.Checkpoint + "\n");
            }
        }

        TreeHead? head = null;
        string? damage = null;
        try
        {
            head = await client.GetAsync<TreeHead>(path + "/head", cancellationToken);
            await File.WriteAllBytesAsync(Path.Combine(folder, AuditExport.HeadFile), CanonicalJson.Serialize(head), cancellationToken);
            await WriteLeavesAsync(client, path, head, Path.Combine(folder, AuditExport.LeavesFile), cancellationToken);
        }
        catch (ArchiveDamagedException error)
        {
            damage = error.Message;
            File.Delete(Path.Combine(folder, AuditExport.LeavesFile)); // as far as it was written
            await File.WriteAllTextAsync(Path.Combine(folder, AuditExport.DamageFile), damage + "\n", cancellationToken);
        }

        return new DownloadedLog(await WriteEntriesAsync(client, path, head, entries, cancellationToken), damage);
    }

    private static async Task WriteLeavesAsync(ArchiveClient client, string path, TreeHead head, string file, CancellationToken cancellationToken)
    {
        await using StreamWriter leaves = File.CreateText(file);
        long written = 0;
        await foreach (Sha256Digest leaf in client.GetPagesAsync<Sha256Digest>(path + "/leaves", cancellationToken))
        {
            if (written++ == head.Size)
            {
                break;
            }

            await leaves.WriteAsync(leaf.Hex + "\n");
        }
    }

    private static async Task<long> WriteEntriesAsync(ArchiveClient client, string path, TreeHead? head, string file, CancellationToken cancellationToken)
    {
        string temporary = file + ".part";
        List<AuditEntryResponse> later = [];
        long written = 0;
        await using (StreamWriter entries = File.CreateText(temporary))
        {
            await foreach (AuditEntryResponse entry in client.GetPagesAsync<AuditEntryResponse>(path + "/entries?take=1000", cancellationToken))
            {
                if (head is null || entry.Index < head.Size)
                {
                    await entries.WriteAsync(Line(entry));
                    written++;
                }
                else
                {
                    later.Add(entry);
                }
            }

            // Of what came later the log's head knows what was appended; what it does not know nobody appended, and belongs before the verifier.
            if (head is not null)
            {
                TreeHead now = await client.GetAsync<TreeHead>(path + "/head", cancellationToken);
                foreach (AuditEntryResponse stray in later.Where(entry => entry.Index >= now.Size))
                {
                    await entries.WriteAsync(Line(stray));
                    written++;
                }
            }
        }

        File.Move(temporary, file);
        return written;
    }

    // A line break in an entry would be no canonical JSON: what follows it must not pass for a line of its own.
    private static string Line(AuditEntryResponse entry) => entry.Entry.Replace("\r", "\\r", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal) + "\n";
}
