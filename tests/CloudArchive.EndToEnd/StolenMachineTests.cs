using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Transport;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>
/// With everything that lies on a clinic's computer, and everything that it is handed while it works: keys, state, a token, upload URLs of a
/// pack that is open and of one that is archived. Nothing that is archived can be read, deleted or overwritten with it.
/// </summary>
public sealed class StolenMachineTests
{
    private static readonly byte[] _ransom = "ransomware"u8.ToArray();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task With_the_upload_url_of_an_archived_pack_nothing_in_storage_can_be_read_deleted_or_overwritten()
    {
        await using Practice practice = await Practice.OpenAsync();
        Uri url = await BackUpAndStealUrlAsync(practice);
        BlobContainerClient packs = StoredArchive.Service(practice.Archive.BlobUrl).GetBlobContainerClient("packs");
        string[] before = await SnapshotAsync(packs);
        string sas = url.Query, blob = url.GetLeftPart(UriPartial.Path), container = blob[..(blob.IndexOf("/packs/", StringComparison.Ordinal) + "/packs".Length)];
        string account = container[..^"/packs".Length], table = new Uri(new Uri(practice.Archive.TableUrl), "/devstoreaccount1").AbsoluteUri;
        string block = Convert.ToBase64String("00000001"u8);
        BlobItem[] items = [.. packs.GetBlobs(BlobTraits.None, BlobStates.Version, prefix: null, Cancel)];
        Assert.True(items.Length >= 3);

        List<(string Method, string Url, byte[]? Body, (string, string)[] Headers)> tries =
        [
            ("GET", $"{blob}{sas}", null, []),
            ("HEAD", $"{blob}{sas}", null, []),
            ("GET", $"{blob}{sas}&comp=metadata", null, []),
            ("GET", $"{blob}{sas}&comp=blocklist", null, []),
            ("GET", $"{blob}{sas}&comp=tags", null, []),
            ("GET", $"{blob}{sas}", null, [("x-ms-range", "bytes=0-9")]),
            ("DELETE", $"{blob}{sas}", null, []),
            ("DELETE", $"{blob}{sas}", null, [("x-ms-delete-snapshots", "include")]),
            ("PUT", $"{blob}{sas}", _ransom, [("x-ms-blob-type", "BlockBlob")]),
            ("PUT", $"{blob}{sas}", _ransom, [("x-ms-blob-type", "AppendBlob")]),
            ("PUT", $"{blob}{sas}&comp=blocklist", Encoding.ASCII.GetBytes($"<?xml version=\"1.0\"?><BlockList><Latest>{block}</Latest></BlockList>"), []),
            ("PUT", $"{blob}{sas}", [], [("x-ms-blob-type", "BlockBlob"), ("x-ms-copy-source", $"{blob}{sas}")]),
            ("PUT", $"{blob}{sas}&comp=metadata", [], [("x-ms-meta-encryptiondata", "gone")]),
            ("PUT", $"{blob}{sas}&comp=properties", [], [("x-ms-blob-content-type", "text/html")]),
            ("PUT", $"{blob}{sas}&comp=tags", Encoding.ASCII.GetBytes("<Tags><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tags>"), []),
            ("PUT", $"{blob}{sas}&comp=undelete", [], []),
            ("PUT", $"{blob}{sas}&comp=expiry", [], [("x-ms-expiry-option", "RelativeToNow"), ("x-ms-expiry-time", "1")]),
            ("PUT", $"{blob}{sas}&comp=immutabilityPolicies", [], [("x-ms-immutability-policy-until-date", DateTimeOffset.UtcNow.AddMinutes(1).ToString("R")), ("x-ms-immutability-policy-mode", "unlocked")]),
            ("DELETE", $"{blob}{sas}&comp=immutabilityPolicies", null, []),
            ("PUT", $"{blob}{sas}&comp=legalhold", [], [("x-ms-legal-hold", "false")]),
            ("GET", $"{container}{sas}&restype=container&comp=list", null, []),
            ("GET", $"{container}{sas}&restype=container&comp=list&include=versions,metadata", null, []),
            ("DELETE", $"{container}{sas}&restype=container", null, []),
            ("GET", $"{account}{sas}&comp=list", null, []),
            ("PUT", $"{container}/another-name{sas}", _ransom, [("x-ms-blob-type", "BlockBlob")]),
            ("PUT", $"{account}/records/another-name{sas}", _ransom, [("x-ms-blob-type", "BlockBlob")]),
            ("GET", $"{table}/Tables{sas}", null, []),
            ("GET", $"{table}/Clinics(){sas}", null, []),
            ("GET", $"{table}/Audit(){sas}", null, []),
            ("DELETE", $"{table}/Tables('Catalog'){sas}", null, []),

            // The address that is stated in the signature is another: the parameters are not the thief's to change.
            ("GET", $"{blob}{sas.Replace("sp=cw", "sp=racwd", StringComparison.Ordinal).Replace("sp=w", "sp=rwd", StringComparison.Ordinal)}", null, []),
            ("GET", $"{container}{sas.Replace("sr=b", "sr=c", StringComparison.Ordinal)}&restype=container&comp=list", null, []),
        ];
        foreach (BlobItem item in items)
        {
            string other = $"{container}/{item.Name}";
            string version = item.VersionId is { } id ? $"&versionid={Uri.EscapeDataString(id)}" : "";
            tries.Add(("GET", $"{other}{sas}", null, []));
            tries.Add(("GET", $"{other}{sas}{version}", null, []));
            tries.Add(("DELETE", $"{other}{sas}", null, []));
            tries.Add(("DELETE", $"{other}{sas}{version}", null, []));
            tries.Add(("PUT", $"{other}{sas}", _ransom, [("x-ms-blob-type", "BlockBlob")]));
            tries.Add(("GET", other, null, []));
        }

        using HttpClient http = new();
        async Task<int> TryAsync(string method, string target, byte[]? body, (string, string)[] headers)
        {
            using HttpRequestMessage request = new(new HttpMethod(method), target) { Content = body is null ? null : new ByteArrayContent(body) };
            request.Headers.Add("x-ms-version", "2021-12-02");
            foreach ((string name, string value) in headers)
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }

            using HttpResponseMessage answer = await http.SendAsync(request, Cancel);
            return (int)answer.StatusCode;
        }

        List<string> worked = [];
        foreach ((string method, string target, byte[]? body, (string, string)[] headers) in tries)
        {
            if (await TryAsync(method, target, body, headers) is < 400 and int status)
            {
                worked.Add($"{method} {target} {string.Join(',', headers.Select(h => h.Item1))}: {status}");
            }
        }

        Assert.Empty(worked);

        // A right to write is one to take snapshots and leases, as Azure has it. What is stored stays as it is; that its time ends all the same, StudyDestructionTests show.
        Assert.Equal(201, await TryAsync("PUT", $"{blob}{sas}&comp=snapshot", [], []));
        Assert.Equal(201, await TryAsync("PUT", $"{blob}{sas}&comp=lease", [], [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "-1")]));
        Assert.Equal(before, await SnapshotAsync(packs));

        // And it still comes back.
        (await practice.RestoreEverythingAsync(practice["back"])).Expect(0);
        Assert.Equal(Practice.Contents(practice["clinic"]), Practice.Contents(practice["back"]));
    }

    [Fact]
    public async Task With_the_agents_token_the_service_gives_out_no_image_and_no_identity_and_takes_no_order_to_restore_or_remove()
    {
        await using Practice practice = await Practice.OpenAsync();
        await BackUpAndStealUrlAsync(practice);
        string token = await TokenAsync(practice.Agent.Home);
        using HttpClient http = practice.Archive.Client(token);
        JsonObject paths = JsonNode.Parse(await http.GetStringAsync("/openapi/v1.json", Cancel))!["paths"]!.AsObject();
        string pack = JsonNode.Parse(await http.GetStringAsync($"/v1/clinics/{practice.Clinic}/packs", Cancel))!["items"]![0]!["pack"]!.GetValue<string>();
        string agent = AgentIdentity.Load(new AgentHome(practice.Agent.Home)).AgentId;
        string[] allowed =
        [
            "GET /v1/health", "GET /v1/keys", "GET /v1/sign-in", "GET /v1/clinics/{clinic}/keys", "GET /v1/clinics/{clinic}/packs", "GET /v1/clinics/{clinic}/packs/{pack}", "GET /v1/clinics/{clinic}/receipts", "GET /v1/clinics/{clinic}/changes", "GET /v1/clinics/{clinic}/snapshots",
            "GET /v1/clinics/{clinic}/instances", "GET /v1/clinics/{clinic}/audit/checkpoints", "GET /v1/system/audit/checkpoints",
            "GET /v1/clinics/{clinic}/audit/consistency", "GET /v1/system/audit/consistency",
        ];
        List<string> opened = [];
        List<string> told = [];
        foreach ((string path, JsonNode? operations) in paths)
        {
            foreach (string method in ((string[])["get", "post", "put", "delete"]).Where(method => operations!.AsObject().ContainsKey(method) || method == "delete"))
            {
                string name = $"{method.ToUpperInvariant()} {path}";
                string target = System.Text.RegularExpressions.Regex.Replace(
                    path.Replace("{clinic}", practice.Clinic, StringComparison.Ordinal).Replace("{pack}", pack, StringComparison.Ordinal).Replace("{agent}", agent, StringComparison.Ordinal),
                    @"\{\w+\}",
                    "01890a5d-ac96-774b-bcce-b302099a8057",
                    System.Text.RegularExpressions.RegexOptions.NonBacktracking);
                using HttpRequestMessage request = new(new HttpMethod(method), target + (name.Contains("consistency", StringComparison.Ordinal) ? "?from=1" : ""));
                request.Content = method == "get" ? null : new StringContent("{}", Encoding.UTF8, "application/json");
                using HttpResponseMessage answer = await http.SendAsync(request, Cancel);
                string body = await answer.Content.ReadAsStringAsync(Cancel);
                if (answer.IsSuccessStatusCode && !allowed.Contains(name))
                {
                    opened.Add($"{name}: {answer.StatusCode}");
                }

                if (body.Contains(practice["clinic"], StringComparison.Ordinal) || body.Contains("a.dcm", StringComparison.Ordinal) || body.Contains("sig=", StringComparison.Ordinal))
                {
                    told.Add($"{name}: {body}");
                }
            }
        }

        Assert.Empty(opened);
        Assert.Empty(told);
    }

    [Fact]
    public async Task What_lies_on_the_computer_holds_no_key_that_opens_a_pack()
    {
        await using Practice practice = await Practice.OpenAsync();
        await BackUpAndStealUrlAsync(practice);
        string[] files = Directory.GetFiles(practice.Agent.Home, "*", SearchOption.AllDirectories);
        Assert.Contains(files, file => Path.GetFileName(file) == "identity.json");
        foreach (string file in files)
        {
            byte[] bytes = await File.ReadAllBytesAsync(file, Cancel);
            string text = Encoding.Latin1.GetString(bytes);
            Assert.DoesNotContain("PRIVATE KEY", text, StringComparison.Ordinal);

            // A JWK's private members; and the object identifier of an RSA key in PKCS #8.
            Assert.DoesNotContain("\"d\":", text, StringComparison.Ordinal);
            Assert.DoesNotContain("\"dp\":", text, StringComparison.Ordinal);
            Assert.True(bytes.AsSpan().IndexOf((byte[])[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]) < 0, file);
        }

        // The one private key that is there signs for this agent, and unwraps nothing.
        using ECDsa key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(ProtectedFile.Read(new AgentHome(practice.Agent.Home).AgentKey), out _);
        Assert.Equal(256, key.KeySize);
    }

    /// <summary>Backs a file up as the agent does, and keeps the URL that it was handed: it is good for the rest of its hour.</summary>
    private static async Task<Uri> BackUpAndStealUrlAsync(Practice practice)
    {
        SampleStudies.WriteOne(Path.Combine(practice["clinic"], "a.dcm"), "one");
        string? stolen = null;
        (CloudArchive.Cli.ExitCode code, string output, string error) = await InProcessCli.RunAsync(
            practice.Agent.Home,
            (request, answer) =>
            {
                if (request.Method == HttpMethod.Post && request.RequestUri!.AbsolutePath.EndsWith("/packs", StringComparison.Ordinal))
                {
                    using Stream stream = answer.Content.ReadAsStream();
                    stolen = JsonNode.Parse(stream)!["uploadUrl"]!.GetValue<string>();
                    stream.Position = 0;
                    MemoryStream copy = new();
                    stream.CopyTo(copy);
                    ByteArrayContent content = new(copy.ToArray());
                    content.Headers.ContentType = answer.Content.Headers.ContentType;
                    answer.Content = content;
                }

                return answer;
            },
            "backup",
            practice["clinic"],
            "--json");
        Assert.True(code == CloudArchive.Cli.ExitCode.Ok, output + error);
        return new Uri(stolen!);
    }

    private static async Task<string> TokenAsync(string home)
    {
        AgentHome agent = new(home);
        ECDsa key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(ProtectedFile.Read(agent.AgentKey), out _);
        using Network network = new(InProcessCli.Environment(home));
        using AgentTokens tokens = new(AgentIdentity.Load(agent), key, _ => null, _ => { }, network);
        return await tokens.GetAsync(null, Cancel);
    }

    /// <summary>Everything in a container: names, versions, bytes, metadata, policies.</summary>
    private static async Task<string[]> SnapshotAsync(BlobContainerClient container)
    {
        List<string> all = [];
        await foreach (BlobItem item in container.GetBlobsAsync(BlobTraits.Metadata, BlobStates.Version, prefix: null, Cancel))
        {
            BlobDownloadResult content = await container.GetBlobClient(item.Name).DownloadContentAsync(Cancel);
            BlobProperties properties = await container.GetBlobClient(item.Name).GetPropertiesAsync(cancellationToken: Cancel);
            all.Add($"{item.Name} {item.VersionId} {Convert.ToHexString(SHA256.HashData(content.Content))} {JsonSerializer.Serialize(content.Details.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal))} {item.Properties.AccessTier} {properties.ImmutabilityPolicy.PolicyMode} {properties.ImmutabilityPolicy.ExpiresOn:O}");
        }

        return [.. all];
    }
}
