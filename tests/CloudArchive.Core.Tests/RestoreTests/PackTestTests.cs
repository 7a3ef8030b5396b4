using System.Security.Cryptography;
using CloudArchive.Core.Keys;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.RestoreTests;

public sealed class PackTestTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_whole_pack_passes_every_step()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, _) = await clinic.BackUpAsync(files: 3);
        PackTestResult result = await clinic.Archive.PackTest.RunAsync(clinic.Id, pack.Opened.Pack, Cancel);
        Assert.Equal((null, 3, pack.Files.Sum(file => file.Content.LongLength)), (result.Cause, result.Files, result.FileBytes));
        Assert.Equal(Enum.GetValues<PackTestStepName>(), result.Steps.Select(step => step.Step));
    }

    [Fact]
    public async Task A_blob_that_is_gone_is_missing() =>
        await AssertCauseAsync(PackFailure.Missing, PackTestStepName.Find, vault => new Gone(vault));

    [Fact]
    public async Task A_lock_that_is_gone_or_shorter_is_immutability_lost()
    {
        await AssertCauseAsync(PackFailure.ImmutabilityLost, PackTestStepName.Immutability, vault => new OtherState(vault, state => state with { Locked = false }));
        await AssertCauseAsync(PackFailure.ImmutabilityLost, PackTestStepName.Immutability, vault => new OtherState(vault, state => state with { ImmutableUntil = state.ImmutableUntil!.Value.AddDays(-1) }));
        await AssertCauseAsync(PackFailure.ImmutabilityLost, PackTestStepName.Immutability, vault => new OtherState(vault, state => state with { ImmutableUntil = null }));
    }

    [Fact]
    public async Task Bytes_that_changed_or_are_missing_at_the_end_are_a_hash_mismatch()
    {
        await AssertCauseAsync(PackFailure.HashMismatch, PackTestStepName.Fetch, vault => new OtherBytes(vault, bytes => bytes[bytes.Length / 2] ^= 1));
        await AssertCauseAsync(PackFailure.HashMismatch, PackTestStepName.Fetch, vault => new OtherBytes(vault, _ => { }, cut: 1));
    }

    [Fact]
    public async Task A_key_version_that_is_gone_is_key_unavailable() =>
        await AssertCauseAsync(PackFailure.KeyUnavailable, PackTestStepName.Unwrap, unwrapper: new NoKey());

    [Fact]
    public async Task Another_content_key_is_decrypt_failed()
    {
        await AssertCauseAsync(PackFailure.DecryptFailed, PackTestStepName.Open, unwrapper: new OtherKey());
        await AssertCauseAsync(PackFailure.DecryptFailed, PackTestStepName.Unwrap, unwrapper: new Refusing());
    }

    [Fact]
    public async Task A_seal_around_something_else_than_a_zip_is_zip_invalid()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync();
        using ContentKey key = ContentKey.Create();
        using MemoryStream output = new();
        await using (SealingStream sealing = new(output, key, leaveOpen: true))
        {
            await sealing.WriteAsync(RandomNumberGenerator.GetBytes(5000), Cancel);
            await sealing.CompleteAsync(Cancel);
        }

        byte[] ciphertext = output.ToArray();
        Sidecar sidecar = pack.Sidecar with
        {
            Length = ciphertext.Length,
            PlaintextLength = 5000,
            Sha256 = Sha256Digest.Of(ciphertext),
            Encryption = BlobEncryption.For(KeyWrapping.Wrap(key, pack.Opened.WrappingKey)),
            Escrow = KeyWrapping.Wrap(key, pack.Opened.EscrowKey),
        };
        await AssertCauseAsync(clinic, pack with { Ciphertext = ciphertext, Sidecar = sidecar }, PackFailure.ZipInvalid, PackTestStepName.Open);
    }

    [Fact]
    public async Task A_file_that_is_no_dicom_is_dicom_invalid()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Uid study = TestClinic.NewStudy();
        TestFile file = TestFile.Create(study, 1);
        foreach (byte[] content in (byte[][])[RandomNumberGenerator.GetBytes(300_000), file.Content[..^100]])
        {
            TestFile damaged = file with { Content = content, Instance = file.Instance with { Length = content.Length, Sha256 = Sha256Digest.Of(content) } };
            SealedPack pack = await clinic.SealAsync(await clinic.Archive.Intake.OpenAsync(clinic.Agent, study, 1, clinic.AsAgent, Cancel), study, [damaged]);
            await AssertCauseAsync(clinic, pack, PackFailure.DicomInvalid, PackTestStepName.Parse);
        }
    }

    [Fact]
    public async Task What_was_damaged_when_it_was_archived_and_came_back_so_is_a_pass_with_a_remark()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Uid study = TestClinic.NewStudy();
        TestFile whole = TestFile.Create(study, 1), cut = TestFile.Create(study, 2);
        byte[] content = cut.Content[..^100];
        cut = cut with { Content = content, Instance = cut.Instance with { Length = content.Length, Sha256 = Sha256Digest.Of(content) } };
        foreach ((CaptureVerdict verdict, PackFailure? cause) in ((CaptureVerdict, PackFailure?)[])[(CaptureVerdict.Damaged, null), (CaptureVerdict.Whole, PackFailure.DicomInvalid)])
        {
            SealedPack pack = await clinic.SealAsync(await clinic.Archive.Intake.OpenAsync(clinic.Agent, study, 1, clinic.AsAgent, Cancel), study, [whole, cut with { Captured = verdict }]);
            await TestClinic.UploadAsync(pack);
            await clinic.CommitAsync(pack);
            PackTestResult result = await clinic.Archive.PackTest.RunAsync(clinic.Id, pack.Opened.Pack, Cancel);
            Assert.Equal((cause is null ? PackTestOutcome.Recovered : PackTestOutcome.Failed, cause, cause is null ? (int?)1 : null), (result.Outcome, result.Cause, result.DamagedAtCapture));
        }
    }

    [Fact]
    public async Task An_image_with_other_uids_than_the_sidecar_says_is_a_catalogue_mismatch()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Uid study = TestClinic.NewStudy();
        TestFile other = TestFile.Create(TestClinic.NewStudy(), 1);
        SealedPack pack = await clinic.SealAsync(await clinic.Archive.Intake.OpenAsync(clinic.Agent, study, 1, clinic.AsAgent, Cancel), study, [other]);
        await AssertCauseAsync(clinic, pack, PackFailure.CatalogueMismatch, PackTestStepName.Parse);
    }

    [Fact]
    public async Task A_pack_of_another_name_is_a_catalogue_mismatch()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack one = await clinic.SealAsync();
        SealedPack two = await clinic.SealAsync(one.Sidecar.Study);

        // The agent commits the first one's bytes as the second: intact, authentic, and not this pack.
        Sidecar sidecar = one.Sidecar with { Pack = two.Opened.Pack };
        await AssertCauseAsync(clinic, two with { Ciphertext = one.Ciphertext, Sidecar = sidecar }, PackFailure.CatalogueMismatch, PackTestStepName.Open);
    }

    [Theory]
    [InlineData("p")]
    [InlineData("k")]
    [InlineData("extra")]
    [InlineData("extra as once")]
    [InlineData("gone")]
    public async Task A_catalogue_that_says_something_else_is_a_catalogue_mismatch(string what)
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, _) = await clinic.BackUpAsync();
        IRowStore rows = shared.Storage.Rows;
        SidecarInstance instance = pack.Sidecar.Instances[0];
        string key = what == "p" ? $"p:{pack.Opened.Pack}" : $"k:{pack.Sidecar.Study}:{pack.Opened.Pack}:000";
        Row row = (await rows.FindAsync(RowTable.Catalog, clinic.Id.Value, key, Cancel))!;
        RowWrite change = what switch
        {
            "p" => new RowWrite.Replace(key, new Dictionary<string, object>(row.Values) { ["wrappedKey"] = new byte[384] }, row.ETag!),
            "k" => new RowWrite.Replace(key, Instances([instance with { Length = 1 }, .. pack.Sidecar.Instances.Skip(1)]), row.ETag!),
            "extra" => new RowWrite.Insert(key[..^1] + "1", Instances([instance with { Sha256 = Sha256Digest.Of("x"u8) }])),
            "extra as once" => new RowWrite.Insert(
                $"i:{pack.Sidecar.Study}:{instance.SopInstance}:{Sha256Digest.Of("x"u8)}:{pack.Opened.Pack}",
                new Dictionary<string, object> { ["length"] = 1L, ["sopClass"] = instance.SopClass!.Value.Value, ["transferSyntax"] = instance.TransferSyntax!.Value.Value }),
            _ => new RowWrite.Delete(key, row.ETag!),
        };
        await rows.SubmitAsync(RowTable.Catalog, clinic.Id.Value, [change], Cancel);
        PackTestResult result = await clinic.Archive.PackTest.RunAsync(clinic.Id, pack.Opened.Pack, Cancel);
        Assert.Equal(PackFailure.CatalogueMismatch, result.Cause);

        static Dictionary<string, object> Instances(IReadOnlyList<SidecarInstance> instances)
        {
            Dictionary<string, object> values = [];
            Core.Catalog.PackedInstances.Write(values, instances);
            return values;
        }
    }

    [Fact]
    public async Task A_pack_that_takes_too_long_is_timed_out()
    {
        FakeTimeProvider clock = new(DateTimeOffset.UtcNow);
        await AssertCauseAsync(PackFailure.TimedOut, PackTestStepName.Fetch, vault => new Slow(vault, clock), clock: clock);
    }

    [Fact]
    public async Task Nothing_that_was_sealed_lies_in_the_temporary_folder_in_the_clear()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, _) = await clinic.BackUpAsync();
        HashSet<string> before = [.. Directory.EnumerateFiles(Path.GetTempPath())];
        await clinic.Archive.PackTest.RunAsync(clinic.Id, pack.Opened.Pack, Cancel);
        foreach (string file in Directory.EnumerateFiles(Path.GetTempPath())
            .Where(file => !before.Contains(file) && new FileInfo(file) is { Exists: true } there && there.Length == pack.Ciphertext.Length)) // others come and go
        {
            Assert.Fail($"{file} was left behind.");
        }
    }

    private async Task AssertCauseAsync(PackFailure cause, PackTestStepName step, Func<IBlobVault, IBlobVault>? vault = null, IKeyUnwrapper? unwrapper = null, FakeTimeProvider? clock = null)
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared, clock ?? new FakeTimeProvider(DateTimeOffset.UtcNow)));
        (SealedPack pack, _) = await clinic.BackUpAsync();
        IBlobVault storage = shared.Storage.Vault;
        Archive damaged = new(shared.Storage.Rows, vault?.Invoke(storage) ?? storage, shared.Keys, unwrapper ?? shared.Keys, shared.Keys, clinic.Archive.Clock);
        PackTestResult result = await damaged.PackTest.RunAsync(clinic.Id, pack.Opened.Pack, Cancel);
        Assert.Equal((cause, step), (result.Cause, result.Steps[^1].Step));
    }

    private static async Task AssertCauseAsync(TestClinic clinic, SealedPack pack, PackFailure cause, PackTestStepName step)
    {
        await TestClinic.UploadAsync(pack);
        await clinic.CommitAsync(pack);
        PackTestResult result = await clinic.Archive.PackTest.RunAsync(clinic.Id, pack.Opened.Pack, Cancel);
        Assert.Equal((cause, step), (result.Cause, result.Steps[^1].Step));
    }

    private static bool IsPack(BlobName name) => !name.Path.EndsWith(".json", StringComparison.Ordinal) && !name.Path.EndsWith(".jws", StringComparison.Ordinal);

    private sealed class Gone(IBlobVault inner) : VaultDecorator(inner)
    {
        public override Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) =>
            IsPack(name) ? Task.FromResult<BlobState?>(null) : base.FindAsync(name, versionId, cancellationToken);
    }

    private sealed class OtherState(IBlobVault inner, Func<BlobState, BlobState> change) : VaultDecorator(inner)
    {
        public override async Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) =>
            await base.FindAsync(name, versionId, cancellationToken) is { } state ? IsPack(name) ? change(state) : state : null;
    }

    private sealed class OtherBytes(IBlobVault inner, Action<byte[]> change, int cut = 0) : VaultDecorator(inner)
    {
        public override async Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken)
        {
            Stream stream = await base.OpenReadAsync(name, versionId, cancellationToken);
            if (!IsPack(name))
            {
                return stream;
            }

            using MemoryStream copy = new();
            await using (stream)
            {
                await stream.CopyToAsync(copy, cancellationToken);
            }

            byte[] bytes = copy.ToArray();
            change(bytes);
            return new MemoryStream(bytes, 0, bytes.Length - cut);
        }
    }

    private sealed class Slow(IBlobVault inner, FakeTimeProvider clock) : VaultDecorator(inner)
    {
        public override Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken)
        {
            if (IsPack(name))
            {
                clock.Advance(PackTest.Patience);
                cancellationToken.ThrowIfCancellationRequested();
            }

            return base.OpenReadAsync(name, versionId, cancellationToken);
        }
    }

    private sealed class NoKey : IKeyUnwrapper
    {
        public Task<byte[]> UnwrapAsync(string keyId, string algorithm, ReadOnlyMemory<byte> wrapped, CancellationToken cancellationToken) => throw new KeyUnavailableException(keyId, "it is disabled");
    }

    private sealed class OtherKey : IKeyUnwrapper
    {
        public Task<byte[]> UnwrapAsync(string keyId, string algorithm, ReadOnlyMemory<byte> wrapped, CancellationToken cancellationToken)
        {
            using ContentKey other = ContentKey.Create();
            return Task.FromResult(other.ToWrapInput());
        }
    }

    private sealed class Refusing : IKeyUnwrapper
    {
        public Task<byte[]> UnwrapAsync(string keyId, string algorithm, ReadOnlyMemory<byte> wrapped, CancellationToken cancellationToken) => throw new PackException(PackFault.WrongKey, "It does not unwrap.");
    }
}
