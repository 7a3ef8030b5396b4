#!/usr/bin/env dotnet
#:include setup.lib.cs
#:include archive.lib.cs
// The main job, on this machine alone: a clinic's studies go off site sealed, verified, locked and receipted, and come back.
//   dotnet run scripts/demo.cs
//   dotnet run scripts/demo.cs -- --from <folder>   your own files instead of made-up studies
//   dotnet run scripts/demo.cs -- --out <folder>    writes summary.json there
//   dotnet run scripts/demo.cs -- --keep            leaves the archive up and writes archive.json beside it
// At a terminal it stays up until a key is pressed, so that the portal can be looked at.

using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

return await Setup.RunAsync(async () =>
{
    Options options = Options.Parse(args);
    await Setup.PrepareAsync("src/CloudArchive.LocalHost", "src/CloudArchive.Cli", "tests/CloudArchive.Samples");

    // A kept archive lives in the out folder; anything else is gone when the demo ends.
    DirectoryInfo? temporary = options.Keep ? null : Directory.CreateTempSubdirectory("cloudarchive-demo-");
    string work = temporary?.FullName ?? Directory.CreateDirectory(Path.Combine(options.Out!, "archive")).FullName;
    try
    {
        Demo demo = new(options, work);
        return await demo.RunAsync();
    }
    finally
    {
        temporary?.Delete(recursive: true);
    }
});

sealed record Options(string? From, string? Out, bool Keep)
{
    public static Options Parse(string[] args)
    {
        const string usage = "Usage: dotnet run scripts/demo.cs -- [--from <folder>] [--out <folder>] [--keep]";
        string? from = null, output = null;
        bool keep = false;
        for (int i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--from" when i + 1 < args.Length: from = Path.GetFullPath(args[++i]); break;
                case "--out" when i + 1 < args.Length: output = Path.GetFullPath(args[++i]); break;
                case "--keep": keep = true; break;
                default: throw new SetupException($"'{args[i]}' is not an option, or lacks its folder. {usage}");
            }
        }

        if (from is not null && !Directory.Exists(from))
        {
            throw new SetupException($"--from: there is no folder {from}.");
        }

        output ??= keep ? Path.Combine(Setup.Root, "artifacts", "demo") : null;
        if (output is not null)
        {
            Directory.CreateDirectory(output);
        }

        if (keep && File.Exists(Path.Combine(output!, "archive.json")))
        {
            throw new SetupException($"{Path.Combine(output!, "archive.json")} is there already: a kept archive may still be up. Stop its processIds, delete the file, and try again (or give another --out).");
        }

        return new Options(from, output, keep);
    }
}

/// <summary>One run of the demo.</summary>
sealed partial class Demo(Options options, string work)
{
    private const string Clinic = "demo-dental";

    private readonly JsonObject _summary = [];
    private JsonObject _ready = [];
    private Archive _archive = null!;

    public async Task<int> RunAsync()
    {
        Stopwatch watch = Stopwatch.StartNew();
        string source = options.From ?? await MakeStudiesAsync();
        using LocalHostProcess host = await LocalHostProcess.StartAsync(work, options.Keep);
        try
        {
            (_ready, _archive) = (host.Ready, host.ToArchive(work));
            await EnrollAsync();
            await BackUpAsync(source);
            await RestoreOneAsync(source);
            await ShowThatDeletingIsRefusedAsync();
            await TestRestoreAsync();
            await ShowEvidenceAsync();
        }
        catch
        {
            host.Stop();
            throw;
        }

        bool good = (bool)_summary["restoredIdentical"]! && (bool)_summary["deleteRefused"]! && (string)_summary["restoreTest"]! == "passed" && (bool)_summary["forgeryFound"]!
            && (int)_summary["packs"]! == (int)_summary["receipts"]!;
        if (options.Out is not null)
        {
            await File.WriteAllTextAsync(Path.Combine(options.Out, "summary.json"), _summary.ToJsonString(Json.Indented) + "\n");
        }

        Step(good ? $"Done in {watch.Elapsed.TotalSeconds:0} s: every step did what it must." : "NOT as it must be; see above.");
        if (options.Keep && good)
        {
            WriteArchiveJson();
        }
        else if (good && AtATerminal)
        {
            Step("The archive is still up: look at it in the portal");
            Print($"{_ready["portalUrl"]}");
            Print("Press any key to stop it.");
            Console.ReadKey(intercept: true);
        }

        if (!options.Keep || !good)
        {
            host.Stop();
        }

        WhereToLookNext();
        return good ? 0 : 1;
    }

    private async Task<string> MakeStudiesAsync()
    {
        Step("Making a clinic's folder: an intraoral series, a panoramic, a CBCT volume, a JPEG-compressed photograph");
        string folder = Path.Combine(work, "clinic");
        Print(await Archive.RunAsync("tests/CloudArchive.Samples", "CloudArchive.Samples", ["studies", folder]));
        return folder;
    }

    private async Task EnrollAsync()
    {
        Step("Enrolling the clinic: an admin makes a one-time code; the agent makes its keys on the clinic's machine");
        Print(await _archive.EnrollAsync(Clinic, "Demo Dental Practice", EscrowKey));
    }

    private async Task BackUpAsync(string source)
    {
        Step("Backing up " + source);
        JsonObject report = Json.Object(await _archive.CliAsync(["backup", source, "--json"], PartlyBackedUp));
        foreach (string name in (string[])["filesFound", "backedUp", "skipped", "packs", "receipts", "bytes"])
        {
            _summary[name] = report[name]!.DeepClone();
        }

        Print($"{_summary["filesFound"]} files found, {_summary["backedUp"]} backed up in {_summary["packs"]} packs ({(long)_summary["bytes"]! / 1048576.0:0.0} MiB), {_summary["receipts"]} receipts, {_summary["skipped"]} skipped");
        foreach (JsonNode? skipped in (report["skippedFiles"] as JsonArray ?? []).Take(10))
        {
            Print($"  skipped: {skipped!["path"]}: {skipped["reason"]}");
        }

        Step("Backing up once more: nothing has changed, so nothing is uploaded");
        JsonObject again = Json.Object(await _archive.CliAsync(["backup", source, "--json"], PartlyBackedUp));
        Print($"{again["filesFound"]} files found, {again["packs"]} packs uploaded");
    }

    private async Task RestoreOneAsync(string source)
    {
        JsonArray studies = (JsonArray)(await _archive.ApiAsync(HttpMethod.Get, $"/v1/clinics/{Clinic}/studies?take=1000"))["items"]!;
        if (studies.Count == 0)
        {
            throw new SetupException($"No DICOM study was found in {source}; nothing can be restored. Choose a folder with DICOM files.");
        }

        JsonNode study = studies.OrderByDescending(s => (int)s!["instances"]!).ThenBy(s => (long)s!["bytes"]!).First()!;
        Step($"Restoring study {study["study"]} ({study["instances"]} instances) to a new folder");
        string target = Path.Combine(work, "restored");
        JsonObject report = await _archive.AdminJsonAsync(["restore", "--clinic", Clinic, "--study", (string)study["study"]!, "--out", target, "--purpose", "demonstration", "--recipient", "the person at the keyboard", "--json"]);

        Dictionary<string, int> known = [];
        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            known[HashOf(file)] = 1;
        }

        string[] restored = Directory.Exists(target) ? Directory.GetFiles(target, "*", SearchOption.AllDirectories) : [];
        int identical = restored.Count(f => known.ContainsKey(HashOf(f)));
        bool all = identical == restored.Length && restored.Length == (int)study["instances"]! && restored.Length == (int)report["restored"]!;
        _summary["restored"] = restored.Length;
        _summary["restoredIdentical"] = all;
        Print($"{restored.Length} files restored; {identical} are byte for byte a file of the clinic's folder");
    }

    private async Task ShowThatDeletingIsRefusedAsync()
    {
        Step("Deleting and overwriting a locked pack, with the storage account's own key");
        JsonObject pack = (JsonObject)((JsonArray)(await _archive.ApiAsync(HttpMethod.Get, $"/v1/clinics/{Clinic}/packs?take=1"))["items"]!)[0]!;
        string path = $"/packs/{Clinic}/{pack["pack"]}";
        BlobStorage blobs = BlobStorage.OfAzurite((string)_ready["blobUrl"]!, TimeProvider.System);
        BlobReply deleted = await blobs.SendAsync(HttpMethod.Delete, path), overwritten = await blobs.SendAsync(HttpMethod.Put, path, "ransomware"u8.ToArray(), ("x-ms-blob-type", "BlockBlob"));
        Print($"DELETE {path}: {deleted}");
        Print($"PUT    {path}: {overwritten}");
        _summary["deleteRefused"] = deleted.Status == 409 && overwritten.Status == 409;
    }

    private async Task TestRestoreAsync()
    {
        Step("Running a restore test: fetch, verify, open, parse; and packs that are damaged on purpose, which must fail");
        JsonObject run = await _archive.AdminJsonAsync(["restore-test", "run", "--clinic", Clinic, "--json"]);
        string result = (string)run["result"]!;
        Print($"{result}: {run["passed"]} of {run["tested"]} packs came back whole, {run["canaries"]!.AsArray().Count} canaries came out as they must");
        _summary["restoreTest"] = result;
    }

    private async Task ShowEvidenceAsync()
    {
        string folder = options.Out is null ? Path.Combine(work, "evidence") : Path.Combine(options.Out, "evidence");
        Step("Its evidence, for an auditor: downloaded, then verified without a connection");
        await _archive.AdminAsync(["evidence", "get", "latest", "--clinic", Clinic, "--out", folder]);
        string keys = Path.Combine(folder, "keys.json");
        Print(await _archive.CliAsync(["evidence", "verify", folder, "--key", keys]));

        Step("The same with one recovered file more than there was, as somebody might wish it");
        string forged = Path.Combine(work, "evidence-forged");
        Directory.CreateDirectory(forged);
        foreach (string file in Directory.GetFiles(folder))
        {
            File.Copy(file, Path.Combine(forged, Path.GetFileName(file)), overwrite: true);
        }

        string json = await File.ReadAllTextAsync(Path.Combine(folder, "evidence.json"));
        await File.WriteAllTextAsync(Path.Combine(forged, "evidence.json"), ForgedCount().Replace(json, m => $"\"recoveredFiles\":{long.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture) + 1}"));
        string found = await _archive.CliAsync(["evidence", "verify", forged, "--key", keys], DoesNotHold);
        Print(found);
        _summary["evidenceVerified"] = true;
        _summary["forgeryFound"] = found.Contains("DOES NOT HOLD", StringComparison.Ordinal) && found.Contains("/summary/recoveredFiles", StringComparison.Ordinal);
    }

    private void WriteArchiveJson()
    {
        JsonObject archive = new()
        {
            ["url"] = _archive.Recovery,
            ["portalUrl"] = _ready["portalUrl"]!.DeepClone(),
            ["blobUrl"] = _ready["blobUrl"]!.DeepClone(),
            ["tableUrl"] = _ready["tableUrl"]!.DeepClone(),
            ["clinic"] = Clinic,
            ["tokens"] = new JsonObject { ["admin"] = _ready["tokens"]!["admin"]!.DeepClone(), ["compliance"] = _ready["tokens"]!["compliance"]!.DeepClone() },
            ["escrowKey"] = EscrowKey,
            ["escrowPassphraseFile"] = Path.Combine(work, "escrow-passphrase.txt"),
            ["processIds"] = _ready["processIds"]!.DeepClone(),
        };
        File.WriteAllText(Path.Combine(options.Out!, "archive.json"), archive.ToJsonString(Json.Indented) + "\n");
    }

    private static bool AtATerminal => !Console.IsInputRedirected && !Console.IsOutputRedirected;

    private void WhereToLookNext()
    {
        Step("Where to look next");
        if (options.Keep && File.Exists(Path.Combine(options.Out!, "archive.json")))
        {
            Print($"The portal: {_ready["portalUrl"]}");
            Print($"The archive is up at {_archive.Recovery}; addresses, tokens and process ids are in {Path.Combine(options.Out!, "archive.json")}.");
            Print($"Stop it by ending the processes {string.Join(" and ", _ready["processIds"]!.AsArray().Select(p => p!.ToString()))}.");
        }
        else
        {
            Print("dotnet run scripts/demo.cs -- --keep      leaves the archive up to play with");
        }

        Print("dotnet run scripts/demo.cs -- --from <folder of DICOM files>");
        Print("docs/formats.md: what lies in storage, and how to open it without us. docs/cli.md: every command.");
    }

    [GeneratedRegex("\"recoveredFiles\":([0-9]+)")]
    private static partial Regex ForgedCount();

    private string EscrowKey => Path.Combine(work, "escrow-key.pem");

    // docs/cli.md: some files could not be backed up, and each was told.
    private const int PartlyBackedUp = 4;

    // Something does not verify.
    private const int DoesNotHold = 7;

    private static string HashOf(string file)
    {
        using FileStream stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static void Step(string text) => Console.WriteLine($"\n== {text}");

    private static void Print(string text) => Console.WriteLine("   " + text.TrimEnd().Replace("\n", "\n   "));
}
