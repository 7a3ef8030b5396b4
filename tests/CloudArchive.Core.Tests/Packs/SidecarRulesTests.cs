using CloudArchive.Core.Clinics;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Core.Tests.Packs;

public sealed class SidecarRulesTests(SharedStorage shared)
{
    /// <summary>Each changes one thing that a hostile or broken agent could.</summary>
    private static readonly Dictionary<string, Func<Sidecar, Sidecar>> _changes = new()
    {
        ["format"] = s => s with { Format = "cloudarchive/sidecar/3" },
        ["no retention where its version has one"] = s => s with { Format = Sidecar.CurrentFormat },
        ["retention where its version has none"] = s => s with { Retention = new SidecarRetention(1, s.CreatedAt.AddYears(12)) },
        ["a policy that there is not"] = s => WithRetention(s, new SidecarRetention(2, s.CreatedAt.AddYears(12))),
        ["kept for ever"] = s => WithRetention(s, new SidecarRetention(1, s.CreatedAt.AddYears(90))),
        ["kept too short"] = s => WithRetention(s, new SidecarRetention(1, s.CreatedAt.AddYears(2))),
        ["born in no year"] = s => WithRetention(s, new SidecarRetention(1, s.CreatedAt.AddYears(12), 17)),
        ["clinic"] = s => s with { Clinic = ClinicId.Parse("another-clinic") },
        ["pack"] = s => s with { Pack = PackId.New(TimeProvider.System) },
        ["study"] = s => s with { Study = Uid.Parse("1.2.3") },
        ["length"] = s => s with { Length = s.Length + 1 },
        ["huge"] = s => s with { PlaintextLength = SidecarRules.MostPackBytes, Length = Regions.SealedLength(SidecarRules.MostPackBytes) },
        ["root"] = s => s with { InstancesRoot = Sha256Digest.Of("other"u8) },
        ["no instances"] = s => Rooted(s, []),
        ["instance twice"] = s => Rooted(s, [s.Instances[0], s.Instances[0]]),
        ["negative length"] = s => Rooted(s, [s.Instances[0] with { Length = -1 }]),
        ["no length"] = s => Rooted(s, [s.Instances[0] with { Length = 0 }]),
        ["length beyond JSON"] = s => s with { Instances = [s.Instances[0] with { Length = long.MaxValue }] },
        ["modality with a name"] = s => Rooted(s, [s.Instances[0] with { Modality = "Muster^Anna" }]),
        ["modality too long"] = s => Rooted(s, [s.Instances[0] with { Modality = new string('A', 17) }]),
        ["modality empty"] = s => Rooted(s, [s.Instances[0] with { Modality = "" }]),
        ["modality with a newline"] = s => Rooted(s, [s.Instances[0] with { Modality = "IO\n" }]),
        ["modality no Unicode"] = s => s with { Instances = [s.Instances[0] with { Modality = "\ud800" }] },
        ["study date with a name"] = s => s with { StudyDate = "Muster^A" },
        ["study date none"] = s => s with { StudyDate = "20261301" },
        ["another wrapping key"] = s => s with { Encryption = BlobEncryption.For(s.Encryption.WrappedContentKey with { KeyId = "https://elsewhere/keys/1" }) },
        ["another algorithm"] = s => s with { Encryption = BlobEncryption.For(s.Encryption.WrappedContentKey with { Algorithm = "RSA1_5" }) },
        ["short wrapped key"] = s => s with { Encryption = BlobEncryption.For(s.Encryption.WrappedContentKey with { EncryptedKey = new byte[40] }) },
        ["another escrow key"] = s => s with { Escrow = s.Escrow with { KeyId = "mine" } },
        ["short escrow"] = s => s with { Escrow = s.Escrow with { EncryptedKey = [] } },
        ["a name as library"] = s => s with { Encryption = s.Encryption with { KeyWrappingMetadata = new Dictionary<string, string> { ["EncryptionLibrary"] = "Muster^Anna, 1.1.1970" } } },
        ["more metadata"] = s => s with { Encryption = s.Encryption with { KeyWrappingMetadata = new Dictionary<string, string> { ["EncryptionLibrary"] = "CloudArchive 1", ["patient"] = "Anna" } } },
        ["no metadata"] = s => s with { Encryption = s.Encryption with { KeyWrappingMetadata = new Dictionary<string, string>() } },
        ["region length"] = s => s with { Encryption = s.Encryption with { EncryptedRegionInfo = new EncryptedRegionInfo(1024, 12) } },
    };

    public static TheoryData<string> Changes => [.. _changes.Keys];

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task A_sidecar_with_something_wrong_is_refused_and_the_pack_stays_open(string what)
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);
        Sidecar changed = _changes[what](pack.Sidecar);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.CommitAsync(pack with { Sidecar = changed }));
        Assert.Equal(Refusal.SidecarInvalid, refused.Refusal);
        Assert.DoesNotContain("Anna", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Muster", refused.Message, StringComparison.Ordinal);
        Assert.NotEmpty(await clinic.CommitAsync(pack));
    }

    private static Sidecar WithRetention(Sidecar sidecar, SidecarRetention retention) => sidecar with { Format = Sidecar.CurrentFormat, Retention = retention };

    [Fact]
    public async Task A_sidecar_as_agents_make_them_breaks_no_rule()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync();
        InFlightPack row = (await clinic.Archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, TestContext.Current.CancellationToken))!;
        Clinic settings = await clinic.Archive.Clinics.GetAsync(clinic.Id, TestContext.Current.CancellationToken);
        Assert.Null(SidecarRules.Violation(pack.Sidecar, row, settings, clinic.Archive.Clock.GetUtcNow()));
        Assert.Null(SidecarRules.Violation(pack.Sidecar with { StudyDate = null, PatientHmac = null, AccessionHmac = null }, row, settings, clinic.Archive.Clock.GetUtcNow()));
        Assert.Null(SidecarRules.Violation(Rooted(pack.Sidecar, [pack.Sidecar.Instances[0] with { Series = null, Modality = null }]), row, settings, clinic.Archive.Clock.GetUtcNow()));

        // The same UID with other bytes is a version of its own, not a repetition.
        SidecarInstance one = pack.Sidecar.Instances[0];
        Assert.Null(SidecarRules.Violation(Rooted(pack.Sidecar, [one, one with { Sha256 = Sha256Digest.Of("changed"u8) }]), row, settings, clinic.Archive.Clock.GetUtcNow()));
    }

    [Fact]
    public async Task The_largest_sidecar_fits_the_rows_that_keep_it()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync(files: 1);
        Uid[] uids = [.. Enumerable.Range(0, PackLimits.Instances).Select(_ => LongUid())];
        SidecarInstance[] many = [.. uids.Select(uid => new SidecarInstance(uid, Uid.Parse(TestFile.SopClass), LongUid(), "IO", Uid.Parse("1.2.840.10008.1.2.1"), 1_000_000_007, Sha256Digest.Of(System.Text.Encoding.ASCII.GetBytes(uid.Value))))];
        Sidecar large = Rooted(pack.Sidecar, many);
        InFlightPack row = (await clinic.Archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, TestContext.Current.CancellationToken))!;
        Clinic settings = await clinic.Archive.Clinics.GetAsync(clinic.Id, TestContext.Current.CancellationToken);
        Assert.Null(SidecarRules.Violation(large, row, settings, clinic.Archive.Clock.GetUtcNow()));
        InFlightPack? recorded = await clinic.Archive.Packs.RecordIntentAsync(row, Sidecars.Serialize(large), settings, 1, Requester.System("test", "test"), TestContext.Current.CancellationToken);
        Assert.Equal(Sidecars.Serialize(large), Sidecars.Serialize(await clinic.Archive.Packs.ReadSidecarAsync(recorded!, TestContext.Current.CancellationToken)));
        await clinic.Archive.Packs.RemoveAsync(recorded!, TestContext.Current.CancellationToken);
        Assert.Null(await clinic.Archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, TestContext.Current.CancellationToken));

        static Uid LongUid() => Uid.Parse("1." + System.Security.Cryptography.RandomNumberGenerator.GetString("123456789", 62));
    }

    private static Sidecar Rooted(Sidecar sidecar, IReadOnlyList<SidecarInstance> instances) => sidecar with { Instances = instances, InstancesRoot = InstancesRoot.Of(instances) };
}
