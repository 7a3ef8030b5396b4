using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Data.Tables;
using Azure.Data.Tables.Sas;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Queues;
using Azure.Storage.Sas;
using CloudArchive.Azure.Tests;
using CloudArchive.Azure.Tests.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Signing;
using CloudArchive.LocalHost.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CloudArchive.Functions.Tests.Worker;

/// <summary>
/// Azure as an app of the archive sees it, on loopback: its managed identity, blobs and tables (LocalHost's, which know account keys, behind
/// a front that knows tokens only), a key vault, the staff's issuer. An app asks for Azure's own names over TLS, and <see cref="Environment"/>
/// has a proxy lead all of them here.
/// </summary>
public sealed class AzureStandIn : IAsyncDisposable
{
    private const string Blobs = "carchive.blob.core.windows.net";
    private const string Tables = "carchive.table.core.windows.net";
    private const string Queues = "cworkhost.queue.core.windows.net";
    private const string Vault = "carchive.vault.azure.net";
    private const string Login = "login.microsoftonline.com";
    private const string Issuer = $"https://{Login}/{Tenant}/v2.0";
    private const string Tenant = "5f3cd2a8-02c1-4d7e-8d2f-6d8e2a1b9c02";
    private const string Audience = "api://cloudarchive";
    private const string ClientId = "6ed35caf-8a1c-4eb6-b0c4-4b7bd7b9a7f1";
    private const string IdentityHeader = "of-this-app-alone";
    private const string StorageToken = "for-storage";

    // What a proxy does not pass on, and what is signed anew.
    private static readonly string[] s_hop = ["Authorization", "Connection", "Content-Length", "Host", "Transfer-Encoding"];

    private readonly LocalStorage _storage;
    private readonly X509Certificate2 _certificate = HttpsStandIn.CreateCertificate(Blobs, Tables, Queues, Vault, Login);
    private readonly ECDsa _issuerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly VaultStandIn _vault = new(new Uri($"https://{Vault}/"));
    private readonly HttpPipeline _blobs;
    private readonly HttpPipeline _tables;
    private readonly string _tablesSas;
    private readonly WebApplication _app;
    private readonly string _trust;

    private AzureStandIn(LocalStorage storage, string folder)
    {
        _storage = storage;
        _vault.CreateKey("signing");
        BlobClientOptions options = new() { Retry = { MaxRetries = 0 } };
        _blobs = SharedKeyPipeline.Of(new BlobServiceClient(storage.BlobUrl, new StorageSharedKeyCredential(storage.Account.Name, storage.Account.Key), options));
        _tables = HttpPipelineBuilder.Build(options);
        _tablesSas = new TableServiceClient(storage.TableUrl, new TableSharedKeyCredential(storage.Account.Name, storage.Account.Key))
            .GenerateSasUri(TableAccountSasPermissions.All, TableAccountSasResourceTypes.All, TimeProvider.System.GetUtcNow().AddHours(1)).Query[1..];
        string queuesSas = new QueueServiceClient(storage.QueueUrl, new StorageSharedKeyCredential(storage.QueueAccount.Name, storage.QueueAccount.Key))
            .GenerateAccountSasUri(AccountSasPermissions.All, TimeProvider.System.GetUtcNow().AddHours(1), AccountSasResourceTypes.All).Query[1..];
        _trust = Path.Combine(folder, "azure.pem");
        File.WriteAllText(_trust, _certificate.ExportCertificatePem());
        Directory.CreateDirectory(Path.Combine(folder, "no-others"));

        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.Use(OpenTunnelAsync);
                listen.UseHttps(_certificate);
            });
        });
        builder.Services.AddRouting();
        _app = builder.Build();
        _app.MapWhen(context => !context.Request.IsHttps, app => app.Run(IdentifyAsync));
        Serve(Vault, _vault.Serve);
        Serve(Blobs, app => app.Run(context => ForwardAsync(context, _storage.BlobUrl, "", _blobs)));
        Serve(Tables, app => app.Run(context => ForwardAsync(context, _storage.TableUrl, _tablesSas, _tables)));
        Serve(Queues, app => app.Run(context => ForwardAsync(context, _storage.QueueUrl, queuesSas, _tables)));
        Serve(Login, app => app.Run(PublishKeysAsync));
    }

    /// <summary>
    /// What infra/ and the platform set for an app of that role, and how it gets here. The names of infra's are taken from there: a new one asks for its value
    /// here before a worker is started without it.
    /// </summary>
    public IReadOnlyDictionary<string, string> Environment(string role)
    {
        Dictionary<string, string> values = Values(role);
        string[] addresses = [.. _app.Services.GetRequiredService<Microsoft.AspNetCore.Hosting.Server.IServer>().Features.Get<IServerAddressesFeature>()!.Addresses];
        return new Dictionary<string, string>(InfraSettings.NamesOf(role).Select(name => KeyValuePair.Create(name, values[name])))
        {
            ["IDENTITY_ENDPOINT"] = addresses[0] + "/identity",
            ["IDENTITY_HEADER"] = IdentityHeader,
            ["HTTPS_PROXY"] = addresses[1].Replace("https:", "http:", StringComparison.Ordinal),

            // OpenSSL's: this certificate, and no other.
            ["SSL_CERT_FILE"] = _trust,
            ["SSL_CERT_DIR"] = Path.Combine(Path.GetDirectoryName(_trust)!, "no-others"),
        };
    }

    /// <summary>The values here of what infra/ sets.</summary>
    internal static Dictionary<string, string> Values(string role) => new()
    {
        ["AZURE_CLIENT_ID"] = ClientId,
        ["AzureWebJobsStorage__queueServiceUri"] = $"https://{Queues}/",
        ["CloudArchive__ClinicVaults"] = $"https://{Vault}/",
        ["CloudArchive__BlobEndpoint"] = $"https://{Blobs}/",
        ["CloudArchive__HsmKeys"] = "False",
        ["CloudArchive__PublicUrl"] = "https://ingest.example/",
        ["CloudArchive__RecoveryUrl"] = "https://recovery.example/",
        ["CloudArchive__Role"] = role,
        ["CloudArchive__SilentAfterDays"] = "4",
        ["CloudArchive__StaffAudience"] = Audience,
        ["CloudArchive__StaffAuthority"] = Issuer,
        ["CloudArchive__StaffCliClientId"] = "11111111-2222-4333-8444-555555555555",
        ["CloudArchive__StaffMfaContexts"] = "c1",
        ["CloudArchive__StaffTenant"] = Tenant,
        ["CloudArchive__TableEndpoint"] = $"https://{Tables}/",
        ["CloudArchive__TrustedProxies"] = "198.51.100.0/24",
        ["CloudArchive__VaultUri"] = $"https://{Vault}/",
    };

    /// <summary>What the apps write.</summary>
    public IRowStore Rows => _storage.Rows;

    /// <summary>Starts it on storage in that folder.</summary>
    public static async Task<AzureStandIn> StartAsync(string folder, CancellationToken cancellationToken)
    {
        AzureStandIn azure = new(await LocalStorage.StartAsync(Path.Combine(folder, "storage"), cancellationToken), folder);
        await azure._app.StartAsync(cancellationToken);
        return azure;
    }

    /// <summary>An access token for a member of the staff with a second factor.</summary>
    public string StaffToken(string role)
    {
        DateTime now = TimeProvider.System.GetUtcNow().UtcDateTime;
        return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            Audience = Audience,
            IssuedAt = now,
            NotBefore = now,
            Expires = now.AddHours(1),
            SigningCredentials = new SigningCredentials(new ECDsaSecurityKey(_issuerKey) { KeyId = JwkKeys.FromEcdsa(_issuerKey).Kid }, SecurityAlgorithms.EcdsaSha256),
            Claims = new Dictionary<string, object>
            {
                ["sub"] = "pairwise",
                ["oid"] = "0b0f4a9e-6d3f-4a55-9a0e-0d4a4f2f6a01",
                ["tid"] = Tenant,
                ["ver"] = "2.0",
                ["scp"] = "access",
                ["roles"] = new[] { role },
                ["clinics"] = "*",
                ["acrs"] = new[] { "c1" },
            },
        });
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        await _vault.DisposeAsync();
        await _storage.DisposeAsync();
        _certificate.Dispose();
        _issuerKey.Dispose();
    }

    // What a client says to a proxy before TLS: CONNECT name:443. All names lead here.
    private static ConnectionDelegate OpenTunnelAsync(ConnectionDelegate next) => async connection =>
    {
        PipeReader input = connection.Transport.Input;
        while (true)
        {
            ReadResult read = await input.ReadAsync(connection.ConnectionClosed);
            if (Head(read.Buffer) is { } end)
            {
                input.AdvanceTo(end);
                await connection.Transport.Output.WriteAsync("HTTP/1.1 200 OK\r\n\r\n"u8.ToArray(), connection.ConnectionClosed);
                await next(connection);
                return;
            }

            if (read.IsCompleted)
            {
                return;
            }

            input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    };

    private static SequencePosition? Head(ReadOnlySequence<byte> buffer)
    {
        SequenceReader<byte> reader = new(buffer);
        return reader.TryReadTo(out ReadOnlySequence<byte> _, "\r\n\r\n"u8) ? reader.Position : null;
    }

    private void Serve(string host, Action<IApplicationBuilder> configure) =>
        _app.MapWhen(context => context.Request.IsHttps && context.Request.Host.Host == host, configure);

    // App Service's identity endpoint: https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference.
    private static Task IdentifyAsync(HttpContext context)
    {
        IQueryCollection query = context.Request.Query;
        string? token = query["resource"].ToString().TrimEnd('/') switch
        {
            "https://storage.azure.com" => StorageToken,
            "https://vault.azure.net" => HttpsStandIn.Bearer["Bearer ".Length..],
            _ => null,
        };
        if (context.Request.Headers["X-IDENTITY-HEADER"] != IdentityHeader || query["client_id"] != ClientId || token is null)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return Task.CompletedTask;
        }

        string expires = TimeProvider.System.GetUtcNow().AddHours(1).ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
        return context.Response.WriteAsJsonAsync(new { access_token = token, expires_on = expires, resource = query["resource"].ToString(), token_type = "Bearer", client_id = ClientId });
    }

    private Task PublishKeysAsync(HttpContext context) => context.Response.WriteAsJsonAsync<object>(
        context.Request.Path.Value!.EndsWith("/openid-configuration", StringComparison.Ordinal)
            ? new { issuer = Issuer, jwks_uri = $"https://{Login}/keys" }
            : new { keys = new[] { JwkKeys.FromEcdsa(_issuerKey) } });

    private async Task ForwardAsync(HttpContext context, Uri root, string signature, HttpPipeline pipeline)
    {
        if (context.Request.Headers.Authorization != $"Bearer {StorageToken}")
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            context.Response.Headers.WWWAuthenticate = $"Bearer authorization_uri=https://{Login}/tenant/oauth2/authorize resource_id=https://storage.azure.com";
            return;
        }

        // The account stands in Azure's name and in LocalHost's path; a batch of rows has URLs in its body too.
        string target = context.Features.Get<IHttpRequestFeature>()!.RawTarget;
        using MemoryStream body = new();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        byte[] content = target.StartsWith("/$batch", StringComparison.Ordinal)
            ? Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(body.ToArray()).Replace($"https://{Tables}", root.AbsoluteUri, StringComparison.Ordinal))
            : body.ToArray();

        using HttpMessage message = pipeline.CreateMessage();
        message.BufferResponse = false;
        message.Request.Method = RequestMethod.Parse(context.Request.Method);
        message.Request.Uri.Reset(new Uri(root.AbsoluteUri + target + (signature.Length == 0 ? "" : (target.Contains('?', StringComparison.Ordinal) ? '&' : '?') + signature)));
        foreach ((string name, Microsoft.Extensions.Primitives.StringValues value) in context.Request.Headers.Where(header => !s_hop.Contains(header.Key, StringComparer.OrdinalIgnoreCase)))
        {
            message.Request.Headers.SetValue(name, value.ToString());
        }

        if (content.Length > 0 || context.Request.Method is "PUT" or "POST")
        {
            message.Request.Content = RequestContent.Create(content);
            message.Request.Headers.SetValue("Content-Length", content.Length.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        await pipeline.SendAsync(message, context.RequestAborted);
        context.Response.StatusCode = message.Response.Status;
        foreach (HttpHeader header in message.Response.Headers.Where(header => !s_hop.Contains(header.Name, StringComparer.OrdinalIgnoreCase)))
        {
            context.Response.Headers[header.Name] = header.Value;
        }

        if (message.Response.ContentStream is { } stream && context.Request.Method != "HEAD")
        {
            await stream.CopyToAsync(context.Response.Body, context.RequestAborted);
        }
        else
        {
            context.Response.ContentLength = message.Response.Headers.ContentLength;
        }
    }

    // The SDK's way of signing with an account's key, for requests that are not its own.
    private sealed class SharedKeyPipeline : BlobServiceClient
    {
        public static HttpPipeline Of(BlobServiceClient client) => GetHttpPipeline(client);
    }
}
