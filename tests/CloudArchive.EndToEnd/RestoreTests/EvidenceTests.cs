using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json.Nodes;
using CloudArchive.Cli;
using CloudArchive.Core.Storage;
using CloudArchive.EndToEnd.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.RestoreTests;

/// <summary>From a real run to files that an auditor checks without the archive, and what they say when somebody improved on them.</summary>
public sealed class EvidenceTests(AuditedArchive fixture)
{
    private const int Studies = 12;
    private const int Packs = Studies + 1; // and the snapshot

    private static readonly string[] s_files = [EvidenceFiles.Document, EvidenceFiles.Signature, EvidenceFiles.Report, EvidenceFiles.ReportSignature, EvidenceFiles.Keys];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Evidence_of_real_runs_is_listed_fetched_and_verified_and_what_is_changed_in_it_is_named()
    {
        using AuditedClinic clinic = await BackedUpAsync();
        string whole = await TestAsync(clinic, ExitCode.Ok, "--packs", "4");
        PackId damaged = await DamageAsync(clinic);
        string failed = await TestAsync(clinic, ExitCode.Integrity, "--packs", "100");

        JsonArray list = JsonNode.Parse((await clinic.RunAsync("compliance", "evidence", "list", "--clinic", clinic.Name, "--json")).Expect(ExitCode.Ok).Output)!.AsArray();
        Assert.Equal([(whole, "passed"), (failed, "failed")], list.Select(evidence => ((string)evidence!["run"]!, (string)evidence["verdict"]!)));
        (await clinic.RunAsync("compliance", "evidence", "get", whole, "--clinic", clinic.Name, "--out", clinic["whole"])).Expect(ExitCode.Ok);
        AuditedClinic.Ran get = (await clinic.RunAsync("compliance", "evidence", "get", "latest", "--clinic", clinic.Name, "--out", clinic["failed"])).Expect(ExitCode.Ok);
        Assert.Contains(failed, get.Output);
        Assert.All(s_files, file => Assert.True(new FileInfo(Path.Combine(clinic["failed"], file)).Length > 0));

        string shown = (await clinic.RunAsync("compliance", "restore-test", "show", failed, "--clinic", clinic.Name)).Expect(ExitCode.Integrity).Output;
        Assert.Contains($"{damaged}  all     FAILED  catalogue-mismatch: {PackFailure.CatalogueMismatch.InPlainWords()}", shown);
        Assert.Contains($"To do about catalogue-mismatch: {PackFailure.CatalogueMismatch.FirstStep()}", shown);
        Assert.Contains("is no run's id", (await clinic.RunAsync("compliance", "restore-test", "show", "none", "--clinic", clinic.Name)).Expect(ExitCode.Usage).Error);
        Assert.Contains("is no run's id", (await clinic.RunAsync("compliance", "evidence", "get", "none", "--clinic", clinic.Name, "--out", clinic["none"])).Expect(ExitCode.Usage).Error);

        // The year's report counts both, out of the audit log.
        string year = TimeProvider.System.GetUtcNow().Year.ToString("D4");
        (await clinic.RunAsync("compliance", "report", year, "--clinic", clinic.Name, "--out", clinic["reports"])).Expect(ExitCode.Ok);
        Dictionary<string, string> figures = (await File.ReadAllLinesAsync(Path.Combine(clinic["reports"], $"{clinic.Name}-{year}.csv"), Cancel)).Select(line => line.Split(',')).Where(fields => fields[1] == year).ToDictionary(fields => fields[5], fields => fields[6]);
        Assert.Equal(("1", "1", "0", "17", "16", "94.1176"), (figures["runs-passed"], figures["runs-failed"], figures["runs-unmatched"], figures["packs-tested"], figures["packs-recovered"], figures["restore-success-rate"]));
        Assert.Equal((Packs.ToString(), "100", "0"), (figures["archive-packs"], figures["coverage"], figures["runs-untrusted"]));
        Assert.Equal("%PDF-1.7", System.Text.Encoding.ASCII.GetString(await File.ReadAllBytesAsync(Path.Combine(clinic["reports"], $"{clinic.Name}-{year}.pdf"), Cancel), 0, 8));

        // Both hold, whatever their verdict, by the keys that were fetched with them and by those that the clinic's computer pinned.
        Assert.Contains("The run PASSED: all 4 packs", (await VerifyAsync(clinic, "whole")).Expect(ExitCode.Ok).Output);
        Assert.Contains($"The run FAILED: 1 of {Packs} packs did not come back", (await VerifyAsync(clinic, "failed")).Expect(ExitCode.Ok).Output);
        (await clinic.RunAsync("agent", "evidence", "verify", clinic["whole"])).Expect(ExitCode.Ok);

        // One result: the pack that did not come back did, after all.
        JsonNode document = await ReadAsync(clinic, "failed");
        int at = document["results"]!.AsArray().Select(result => (string)result!["pack"]!).ToList().IndexOf(damaged.ToString());
        await AssertFoundAsync(clinic, "failed", $"/results/{at}", evidence =>
        {
            evidence["results"]![at]!["outcome"] = "recovered";
            evidence["results"]![at]!.AsObject().Remove("cause");
            evidence["results"]![at]!.AsObject().Remove("detail");
        });

        // One count, of those that everything hangs on, and the verdict.
        await AssertFoundAsync(clinic, "failed", "/summary/recovered", evidence => evidence["summary"]!["recovered"] = Packs);
        await AssertFoundAsync(clinic, "failed", "/summary/causes", evidence => evidence["summary"]!["causes"] = new JsonObject());
        await AssertFoundAsync(clinic, "failed", "/statistics/atLeastRecoverable", evidence => evidence["statistics"]!["atLeastRecoverable"] = Packs);
        await AssertFoundAsync(clinic, "failed", "/verdict", evidence => evidence["verdict"] = "passed");

        // One pack of the sample: another one was tested.
        await AssertFoundAsync(clinic, "whole", "/sample/0", evidence =>
        {
            string[] drawn = [.. evidence["sample"]!.AsArray().Select(pack => (string)pack!["pack"]!)];
            string other = evidence["population"]!.AsArray().Select(pack => (string)pack!["pack"]!).First(pack => !drawn.Contains(pack));
            evidence["sample"]![0]!["pack"] = other;
            evidence["results"]![0]!["pack"] = other;
        });

        // Another population would give another sample; the log knows which one it was.
        await AssertFoundAsync(clinic, "whole", "/commitment/entry/details/draw", evidence => evidence["population"]!.AsArray().RemoveAt(Packs - 1));
    }

    [Fact]
    public async Task A_program_of_nobody_s_draws_the_sample_of_a_real_run_again_from_its_evidence()
    {
        using AuditedClinic clinic = await BackedUpAsync();
        foreach ((string packs, string folder) in ((string, string)[])[("5", "first"), ("5", "second"), ("100", "everything")])
        {
            string run = await TestAsync(clinic, ExitCode.Ok, "--packs", packs);
            (await clinic.RunAsync("compliance", "evidence", "get", run, "--clinic", clinic.Name, "--out", clinic[folder])).Expect(ExitCode.Ok);
            JsonNode shown = JsonNode.Parse((await clinic.RunAsync("compliance", "restore-test", "show", run, "--clinic", clinic.Name, "--json")).Expect(ExitCode.Ok).Output)!;
            string[] tested = [.. shown["packs"]!.AsArray().Select(pack => $"{pack!["pack"]} {pack["reason"]}")];

            // What the service says that it tested, what the evidence says, and what anyone works out.
            (int exit, string[] redrawn) = await RedrawAsync(clinic[Path.Combine(folder, EvidenceFiles.Document)]);
            Assert.Equal(0, exit);
            Assert.Equal(tested, redrawn);
        }

        // The half that was longest untested is another one the second time; and a sample that somebody chose is not the one that was drawn.
        Assert.Equal(2, (await OldestAsync(clinic, "first")).Length);
        Assert.Empty((await OldestAsync(clinic, "first")).Intersect(await OldestAsync(clinic, "second")));
        JsonNode document = await ReadAsync(clinic, "first");
        document["sample"]![0]!["pack"] = document["sample"]![4]!["pack"]!.DeepClone();
        await WriteAsync(clinic, "first", document);
        Assert.Equal(1, (await RedrawAsync(clinic[Path.Combine("first", EvidenceFiles.Document)])).Exit);
    }

    private async Task<AuditedClinic> BackedUpAsync()
    {
        AuditedClinic clinic = await AuditedClinic.CreateAsync(fixture, enrolled: true);
        for (int i = 0; i < Studies; i++) SampleStudies.WriteOne(Path.Combine(clinic["files"], $"{i:D2}.dcm"), $"{clinic.Name} {i}");
        (await clinic.RunAsync("agent", "backup", clinic["files"])).Expect(ExitCode.Ok);
        return clinic;
    }

    /// <summary>A run of so many packs; its id.</summary>
    private static async Task<string> TestAsync(AuditedClinic clinic, ExitCode ends, params string[] budget) =>
        (string)JsonNode.Parse((await clinic.RunAsync("admin", ["restore-test", "run", "--clinic", clinic.Name, "--bytes", "100000000000", "--json", .. budget])).Expect(ends).Output)!["id"]!;

    /// <summary>Somebody changes the catalogue's row of one pack.</summary>
    private static async Task<PackId> DamageAsync(AuditedClinic clinic)
    {
        Row row = (await clinic.Rows.QueryAsync(RowTable.Catalog, clinic.Name, "p:", "p;", 1, Cancel))[0];
        await clinic.Rows.SubmitAsync(RowTable.Catalog, clinic.Name, [new RowWrite.Upsert(row.Key, new Dictionary<string, object>(row.Values) { ["wrappedKey"] = new byte[384] })], Cancel);
        return PackId.Parse(row.Key[2..]);
    }

    private static Task<AuditedClinic.Ran> VerifyAsync(AuditedClinic clinic, string folder) =>
        clinic.RunAsync("nobody", "evidence", "verify", clinic[folder], "--key", clinic[Path.Combine(folder, EvidenceFiles.Keys)]);

    /// <summary>Changes a copy of the evidence; verification fails and says where.</summary>
    private static async Task AssertFoundAsync(AuditedClinic clinic, string folder, string where, Action<JsonNode> change)
    {
        const string copy = "changed";
        Directory.CreateDirectory(clinic[copy]);
        foreach (string file in s_files) File.Copy(Path.Combine(clinic[folder], file), Path.Combine(clinic[copy], file), overwrite: true);
        JsonNode document = await ReadAsync(clinic, copy);
        change(document);
        await WriteAsync(clinic, copy, document);
        AuditedClinic.Ran verified = (await VerifyAsync(clinic, copy)).Expect(ExitCode.Integrity);
        Assert.Contains("DOES NOT HOLD", verified.Output);
        Assert.Contains($"  {EvidenceFiles.Signature}: ", verified.Output);
        Assert.Contains($"  {where}: ", verified.Output);
    }

    private static async Task<JsonNode> ReadAsync(AuditedClinic clinic, string folder) => JsonNode.Parse(await File.ReadAllBytesAsync(clinic[Path.Combine(folder, EvidenceFiles.Document)], Cancel))!;

    private static Task WriteAsync(AuditedClinic clinic, string folder, JsonNode document) => File.WriteAllBytesAsync(clinic[Path.Combine(folder, EvidenceFiles.Document)], CanonicalJson.Serialize(document), Cancel);

    private static async Task<string[]> OldestAsync(AuditedClinic clinic, string folder) =>
        [.. (await ReadAsync(clinic, folder))["sample"]!.AsArray().Where(pack => (string)pack!["reason"]! == "oldest-untested").Select(pack => (string)pack!["pack"]!)];

    private static async Task<(int Exit, string[] Sample)> RedrawAsync(string evidence)
    {
        ProcessStartInfo start = new("python3", [Path.Combine(Repository.Root, "docs", "redraw-sample.py"), evidence]) { UseShellExecute = false, RedirectStandardOutput = true };
        try
        {
            using Process python = Process.Start(start)!;
            string output = await python.StandardOutput.ReadToEndAsync(Cancel);
            await python.WaitForExitAsync(Cancel);
            return (python.ExitCode, output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
        catch (Win32Exception)
        {
            Assert.Skip("There is no python3 on the PATH.");
            throw;
        }
    }
}
