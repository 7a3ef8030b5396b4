using System.Collections.Concurrent;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Dicom;
using CloudArchive.Format;

namespace CloudArchive.Cli.Find;

/// <summary>What making the index anew told.</summary>
/// <param name="Files">Files whose names, and of images whose headers, were read.</param>
/// <param name="NotRead">Files that are away, cannot be read or are not what they were: the next backup that reads them adds them.</param>
public sealed record RebuiltIndex(long Files, long NotRead);

/// <summary>Makes the index anew from the files that are here, whose headers alone are read. It asks nobody, and uploads nothing.</summary>
internal static class FindRebuild
{
    public static async Task<RebuiltIndex> RunAsync(AgentHome home, ClinicId clinic, AgentState state, IProgressView view, CancellationToken cancellationToken)
    {
        FindIndex.Delete(home, clinic);
        using FindIndex index = FindIndex.Open(home, clinic);
        using IProgressStep step = view.Begin("Reading what images say of themselves", ProgressUnit.Count, null);
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = Math.Clamp(Environment.ProcessorCount, 2, 4), CancellationToken = cancellationToken };
        long files = 0, notRead = 0;
        foreach (IReadOnlyList<KnownContent> page in state.KnownContents())
        {
            ConcurrentBag<IndexedFile> read = [];
            await Parallel.ForEachAsync(page, parallel, async (file, cancellation) =>
            {
                if (file.Kind is not null)
                {
                    read.Add(new IndexedFile(file.Set, file.Kind, file.Path, null));
                }
                else if (await TryReadHeaderAsync(file, cancellation) is { } header)
                {
                    read.Add(new IndexedFile(file.Set, null, file.Path, header));
                }
                else
                {
                    Interlocked.Increment(ref notRead);
                }

                step.Add(1);
            });
            index.Add(read);
            files += read.Count;
        }

        return new RebuiltIndex(files, notRead);
    }

    /// <summary>The header; null where the file is away, cannot be read or is of another study by now.</summary>
    private static async Task<DicomHeader?> TryReadHeaderAsync(KnownContent file, CancellationToken cancellationToken)
    {
        try
        {
            await using FileStream stream = FileInspection.Open(file.Path);
            DicomHeader header = await DicomReader.ReadHeaderAsync(stream, cancellationToken);
            return header.StudyInstanceUid == file.Set.Value ? header : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or DicomException)
        {
            return null;
        }
    }
}
