using System.Text;
using CloudArchive.Core.Audit;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.RestoreTests;

/// <summary>Restore tests where a store fails: a run ends, with evidence, whatever fails for good.</summary>
public sealed class TroubledStoreTests(SharedStorage shared)
{
    private static readonly Requester _timer = Requester.System("timer", "test");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_blob_that_storage_fails_at_for_good_is_a_failed_pack_with_its_cause_and_the_run_ends_with_evidence()
    {
        (Archive archive, TestClinic clinic, _, TroubledVault vault, PackId[] packs) = await CreateAsync(packs: 4);
        vault.Failing.Add(BlobName.Pack(clinic.Id, packs[1]));
        RestoreTestResponse started = await StartAsync(archive, clinic);

        // The others are tested at once; this one is tried again, for an hour.
        Assert.False(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        Assert.Equal(3, (await GetAsync(archive, clinic, started)).Passed);
        archive.Clock.Advance(SampledPackTest.TroublePatience - TimeSpan.FromMinutes(1));
        Assert.False(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        archive.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.True(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));

        RestoreTestResponse run = await GetAsync(archive, clinic, started);
        Assert.Equal((RestoreTestStatus.Failed, 3, 1), (run.Status, run.Passed, run.Failed));
        PackTestResult failed = run.Packs!.Single(pack => pack.Pack == packs[1]).Result!;
        Assert.Equal((PackFailure.TimedOut, "storage"), (failed.Cause, failed.Detail));
        Assert.Equal([RunFault.PackFailed], run.Faults);
        EvidenceVerification evidence = await VerifyAsync(archive, clinic, run);
        Assert.Empty(evidence.Findings);
        Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.AlertRaised && entry.Subject.Other == run.Id);
    }

    [Fact]
    public async Task A_pack_that_storage_fails_at_for_a_while_is_tested_when_it_is_well_again()
    {
        (Archive archive, TestClinic clinic, _, TroubledVault vault, PackId[] packs) = await CreateAsync(packs: 2);
        vault.Failing.Add(BlobName.Receipt(clinic.Id, packs[0]));
        RestoreTestResponse started = await StartAsync(archive, clinic);
        Assert.False(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        vault.Failing.Clear();
        archive.Clock.Advance(TimeSpan.FromMinutes(10));
        Assert.True(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        Assert.Equal((RestoreTestStatus.Passed, 2), ((await GetAsync(archive, clinic, started)).Status, (await GetAsync(archive, clinic, started)).Passed));
    }

    [Fact]
    public async Task A_canary_that_storage_fails_at_for_good_is_a_canary_that_did_not_do_as_it_must_and_the_next_run_makes_it_anew()
    {
        (Archive archive, TestClinic clinic, TroubledRows rows, TroubledVault vault, _) = await CreateAsync(packs: 1);
        RestoreTestResponse first = await StartAsync(archive, clinic);
        Assert.True(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        Assert.Equal(RestoreTestStatus.Passed, (await GetAsync(archive, clinic, first)).Status);
        string canary = (await rows.FindAsync(RowTable.Work, clinic.Id.Value, "canary:sound", Cancel))!.Text("pack")!;
        List<ListedBlob> blobs = await vault.ListAsync(VaultArea.Records, $"{clinic.Id}/", null, Cancel).Where(blob => blob.Name.Path.Contains(canary, StringComparison.Ordinal)).ToListAsync(Cancel);
        Assert.NotEmpty(blobs);
        vault.Failing.UnionWith(blobs.Select(blob => blob.Name));

        archive.Clock.Advance(TimeSpan.FromDays(1));
        RestoreTestResponse second = await StartAsync(archive, clinic);
        Assert.False(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        archive.Clock.Advance(SampledPackTest.TroublePatience);
        Assert.True(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        RestoreTestResponse run = await GetAsync(archive, clinic, second);
        Assert.Equal((RestoreTestStatus.Failed, 1), (run.Status, run.Passed));
        Assert.Equal([RunFault.CanaryNotAsExpected], run.Faults);
        Assert.Equal("sound", Assert.Single(run.Canaries!, one => !one.AsExpected).Canary);

        archive.Clock.Advance(TimeSpan.FromDays(1));
        RestoreTestResponse third = await StartAsync(archive, clinic);
        Assert.True(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        Assert.Equal(RestoreTestStatus.Passed, (await GetAsync(archive, clinic, third)).Status);
    }

    [Fact]
    public async Task A_run_that_cannot_go_on_keeps_no_other_of_the_clinic_from_its_end()
    {
        (Archive archive, TestClinic clinic, TroubledRows rows, _, _) = await CreateAsync(packs: 1);
        RestoreTestResponse bad = await StartAsync(archive, clinic);
        archive.Clock.Advance(TimeSpan.FromSeconds(1));
        RestoreTestResponse good = await StartAsync(archive, clinic);
        await rows.AlterAsync(RowTable.Work, clinic.Id.Value, $"test:{bad.Id}", ("json", "{"));
        Assert.False(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromHours(1), _timer, Cancel));
        Assert.Equal(RestoreTestStatus.Passed, (await GetAsync(archive, clinic, good)).Status);
        Assert.Equal([good.Id], (await archive.Tests.ListAsync(clinic.Id, null, 10, Cancel)).Select(run => run.Id));
    }

    private async Task<(Archive Archive, TestClinic Clinic, TroubledRows Rows, TroubledVault Vault, PackId[] Packs)> CreateAsync(int packs)
    {
        FakeTimeProvider clock = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));
        MemoryVault memory = new(clock);
        TroubledRows rows = new(new MemoryRowStore());
        TroubledVault vault = new(memory);
        Archive archive = new(rows, vault, shared.Keys, shared.Keys, shared.Keys, clock);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        List<PackId> ids = [];
        for (int i = 0; i < packs; i++)
        {
            SealedPack pack = await clinic.SealAsync(files: 1);
            Dictionary<string, string> metadata = new()
            {
                [BlobEncryption.MetadataName] = BlobEncryption.ToMetadata(pack.Sidecar.Encryption),
                [BlobEncryption.EscrowMetadataName] = BlobEncryption.ToMetadata(BlobEncryption.For(pack.Sidecar.Escrow)),
            };
            await memory.WriteNewAsync(BlobName.Pack(clinic.Id, pack.Opened.Pack), pack.Ciphertext, "application/octet-stream", metadata, Cancel);
            await clinic.CommitAsync(pack);
            ids.Add(pack.Opened.Pack);
        }

        return (archive, clinic, rows, vault, [.. ids]);
    }

    private static Task<RestoreTestResponse> StartAsync(Archive archive, TestClinic clinic) =>
        archive.Tests.StartAsync(clinic.Id, TestBudget.Everything with { Packs = 10, Bytes = 1L << 30, ArchivedBytes = 0 }, new RunTrigger(RunTriggerKind.OnDemand, RequestedBy: "ada"), Archive.Admin, Cancel);

    private static Task<RestoreTestResponse> GetAsync(Archive archive, TestClinic clinic, RestoreTestResponse run) => archive.Tests.GetAsync(clinic.Id, WorkId.Parse(run.Id), Cancel);

    private async Task<EvidenceVerification> VerifyAsync(Archive archive, TestClinic clinic, RestoreTestResponse run)
    {
        async Task<byte[]> ReadAsync(string file) => (await archive.Evidence.ReadAsync(clinic.Id, WorkId.Parse(run.Id), file, Cancel))!;
        EvidenceBundle bundle = new(
            await ReadAsync(EvidenceFiles.Document),
            Encoding.ASCII.GetString(await ReadAsync(EvidenceFiles.Signature)),
            await ReadAsync(EvidenceFiles.Report),
            Encoding.ASCII.GetString(await ReadAsync(EvidenceFiles.ReportSignature)));
        return EvidenceVerifier.Verify(bundle, await shared.Keys.GetPublicKeysAsync(Cancel));
    }
}
