using System.IO.Compression;
using System.Text.Json.Nodes;
using CloudArchive.Cli;
using CloudArchive.EndToEnd.Audit;
using CloudArchive.Format.Binders;
using CloudArchive.Format.Evidence;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.Binders;

/// <summary>An auditor's visit: one command takes everything along, and it is checked in a clean folder when the service is gone.</summary>
public sealed class BinderTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_binder_of_real_runs_is_verified_with_the_service_gone_and_whatever_is_changed_in_it_is_named()
    {
        AuditedArchive archive = new();
        await archive.InitializeAsync();
        bool stopped = false;
        try
        {
            using AuditedClinic clinic = await AuditedClinic.CreateAsync(archive, enrolled: true);
            string file = await FillAndGetAsync(clinic);
            await archive.DisposeAsync();
            stopped = true;

            using TemporaryFolder clean = new();
            File.Copy(file, clean["binder.zip"]);
            File.Copy(clinic["keys.json"], clean["keys.json"]);
            AuditedClinic.Ran verified = (await VerifyAsync(clinic, clean["binder.zip"], clean["keys.json"])).Expect(ExitCode.Ok);
            Assert.Contains("is verified", verified.Output);
            Assert.Equal(0, await ByScriptAsync(clean, "binder.zip", "keys.json"));

            // By the keys that the clinic's computer pinned; and without any but its own, which is less.
            (await clinic.RunAsync("agent", "binder", "verify", clean["binder.zip"])).Expect(ExitCode.Ok);
            Assert.Contains("not checked: keys.json: Nobody but the binder vouches", (await clinic.RunAsync("nobody", "binder", "verify", clean["binder.zip"])).Expect(ExitCode.NotChecked).Output);
            Assert.Equal(15, await ByScriptAsync(clean, "binder.zip"));

            string evidence, report;
            using (ZipArchive zip = ZipFile.OpenRead(clean["binder.zip"]))
            {
                string[] names = [.. zip.Entries.Select(entry => entry.FullName)];
                Assert.Equal(2, names.Count(name => name.EndsWith("/" + EvidenceFiles.Document, StringComparison.Ordinal)));
                Assert.All(
                    [BinderFiles.Cover, BinderFiles.Guide, BinderFiles.Script, BinderFiles.Keys, BinderFiles.Alerts, BinderFiles.Disclosures, BinderFiles.Index, BinderFiles.IndexSignature],
                    name => Assert.Contains(name, names));
                Assert.Contains(names, name => name.StartsWith(BinderFiles.Reviews, StringComparison.Ordinal));
                evidence = names.First(name => name.EndsWith("/" + EvidenceFiles.Document, StringComparison.Ordinal));
                report = names.First(name => name.StartsWith(BinderFiles.Reports, StringComparison.Ordinal) && name.EndsWith(".csv", StringComparison.Ordinal));
            }

            await AssertNamedAsync(clinic, clean, evidence, "was changed", zip => Replace(zip, evidence, content => content[content.Length / 2] ^= 1));
            await AssertNamedAsync(clinic, clean, report, "is missing", zip => zip.GetEntry(report)!.Delete());
            await AssertNamedAsync(clinic, clean, "reports/better.pdf", "was added", zip =>
            {
                using Stream added = zip.CreateEntry("reports/better.pdf").Open();
                added.WriteByte(1);
            });
            await AssertNamedAsync(clinic, clean, BinderFiles.IndexSignature, "signature does not fit", zip => Replace(zip, BinderFiles.Index, content => content[content.AsSpan().IndexOf("Audited"u8)] = (byte)'B'));
        }
        finally
        {
            if (!stopped)
            {
                await archive.DisposeAsync();
            }
        }
    }

    private static async Task<string> FillAndGetAsync(AuditedClinic clinic)
    {
        for (int i = 0; i < 3; i++)
        {
            SampleStudies.WriteOne(Path.Combine(clinic["files"], $"{i:D2}.dcm"), $"{clinic.Name} {i}");
        }

        (await clinic.RunAsync("agent", "backup", clinic["files"])).Expect(ExitCode.Ok);
        for (int i = 0; i < 2; i++)
        {
            (await clinic.RunAsync("admin", "restore-test", "run", "--clinic", clinic.Name, "--packs", "10", "--bytes", "100000000000")).Expect(ExitCode.Ok);
        }

        (await clinic.RunAsync("admin", "access", "review", "--attest", "--clinic", clinic.Name)).Expect(ExitCode.Ok);
        (await clinic.RunAsync("admin", "clinic", "objectives", "--clinic", clinic.Name, "--rto-hours", "48")).Expect(ExitCode.Ok);
        JsonNode shown = JsonNode.Parse((await clinic.RunAsync("compliance", "clinic", "show", "--clinic", clinic.Name, "--json")).Output)!;
        Assert.Equal((48, "met", "met"), ((int)shown["clinic"]!["rtoHours"]!, (string)shown["verdict"]!["objectives"]!["recoveryTime"]!["state"]!, (string)shown["verdict"]!["objectives"]!["recoveryPoint"]!["state"]!));
        await clinic.CheckpointAsync();

        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        string from = now.AddDays(-30).ToString("yyyy-MM-dd"), to = now.AddDays(1).ToString("yyyy-MM-dd"), file = clinic["binder.zip"];
        string[] get = ["binder", "get", "--clinic", clinic.Name, "--from", from, "--to", to, "--out", file];
        Assert.Contains("Check it, without a connection", (await clinic.RunAsync("compliance", get)).Expect(ExitCode.Ok).Output);
        Assert.Contains("is there already", (await clinic.RunAsync("compliance", get)).Expect(ExitCode.Usage).Error);
        Assert.Contains("is no day", (await clinic.RunAsync("compliance", "binder", "get", "--clinic", clinic.Name, "--from", "yesterday", "--to", to, "--out", clinic["x.zip"])).Expect(ExitCode.Usage).Error);
        Assert.Contains("at most 366 days", (await clinic.RunAsync("compliance", "binder", "get", "--clinic", clinic.Name, "--from", "2020-01-01", "--to", to, "--out", clinic["x.zip"])).Expect(ExitCode.Refused).Error);
        Assert.False(File.Exists(clinic["x.zip"]));
        return file;
    }

    private static Task<AuditedClinic.Ran> VerifyAsync(AuditedClinic clinic, string file, string keys) => clinic.RunAsync("nobody", "binder", "verify", file, "--key", keys);

    /// <summary>Both verifiers see it and name it.</summary>
    private static async Task AssertNamedAsync(AuditedClinic clinic, TemporaryFolder clean, string path, string why, Action<ZipArchive> change)
    {
        File.Copy(clean["binder.zip"], clean["changed.zip"], overwrite: true);
        using (ZipArchive zip = ZipFile.Open(clean["changed.zip"], ZipArchiveMode.Update))
        {
            change(zip);
        }

        string output = (await VerifyAsync(clinic, clean["changed.zip"], clean["keys.json"])).Expect(ExitCode.Integrity).Output;
        string line = Assert.Single(output.Split('\n'), line => line.Contains($"FAILED: {path}:", StringComparison.Ordinal));
        Assert.Contains(why, line);
        Assert.Equal(7, await ByScriptAsync(clean, "changed.zip", "keys.json", named: path));
    }

    private static void Replace(ZipArchive zip, string path, Action<byte[]> change)
    {
        ZipArchiveEntry entry = zip.GetEntry(path)!;
        byte[] content = new byte[entry.Length];
        using (Stream stream = entry.Open())
        {
            stream.ReadExactly(content);
        }

        change(content);
        entry.Delete();
        using Stream changed = zip.CreateEntry(path).Open();
        changed.Write(content);
    }

    /// <summary>The script out of the binder itself; where there is no Python, what it should say.</summary>
    private static async Task<int> ByScriptAsync(TemporaryFolder clean, string binder, string? keys = null, string? named = null)
    {
        if (!Programs.Has("python3"))
        {
            TestContext.Current.AddWarning("There is no python3 on the PATH: verify.py was not tried.");
            return named is not null ? 7 : keys is null ? 15 : 0;
        }

        using (ZipArchive zip = ZipFile.OpenRead(clean["binder.zip"]))
        {
            zip.GetEntry(BinderFiles.Script)!.ExtractToFile(clean[BinderFiles.Script], overwrite: true);
        }

        (int exit, string output, string errors) = await Programs.RunAsync("python3", [clean[BinderFiles.Script], clean[binder], .. keys is null ? (string[])[] : [clean[keys]]], Cancel);
        Assert.Equal("", errors);
        if (named is not null)
        {
            Assert.Contains(output.Split('\n'), line => line.StartsWith($"failed: {named}: ", StringComparison.Ordinal));
        }

        return exit;
    }
}
