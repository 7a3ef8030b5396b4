using System.Text.Json;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Evidence;

/// <summary>A run's files as they were handed over.</summary>
/// <param name="Document">The bytes of <see cref="EvidenceFiles.Document"/>.</param>
/// <param name="Signature">The text of <see cref="EvidenceFiles.Signature"/>.</param>
/// <param name="Report">The bytes of <see cref="EvidenceFiles.Report"/>, where it was handed over.</param>
/// <param name="ReportSignature">The text of <see cref="EvidenceFiles.ReportSignature"/>.</param>
public sealed record EvidenceBundle(ReadOnlyMemory<byte> Document, string Signature, ReadOnlyMemory<byte>? Report = null, string? ReportSignature = null);

/// <summary>Something that does not hold.</summary>
/// <param name="Where">A JSON pointer into the document, or the name of a file.</param>
/// <param name="What">What does not hold there, in a sentence.</param>
public sealed record EvidenceFinding(string Where, string What);

/// <summary>What verification found.</summary>
/// <param name="Document">The document, where it can be read at all.</param>
/// <param name="SignedBy">The key that signed it; null where no known key did.</param>
/// <param name="Findings">What does not hold. Empty: everything does.</param>
public sealed record EvidenceVerification(EvidenceDocument? Document, string? SignedBy, IReadOnlyList<EvidenceFinding> Findings)
{
    /// <summary>Whether everything holds. The run may still have failed: <see cref="EvidenceDocument.Verdict"/>.</summary>
    public bool Holds => Findings.Count == 0;
}

/// <summary>
/// Verifies evidence offline, from its files and the archive's public keys alone: signatures, canonical form, the checkpoint and the
/// proof that the population was fixed before it; then draws the sample again and works out every number again.
/// </summary>
public sealed class EvidenceVerifier
{
    /// <summary>A TiB: far beyond any pack, and sums of it fit.</summary>
    private const long MaxBytes = 1L << 40;

    private readonly JwkSet _keys;
    private readonly List<EvidenceFinding> _findings = [];

    private EvidenceVerifier(JwkSet keys) => _keys = keys;

    /// <summary>Verifies; whatever the files hold, the answer is findings, not an exception.</summary>
    public static EvidenceVerification Verify(EvidenceBundle bundle, JwkSet keys)
    {
        EvidenceVerifier verifier = new(keys);
        string? signedBy = verifier.CheckSignature(EvidenceFiles.Signature, bundle.Signature, bundle.Document, EvidenceDocument.JwsType);
        switch (bundle.Report, bundle.ReportSignature)
        {
            case ({ } report, { } signature):
                verifier.CheckSignature(EvidenceFiles.ReportSignature, signature, report, EvidenceDocument.ReportJwsType);
                break;
            case ({ }, null):
                verifier.Add(EvidenceFiles.ReportSignature, $"It is missing: nothing vouches for {EvidenceFiles.Report}.");
                break;
        }

        EvidenceDocument? document = verifier.CheckDocument(bundle.Document);
        return new(document, signedBy, verifier._findings);
    }

    private EvidenceDocument? CheckDocument(ReadOnlyMemory<byte> bytes)
    {
        JsonDocument json;
        EvidenceDocument document;
        try
        {
            json = JsonDocument.Parse(bytes, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = FormatJson.Options.MaxDepth });
        }
        catch (JsonException e)
        {
            Add(EvidenceFiles.Document, "It is not JSON: " + e.Message);
            return null;
        }

        using (json)
        {
            try
            {
                if (!CanonicalJson.Serialize(json.RootElement).AsSpan().SequenceEqual(bytes.Span))
                {
                    Add(EvidenceFiles.Document, "It is not in canonical form (RFC 8785).");
                }

                if (FindNull(json.RootElement, "") is { } at)
                {
                    Add(at, "There is a null: the archive leaves out what is not there.");
                    return null;
                }

                document = EvidenceWriter.Parse(bytes.Span);
            }
            catch (JsonException e)
            {
                Add(e.Path is { Length: > 1 } path ? path[1..].Replace('.', '/').Replace('[', '/').Replace("]", "") : EvidenceFiles.Document, "It is not evidence of this version: " + e.Message);
                return null;
            }

            CheckDigests(document, json.RootElement);
            CheckCommitment(document, json.RootElement);
        }

        if (CheckTimes(document) & CheckPopulation(document))
        {
            CheckSample(document);
            CheckNumbers(document);
        }

        return document;
    }

    private string? CheckSignature(string where, string jws, ReadOnlyMemory<byte> payload, string type)
    {
        try
        {
            return Jws.VerifyDetached(jws.Trim(), payload.Span, type, _keys);
        }
        catch (Exception e) when (e is JwsException or FormatException)
        {
            Add(where, e.Message);
            return null;
        }
    }

    private void CheckDigests(EvidenceDocument document, JsonElement json)
    {
        SortedDictionary<string, Sha256Digest> actual = EvidenceDigests.Of(json);
        foreach ((string part, Sha256Digest digest) in actual)
        {
            if (!document.Digests.TryGetValue(part, out Sha256Digest stated))
            {
                Add(part, "It has no digest: it was added after the document was written.");
            }
            else if (stated != digest)
            {
                Add(part, "It differs from its digest: it was changed after the document was written.");
            }
        }

        foreach (string part in document.Digests.Keys.Where(part => !actual.ContainsKey(part)))
        {
            Add(part, "It is not there any more: it was removed after the document was written.");
        }
    }

    private void CheckCommitment(EvidenceDocument document, JsonElement json)
    {
        Checkpoint checkpoint;
        try
        {
            checkpoint = JsonSerializer.Deserialize<Checkpoint>(Jws.Verify(document.Checkpoint, Checkpoint.JwsType, _keys).Payload, FormatJson.Options)
                ?? throw new JsonException("It is null.");
        }
        catch (Exception e) when (e is JwsException or JsonException or FormatException)
        {
            Add("/checkpoint", "The checkpoint does not verify: " + e.Message);
            return;
        }

        if (checkpoint.Log != document.Clinic.ToString())
        {
            Add("/checkpoint", $"It is of the log {checkpoint.Log}, not of the clinic's.");
        }

        if (checkpoint.Time < document.StartedAt || document.Results.Any(result => result.StartedAt < checkpoint.Time))
        {
            Add("/checkpoint", "It was not made between the start of the run and its first test.");
        }

        (AuditEntry entry, InclusionProof proof) = document.Commitment;
        if (entry.Action != RunCommitment.Action || entry.Log != checkpoint.Log || entry.Index != proof.Index || entry.Subject.Other != document.Run)
        {
            Add("/commitment/entry", "It is not the log's entry of this run's start.");
        }

        if (entry.Details?.GetValueOrDefault(RunCommitment.DetailName) != RunCommitment.Digest(document.Budget, document.Population).Hex)
        {
            Add("/commitment/entry/details/" + RunCommitment.DetailName, "The log fixed another budget or population than the document states.");
        }

        // The leaf is the entry as it stands in the file, not as this program would write it: a newer archive may have more members.
        byte[] leaf = CanonicalJson.Serialize(json.GetProperty("commitment").GetProperty("entry"));
        if (proof.Size != checkpoint.Size || !proof.Proves(Merkle.LeafHash(leaf), checkpoint.Root))
        {
            Add("/commitment/proof", "It does not prove that the entry is in the log under the checkpoint.");
        }
    }

    private bool CheckTimes(EvidenceDocument document)
    {
        if (document.FinishedAt < document.StartedAt || document.StartedAt.Year < 2000)
        {
            Add("/finishedAt", "The run ended before it began, or before there were archives.");
        }

        for (int i = 0; i < document.Results.Count; i++)
        {
            if (document.Results[i].StartedAt < document.StartedAt || document.Results[i].StartedAt > document.FinishedAt)
            {
                Add($"/results/{i}/startedAt", "The test was not during the run.");
            }
        }

        return document.FinishedAt >= document.StartedAt && document.StartedAt.Year >= 2000;
    }

    private bool CheckPopulation(EvidenceDocument document)
    {
        int before = _findings.Count;
        for (int i = 1; i < document.Population.Count; i++)
        {
            if (string.CompareOrdinal(document.Population[i - 1].Pack.ToString(), document.Population[i].Pack.ToString()) >= 0)
            {
                Add($"/population/{i}", "The population is not in ascending order of its ids, or names one twice.");
                break;
            }
        }

        for (int i = 0; i < document.Population.Count; i++)
        {
            if (document.Population[i] is { Bytes: < 0 or > MaxBytes } or { CommittedAt.Offset.Ticks: not 0 } or { LastTestedAt.Offset.Ticks: not 0 })
            {
                Add($"/population/{i}", "A size is not that of a pack, or a time is not UTC.");
            }
        }

        if (document.Budget is not { Packs: >= 1, Bytes: >= 1, ArchivedBytes: >= 0 })
        {
            Add("/budget", "A budget has at least one pack and one byte.");
        }

        return _findings.Count == before;
    }

    private void CheckSample(EvidenceDocument document)
    {
        if (RootOf(document.Checkpoint) is { } root)
        {
            IReadOnlyList<SampledPack> drawn = Sampling.Draw(root, document.Population, document.Budget);
            for (int i = 0; i < Math.Max(drawn.Count, document.Sample.Count); i++)
            {
                if (i >= drawn.Count || i >= document.Sample.Count || drawn[i] != document.Sample[i])
                {
                    Add($"/sample/{i}", i >= drawn.Count ? "The sample ends before this pack."
                        : $"Drawn again, this is pack {drawn[i].Pack} ({JsonNamingPolicy.KebabCaseLower.ConvertName(drawn[i].Reason.ToString())}).");
                }
            }
        }

        for (int i = 0; i < Math.Max(document.Results.Count, document.Sample.Count); i++)
        {
            if (i >= document.Results.Count || i >= document.Sample.Count || document.Results[i].Pack != document.Sample[i].Pack)
            {
                Add($"/results/{i}", "The results are not those of the sample, in its order.");
            }
        }
    }

    private void CheckNumbers(EvidenceDocument document)
    {
        for (int i = 0; i < document.Results.Count; i++)
        {
            PackTestResult result = document.Results[i];
            if ((result.Cause is not null) != (result.Outcome == PackTestOutcome.Failed))
            {
                Add($"/results/{i}/cause", "A failed pack has a cause, and no other has.");
            }

            if (result is not { Bytes: >= 0 and <= MaxBytes, Files: >= 0 and <= 1_000_000, FileBytes: >= 0 and <= MaxBytes }
                || result.Steps.Any(step => step.Milliseconds is < 0 or > int.MaxValue))
            {
                Add($"/results/{i}", "A number is negative or absurd.");
                return;
            }
        }

        Judgement judgement = Judgement.Of(document.Results, document.Canaries);
        Compare("/verdict", document.Verdict, judgement.Verdict);
        Compare("/faults", document.Faults, judgement.Faults);
        Compare("/summary", document.Summary, EvidenceSummary.Of(document.Population, document.Results, document.FinishedAt));
        if (document.Sample.Count <= document.Population.Count)
        {
            Compare("/statistics", document.Statistics, EvidenceWriter.Bound(document.Population, document.Sample, document.Results));
        }
    }

    /// <summary>Compares what is stated with what is worked out, member by member, as JSON.</summary>
    private void Compare<T>(string where, T stated, T computed)
    {
        JsonElement s = JsonSerializer.SerializeToElement(stated, FormatJson.Options), c = JsonSerializer.SerializeToElement(computed, FormatJson.Options);
        if (s.ValueKind != JsonValueKind.Object)
        {
            if (!JsonElement.DeepEquals(s, c))
            {
                Add(where, $"Worked out again, this is {c}, not {s}.");
            }

            return;
        }

        foreach (string name in s.EnumerateObject().Concat(c.EnumerateObject()).Select(member => member.Name).Distinct())
        {
            bool hasStated = s.TryGetProperty(name, out JsonElement left), hasComputed = c.TryGetProperty(name, out JsonElement right);
            if (!hasStated || !hasComputed || !JsonElement.DeepEquals(left, right))
            {
                Add($"{where}/{name}", $"Worked out again, this is {(hasComputed ? right : "nothing")}, not {(hasStated ? left : "nothing")}.");
            }
        }
    }

    private static string? FindNull(JsonElement element, string at) => element.ValueKind switch
    {
        JsonValueKind.Null => at,
        JsonValueKind.Object => element.EnumerateObject().Select(member => FindNull(member.Value, $"{at}/{member.Name}")).FirstOrDefault(found => found is not null),
        JsonValueKind.Array => element.EnumerateArray().Select((item, i) => FindNull(item, $"{at}/{i}")).FirstOrDefault(found => found is not null),
        _ => null,
    };

    /// <summary>The root of a checkpoint whose signature may be bad, which was found already: the sample is judged all the same.</summary>
    private static Sha256Digest? RootOf(string jws)
    {
        try
        {
            return JsonSerializer.Deserialize<Checkpoint>(System.Buffers.Text.Base64Url.DecodeFromChars(jws.Split('.')[1]), FormatJson.Options)?.Root;
        }
        catch (Exception e) when (e is FormatException or JsonException or IndexOutOfRangeException)
        {
            return null;
        }
    }

    private void Add(string where, string what) => _findings.Add(new(where, what));
}
