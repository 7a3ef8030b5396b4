using System.Text.Json;
using CloudArchive.Format.Access;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Tests.Vectors;

/// <summary>Statements that were signed once, by a key that is gone: every later version must verify them, and write the same to the byte.</summary>
public sealed class StatementVectorTests
{
    private static readonly JwkSet s_keys = JsonSerializer.Deserialize<JwkSet>(Read("jwks.json"), FormatJson.Options)!;

    [Fact]
    public void Evidence()
    {
        EvidenceVerification verification = EvidenceVerifier.Verify(new EvidenceBundle(Read("evidence.json"), Text("evidence.jws")), s_keys);
        Assert.Empty(verification.Findings);
        EvidenceDocument document = verification.Document!;
        Assert.Equal((RunVerdict.Failed, 40, 20, 1, 1), (document.Verdict, document.Population.Count, document.Sample.Count, document.Summary.Failed, document.Summary.NotTested));
        Assert.Equal(Read("evidence.json"), EvidenceWriter.Serialize(document));
    }

    [Fact]
    public void Certificate_of_destruction()
    {
        CertificateVerification verification = DestructionCertificates.Verify(Read("certificate.json"), Text("certificate.jws"), s_keys);
        Assert.Empty(verification.Findings);
        Assert.Equal(("retention", "ada", 2), (verification.Certificate!.RequestedBy, verification.Certificate.ApprovedBy, verification.Certificate.Packs.Count));
        Assert.Equal(Read("certificate.json"), DestructionCertificates.Serialize(verification.Certificate));
    }

    [Fact]
    public void Access_review()
    {
        (AccessReviewDocument? review, IReadOnlyList<string> findings) = AccessReviewDocument.Verify(Read("review.json"), Text("review.jws"), s_keys);
        Assert.Empty(findings);
        Assert.Equal(["ada", "carol", "riverside-dental.7dngdz2gwkyyqzw8"], review!.Principals.Select(principal => principal.Id));
        Assert.Equal(TimeSpan.FromMinutes(7), review.Principals[1].EndedAt - review.Principals[1].LastAcceptedAt);
    }

    [Fact]
    public void Rewrap_of_a_content_key()
    {
        Rewrap rewrap = Rewrap.Verify(Text("rewrap.jws"), s_keys);
        Assert.Equal((2, "https://vault.example/keys/kek-riverside-dental/1", "https://vault.example/keys/kek-riverside-dental/2"), (rewrap.Number, rewrap.Replaces, rewrap.ContentKey.KeyId));
        Assert.Equal(Payload("rewrap.jws"), rewrap.Serialize());
    }

    [Fact]
    public void Keys_that_agents_are_to_believe()
    {
        KeyStatement statement = KeyStatement.FindVouchedFor([Text("keys.jws")], s_keys)!;
        Assert.Equal("riverside-dental", statement.Clinic.Value);
        Assert.Equal(Payload("keys.jws"), CanonicalJson.Serialize(statement));
    }

    [Fact]
    public void Checkpoint_of_a_log()
    {
        Checkpoint checkpoint = JsonSerializer.Deserialize<Checkpoint>(Jws.Verify(Text("checkpoint.jws"), Checkpoint.JwsType, s_keys).Payload, FormatJson.Options)!;
        Assert.Equal(("riverside-dental", 21L), (checkpoint.Log, checkpoint.Size));
        Assert.Equal(Payload("checkpoint.jws"), CanonicalJson.Serialize(checkpoint));
    }

    private static byte[] Read(string file) => PackVectors.Read($"../statements-1/{file}");

    private static string Text(string file) => PackVectors.ReadText($"../statements-1/{file}");

    private static byte[] Payload(string file) => System.Buffers.Text.Base64Url.DecodeFromChars(Text(file).Split('.')[1]);
}
