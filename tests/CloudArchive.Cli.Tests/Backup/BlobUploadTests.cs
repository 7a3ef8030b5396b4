using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Web;
using System.Xml.Linq;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Backup;

/// <summary>Blocks on their way to storage, which keeps what it got as Azure does: by block id, until the list of them is committed.</summary>
public sealed class BlobUploadTests : IDisposable
{
    private const int Block = 300_000;
    private readonly TemporaryFolder _folder = new();
    private readonly Packs _packs = new();
    private readonly TestCli _cli = new();
    private readonly Network _network;
    private readonly AgentState _state;
    private readonly ConcurrentDictionary<string, byte[]> _staged = new();
    private readonly ConcurrentQueue<byte[]> _sent = new();
    private readonly Uplink _uplink = new(TimeProvider.System, null);
    private Func<string, HttpResponseMessage?> _refuse = _ => null;
    private byte[]? _committed;
    private int _renewed;

    public BlobUploadTests()
    {
        _state = AgentState.Open(_folder["state.db"]);
        _cli.Answer = AnswerAsync;
        _network = new Network(_cli.Environment());
    }

    public void Dispose()
    {
        _network.Dispose();
        _state.Dispose();
        _cli.Dispose();
        _packs.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_a_library_writes_synchronously_arrives_among_what_it_writes_asynchronously()
    {
        byte[] content = Random(2_000_000);
        using BlobUpload blob = Blob();
        await using BlobUploadStream stream = Stream(blob, null);
        for (int at = 0; at < content.Length; at += 50_000)
        {
            if (at / 50_000 % 2 == 0)
            {
                stream.Write(content, at, 50_000);
            }
            else
            {
                await stream.WriteAsync(content.AsMemory(at, 50_000), TestContext.Current.CancellationToken);
            }
        }

        await stream.CompleteAsync();
        await stream.CommitAsync(new Dictionary<string, string>(), TestContext.Current.CancellationToken);
        Assert.Equal(content, _committed);
    }

    /// <summary>What broke the main job: 525 KB slices that deflate well, so that a ZIP entry's end fills region and block in one synchronous write.</summary>
    [Fact]
    public async Task A_pack_of_many_large_slices_that_deflate_is_sent_whole()
    {
        (PackHeader header, UploadPlan plan, ContentKey key) = Begin("slices");
        using BlobUpload blob = Blob();
        PackSummary summary;
        using (key)
        {
            await using BlobUploadStream stream = Stream(blob, null);
            await using (PackWriter writer = new(stream, header, key))
            {
                for (int i = 0; i < 40; i++)
                {
                    // Noise to the middle and nothing after it: the compressor holds much back until the entry's end.
                    byte[] slice = [.. Random(260_000 + (i * 1000), i), .. new byte[260_000]];
                    SidecarInstance instance = Packs.Instance($"1.2.3.{i + 1}", slice);
                    await writer.AddAsync(new PackEntry($"{i}.dcm", Packs.Modified(1), instance, Deflate: true), new MemoryStream(slice), TestContext.Current.CancellationToken);
                }

                summary = await writer.CompleteAsync(TestContext.Current.CancellationToken);
            }

            await stream.CompleteAsync();
            await stream.CommitAsync(new Dictionary<string, string>(), TestContext.Current.CancellationToken);
        }

        Assert.Equal((summary.Length, summary.Sha256), (_committed!.Length, Sha256Digest.Of(_committed)));
        Assert.Empty(_state.PacksUnderWay());
        Assert.NotEqual(Guid.Empty.ToString(), plan.Header.Pack.ToString());
    }

    [Fact]
    public async Task A_pack_that_is_sealed_again_sends_only_what_storage_does_not_have()
    {
        byte[] content = Random(3_000_000);
        (PackHeader header, UploadPlan plan, ContentKey key) = Begin("again");
        byte[] wrapped = key.ToWrapInput();
        using (key)
        {
            // Cut off: the last four blocks that left never arrived.
            _refuse = id => Index(id) >= 6 ? new HttpResponseMessage(HttpStatusCode.ServiceUnavailable) : null;
            await Assert.ThrowsAsync<ServiceUnreachableException>(() => SealAsync(header, key, content, UploadJournal.Begin(_state, plan, key)));
        }

        Assert.Equal(header.Pack, Assert.Single(_state.PacksUnderWay()).Header.Pack);
        byte[][] before = [.. _sent];
        _sent.Clear();
        _refuse = _ => null;
        using ContentKey again = _state.KeyOf(header.Pack)!;
        Assert.Equal(wrapped, again.ToWrapInput());
        Sha256Digest sealed1 = await SealAsync(header, again, content, UploadJournal.Resume(_state, plan));

        Assert.Equal(sealed1, Sha256Digest.Of(_committed!));
        Assert.All(_sent, block => Assert.DoesNotContain(before.Where(b => _staged.Values.Contains(b)), b => b.AsSpan().SequenceEqual(block)));
        Assert.InRange(_sent.Sum(b => b.Length), 1, content.Length / 2);
    }

    [Fact]
    public async Task Other_bytes_under_the_same_key_never_leave()
    {
        byte[] content = Random(3_000_000);
        (PackHeader header, UploadPlan plan, ContentKey key) = Begin("differs");
        using (key)
        {
            _refuse = id => Index(id) >= 5 ? new HttpResponseMessage(HttpStatusCode.ServiceUnavailable) : null;
            await Assert.ThrowsAsync<ServiceUnreachableException>(() => SealAsync(header, key, content, UploadJournal.Begin(_state, plan, key)));
        }

        _refuse = _ => null;
        HashSet<string> known = [.. _state.BlocksOf(header.Pack).Select(b => b.Sha256.ToString())];
        foreach (int change in (int[])[10, 1_200_000, 1_600_000])
        {
            // A byte anywhere in what was sealed before, sent or not.
            byte[] other = [.. content];
            other[change] ^= 1;
            _sent.Clear();
            using ContentKey again = _state.KeyOf(header.Pack)!;
            await Assert.ThrowsAsync<SealedDifferentlyException>(() => SealAsync(header, again, other, UploadJournal.Resume(_state, plan)));
            Assert.All(_sent, block => Assert.Contains(Sha256Digest.FromBytes(SHA256.HashData(block)).ToString(), known));
        }
    }

    [Fact]
    public async Task A_block_is_remembered_before_it_leaves()
    {
        (PackHeader header, UploadPlan plan, ContentKey key) = Begin("before");
        using (key)
        {
            int remembered = int.MaxValue;
            _refuse = id =>
            {
                lock (_sent)
                {
                    remembered = Math.Min(remembered, _state.BlocksOf(header.Pack).Count - Index(id));
                }

                return null;
            };
            await SealAsync(header, key, Random(2_000_000), UploadJournal.Begin(_state, plan, key));
            Assert.InRange(remembered, 1, int.MaxValue - 1);
        }
    }

    [Fact]
    public async Task A_pack_of_one_block_leaves_nothing_behind()
    {
        (PackHeader header, UploadPlan plan, ContentKey key) = Begin("small");
        using (key)
        {
            await SealAsync(header, key, Random(10_000), UploadJournal.Begin(_state, plan, key));
        }

        Assert.Same(_committed, Assert.Single(_sent)); // in one request
        Assert.Empty(_state.PacksUnderWay());
        Assert.Empty(_state.BlocksOf(header.Pack));
    }

    [Theory]
    [InlineData(HttpStatusCode.Conflict, "BlobAlreadyExists")]
    [InlineData(HttpStatusCode.PreconditionFailed, "ConditionNotMet")]
    [InlineData(HttpStatusCode.PreconditionFailed, "LeaseIdMissing")]
    [InlineData(HttpStatusCode.Forbidden, "UnauthorizedBlobOverwrite")]
    public async Task A_commit_that_finds_a_blob_there_leaves_it_to_the_service_to_look(HttpStatusCode status, string code)
    {
        using BlobUpload blob = Blob();
        _refuse = id => id == "list" ? Refusal(status, code) : null;
        await blob.CommitAsync(["MDAwMDAw"], new Dictionary<string, string>(), TestContext.Current.CancellationToken);
        _refuse = id => id == "blob" ? Refusal(status, code) : null;
        await blob.PutAsync(new byte[10], new Dictionary<string, string>(), TestContext.Current.CancellationToken);
        Assert.Null(_committed);
        Assert.Equal(0, _renewed);
    }

    [Fact]
    public async Task Storage_that_lost_a_block_makes_the_pack_anew()
    {
        using BlobUpload blob = Blob();
        _refuse = id => id == "list" ? Refusal(HttpStatusCode.BadRequest, "InvalidBlockList") : null;
        await Assert.ThrowsAsync<UploadLostException>(() => blob.CommitAsync(["MDAwMDAw"], new Dictionary<string, string>(), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_url_that_storage_refuses_is_replaced_once()
    {
        using BlobUpload blob = Blob();
        _refuse = _ => Refusal(HttpStatusCode.Forbidden, "AuthenticationFailed");
        ServiceRefusedException error = await Assert.ThrowsAsync<ServiceRefusedException>(() => blob.StageAsync("MDAwMDAw", new byte[10], TestContext.Current.CancellationToken));
        Assert.Equal("AuthenticationFailed", error.Problem);
        Assert.DoesNotContain("sig=", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, _renewed);
        Assert.Equal(2, _sent.Count);
    }

    [Fact]
    public async Task Metadata_and_the_condition_that_nothing_is_overwritten_go_with_the_commit()
    {
        HttpRequestMessage? seen = null;
        Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> answer = _cli.Answer;
        _cli.Answer = (request, cancellation) =>
        {
            seen = request;
            return answer(request, cancellation);
        };
        using BlobUpload blob = Blob();
        Dictionary<string, string> metadata = new() { ["encryptiondata"] = """{"a":"b"}""" };
        await blob.StageAsync("MDAwMDAw", new byte[10], TestContext.Current.CancellationToken);
        await blob.CommitAsync(["MDAwMDAw"], metadata, TestContext.Current.CancellationToken);
        Check();
        await blob.PutAsync(new byte[10], metadata, TestContext.Current.CancellationToken);
        Check();

        void Check()
        {
            Assert.Equal("*", seen!.Headers.IfNoneMatch.Single().Tag);
            Assert.Equal("""{"a":"b"}""", seen.Headers.GetValues("x-ms-meta-encryptiondata").Single());
            Assert.Equal("application/octet-stream", seen.Headers.GetValues("x-ms-blob-content-type").Single());
            seen = null;
        }
    }

    private static int Index(string id) => id is "list" or "blob" ? -1 : int.Parse(System.Text.Encoding.ASCII.GetString(Convert.FromBase64String(id)));

    private static byte[] Random(int length, int seed = 7)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static HttpResponseMessage Refusal(HttpStatusCode status, string code) => new(status) { Headers = { { "x-ms-request-id", "1" }, { "x-ms-error-code", code } } };

    private BlobUpload Blob() => new(
        _network,
        _uplink,
        Url(),
        _ =>
        {
            _renewed++;
            return Task.FromResult(Url());
        });

    private static UploadUrlResponse Url() => new("https://store.example/packs/p?sv=1&sig=secret", TimeProvider.System.GetUtcNow().AddHours(1));

    private BlobUploadStream Stream(BlobUpload blob, UploadJournal? journal) => new(blob, new BlockBuffers(10), _ => Block, journal, TestContext.Current.CancellationToken);

    private (PackHeader Header, UploadPlan Plan, ContentKey Key) Begin(string name)
    {
        ContentKey key = ContentKey.Create();
        PackHeader header = new(Packs.Clinic, PackId.New(TimeProvider.System), Packs.Study, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        SidecarInstance instance = Packs.Instance("1.2.3.4", Packs.Bytes(name));
        UploadPlan plan = new(
            header,
            new StudyKey(Packs.Study, Sha256Digest.Of(Packs.Bytes("patient")), null, "20260101", 2010),
            KeyWrapping.Wrap(key, JwkKeys.FromRsa(_packs.Wrapping)),
            KeyWrapping.Wrap(key, JwkKeys.FromRsa(_packs.Escrow)),
            Format.Retention.RetentionPolicy.ForYears(10),
            [new UploadFile("/images/" + name, "/images", 3, 5, instance)]);
        return (header, plan, key);
    }

    private async Task<Sha256Digest> SealAsync(PackHeader header, ContentKey key, byte[] content, UploadJournal journal)
    {
        using BlobUpload blob = Blob();
        await using BlobUploadStream stream = Stream(blob, journal);
        await using PackWriter writer = new(stream, header, key);
        await writer.AddAsync(new PackEntry("a.dcm", Packs.Modified(1), Packs.Instance("1.2.3.4", content), Deflate: false), new MemoryStream(content), TestContext.Current.CancellationToken);
        PackSummary summary = await writer.CompleteAsync(TestContext.Current.CancellationToken);
        await stream.CompleteAsync();
        await stream.CommitAsync(new Dictionary<string, string>(), TestContext.Current.CancellationToken);
        return summary.Sha256;
    }

    private async Task<HttpResponseMessage> AnswerAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        byte[] body = await request.Content!.ReadAsByteArrayAsync(cancellationToken);
        System.Collections.Specialized.NameValueCollection query = HttpUtility.ParseQueryString(request.RequestUri!.Query);
        string id = query["blockid"] ?? query["comp"] switch { "blocklist" => "list", _ => "blob" };
        if (id != "list")
        {
            _sent.Enqueue(body);
        }

        if (_refuse(id) is { } refusal)
        {
            return refusal;
        }

        if (id == "blob")
        {
            Assert.Equal("BlockBlob", request.Headers.GetValues("x-ms-blob-type").Single());
            _committed = body;
        }
        else if (id != "list")
        {
            _staged[id] = body;
        }
        else
        {
            _committed = [.. XDocument.Parse(System.Text.Encoding.UTF8.GetString(body)).Root!.Elements().SelectMany(e => _staged[e.Value])];
        }

        return new HttpResponseMessage(HttpStatusCode.Created) { Headers = { { "x-ms-request-id", "1" } } };
    }
}
