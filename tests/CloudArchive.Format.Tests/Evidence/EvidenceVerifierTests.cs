using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Format.Evidence;
using CloudArchive.Testing.Evidence;

namespace CloudArchive.Format.Tests.Evidence;

public sealed class EvidenceVerifierTests : IDisposable
{
    private readonly EvidenceSample _sample = new()
    {
        Packs = 14,
        Budget = new TestBudget(6, 400_000_000),
        Fails = place => place == 2 ? PackFailure.HashMismatch : null,
        History = [new("run-1", EvidenceSample.Start.AddDays(-1), RunVerdict.Passed, 6, 6, 13, 9, 70), new("run-0", EvidenceSample.Start.AddDays(-2), RunVerdict.NothingTested, 0, 0, 0, 0)],
    };

    public void Dispose() => _sample.Dispose();

    [Fact]
    public async Task Evidence_as_it_was_written_holds()
    {
        EvidenceDocument document = await _sample.DocumentAsync();
        EvidenceVerification verification = EvidenceVerifier.Verify(await _sample.SignAsync(document), _sample.Keys);
        Assert.Empty(verification.Findings);
        Assert.True(verification.Holds);
        Assert.Equal(_sample.Keys.Keys[0].Kid, verification.SignedBy);
        Assert.Equal(document.Run, verification.Document!.Run);
    }

    [Fact]
    public async Task Evidence_of_an_empty_clinic_of_everything_and_of_archived_packs_holds()
    {
        using EvidenceSample empty = new() { Packs = 0 };
        using EvidenceSample everything = new() { Packs = 10, Budget = TestBudget.Everything };
        using EvidenceSample archived = new() { Packs = 10, Archived = _ => true };
        foreach ((EvidenceSample sample, RunVerdict verdict) in new[] { (empty, RunVerdict.NothingTested), (everything, RunVerdict.Passed), (archived, RunVerdict.NothingTested) })
        {
            EvidenceDocument document = await sample.DocumentAsync();
            Assert.Equal(verdict, document.Verdict);
            Assert.Empty(EvidenceVerifier.Verify(await sample.SignAsync(document), sample.Keys).Findings);
        }
    }

    /// <summary>Every value in the document, one after the other, is changed, as someone without the key would: verification fails and says where.</summary>
    [Fact]
    public async Task Whatever_value_is_changed_verification_fails_and_says_where()
    {
        EvidenceBundle bundle = await _sample.SignAsync(await _sample.DocumentAsync());

        // Of what repeats, some: each step of a result, each pack of the population and each digest is like the others.
        string[] pointers = [.. Leaves(JsonNode.Parse(bundle.Document.Span), "")
            .GroupBy(pointer => pointer.Split('/') switch { [_, "population", _, ..] => "population", [_, "digests", ..] => "digests", [_, "results", var i, "steps", ..] => "steps" + i, _ => pointer })
            .SelectMany(alike => alike.Take(5))];
        Assert.True(pointers.Length > 150);
        foreach (string pointer in pointers)
        {
            EvidenceVerification verification = EvidenceVerifier.Verify(bundle with { Document = Edit(bundle, document => Change(document, pointer)) }, _sample.Keys);
            Assert.Null(verification.SignedBy);
            Assert.Contains(verification.Findings, finding => finding.Where == EvidenceFiles.Signature);
            Assert.True(verification.Findings.Any(finding => finding.Where != EvidenceFiles.Signature && IsAt(finding.Where, pointer)), $"{pointer}: {string.Join("; ", verification.Findings)}");
        }
    }

    [Fact]
    public async Task Whatever_member_is_removed_verification_fails_and_says_where()
    {
        EvidenceBundle bundle = await _sample.SignAsync(await _sample.DocumentAsync());
        string[] digests = [.. JsonNode.Parse(bundle.Document.Span)!["digests"]!.AsObject().Select(digest => digest.Key)];
        foreach (string pointer in digests)
        {
            EvidenceVerification verification = EvidenceVerifier.Verify(bundle with { Document = Edit(bundle, document => Remove(document, pointer)) }, _sample.Keys);
            Assert.Contains(verification.Findings, finding => finding.Where == EvidenceFiles.Signature);

            // Of an array, those behind the removed element move up: at least the array is named. A missing mandatory member makes it no evidence at all.
            Assert.True(
                verification.Findings.Any(finding => finding.Where.StartsWith("/" + pointer.Split('/')[1], StringComparison.Ordinal) || finding.Where == EvidenceFiles.Document),
                $"{pointer}: {string.Join("; ", verification.Findings)}");
        }
    }

    /// <summary>Even whoever holds the signing key and writes the digests anew cannot state numbers or a sample that do not follow.</summary>
    [Theory]
    [InlineData("/results/2/outcome", "\"recovered\"", "/results/2/cause", "/verdict", "/summary/recovered", "/statistics/recovered")]
    [InlineData("/results/1/files", "99", "/summary/recoveredFiles")]
    [InlineData("/results/1/bytes", "1", "/summary/bytesPerSecond")]
    [InlineData("/results/4/pack", "\"01990003-0000-7000-8000-000000005ccd\"", "/results/4")]
    [InlineData("/sample/0/pack", "\"01990003-0000-7000-8000-000000005ccd\"", "/sample/0", "/results/0")]
    [InlineData("/sample/5/reason", "\"random\"", "/sample/5")]
    [InlineData("/population/3/bytes", "5", "/commitment/entry/details/draw", "/summary/populationBytes")]
    [InlineData("/population/3/lastTestedAt", "\"2026-11-22T03:00:00+00:00\"", "/commitment/entry/details/draw")]
    [InlineData("/budget/packs", "7", "/commitment/entry/details/draw", "/sample/6")]
    [InlineData("/commitment/entry/details/draw", "\"00\"", "/commitment/entry/details/draw", "/commitment/proof")]
    [InlineData("/commitment/entry/time", "\"2026-11-01T03:00:00+00:00\"", "/commitment/proof")]
    [InlineData("/commitment/entry/index", "18", "/commitment/entry", "/commitment/proof")]
    [InlineData("/run", "\"another\"", "/commitment/entry")]
    [InlineData("/clinic", "\"another\"", "/checkpoint")]
    [InlineData("/verdict", "\"passed\"", "/verdict")]
    [InlineData("/faults", "[]", "/faults")]
    [InlineData("/summary/recovered", "6", "/summary/recovered")]
    [InlineData("/summary/causes/hash-mismatch", "2", "/summary/causes")]
    [InlineData("/summary/coveredPacks", "30", "/summary/coveredPacks")]
    [InlineData("/statistics/atLeastRecoverable", "30", "/statistics/atLeastRecoverable")]
    [InlineData("/startedAt", "\"2026-11-22T03:00:06+00:00\"", "/checkpoint")]
    [InlineData("/finishedAt", "\"2026-11-22T03:00:04+00:00\"", "/results/0/startedAt")]
    [InlineData("/canaries/1/outcome", "\"recovered\"", "/faults")]
    public async Task A_statement_that_does_not_follow_is_found_even_if_the_archive_itself_signed_it(string pointer, string value, params string[] expected)
    {
        EvidenceDocument document = await _sample.DocumentAsync();
        JsonNode edited = JsonNode.Parse(EvidenceWriter.Serialize(document))!;
        Set(edited, pointer, JsonNode.Parse(value)!);
        EvidenceDocument forged = edited.Deserialize<EvidenceDocument>(FormatJson.Options)!;
        forged = forged with { Digests = EvidenceDigestsOf(edited) };
        EvidenceVerification verification = EvidenceVerifier.Verify(await _sample.SignAsync(forged), _sample.Keys);
        Assert.NotNull(verification.SignedBy);
        Assert.All(expected, where => Assert.Contains(verification.Findings, finding => finding.Where == where));
    }

    [Fact]
    public async Task A_run_whose_canaries_pass_is_a_failed_run()
    {
        using EvidenceSample blind = new() { Canaries = [new("sound", PackTestOutcome.Recovered), new("flipped-byte", PackTestOutcome.Recovered, PackFailure.HashMismatch)] };
        EvidenceDocument document = await blind.DocumentAsync();
        Assert.Equal(RunVerdict.Failed, document.Verdict);
        Assert.Equal([RunFault.CanaryNotAsExpected], document.Faults);
    }

    [Fact]
    public async Task A_canary_that_fails_for_another_cause_is_not_as_expected_either()
    {
        using EvidenceSample muddled = new() { Canaries = [new("flipped-byte", PackTestOutcome.Failed, PackFailure.HashMismatch, PackFailure.Missing)] };
        Assert.Equal([RunFault.CanaryNotAsExpected], (await muddled.DocumentAsync()).Faults);
    }

    [Fact]
    public async Task A_sound_canary_that_fails_fails_the_run_and_so_do_no_canaries_at_all()
    {
        using EvidenceSample paranoid = new() { Canaries = [new("sound", PackTestOutcome.Failed, null, PackFailure.TimedOut), .. new EvidenceSample().Canaries.Skip(1)] };
        Assert.Equal([RunFault.CanaryNotAsExpected], (await paranoid.DocumentAsync()).Faults);
        using EvidenceSample none = new() { Canaries = [] };
        Assert.Equal([RunFault.NoCanary], (await none.DocumentAsync()).Faults);
        using EvidenceSample onlySound = new() { Canaries = [new("sound", PackTestOutcome.Recovered)] };
        Assert.Equal([RunFault.NoCanary], (await onlySound.DocumentAsync()).Faults);
    }

    [Fact]
    public async Task Another_archives_signature_does_not_count()
    {
        using EvidenceSample other = new();
        EvidenceVerification verification = EvidenceVerifier.Verify(await _sample.SignAsync(await _sample.DocumentAsync()), other.Keys);
        Assert.Null(verification.SignedBy);
        Assert.Contains(verification.Findings, finding => finding.Where == EvidenceFiles.Signature);
        Assert.Contains(verification.Findings, finding => finding.Where == "/checkpoint");
    }

    [Fact]
    public async Task A_signature_of_another_kind_does_not_count()
    {
        EvidenceBundle bundle = await _sample.SignAsync(await _sample.DocumentAsync());
        bundle = bundle with { Signature = await _sample.SignDetachedAsync(EvidenceDocument.ReportJwsType, bundle.Document.ToArray()) };
        Assert.Equal([EvidenceFiles.Signature], EvidenceVerifier.Verify(bundle, _sample.Keys).Findings.Select(finding => finding.Where));
    }

    [Fact]
    public async Task A_report_that_was_changed_or_not_signed_is_found()
    {
        EvidenceBundle bundle = await _sample.SignAsync(await _sample.DocumentAsync());
        byte[] report = Encoding.ASCII.GetBytes("%PDF-1.7 ...");
        bundle = bundle with { Report = report, ReportSignature = await _sample.SignDetachedAsync(EvidenceDocument.ReportJwsType, report) };
        Assert.True(EvidenceVerifier.Verify(bundle, _sample.Keys).Holds);
        Assert.Equal([EvidenceFiles.ReportSignature], EvidenceVerifier.Verify(bundle with { Report = report.Append((byte)' ').ToArray() }, _sample.Keys).Findings.Select(finding => finding.Where));
        Assert.Equal([EvidenceFiles.ReportSignature], EvidenceVerifier.Verify(bundle with { ReportSignature = null }, _sample.Keys).Findings.Select(finding => finding.Where));
    }

    [Fact]
    public async Task The_same_document_in_another_spelling_is_not_canonical()
    {
        byte[] spaced = [.. EvidenceWriter.Serialize(await _sample.DocumentAsync()), (byte)'\n'];
        EvidenceVerification verification = EvidenceVerifier.Verify(await _sample.SignAsync(spaced), _sample.Keys);
        Assert.Equal([EvidenceFiles.Document], verification.Findings.Select(finding => finding.Where));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"format\":\"cloudarchive/evidence/2\"}")]
    [InlineData("{\"results\":[null]}")]
    [InlineData("\0\0\0")]
    public async Task What_is_no_evidence_is_a_finding_not_an_exception(string json)
    {
        EvidenceVerification verification = EvidenceVerifier.Verify(await _sample.SignAsync(Encoding.UTF8.GetBytes(json)), _sample.Keys);
        Assert.Null(verification.Document);
        Assert.NotEmpty(verification.Findings);
    }

    [Fact]
    public async Task Broken_bytes_are_findings_not_exceptions()
    {
        EvidenceBundle bundle = await _sample.SignAsync(await _sample.DocumentAsync());
        Random random = new(11);
        for (int round = 0; round < 200; round++)
        {
            byte[] broken = bundle.Document.ToArray();
            int at = random.Next(broken.Length);
            if (round % 2 == 0)
            {
                broken[at] = (byte)random.Next(256);
            }
            else
            {
                // Digits make for valid JSON of absurd numbers and times.
                for (int i = at; i < Math.Min(at + 4, broken.Length); i++)
                {
                    broken[i] = broken[i] is >= (byte)'0' and <= (byte)'9' ? (byte)random.Next('0', '9' + 1) : broken[i];
                }
            }

            EvidenceVerification verification = EvidenceVerifier.Verify(bundle with { Document = broken }, _sample.Keys);
            Assert.Equal(broken.AsSpan().SequenceEqual(bundle.Document.Span), verification.Holds);
        }
    }

    private static byte[] Edit(EvidenceBundle bundle, Action<JsonNode> edit)
    {
        JsonNode document = JsonNode.Parse(bundle.Document.Span)!;
        edit(document);
        return CanonicalJson.Serialize(document);
    }

    private static SortedDictionary<string, Sha256Digest> EvidenceDigestsOf(JsonNode document)
    {
        // Worked out as docs/restore-tests.md has it, not by the product's code.
        SortedDictionary<string, Sha256Digest> digests = new(StringComparer.Ordinal);
        foreach ((string name, JsonNode? value) in document.AsObject().Where(member => member.Key != "digests"))
        {
            (string, JsonNode?)[] parts = value switch
            {
                JsonArray array when name != "population" => [.. array.Select((item, i) => ($"/{name}/{i}", item))],
                JsonObject inner => [.. inner.Select(member => ($"/{name}/{member.Key}", member.Value))],
                _ => [($"/{name}", value)],
            };
            foreach ((string pointer, JsonNode? part) in parts)
            {
                digests[pointer] = Sha256Digest.Of(CanonicalJson.Serialize(part));
            }
        }

        return digests;
    }

    private static IEnumerable<string> Leaves(JsonNode? node, string at) => node switch
    {
        JsonObject members => members.SelectMany(member => Leaves(member.Value, $"{at}/{member.Key.Replace("~", "~0").Replace("/", "~1")}")),
        JsonArray items => items.SelectMany((item, i) => Leaves(item, $"{at}/{i}")),
        _ => [at],
    };

    private static (JsonNode Parent, string Name) Find(JsonNode document, string pointer)
    {
        string[] path = [.. pointer[1..].Split('/').Select(name => name.Replace("~1", "/").Replace("~0", "~"))];
        JsonNode parent = document;
        foreach (string name in path[..^1])
        {
            parent = parent is JsonArray array ? array[int.Parse(name)]! : parent[name]!;
        }

        return (parent, path[^1]);
    }

    private static void Set(JsonNode document, string pointer, JsonNode value)
    {
        (JsonNode parent, string name) = Find(document, pointer);
        if (parent is JsonArray array)
        {
            array[int.Parse(name)] = value;
        }
        else
        {
            parent[name] = value;
        }
    }

    private static void Remove(JsonNode document, string pointer)
    {
        (JsonNode parent, string name) = Find(document, pointer);
        if (parent is JsonArray array)
        {
            array.RemoveAt(int.Parse(name));
        }
        else
        {
            parent.AsObject().Remove(name);
        }
    }

    private static void Change(JsonNode document, string pointer)
    {
        (JsonNode parent, string name) = Find(document, pointer);
        JsonValue value = (parent is JsonArray array ? array[int.Parse(name)] : parent[name])!.AsValue();
        Set(document, pointer, value.GetValueKind() switch
        {
            JsonValueKind.Number => JsonValue.Create(value.GetValue<long>() + 1),
            JsonValueKind.String => JsonValue.Create(Another(value.GetValue<string>())),
            _ => throw new InvalidOperationException("Evidence holds numbers and strings."),
        });
    }

    /// <summary>Another text that is as valid where that is possible: a digit or letter more or less.</summary>
    private static string Another(string text) => text[^1] switch
    {
        '9' => text[..^1] + '8',
        >= '0' and < '9' => text[..^1] + (char)(text[^1] + 1),
        'f' => text[..^1] + 'e',
        char last => text[..^1] + (char)(last + 1),
    };

    /// <summary>Whether a finding names the changed value, a part that holds it, or, for a digest, the part that it is of.</summary>
    private static bool IsAt(string where, string pointer) =>
        pointer.StartsWith(where, StringComparison.Ordinal)
        || where.StartsWith(pointer, StringComparison.Ordinal)
        || (pointer.StartsWith("/digests/", StringComparison.Ordinal) && (where == pointer[9..].Replace("~1", "/").Replace("~0", "~") || where.StartsWith("/digests", StringComparison.Ordinal)))
        || where == EvidenceFiles.Document;
}
