using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using CloudArchive.LocalHost.Identity;
using CloudArchive.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.LocalHost.Tests;

/// <summary>A running archive that tests share.</summary>
public sealed class RunningArchive : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    public LocalArchive Archive { get; private set; } = null!;

    public string Log => _folder["log.txt"];

    public async ValueTask InitializeAsync() =>
        Archive = await LocalArchive.StartAsync(new LocalHostOptions(_folder["data"]) { Port = 0, LogFile = Log }, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await Archive.DisposeAsync();
        _folder.Dispose();
    }
}

public sealed class LocalArchiveTests(RunningArchive running) : IClassFixture<RunningArchive>
{
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);

    private readonly LocalArchive _archive = running.Archive;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? token, object? body = null)
    {
        using HttpClient client = new() { BaseAddress = _archive.Url };
        using HttpRequestMessage request = new(method, path);
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        request.Content = body is null ? null : JsonContent.Create(body, body.GetType(), options: FormatJson.Options);
        return await client.SendAsync(request, Cancel);
    }

    [Fact]
    public async Task It_is_healthy_and_publishes_the_keys_that_it_signs_with()
    {
        using HttpResponseMessage health = await SendAsync(HttpMethod.Get, "v1/health", null);
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
        using HttpResponseMessage keys = await SendAsync(HttpMethod.Get, "v1/keys", null);
        Assert.Contains(await _archive.Keys.GetCurrentKeyIdAsync(Cancel), await keys.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_in_chunks_that_goes_on_too_long_is_a_problem_over_a_socket_too()
    {
        using HttpClient client = new() { BaseAddress = _archive.Url };
        using HttpRequestMessage request = new(HttpMethod.Post, "v1/enrollments") { Content = new StringContent(new string(' ', 1_000_000)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } } };
        request.Headers.TransferEncodingChunked = true;
        using HttpResponseMessage response = await client.SendAsync(request, Cancel);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task An_admin_s_token_makes_a_clinic_and_its_key()
    {
        string admin = _archive.Issuer.Issue("somebody", "admin", s_hour);
        using HttpResponseMessage made = await SendAsync(HttpMethod.Post, "v1/clinics", admin, new CreateClinicRequest(ClinicId.Parse("made-here"), "Made here"));
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        Assert.NotNull(await _archive.Services.GetRequiredService<IWrappingKeys>().GetCurrentAsync(ClinicId.Parse("made-here"), Cancel));
    }

    [Fact]
    public async Task Tokens_open_what_they_state_and_end()
    {
        string compliance = _archive.Issuer.Issue("auditor", "compliance", s_hour);
        string elsewhere = _archive.Issuer.Issue("somebody", "admin", s_hour, "other-clinic");
        string over = _archive.Issuer.Issue("somebody", "admin", TimeSpan.FromMinutes(-5));
        CreateClinicRequest request = new(ClinicId.Parse("refused"), "Refused");
        foreach ((string? token, HttpStatusCode expected) in ((string?, HttpStatusCode)[])[(compliance, HttpStatusCode.Forbidden), (elsewhere, HttpStatusCode.Forbidden), (over, HttpStatusCode.Unauthorized), (null, HttpStatusCode.Unauthorized)])
        {
            using HttpResponseMessage answer = await SendAsync(HttpMethod.Post, "v1/clinics", token, request);
            Assert.Equal(expected, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_token_of_another_LocalHost_is_worth_nothing()
    {
        using TemporaryFolder folder = new();
        using LocalIssuer other = LocalIssuer.Open(_archive.Issuer.Url, folder["issuer.pem"], TimeProvider.System);
        using HttpResponseMessage answer = await SendAsync(HttpMethod.Get, "v1/clinics", other.Issue("somebody", "admin", s_hour));
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        using LocalIssuer same = LocalIssuer.Open(_archive.Issuer.Url, folder["issuer.pem"], TimeProvider.System);
        Assert.Equal((await other.Trust.GetKeysAsync(Cancel)).Keys, (await same.Trust.GetKeysAsync(Cancel)).Keys);
    }

    [Fact]
    public async Task It_listens_on_loopback_and_nowhere_else()
    {
        Assert.True(IPAddress.IsLoopback(IPAddress.Parse(_archive.Url.Host)));
        foreach (string address in (string[])["0.0.0.0", "::", "192.0.2.1", "10.0.0.1"])
        {
            LocalHostException e = await Assert.ThrowsAsync<LocalHostException>(() => LocalArchive.StartAsync(new LocalHostOptions("unused") { Address = IPAddress.Parse(address) }, Cancel));
            Assert.Contains("not a loopback address", e.Message, StringComparison.Ordinal);
        }

        IEnumerable<Uri> urls = [_archive.Url, _archive.Storage.BlobUrl, _archive.Storage.TableUrl, _archive.Storage.EmulatorUrl];
        IPAddress[] own = [.. (await Dns.GetHostAddressesAsync(Dns.GetHostName(), Cancel)).Where(a => !IPAddress.IsLoopback(a) && a.AddressFamily == AddressFamily.InterNetwork)];
        foreach (Uri url in urls)
        {
            foreach (IPAddress address in own)
            {
                using TcpClient client = new();
                await Assert.ThrowsAnyAsync<SocketException>(() => client.ConnectAsync(address, url.Port, Cancel).AsTask());
            }
        }
    }

    [Fact]
    public async Task What_goes_wrong_is_in_the_log_file()
    {
        using HttpResponseMessage answer = await SendAsync(HttpMethod.Get, "v1/nothing-here", null);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        await using FileStream file = new(running.Log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using StreamReader reader = new(file);
        Assert.Contains("not-found for GET", await reader.ReadToEndAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_an_error_where_it_was_named_and_passed_over_where_it_was_not()
    {
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["port"], $"{_archive.Url.Port}", Cancel);
        LocalHostException e = await Assert.ThrowsAsync<LocalHostException>(() => LocalArchive.StartAsync(new LocalHostOptions(folder.Path) { Port = _archive.Url.Port }, Cancel));
        Assert.Contains("is taken", e.Message, StringComparison.Ordinal);

        int chosen;
        await using (LocalArchive second = await LocalArchive.StartAsync(new LocalHostOptions(folder.Path) { LogFile = folder["log.txt"] }, Cancel))
        {
            chosen = second.Url.Port;
            Assert.InRange(chosen, _archive.Url.Port + 1, _archive.Url.Port + 100);
            await second.Storage.Vault.WriteNewAsync(new BlobName(VaultArea.Records, "x"), new byte[] { 1 }, "text/plain", Cancel);
        }

        // Agents know it by its address: it comes back to it.
        await using LocalArchive again = await LocalArchive.StartAsync(new LocalHostOptions(folder.Path) { LogFile = folder["log.txt"] }, Cancel);
        Assert.Equal(chosen, again.Url.Port);
        Assert.NotNull(await again.Storage.Vault.FindAsync(new BlobName(VaultArea.Records, "x"), Cancel));
    }

    [Fact]
    public async Task What_is_missing_is_said_in_one_line()
    {
        using TemporaryFolder folder = new();
        LocalHostException e = await Assert.ThrowsAsync<LocalHostException>(() => LocalArchive.StartAsync(new LocalHostOptions(folder["data"]) { Port = 0, Azurite = folder["nothing"] }, Cancel));
        Assert.Contains("no Azurite", e.Message, StringComparison.Ordinal);

        // A package that does not run.
        Directory.CreateDirectory(folder["azurite/dist/src/blob"]);
        Directory.CreateDirectory(folder["azurite/dist/src/table"]);
        foreach (string part in (string[])["blob", "table"])
        {
            await File.WriteAllTextAsync(folder[$"azurite/dist/src/{part}/main.js"], "console.error('no such luck'); process.exit(3);", Cancel);
        }

        e = await Assert.ThrowsAsync<LocalHostException>(() => LocalArchive.StartAsync(new LocalHostOptions(folder["data"]) { Port = 0, Azurite = folder["azurite"] }, Cancel));
        Assert.Contains("Cannot find module 'lokijs'", e.Message, StringComparison.Ordinal);

        // One that ends at once.
        Directory.CreateDirectory(folder["azurite/node_modules"]);
        Directory.CreateSymbolicLink(folder["azurite/node_modules/lokijs"], Path.Combine(Repository.Root, "node_modules", "lokijs"));
        e = await Assert.ThrowsAsync<LocalHostException>(() => LocalArchive.StartAsync(new LocalHostOptions(folder["data"]) { Port = 0, Azurite = folder["azurite"] }, Cancel));
        Assert.Contains("exit code 3", e.Message, StringComparison.Ordinal);
        Assert.Contains("no such luck", e.Message, StringComparison.Ordinal);
    }
}
