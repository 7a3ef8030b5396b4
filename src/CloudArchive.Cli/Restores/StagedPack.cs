using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Restores;

/// <summary>A file of a pack on its way into the target: whole and checked in a file of its own, or not written because it seems to be there.</summary>
/// <param name="Entry">The file, as the manifest has it.</param>
/// <param name="Extract">Writes its bytes, and throws <see cref="PackException"/> where they are not what was captured.</param>
internal sealed record StagedFile(ManifestInstance Entry, Func<Stream, CancellationToken, Task> Extract)
{
    /// <summary>Where its bytes are; null where they were not written, or have their name by now.</summary>
    public string? Part { get; set; }

    /// <summary>Why it will not be there; null until something fails.</summary>
    public FileReport? Failure { get; set; }
}

/// <summary>
/// The files of one pack on their way into the target folder. Each is written whole under a name of its own; then all are flushed to the disk together, and only
/// then do they get their names. When <see cref="PlaceAsync"/> returns, files and names outlast a power cut: no file is reported as restored before.
/// </summary>
/// <remarks>Several packs may be staged side by side; names are given one pack at a time. Disposing deletes what got no name.</remarks>
public sealed class StagedPack(TargetFolder target, PackId pack) : IDisposable
{
    private readonly List<StagedFile> _files = [];

    /// <summary>Writes a file, unless the target seems to have it already, or another that must not be replaced.</summary>
    /// <param name="entry">The file, as the manifest has it.</param>
    /// <param name="extract">Writes its bytes, and throws <see cref="PackException"/> where they are not what was captured. Must work until the files are placed.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task AddAsync(ManifestInstance entry, Func<Stream, CancellationToken, Task> extract, CancellationToken cancellationToken)
    {
        StagedFile file = new(entry, extract);
        _files.Add(file);
        await TryAsync(file, async () =>
        {
            if (!target.SeemsDone(entry))
            {
                await target.WritePartAsync(file, cancellationToken);
            }
        });
    }

    /// <summary>Flushes what was written, gives the files their names and makes those last too.</summary>
    /// <returns>What became of each file, in the order in which they were added.</returns>
    public async Task<IReadOnlyList<FileReport>> PlaceAsync(CancellationToken cancellationToken)
    {
        StagedFile[] written = [.. _files.Where(file => file.Part is not null)];
        Exception?[] failures = await DiskFlush.FilesAsync([.. written.Select(file => file.Part!)]);
        for (int i = 0; i < written.Length; i++)
        {
            if (failures[i] is { } failure)
            {
                await TryAsync(written[i], () => Task.FromException(failure));
            }
        }

        List<FileReport> reports = [];
        HashSet<string> folders = new(StringComparer.Ordinal);
        using (await target.EnterAsync(cancellationToken))
        {
            foreach (StagedFile file in _files)
            {
                FileReport? placed = null;
                if (file.Failure is null)
                {
                    await TryAsync(file, async () => placed = await target.PlaceAsync(pack, file, folders, cancellationToken));
                }

                reports.Add(placed ?? file.Failure!);
            }
        }

        if (await DiskFlush.FoldersAsync(folders) is { } lost)
        {
            return [.. reports.Select(report => report.Outcome == FileOutcome.Restored ? report with { Outcome = FileOutcome.Failed, Why = $"its folder cannot be flushed to the disk: {lost.Message}" } : report)];
        }

        return reports;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (StagedFile file in _files)
        {
            TargetFolder.DeletePart(file);
        }
    }

    /// <summary>What is wrong with one file ends that file. A full disk ends the restore.</summary>
    private async Task TryAsync(StagedFile file, Func<Task> work)
    {
        SidecarInstance instance = file.Entry.Instance;
        try
        {
            await work();
        }
        catch (PackException error)
        {
            file.Failure = new FileReport(pack, FileOutcome.Failed, file.Entry.Entry, instance.SopInstance, instance.Length, $"{error.Fault}: {error.Message}", Integrity: true);
        }
        catch (Exception error) when (error is UnauthorizedAccessException or IOException or NotSupportedException && !TargetFolder.IsFull(error))
        {
            file.Failure = new FileReport(pack, FileOutcome.Failed, file.Entry.Entry, instance.SopInstance, instance.Length, error.Message);
        }
    }
}
