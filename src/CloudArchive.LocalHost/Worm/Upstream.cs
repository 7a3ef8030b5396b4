using Azure.Storage;
using Azure.Storage.Sas;
using CloudArchive.LocalHost.Storage;

namespace CloudArchive.LocalHost.Worm;

/// <summary>The emulator behind the WORM layer, on a port and under a key that only this process knows.</summary>
internal sealed class Upstream : IDisposable
{
    // Parameters that go on; the rest are the client's signature, or are answered here.
    private static readonly string[] Forwarded = ["restype", "comp", "timeout", "blockid", "blocklisttype", "prefix", "delimiter", "marker", "maxresults", "snapshot"];

    private readonly HttpClient _http;
    private readonly string _root;
    private readonly string _sas;

    public Upstream(int port, StorageAccount account)
    {
        _root = $"http://127.0.0.1:{port}/{account.Name}";

        // The emulator goes by the system's clock, whatever ours says.
        AccountSasBuilder sas = new(AccountSasPermissions.All, TimeProvider.System.GetUtcNow().AddYears(10), AccountSasServices.Blobs, AccountSasResourceTypes.All)
        {
            Protocol = SasProtocol.HttpsAndHttp,
        };
        _sas = sas.ToSasQueryParameters(new StorageSharedKeyCredential(account.Name, account.Key)).ToString();

        // Azurite drops an idle connection after 5 s: let go of it first.
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false, PooledConnectionIdleTimeout = TimeSpan.FromSeconds(2) })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>The same request on the emulator, without headers or body.</summary>
    public HttpRequestMessage Request(WormRequest request, string? include = null) => Request(request.Method, request, Forwarded.Where(request.Query.ContainsKey).Select(name => (name, request.Query[name])), include);

    /// <summary>A look at the blob that a request is about.</summary>
    public HttpRequestMessage Head(WormRequest request) => Request("HEAD", request, [], null);

    /// <summary>Sends; the answer's body is still to be read.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (HttpRequestException) when (!cancellationToken.IsCancellationRequested)
        {
            throw WormException.Unavailable();
        }
    }

    public void Dispose() => _http.Dispose();

    private HttpRequestMessage Request(string method, WormRequest request, IEnumerable<(string Name, string Value)> query, string? include)
    {
        IEnumerable<(string Name, string Value)> all = include is null ? query : query.Append(("include", include));
        string path = string.Join('/', $"{request.Container}/{request.Blob}".TrimEnd('/').Split('/').Select(Uri.EscapeDataString));
        string parameters = string.Concat(all.Select(p => $"{p.Name}={Uri.EscapeDataString(p.Value)}&"));
        return new HttpRequestMessage(new HttpMethod(method), $"{_root}/{path}?{parameters}{_sas}");
    }
}
