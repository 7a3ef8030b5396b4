using System.Text.Json;

namespace CloudArchive.Format.Evidence;

/// <summary>What a run observed: everything that evidence states and that cannot be worked out from the rest.</summary>
public sealed record RunObservations(
    string Product,
    ClinicId Clinic,
    string ClinicName,
    string Run,
    RunTrigger Trigger,
    DateTimeOffset StartedAt,
    DateTimeOffset FinishedAt,
    string Checkpoint,
    RunCommitment Commitment,
    TestBudget Budget,
    IReadOnlyList<PopulationPack> Population,
    IReadOnlyList<SampledPack> Sample,
    IReadOnlyList<PackTestResult> Results,
    IReadOnlyList<CanaryResult> Canaries,
    IReadOnlyList<PreviousRun> History,
    EvidenceContact Contact);

/// <summary>Makes evidence of what a run observed.</summary>
public static class EvidenceWriter
{
    /// <summary>Works out verdict, summary, statistics and digests.</summary>
    public static EvidenceDocument Compose(RunObservations run)
    {
        Judgement judgement = Judgement.Of(run.Results, run.Canaries);
        EvidenceDocument document = new(
            EvidenceDocument.CurrentFormat,
            run.Product,
            run.Clinic,
            run.ClinicName,
            run.Run,
            run.Trigger,
            run.StartedAt,
            run.FinishedAt,
            judgement.Verdict,
            judgement.Faults,
            run.Checkpoint,
            run.Commitment,
            run.Budget,
            run.Population,
            run.Sample,
            run.Results,
            run.Canaries,
            EvidenceSummary.Of(run.Population, run.Results, run.FinishedAt),
            Bound(run.Population, run.Sample, run.Results),
            run.History,
            run.Contact,
            new Dictionary<string, Sha256Digest>());
        return document with { Digests = EvidenceDigests.Of(JsonSerializer.SerializeToElement(document, FormatJson.Options)) };
    }

    /// <summary>The document's bytes: what is stored and signed.</summary>
    public static byte[] Serialize(EvidenceDocument document) => CanonicalJson.Serialize(document);

    /// <summary>Reads a document that was verified, or is about to be.</summary>
    /// <exception cref="JsonException">It is no evidence of a version that this program knows.</exception>
    public static EvidenceDocument Parse(ReadOnlySpan<byte> json)
    {
        EvidenceDocument document = JsonSerializer.Deserialize<EvidenceDocument>(json, FormatJson.Options) ?? throw new JsonException("The document is null.");
        return document.Format == EvidenceDocument.CurrentFormat
            ? document
            : throw new JsonException($"This is {document.Format}; this program reads {EvidenceDocument.CurrentFormat}.");
    }

    /// <summary>What the packs that were drawn at random, or all of them, say about the population.</summary>
    internal static RecoverableBound Bound(IReadOnlyList<PopulationPack> population, IReadOnlyList<SampledPack> sample, IReadOnlyList<PackTestResult> results)
    {
        HashSet<PackId> drawn = [.. sample.Where(pack => pack.Reason is SampleReason.Random or SampleReason.Everything).Select(pack => pack.Pack)];
        int recovered = results.Where(result => result.Outcome == PackTestOutcome.Recovered && drawn.Contains(result.Pack)).DistinctBy(result => result.Pack).Count();
        return RecoverableBound.Of(population.Count, drawn.Count, recovered);
    }
}

/// <summary>The document's parts, each with its digest, so that a change is found where it was made.</summary>
internal static class EvidenceDigests
{
    /// <summary>
    /// JSON pointer (RFC 6901) to SHA-256 of the canonical JSON there: for each top-level member that is an object or array each of
    /// its own members or elements, for any other the member. The population is one part, however many packs it has.
    /// </summary>
    public static SortedDictionary<string, Sha256Digest> Of(JsonElement document)
    {
        SortedDictionary<string, Sha256Digest> digests = new(StringComparer.Ordinal);
        foreach (JsonProperty member in document.EnumerateObject().Where(member => member.Name != "digests"))
        {
            switch (member.Value.ValueKind)
            {
                case JsonValueKind.Array when member.Name != "population":
                    int index = 0;
                    foreach (JsonElement element in member.Value.EnumerateArray())
                    {
                        digests[$"/{member.Name}/{index++}"] = Digest(element);
                    }

                    break;
                case JsonValueKind.Object:
                    foreach (JsonProperty inner in member.Value.EnumerateObject())
                    {
                        digests[$"/{Escape(member.Name)}/{Escape(inner.Name)}"] = Digest(inner.Value);
                    }

                    break;
                default:
                    digests[$"/{Escape(member.Name)}"] = Digest(member.Value);
                    break;
            }
        }

        return digests;
    }

    private static Sha256Digest Digest(JsonElement element) => Sha256Digest.Of(CanonicalJson.Serialize(element));

    private static string Escape(string name) => name.Replace("~", "~0").Replace("/", "~1");
}
