using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Azure.Core;
using Azure.Core.Pipeline;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Azure.Tests;

/// <summary>An HTTPS server on loopback with a certificate of its own, for stand-ins: the SDK sends tokens over TLS only.</summary>
internal sealed class HttpsStandIn : IAsyncDisposable
{
    /// <summary>What <see cref="Identity"/> gets for a token, as it arrives.</summary>
    public const string Bearer = "Bearer stand-in";

    // A client may meet several.
    private static readonly ConcurrentDictionary<string, bool> s_certificates = new(StringComparer.Ordinal);

    private readonly WebApplication _app;
    private readonly X509Certificate2 _certificate;

    private HttpsStandIn(WebApplication app, X509Certificate2 certificate)
    {
        _app = app;
        _certificate = certificate;
        s_certificates[certificate.GetCertHashString()] = true;
    }

    public Uri Url => new(_app.Urls.Single());

    public static async Task<HttpsStandIn> StartAsync(Action<WebApplication> configure)
    {
        X509Certificate2 certificate = CreateCertificate("127.0.0.1");
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        builder.Services.AddRouting();
        WebApplication app = builder.Build();
        configure(app);
        await app.StartAsync();
        return new HttpsStandIn(app, certificate);
    }

    /// <summary>A certificate of its own for a few days, with its key.</summary>
    public static X509Certificate2 CreateCertificate(params string[] names)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={names[0]}", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder alternatives = new();
        foreach (string name in names)
        {
            alternatives.AddDnsName(name);
        }

        request.CertificateExtensions.Add(alternatives.Build());
        using X509Certificate2 made = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    /// <summary>A client's transport that trusts the stand-ins' certificates.</summary>
    public static HttpPipelineTransport Transport()
    {
        SocketsHttpHandler handler = new() { SslOptions = { RemoteCertificateValidationCallback = (_, presented, _, _) => s_certificates.ContainsKey(presented?.GetCertHashString() ?? "") } };
        return new HttpClientTransport(new HttpClient(handler));
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _certificate.Dispose();
    }

    /// <summary>Who asks: somebody whose tokens are for one audience.</summary>
    public sealed class Identity(string scope) : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            requestContext.Scopes is [var asked] && asked.Replace("//.default", "/.default", StringComparison.Ordinal) == scope ? new AccessToken("stand-in", TimeProvider.System.GetUtcNow().AddHours(1)) : throw new InvalidOperationException($"For whom is this token? {string.Join(' ', requestContext.Scopes)}");

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) => ValueTask.FromResult(GetToken(requestContext, cancellationToken));
    }
}
