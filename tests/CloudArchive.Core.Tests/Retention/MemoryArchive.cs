using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Retention;

/// <summary>The whole of Core on storage in memory, at a time of the test's choice, with a clinic whose agent works as the real one does.</summary>
internal sealed class MemoryArchive
{
    private MemoryArchive(SharedStorage shared, DateTimeOffset start, Func<IBlobVault, IBlobVault>? wrap)
    {
        Clock = new FakeTimeProvider(start);
        Vault = new MemoryVault(Clock);
        Rows = new MemoryRowStore();
        Core = new Archive(Rows, wrap?.Invoke(Vault) ?? Vault, shared.Keys, shared.Keys, shared.Keys, Clock);
    }

    public static Requester Timer { get; } = Requester.System("retention", "test");

    public FakeTimeProvider Clock { get; }

    public MemoryVault Vault { get; }

    public MemoryRowStore Rows { get; }

    public Archive Core { get; }

    public TestClinic Clinic { get; private set; } = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<MemoryArchive> CreateAsync(SharedStorage shared, bool requireApproval = true, DateTimeOffset? start = null, Func<IBlobVault, IBlobVault>? wrap = null)
    {
        MemoryArchive archive = new(shared, start ?? new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero), wrap);
        archive.Clinic = await TestClinic.CreateAsync(archive.Core, requireApproval);
        return archive;
    }

    /// <summary>Seals, uploads, commits; the sidecar says what an agent with the current policy says.</summary>
    public async Task<SealedPack> BackUpAsync(Uid? study = null, string? studyDate = "20260102", string? patientId = "PID-7", int? bornIn = null, bool knowsPolicy = true, Func<SealedPack, Task>? beforeCommit = null, IReadOnlyList<TestFile>? files = null, Sha256Digest? patient = null)
    {
        SealedPack pack = files is null
            ? await Clinic.SealAsync(study, files: 1, studyDate, patientId)
            : await Clinic.SealAsync(await Core.Intake.OpenAsync(Clinic.Agent, study!.Value, files.Sum(file => (long)file.Content.Length), Clinic.AsAgent, Cancel), study.Value, files, studyDate, patientId);
        if (patient is not null)
        {
            pack = pack with { Sidecar = pack.Sidecar with { PatientHmac = patient } };
        }

        if (knowsPolicy)
        {
            RetentionPolicy policy = (await Core.Clinics.GetAsync(Clinic.Id, Cancel)).Retention;
            SidecarRetention retention = new(policy.Version, policy.Until(studyDate, Clock.GetUtcNow(), bornIn), bornIn);
            pack = pack with { Sidecar = pack.Sidecar with { Format = Sidecar.CurrentFormat, Retention = retention } };
        }

        await Vault.WriteNewAsync(BlobName.Pack(Clinic.Id, pack.Opened.Pack), pack.Ciphertext, "application/octet-stream", Metadata(pack.Sidecar), Cancel);
        if (beforeCommit is not null)
        {
            await beforeCommit(pack);
        }

        await Clinic.CommitAsync(pack);
        return pack;
    }

    /// <summary>What an agent sets with the blob.</summary>
    public static Dictionary<string, string> Metadata(Sidecar sidecar) => new()
    {
        [BlobEncryption.MetadataName] = BlobEncryption.ToMetadata(sidecar.Encryption),
        [BlobEncryption.EscrowMetadataName] = BlobEncryption.ToMetadata(BlobEncryption.For(sidecar.Escrow)),
    };

    /// <summary>A run of the timer, which plans whenever it was the day before that it did.</summary>
    public async Task<RetentionResult> RunAsync(bool alsoPlan = true)
    {
        if (alsoPlan)
        {
            Clock.Advance(TimeSpan.FromDays(1));
        }

        return await Core.Retention.RunAsync(Clinic.Id, 10_000, Timer, Cancel);
    }

    /// <summary>What an admin does with every destruction that waits.</summary>
    public async Task ApproveAllAsync()
    {
        foreach (DestructionOrder order in (await Core.Destructions.OpenAsync(Clinic.Id, Cancel)).Where(order => order.Status == DestructionStatus.PendingApproval))
        {
            await Core.Destructions.ApproveAsync(Clinic.Id, order.Id, Archive.Admin, Cancel);
        }
    }
}
