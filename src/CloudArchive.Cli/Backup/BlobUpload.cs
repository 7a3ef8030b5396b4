using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Xml.Linq;
using CloudArchive.Cli.Transport;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Backup;

/// <summary>The pack cannot be finished with what storage or the service has of it: it is made again, under a new id and a new key.</summary>
public sealed class UploadLostException(string why, Exception? inner = null) : Exception(why, inner);

/// <summary>
/// The one blob that a SAS opens: blocks are staged, in any order and as often as it takes; nothing is a blob until
/// <see cref="CommitAsync"/>, which never overwrites. A SAS that ran out is replaced. Put Block, Put Block List and Put Blob, as the REST API has them.
/// </summary>
/// <param name="network">The way out.</param>
/// <param name="uplink">Measures it.</param>
/// <param name="url">The SAS; null: ask for one first.</param>
/// <param name="renew">Gets another one.</param>
public sealed class BlobUpload(Network network, Uplink uplink, UploadUrlResponse? url, Func<CancellationToken, Task<UploadUrlResponse>> renew) : IDisposable
{
    private static readonly TimeSpan RenewBefore = TimeSpan.FromMinutes(5);
    private readonly SemaphoreSlim _renewing = new(1, 1);
    private UploadUrlResponse? _url = url;

    /// <summary>Stages a block.</summary>
    public Task StageAsync(string id, ReadOnlyMemory<byte> block, CancellationToken cancellationToken) => uplink.EnterAsync(
        () => PutAsync(
            $"comp=block&blockid={Uri.EscapeDataString(id)}",
            () => new ReadOnlyMemoryContent(block),
            Limit,
            static refused => refused,
            cancellationToken),
        cancellationToken);

    /// <summary>Makes the blob of these bytes, in one request: what fits in one block needs no two.</summary>
    public Task PutAsync(ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken) => uplink.EnterAsync(
        () => PutAsync(
            null,
            () => new ReadOnlyMemoryContent(content),
            request =>
            {
                Limit(request);
                request.Headers.TryAddWithoutValidation("x-ms-blob-type", "BlockBlob");
                MakeNew(request, metadata);
            },
            NewBlobRefused,
            cancellationToken),
        cancellationToken);

    /// <summary>Makes the blob of these blocks, in this order.</summary>
    /// <exception cref="UploadLostException">Storage no longer has one of them: it keeps uncommitted blocks for a week.</exception>
    public Task CommitAsync(IReadOnlyList<string> blocks, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken)
    {
        byte[] list = Encoding.UTF8.GetBytes(new XDocument(new XElement("BlockList", blocks.Select(id => new XElement("Uncommitted", id)))).ToString(SaveOptions.DisableFormatting));
        return PutAsync(
            "comp=blocklist",
            () => new ByteArrayContent(list) { Headers = { ContentType = new MediaTypeHeaderValue("application/xml") } },
            request => MakeNew(request, metadata),
            static refused => refused.Problem is "InvalidBlockList" or "InvalidBlockId" or "InvalidBlobOrBlock" ? new UploadLostException("storage no longer has a block of it", refused) : NewBlobRefused(refused),
            cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => _renewing.Dispose();

    private static void MakeNew(HttpRequestMessage request, IReadOnlyDictionary<string, string> metadata)
    {
        request.Headers.IfNoneMatch.Add(EntityTagHeaderValue.Any);
        request.Headers.TryAddWithoutValidation("x-ms-blob-content-type", "application/octet-stream");
        foreach ((string name, string value) in metadata)
        {
            request.Headers.TryAddWithoutValidation($"x-ms-meta-{name}", value);
        }
    }

    /// <summary>
    /// The SAS opens a blob that is this pack's alone: where it is there, an earlier try went through and its answer got lost. The service looks, at its own
    /// commit: it compares length and hash, and says where there is none.
    /// </summary>
    private static Exception? NewBlobRefused(ServiceRefusedException refused) =>
        refused is { Status: 409 or 412 } or { Problem: "UnauthorizedBlobOverwrite" or "BlobAlreadyExists" } ? null : refused;

    private void Limit(HttpRequestMessage request)
    {
        if (network.Limit is { } limit)
        {
            request.Options.Set(RateLimit.Option, limit);
        }
    }

    private async Task<bool> PutAsync(string? query, Func<HttpContent> content, Action<HttpRequestMessage> complete, Func<ServiceRefusedException, Exception?> judge, CancellationToken cancellationToken)
    {
        UploadUrlResponse? refusedUrl = null;
        while (true)
        {
            UploadUrlResponse? used = await CurrentAsync(refusedUrl, cancellationToken);
            try
            {
                return await network.ExchangeAsync(
                    Exchange.WithStorage(BlobUrl(used)) with { Measured = uplink },
                    async cancellation =>
                    {
                        // Asked for at each attempt: an outage may outlast a SAS.
                        used = await CurrentAsync(refusedUrl, cancellation);
                        HttpRequestMessage request = new(HttpMethod.Put, new Uri(query is null ? used.UploadUrl : $"{used.UploadUrl}&{query}")) { Content = content() };
                        complete(request);
                        return request;
                    },
                    static (answer, _) => answer.IsSuccessStatusCode ? Task.FromResult(true) : throw Refusal(answer),
                    cancellationToken);
            }
            catch (ServiceRefusedException refused)
            {
                if (judge(refused) is not { } error)
                {
                    return false;
                }

                if (refused.Status != (int)HttpStatusCode.Forbidden || refusedUrl is not null)
                {
                    throw error == refused ? refused : error;
                }

                refusedUrl = used; // clocks may differ, or the computer slept: a fresh SAS, once
            }
        }
    }

    private static ServiceRefusedException Refusal(HttpResponseMessage answer)
    {
        string code = answer.Headers.TryGetValues("x-ms-error-code", out IEnumerable<string>? codes) ? codes.First() : "storage";
        return new ServiceRefusedException((int)answer.StatusCode, code, $"Storage refused the upload: HTTP {(int)answer.StatusCode} {code}.", null);
    }

    private async Task<UploadUrlResponse> CurrentAsync(UploadUrlResponse? refused, CancellationToken cancellationToken)
    {
        if (_url is { } good && !IsStale(good, refused))
        {
            return good;
        }

        await _renewing.WaitAsync(cancellationToken);
        try
        {
            if (_url is null || IsStale(_url, refused))
            {
                UploadUrlResponse fresh = await renew(cancellationToken);
                BlobUrl(fresh);
                _url = fresh;
            }

            return _url;
        }
        finally
        {
            _renewing.Release();
        }
    }

    private bool IsStale(UploadUrlResponse url, UploadUrlResponse? refused) => ReferenceEquals(url, refused) || url.UploadUrlExpiresAt - network.Clock.GetUtcNow() < RenewBefore;

    private static Uri BlobUrl(UploadUrlResponse url) =>
        Uri.TryCreate(url.UploadUrl, UriKind.Absolute, out Uri? blob) && (blob.Scheme == "https" || blob.IsLoopback) && blob.Query.Length > 1
            ? blob
            : throw new IntegrityException("The service named an upload URL that is not https. Nothing was sent there.");
}
