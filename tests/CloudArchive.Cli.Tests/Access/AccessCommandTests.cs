using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Format;
using CloudArchive.Format.Access;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Access;

public sealed class AccessCommandTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 7, 1, 8, 0, 0, TimeSpan.Zero);
    private readonly TemporaryFolder _folder = new();
    private readonly TestCli _cli = new();
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose()
    {
        _folder.Dispose();
        _cli.Dispose();
        _key.Dispose();
    }

    [Fact]
    public async Task A_list_is_attested_as_it_was_seen_and_the_saved_review_verifies_offline()
    {
        AccessPrincipal[] principals =
        [
            new(PrincipalKind.Staff, "ada", ["admin"], null, Now.AddDays(-9), Now, null, null),
            new(PrincipalKind.Staff, "bert", ["compliance"], [ClinicId.Parse("smith-dental")], Now.AddDays(-9), Now.AddMinutes(-3), Now, "ada"),
        ];
        Sha256Digest fingerprint = AccessReviewDocument.FingerprintOf(principals);
        string? attested = null;
        _cli.Variables["CLOUDARCHIVE_URL"] = "https://archive.test";
        _cli.Variables["CLOUDARCHIVE_TOKEN"] = "token";
        _cli.Answer = async (request, cancellationToken) =>
        {
            if (request.Method == HttpMethod.Get)
            {
                return Json(new AccessListResponse("smith-dental", Now, fingerprint, principals));
            }

            attested = await request.Content!.ReadAsStringAsync(cancellationToken);
            byte[] document = CanonicalJson.Serialize(new AccessReviewDocument(AccessReviewDocument.CurrentFormat, "r1", "smith-dental", Now, "ada", fingerprint, principals));
            return Json(new AccessReviewResponse("r1", document, await SignAsync(document)));
        };

        (ExitCode other, _, string error) = await _cli.RunAsync("access", "review", "--clinic", "smith-dental", "--seen", new string('0', 64));
        Assert.Equal((ExitCode.Usage, null), (other, attested));
        Assert.Contains("nothing was attested", error, StringComparison.Ordinal);

        (ExitCode code, string output, _) = await _cli.RunAsync("access", "review", "--clinic", "smith-dental", "--seen", fingerprint.Hex, "--save", _folder["review"]);
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("Attested as review r1.", output, StringComparison.Ordinal);
        Assert.Equal(fingerprint.Hex, JsonNode.Parse(attested!)!["fingerprint"]!.GetValue<string>());

        await File.WriteAllBytesAsync(_folder["keys.json"], JsonSerializer.SerializeToUtf8Bytes(new JwkSet([JwkKeys.FromEcdsa(_key)]), FormatJson.Options), TestContext.Current.CancellationToken);
        (code, output, _) = await _cli.RunAsync("access", "verify", _folder["review"], "--key", _folder["keys.json"]);
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("ada attested it", output, StringComparison.Ordinal);
        Assert.Contains("bert (compliance): ended 2026-07-01 08:00 UTC by ada; last let in 2026-07-01 07:57 UTC, less than 5 minutes before", output, StringComparison.Ordinal);

        string file = Path.Combine(_folder["review"], AccessReviewDocument.File);
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)).Replace("compliance", "admin", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        (code, output, _) = await _cli.RunAsync("access", "verify", _folder["review"], "--key", _folder["keys.json"]);
        Assert.Equal(ExitCode.Integrity, code);
        Assert.Contains("DOES NOT HOLD", output, StringComparison.Ordinal);
    }

    private static HttpResponseMessage Json<T>(T body) => new(HttpStatusCode.OK) { Content = JsonContent.Create(body, options: FormatJson.Options) };

    private Task<string> SignAsync(byte[] document) => Jws.SignDetachedAsync(
        AccessReviewDocument.JwsType,
        document,
        JwkKeys.FromEcdsa(_key).Kid!,
        (data, _) => Task.FromResult(_key.SignData(data.Span, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)),
        TestContext.Current.CancellationToken);
}
