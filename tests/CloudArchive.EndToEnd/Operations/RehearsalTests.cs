using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CloudArchive.EndToEnd.Files;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.Operations;

/// <summary>
/// The ransomware rehearsal of docs/operations.md, "Back to before an attack": the commands are run as they stand there, and what stands below them there is what they said.
/// With CLOUDARCHIVE_SNAPSHOTS=write in the environment the page gets what they say now.
/// </summary>
public sealed partial class RehearsalTests
{
    private const string Heading = "### Back to before an attack";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task After_ransomware_the_folder_comes_back_as_it_was_before_and_the_page_says_how()
    {
        await using Practice practice = await Practice.OpenAsync("smile-dental");
        string clinic = practice["clinic"];
        Transcript transcript = new(practice);
        ImagingFolder.WriteEverything(clinic, 200);

        // Three backups, each after a change.
        DateTimeOffset first = await BackUpAsync();
        await File.WriteAllTextAsync(Path.Combine(clinic, "letters", "new letter.txt"), "Dear colleague", Cancel);
        await BackUpAsync();
        File.Delete(Path.Combine(clinic, "letters", "letter 3.txt"));
        SampleStudies.WriteOne(Path.Combine(clinic, "today.dcm"), "today");
        DateTimeOffset last = await BackUpAsync();
        ImagingFolder.CopyTree(clinic, practice["before"]);
        File.Delete(Path.Combine(practice["before"], "Thumbs.db"));

        // The attack, and what is seen of it.
        transcript.Begin();
        Encrypt(clinic);
        CliRun attacked = await transcript.RunAsync(practice.Agent, 4, "backup");
        Assert.Contains("may be an attack", attacked.Output + attacked.Error, StringComparison.Ordinal);
        CliRun alerts = await transcript.RunAsync(practice.Admin, 0, "alerts", "list", "--clinic", practice.Clinic, "--open");
        Assert.Contains("mass-change", alerts.Output, StringComparison.Ordinal);

        // What there is to go back to, and what happened until then.
        transcript.Begin();
        await transcript.RunAsync(practice.Admin, 0, "snapshots", "--clinic", practice.Clinic);
        Assert.Equal(3, JsonNode.Parse((await practice.Admin.RunAsync("snapshots", "--clinic", practice.Clinic, "--json")).Expect(0).Output)!.AsArray().Count);
        string[] why = ["--purpose", "the attack on the practice", "--recipient", "Smile Dental"];
        CliRun diff = await transcript.RunAsync(practice.Admin, 0, ["diff", At(first), At(last), "--clinic", practice.Clinic, .. why]);
        Assert.Equal(["+ clinic/letters/new letter.txt", "+ clinic/today.dcm", "- clinic/letters/letter 3.txt"], diff.Output.Split('\n').Where(line => line.StartsWith("  ", StringComparison.Ordinal)).Select(line => line.Trim()));

        transcript.Begin();
        await transcript.RunAsync(practice.Admin, 0, ["restore", "--clinic", practice.Clinic, "--as-of", At(last), "--out", practice["restored"], .. why]);
        await transcript.CompareAsync(practice["before"], practice["restored"]);

        // Without the service.
        transcript.Begin();
        await practice.StopArchiveAsync();
        await practice.CopyPacksAsync(practice["copy"]);
        await transcript.RunAsync(
            new Cli(practice["stranger"]), 0, "recover", "--from", practice["copy"], "--escrow-key", practice.EscrowKey, "--escrow-passphrase-file", practice.PassphraseFile, "--as-of", At(last), "--out", practice["recovered"]);
        await transcript.CompareAsync(practice["before"], practice["recovered"]);

        // Without this program: the stock SDK, unzip, and lines of JSON.
        await RestoreByHandAsync(practice, last, practice["by hand"]);
        await ImagingFolder.AssertSameTreeAsync(practice["before"], practice["by hand"]);

        if (OperatingSystem.IsLinux())
        {
            AssertPage(transcript);
        }

        async Task<DateTimeOffset> BackUpAsync()
        {
            if (transcript.IsEmpty)
            {
                await transcript.RunAsync(practice.Agent, 0, "backup", clinic);
            }
            else
            {
                // Snapshots are told apart by the second that a person reads and types.
                await Task.Delay(TimeSpan.FromSeconds(1.1), Cancel);
                await transcript.RunAsync(practice.Agent, 0, "backup");
            }

            return TimeProvider.System.GetUtcNow();
        }
    }

    /// <summary>Every file is overwritten with noise, and has another name.</summary>
    private static void Encrypt(string folder)
    {
        byte[] noise = new byte[3000];
        new Random(7).NextBytes(noise);
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).ToArray())
        {
            File.WriteAllBytes(file, noise[..(1000 + (file.Length % 1000))]);
            File.Move(file, file + ".locked");
        }
    }

    private static string At(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>What docs/formats.md says of snapshots, step by step.</summary>
    private static async Task RestoreByHandAsync(Practice practice, DateTimeOffset time, string target)
    {
        await using StockClient stock = await StockClient.OpenAsync(practice);
        Dictionary<string, JsonNode> sidecars = [];
        foreach (string name in stock.Names())
        {
            sidecars[name] = await stock.SidecarAsync(name);
        }

        (string newest, JsonNode sidecar) = sidecars.Where(s => (string?)s.Value["set"] == "snapshot" && (bool)s.Value["snapshot"]!["isComplete"]! && TakenAt(s.Value) <= time).MaxBy(s => TakenAt(s.Value));
        string clinic = newest[..(newest.IndexOf('/', StringComparison.Ordinal) + 1)];
        Dictionary<string, JsonNode> files = [];
        Dictionary<string, string> packOf = [];
        foreach (string pack in (IEnumerable<string>)[.. sidecar["snapshot"]!["chain"]!.AsArray().Select(id => clinic + (string)id!), newest])
        {
            string folder = await stock.UnzipAsync(pack);
            JsonNode document = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "snapshot.json"), Cancel))!;
            foreach (string list in Directory.EnumerateFiles(folder, "files-*.ndjson").Order(StringComparer.Ordinal))
            {
                foreach (JsonNode line in (await File.ReadAllLinesAsync(list, Cancel)).Select(line => JsonNode.Parse(line)!))
                {
                    string path = (string)line["path"]!;
                    files.Remove(path);
                    if (line["length"] is not null)
                    {
                        files[path] = line;
                        packOf[path] = clinic + (string)document["packs"]![(int)line["pack"]!]!;
                    }
                }
            }
        }

        Dictionary<string, (string Folder, JsonNode[] Listed)> opened = [];
        foreach ((string path, JsonNode line) in files)
        {
            string pack = packOf[path];
            if (!opened.TryGetValue(pack, out (string Folder, JsonNode[] Listed) there))
            {
                string folder = await stock.UnzipAsync(pack);
                opened[pack] = there = (folder, [.. JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "manifest.json"), Cancel))!["instances"]!.AsArray().Select(listed => listed!)]);
            }

            JsonNode entry = there.Listed.First(listed => (string)listed["instance"]!["sha256"]! == (string)line["sha256"]!);
            string to = $"{target}/{path}", from = Path.Combine(there.Folder, (string)entry["entry"]!);
            Directory.CreateDirectory(to[..to.LastIndexOf('/')]);
            await (entry["filter"] is { } filter ? UnfilterAsync(practice, from + ".f1", filter["pixels"]!, to) : CopyAsync(from, to));
            Assert.Equal((string)line["sha256"]!, Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(to, Cancel))));
            File.SetLastWriteTimeUtc(to, ((DateTimeOffset)line["modifiedAt"]!).UtcDateTime);
        }

        static DateTimeOffset TakenAt(JsonNode sidecar) => (DateTimeOffset)sidecar["snapshot"]!["takenAt"]!;

        static Task CopyAsync(string from, string to)
        {
            File.Copy(from, to);
            return Task.CompletedTask;
        }
    }

    /// <summary>The inverse of the pixel filter, as docs/formats.md has it.</summary>
    private static async Task UnfilterAsync(Practice practice, string from, JsonNode pixels, string to)
    {
        Assert.SkipUnless(Programs.Has("python3"), "There is no python3 on the PATH: all but what went through the pixel filter came back.");
        string script = practice["unfilter.py"];
        if (!File.Exists(script))
        {
            string unfilter = PythonBlock().Match(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "formats.md"), Cancel)).Groups["script"].Value;
            await File.WriteAllTextAsync(script, $"{unfilter}\nimport json, sys\nopen(sys.argv[3], 'wb').write(unfilter(open(sys.argv[1], 'rb').read(), json.loads(sys.argv[2])))\n", Cancel);
        }

        (int exit, _, string errors) = await Programs.RunAsync("python3", [script, from, pixels.ToJsonString(), to], Cancel);
        Assert.True(exit == 0, errors);
    }

    private static void AssertPage(Transcript transcript)
    {
        string path = Path.Combine(Repository.Root, "docs", "operations.md");
        string page = File.ReadAllText(path);
        int begin = page.IndexOf(Heading, StringComparison.Ordinal), end = page.IndexOf("\n### ", begin + Heading.Length, StringComparison.Ordinal);
        string section = page[begin..end];
        MatchCollection blocks = Block().Matches(section);
        if (Environment.GetEnvironmentVariable("CLOUDARCHIVE_SNAPSHOTS") == "write")
        {
            Assert.Equal(transcript.Parts.Count, blocks.Count);
            int part = 0;
            File.WriteAllText(path, page[..begin] + Block().Replace(section, _ => $"```text\n{transcript.Parts[part++]}```") + page[end..]);
            return;
        }

        // What differs from run to run, and how wide a table is for it, says nothing; nor whether the minute's delivery of alerts was before or after.
        Assert.Equal(transcript.Parts.Select(Shape), blocks.Select(block => Shape(block.Groups["text"].Value)));
    }

    private static string Shape(string text) => Varying().Replace(text.ReplaceLineEndings("\n"), match => match.Groups.Values.Skip(1).First(group => group.Success).Name switch
    {
        "blank" => " ",
        string name => $"<{name}>",
    });

    [GeneratedRegex("```text\n(?<text>.*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Block();

    [GeneratedRegex("```python\r?\n(?<script>.*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex PythonBlock();

    [GeneratedRegex(
        @"(?<time>\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?Z?)?)|(?<id>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{8}-[0-9a-f]{32}|smile-dental\.[a-z0-9]{16})|(?<set>2\.25\.\d+)|(?<size>\d[\d.,]* ?(bytes?|[kMG]B)\b(/s)?)|(?<while>\d[\d.]* (ms|s|seconds?|minutes?)\b)|(?<delivery>(waiting|delivered|failed)\t\d+)|(?<blank>\t(No webhook and no mail server is configured\.)?|[ ─-]{2,})",
        RegexOptions.ExplicitCapture,
        1000)]
    private static partial Regex Varying();

    /// <summary>How far something is: on a terminal a bar that goes away.</summary>
    [GeneratedRegex(@"^[A-Z][\w' -]*: [\d.,]+( [kMG]?B| bytes?)?( to do| of \d.*| in (under )?\d.*)\n", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Progress();

    [GeneratedRegex(@"^(restored  .*\n)+", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex FileLines();

    /// <summary>Commands and what they said, in parts; with the names that a practice's folders have, and not those of this test's.</summary>
    private sealed class Transcript(Practice practice)
    {
        private readonly List<string> _parts = [""];

        public IReadOnlyList<string> Parts => _parts;

        public bool IsEmpty => _parts is [""];

        public void Begin() => _parts.Add("");

        public async Task<CliRun> RunAsync(Cli cli, int code, params string[] arguments)
        {
            CliRun run = (await cli.RunAsync(arguments)).Expect(code);
            Add("cloudarchive", arguments);
            string output = Progress().Replace(run.Output.ReplaceLineEndings("\n"), "");
            Add(FileLines().Replace(output, files => $"[{files.Value.Count(c => c == '\n')} lines: a file each]\n") + run.Error);
            Add(code == 0 ? "" : $"$ echo $?\n{code}\n");
            return run;
        }

        /// <summary>The same names and bytes, as diff sees it, and the same times besides.</summary>
        public async Task CompareAsync(string before, string after)
        {
            await ImagingFolder.AssertSameTreeAsync(before, after);
            Add("diff", "-r", before, after);
        }

        private void Add(string program, params string[] arguments) =>
            Add($"$ {program} {string.Join(' ', arguments.Select(argument => argument.Any(c => !char.IsAsciiLetterOrDigit(c) && !"-_./:\\".Contains(c)) ? $"\"{argument}\"" : argument))}\n");

        private void Add(string text) => _parts[^1] += new[] { ("before", "/before"), ("clinic", "/images"), ("restored", "/restored"), ("recovered", "/recovered"), ("copy", "/copy"), ("escrow.pem", "escrow.pem"), ("passphrase.txt", "passphrase.txt") }
            .Aggregate(text.ReplaceLineEndings("\n"), (all, name) => all.Replace(practice[name.Item1], name.Item2, StringComparison.Ordinal));
    }
}
