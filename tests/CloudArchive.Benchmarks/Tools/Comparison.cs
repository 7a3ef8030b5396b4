using System.Globalization;
using CloudArchive.Testing;

namespace CloudArchive.Benchmarks.Tools;

/// <summary>
/// CloudArchive beside a plain SDK client, restic and rclone crypt: each set and round with all tools one after the other, on new storage each, in one run on one machine.
/// <c>-- tools</c> runs it, and scripts/bench.cs builds before; docs/benchmarks.md says what it shows and has its table.
/// </summary>
internal sealed class Comparison(ComparisonOptions options, TemporaryFolder folder, CancellationToken cancellationToken)
{
    private readonly Dictionary<string, string> _missing = [];
    private readonly List<string> _failures = [];
    private readonly List<string> _tools = [.. BackupTool.Names];
    private int _turn;

    public static async Task<int> RunAsync(string[] arguments)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        if (!OperatingSystem.IsLinux())
        {
            Console.Error.WriteLine("It reads /proc: run it on Linux.");
            return 1;
        }

        using CancellationTokenSource stop = new();
        using StopSignals signals = new(stop);
        try
        {
            ComparisonOptions options = ComparisonOptions.Parse(arguments);
            using TemporaryFolder folder = new();
            return await new Comparison(options, folder, stop.Token).RunAsync();
        }
        catch (ToolFailedException error)
        {
            Console.Error.WriteLine(error.Message);
            return 1;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            Console.Error.WriteLine("Stopped; nothing of it runs any more, and its folder is gone.");
            return 130;
        }
    }

    private async Task<int> RunAsync()
    {
        string document = Path.Combine(Repository.Root, "docs", "benchmarks.md");
        if (options.Write)
        {
            ComparisonTable.Replace(await File.ReadAllTextAsync(document, cancellationToken), ""); // now, and not after an hour
        }

        // Images, sealed blobs, restored images, and what tools stage; the largest set counts, for one is there at a time.
        long need = (long)(options.Sets.Append(ImageSet.Uplink).Max(set => set.Bytes) * Math.Max(options.Scale, 0.01) * 4) + 1_000_000_000;
        long free = new DriveInfo(folder.Path).AvailableFreeSpace;
        Tell($"It needs {need / 1e9:N1} GB in {Path.GetTempPath()} (TMPDIR names another place) and has {free / 1e9:N1} GB.");
        if (free < need)
        {
            throw new ToolFailedException("That is not enough. Name another place, fewer --sets, or a smaller --scale.");
        }

        IReadOnlyList<string> facts = await Machine.DescribeAsync(options, cancellationToken);
        foreach (string tool in (string[])["restic", "rclone"])
        {
            if (await MeasuredProcess.VersionAsync(tool, "version") is null)
            {
                _missing[tool] = $"`{tool}` is not installed";
                _tools.RemoveAll(name => name.StartsWith(tool, StringComparison.Ordinal) || (tool == "rclone" && name == "restic")); // which goes through rclone
            }
        }

        List<SetResult> results = [];
        foreach (ImageSet set in options.Sets)
        {
            results.Add(await CompareAsync(set));
        }

        UplinkResult? uplink = options.Uplink > 0 ? await CompareUplinkAsync() : null;
        string table = ComparisonTable.Write(_tools, results, uplink, facts, _missing, _failures);
        if (options.Write)
        {
            string text = await File.ReadAllTextAsync(document, cancellationToken);
            await File.WriteAllTextAsync(document, ComparisonTable.Replace(text, table), cancellationToken);
            Tell("Written to docs/benchmarks.md.");
        }
        else
        {
            Console.WriteLine(table);
        }

        return _failures.Count == 0 ? 0 : 1;
    }

    private async Task<SetResult> CompareAsync(ImageSet set)
    {
        (string images, int files, long bytes) = Generate(set);
        string[] contents = ImageSet.Contents(images);
        Dictionary<string, IReadOnlyList<ToolRound>> rounds = await RoundsAsync(set.Name, async tool =>
        {
            Measured backup = await tool.BackUpAsync(images, cancellationToken);
            Measured? unchanged = null;
            (long, long)? requests = null;
            long stored = await tool.StoredBytesAsync(cancellationToken);
            if (tool.LooksForChanges)
            {
                long first = (await tool.BackUpThroughAsync(images, null, cancellationToken)).Requests;
                unchanged = await tool.BackUpAsync(images, cancellationToken);
                requests = (first, (await tool.BackUpThroughAsync(images, null, cancellationToken)).Requests);
            }

            DropCaches();
            string target = folder["restored"];
            try
            {
                Measured restore = await tool.RestoreAsync(target, cancellationToken);
                return ImageSet.Contents(target).SequenceEqual(contents)
                    ? new ToolRound(backup, unchanged, requests, stored, restore)
                    : throw new ToolFailedException("what came back is not what was backed up.");
            }
            finally
            {
                Delete(target);
            }
        });
        Delete(images);
        return new SetResult(set.Name, set.Title, files, bytes, rounds);
    }

    private async Task<UplinkResult> CompareUplinkAsync()
    {
        (string images, int files, long bytes) = Generate(ImageSet.Uplink);
        Dictionary<string, IReadOnlyList<UplinkRound>> rounds = await RoundsAsync(ImageSet.Uplink.Name, async tool =>
        {
            (Measured use, _, long sent) = await tool.BackUpThroughAsync(images, options.Uplink, cancellationToken);
            return new UplinkRound(use, sent);
        });
        Delete(images);
        return new UplinkResult(ImageSet.Uplink.Title, files, bytes, options.Uplink, rounds);
    }

    /// <summary>All tools take turns, each round with another first; one that fails is told and does not keep the others from theirs.</summary>
    private async Task<Dictionary<string, IReadOnlyList<T>>> RoundsAsync<T>(string set, Func<BackupTool, Task<T>> run)
    {
        Dictionary<string, List<T>> results = [];
        for (int round = 0; round < options.Rounds; round++)
        {
            for (int i = 0; i < _tools.Count; i++)
            {
                string name = _tools[(i + round) % _tools.Count], work = folder[$"work-{_turn++}"];
                Tell($"{set}, round {round + 1} of {options.Rounds}: {name}");
                try
                {
                    await using BackupTool tool = await BackupTool.StartAsync(name, work, options.Published, cancellationToken);
                    DropCaches();
                    T result = await run(tool);
                    (results.TryGetValue(name, out List<T>? before) ? before : results[name] = []).Add(result);
                }
                catch (Exception error) when (error is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
                {
                    _failures.Add($"{set}, round {round + 1}, {name}: {error.Message.ReplaceLineEndings(" ").Replace(folder.Path, "...", StringComparison.Ordinal)}");
                    Tell(_failures[^1]);
                }
                finally
                {
                    Delete(work);
                }
            }
        }

        return results.ToDictionary(result => result.Key, result => (IReadOnlyList<T>)result.Value);
    }

    private (string Images, int Files, long Bytes) Generate(ImageSet set)
    {
        string images = folder["images"];
        Tell($"{set.Name}: writing {set.Title}");
        set.Write(images, options.Scale);
        FileInfo[] files = [.. new DirectoryInfo(images).EnumerateFiles("*", SearchOption.AllDirectories)];
        return (images, files.Length, files.Sum(file => file.Length));
    }

    private void DropCaches()
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (options.Cold)
        {
            Machine.DropCaches();
        }
    }

    private static void Delete(string path)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }

    private static void Tell(string line) => Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{TimeProvider.System.GetUtcNow():HH:mm:ss} {line}"));
}
