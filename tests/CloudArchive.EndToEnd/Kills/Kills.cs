using System.Diagnostics;
using System.Globalization;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.Kills;

/// <summary>
/// Random moments at which something is killed, from a seed: <c>CLOUDARCHIVE_KILLS</c> says how many (5; 25 or 100 before a release),
/// <c>CLOUDARCHIVE_KILL_SEED</c> which ones. A test that fails says both.
/// </summary>
internal sealed class Kills
{
    private const int DefaultCount = 5;
    private readonly Random _random;
    private readonly string _what;
    private readonly int _seed;
    private readonly List<TimeSpan> _whole = [];
    private int _done;
    private int _missed;

    /// <param name="what">What is killed: the moments of one test are not those of another.</param>
    public Kills(string what)
    {
        _what = what;
        _seed = Number("CLOUDARCHIVE_KILL_SEED", 2026);
        _random = new Random(_seed + what.Sum(c => c));
    }

    public static int Count => Number("CLOUDARCHIVE_KILLS", DefaultCount);

    public Random Random => _random;

    /// <summary>How many there were.</summary>
    public int Done => _done;

    /// <summary>Whether there are more to come. What is always over before it is killed makes no test.</summary>
    public bool GoesOn => _missed <= 10 + Count ? _done < Count : throw new InvalidOperationException($"{_what}: {_missed} runs were over before they were killed, {_done} were killed ({Said}).");

    /// <summary>Whether it is time to look whether all is well: not after each kill, so that one falls into what another left behind.</summary>
    public bool IsCheckDue => _done % 5 == 0 || _done == Count;

    /// <summary>How to do it again.</summary>
    public string Said => $"kill {_done} of {Count}, CLOUDARCHIVE_KILL_SEED={_seed}";

    /// <summary>Tells how long it takes when nobody kills it.</summary>
    public void NoteWhole(TimeSpan whole) => _whole.Add(whole);

    /// <summary>The next moment: anywhere in the time that the whole takes.</summary>
    public TimeSpan NextMoment() => _whole.Order().ElementAt(_whole.Count / 2) * (0.05 + (0.95 * _random.NextDouble()));

    public void NoteKilled() => _done++;

    public void NoteMissed(TimeSpan whole)
    {
        _missed++;
        NoteWhole(whole);
    }

    /// <summary>Runs a command and kills it at the next moment. Null where it was over before.</summary>
    public async Task<bool> KillAsync(Cli cli, params string[] arguments)
    {
        long began = Stopwatch.GetTimestamp();
        if (await cli.RunAndKillAsync(NextMoment(), arguments) is null)
        {
            NoteKilled();
            return true;
        }

        NoteMissed(Stopwatch.GetElapsedTime(began));
        return false;
    }

    private static int Number(string variable, int otherwise) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}

/// <summary>A clinic's folder that grows and changes between kills, and remembers every version that ever stood in it.</summary>
internal sealed class LivingFolder(string path, Random random)
{
    private readonly HashSet<string> _ever = new(StringComparer.Ordinal);
    private DateTime _looked = DateTime.MinValue;
    private int _number;

    public string Path => path;

    /// <summary>A few small images, some slices, now and then a volume of several blocks; one that is there changes, one is renamed.</summary>
    public void Grow()
    {
        int number = _number++;
        for (int i = 0; i < 6; i++)
        {
            SampleStudies.WriteOne(System.IO.Path.Combine(path, $"visit {number}", $"IMG{i}.dcm"), $"kill-{number}-{i}", $"kill-{number}-{i % 3}");
        }

        CtSeries.Write(System.IO.Path.Combine(path, $"ct {number}"), $"kill-{number}", slices: 4, side: 300 + random.Next(200));
        if (number % 3 == 0)
        {
            CtSeries.WriteVolume(System.IO.Path.Combine(path, $"volume {number}", "volume.dcm"), $"kill-volume-{number}", frames: 20 + random.Next(40), side: 512);
        }

        // Not so much of it within a day that it looks like an attack, which is held back until a person has looked.
        if (number < 8 ? number % 2 == 1 : number % 4 == 0)
        {
            string visit = System.IO.Path.Combine(path, $"visit {random.Next(number)}");
            string changed = Directory.GetFiles(visit).Order(StringComparer.Ordinal).First();
            using (FileStream file = File.Open(changed, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete)) // a watch may be reading it
            {
                file.Position = file.Length - 1;
                file.WriteByte((byte)random.Next(256));
            }

            string renamed = Directory.GetFiles(visit).Order(StringComparer.Ordinal).Last();
            File.Move(renamed, renamed + "x");
        }

        // Only what was written since the last time: hashing everything at each step would take longer than the backups do.
        string[] written = [.. Directory.GetFiles(path, "*", SearchOption.AllDirectories).Where(file => File.GetLastWriteTimeUtc(file) >= _looked)];
        _looked = written.Max(File.GetLastWriteTimeUtc);
        _ever.UnionWith(written.Select(Practice.HashOf));
    }

    public int Files => Directory.GetFiles(path, "*", SearchOption.AllDirectories).Length;

    /// <summary>All that stands here came back, and nothing else than what once stood here.</summary>
    public void Compare(string restored, string said)
    {
        HashSet<string> back = [.. Practice.Contents(restored)];
        string[] missing = [.. Directory.GetFiles(path, "*", SearchOption.AllDirectories).Where(file => !back.Contains(Practice.HashOf(file)))];
        Assert.True(missing.Length == 0, $"files are missing ({said}): {string.Join(", ", missing.Select(file => $"{System.IO.Path.GetRelativePath(path, file)} of {File.GetLastWriteTimeUtc(file):O}"))}");
        Assert.True(back.IsSubsetOf(_ever), $"something came back that never was there ({said})");
    }
}
