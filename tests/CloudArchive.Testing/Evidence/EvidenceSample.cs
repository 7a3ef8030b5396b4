using System.Security.Cryptography;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Signing;

namespace CloudArchive.Testing.Evidence;

/// <summary>Made-up evidence, whole and signed, of a clinic that is always the same. What a run found in it is the test's to say.</summary>
public sealed class EvidenceSample : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public EvidenceSample() => Keys = new([JwkKeys.FromEcdsa(_key, "https://vault.example/keys/signing/1")]);

    /// <summary>Two seconds past three in the morning.</summary>
    public static DateTimeOffset Start { get; } = new(2026, 11, 22, 3, 0, 2, 125, TimeSpan.Zero);

    public static ClinicId Clinic { get; } = ClinicId.Parse("riverside-dental");

    public JwkSet Keys { get; }

    public string ClinicName { get; init; } = "Riverside Dental";

    public int Packs { get; init; } = 120;

    public TestBudget Budget { get; init; } = new(20, 1_600_000_000);

    /// <summary>What becomes of the sample's pack at a place; null: it comes back.</summary>
    public Func<int, PackFailure?> Fails { get; init; } = _ => null;

    /// <summary>Whether the sample's pack at a place lies in the archive tier.</summary>
    public Func<int, bool> Archived { get; init; } = _ => false;

    public IReadOnlyList<CanaryResult> Canaries { get; init; } =
    [
        new("sound", PackTestOutcome.Recovered),
        new("deleted-blob", PackTestOutcome.Failed, PackFailure.Missing, PackFailure.Missing, "The version is not in storage."),
        new("flipped-byte", PackTestOutcome.Failed, PackFailure.HashMismatch, PackFailure.HashMismatch, "The SHA-256 differs."),
        new("tampered-region", PackTestOutcome.Failed, PackFailure.DecryptFailed, PackFailure.DecryptFailed, "A region does not authenticate."),
    ];

    public IReadOnlyList<PreviousRun> History { get; init; } = [.. Enumerable.Range(0, 60).Select(day => new PreviousRun(
        $"run-{day:00}", Start.AddDays(day - 60), day == 41 ? RunVerdict.Failed : RunVerdict.Passed, 20, day == 41 ? 19 : 20, 60 + day, 12 + (day * 72 / 60), 21 + (day * 26 / 60)))];

    public static PackId Pack(int number) => PackId.Parse($"0199{number:x4}-0000-7000-8000-{number * 7919 % 65536:x12}");

    public IReadOnlyList<PopulationPack> Population() =>
        [.. Enumerable.Range(0, Packs).Select(i => new PopulationPack(
            Pack(i), 1_000_000 + ((long)i * 7_919_000 % 67_000_000), Start.AddDays(i - Packs).AddMinutes(i), i % 3 == 0 ? null : Start.AddDays(-(i * 37 % 300)).AddHours(1)))];

    /// <summary>What a run over the population observed.</summary>
    public async Task<RunObservations> ObserveAsync()
    {
        IReadOnlyList<PopulationPack> population = Population();
        (string checkpoint, Sha256Digest root, RunCommitment commitment) = await CommitAsync(population);
        IReadOnlyList<SampledPack> sample = Sampling.Draw(root, population, Budget);
        Dictionary<PackId, long> bytes = population.ToDictionary(pack => pack.Pack, pack => pack.Bytes);
        DateTimeOffset at = Start.AddSeconds(8);
        List<PackTestResult> results = [];
        for (int i = 0; i < sample.Count; i++)
        {
            results.Add(Result(i, sample[i].Pack, bytes[sample[i].Pack], at));
            at += TimeSpan.FromMilliseconds(results[^1].Steps.Sum(step => step.Milliseconds));
        }

        return new(
            "CloudArchive 0.1.0",
            Clinic,
            ClinicName,
            "0199c000-1111-7000-8000-00000000abcd",
            new RunTrigger(RunTriggerKind.Scheduled, "0 0 3 * * *"),
            Start,
            at.AddSeconds(2),
            checkpoint,
            commitment,
            Budget,
            population,
            sample,
            results,
            Canaries,
            History,
            new EvidenceContact("Archive operations", "archive@riverside.example", "+1 555 0100"));
    }

    public async Task<EvidenceDocument> DocumentAsync() => EvidenceWriter.Compose(await ObserveAsync());

    /// <summary>The document with its signature.</summary>
    public async Task<EvidenceBundle> SignAsync(EvidenceDocument document) => await SignAsync(EvidenceWriter.Serialize(document));

    public async Task<EvidenceBundle> SignAsync(byte[] json) => new(json, await SignDetachedAsync(EvidenceDocument.JwsType, json));

    public Task<string> SignDetachedAsync(string type, byte[] payload) => Jws.SignDetachedAsync(type, payload, Keys.Keys[0].Kid!, Sign, CancellationToken.None);

    /// <summary>A log with the run's start in its middle, under a signed checkpoint.</summary>
    public async Task<(string Checkpoint, Sha256Digest Root, RunCommitment Commitment)> CommitAsync(IReadOnlyList<PopulationPack> population)
    {
        AuditEntry[] entries = [.. Enumerable.Range(0, 21).Select(i => new AuditEntry(
            AuditEntry.CurrentFormat,
            Clinic.ToString(),
            i,
            Start.AddMinutes(i == 19 ? 0 : i - 40),
            i == 19 ? RunCommitment.Action : "data-import/pack-committed",
            AuditOutcome.Success,
            new AuditActor("restore-test-timer", "system"),
            new AuditSubject(Clinic.ToString(), Other: i == 19 ? "0199c000-1111-7000-8000-00000000abcd" : null),
            new AuditOrigin(null, "c-1"),
            Details: i == 19 ? new Dictionary<string, string> { [RunCommitment.DetailName] = RunCommitment.Digest(Budget, population).Hex } : null))];
        Sha256Digest[] leaves = [.. entries.Select(entry => Merkle.LeafHash(CanonicalJson.Serialize(entry)))];
        CompactRange log = new();
        foreach (Sha256Digest leaf in leaves)
        {
            log.Append(leaf);
        }

        InclusionProof proof = new(19, 21, MerklePlan.Hash(InclusionProof.Plan(19, 21), node => Root(leaves, node)));
        byte[] payload = CanonicalJson.Serialize(new Checkpoint(Checkpoint.CurrentFormat, Clinic.ToString(), 21, log.Root, Start.AddSeconds(3)));
        return (await Jws.SignAsync(Checkpoint.JwsType, payload, Keys.Keys[0].Kid!, Sign, CancellationToken.None), log.Root, new RunCommitment(entries[19], proof));
    }

    public void Dispose() => _key.Dispose();

    private static Sha256Digest Root(Sha256Digest[] leaves, MerkleNode node) => node.Level == 0
        ? leaves[node.Index]
        : Merkle.NodeHash(Root(leaves, new(node.Level - 1, node.Index * 2)), Root(leaves, new(node.Level - 1, (node.Index * 2) + 1)));

    private PackTestResult Result(int place, PackId pack, long bytes, DateTimeOffset at)
    {
        if (Archived(place))
        {
            return new(pack, PackTestOutcome.NotTestedArchived, at, 0, 0, 0, [new(PackTestStepName.Find, 11)]);
        }

        PackTestStep[] steps =
        [
            new(PackTestStepName.Find, 14), new(PackTestStepName.Immutability, 3), new(PackTestStepName.Fetch, bytes / 150_000), new(PackTestStepName.Catalogue, 21),
            new(PackTestStepName.Unwrap, 35), new(PackTestStepName.Open, 6), new(PackTestStepName.Extract, bytes / 700_000), new(PackTestStepName.Parse, bytes / 900_000),
        ];
        return Fails(place) is not { } cause
            ? new(pack, PackTestOutcome.Recovered, at, bytes, 1 + (place % 24), bytes - (2000 + place), steps)
            : new(pack, PackTestOutcome.Failed, at, cause == PackFailure.Missing ? 0 : bytes, 0, 0, steps[..(1 + ((int)cause % 7))], cause, "As the step found it.");
    }

    private Task<byte[]> Sign(ReadOnlyMemory<byte> input, CancellationToken cancellationToken) =>
        Task.FromResult(_key.SignData(input.Span, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
}
