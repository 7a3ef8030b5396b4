using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Core;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using CloudArchive.Format.Audit;
using CloudArchive.Functions.Tests.Worker.Protocol;
using CloudArchive.Testing;

namespace CloudArchive.Functions.Tests.Worker;

/// <summary>The published app in both of its roles, as the Functions host runs it, with the settings that infra/ gives it.</summary>
public sealed class WorkerTests(PublishedWorker published) : IClassFixture<PublishedWorker>
{
    private const string TimerInput = """{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"2026-01-01T00:00:00+00:00","Next":"2026-01-01T01:00:00+00:00","LastUpdated":"2026-01-01T00:00:00+00:00"},"IsPastDue":false}""";

    // A host gives a worker some seconds before it kills it.
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory(Skip = "SSL_CERT_FILE is how a process is made to trust a stand-in, and that is OpenSSL's", SkipUnless = nameof(PublishedWorker.CanRun), SkipType = typeof(PublishedWorker))]
    [InlineData("ingest", "recovery")]
    [InlineData("recovery", "ingest")]
    public async Task It_loads_answers_runs_its_functions_refuses_the_others_and_ends(string role, string other)
    {
        await using HostStandIn host = await published.StartAsync(role, Cancel);
        string[] own = FunctionsOf(role), foreign = [.. FunctionsOf(other).Except(own)];
        Assert.Equal(own.Concat(foreign).Order(StringComparer.Ordinal), host.Functions.Order(StringComparer.Ordinal));

        await AnswersAsync(host, role);
        if (role == "recovery")
        {
            // A clinic for the jobs to look at: rows, a wrapping key in the vault, an audit entry.
            await CreateClinicAsync(host);
        }

        string prefix = char.ToUpperInvariant(role[0]) + role[1..];
        await SucceedsAsync(host, prefix + "Timer", TimerInput); // from now on
        foreach (Job job in Jobs.All.Where(job => job.Role == (role == "ingest" ? ArchiveRole.Ingest : ArchiveRole.Recovery)))
        {
            foreach (string scope in Scopes(job))
            {
                string message = new WorkMessage(job.Name, scope, TimeProvider.System.GetUtcNow(), 0).ToString();
                await SucceedsAsync(host, prefix + "Work", message);
                Row? state = await published.Azure.Rows.FindAsync(RowTable.Work, scope, "job:" + job.Name, Cancel);
                Assert.True(state?.Flag("done") == true || state?.Number("slice") > 0, $"{job.Name} of {scope}");
            }
        }

        await SucceedsAsync(host, prefix + "Poison", new WorkMessage("retention", "smith-dental", TimeProvider.System.GetUtcNow().AddMinutes(1), 0).ToString());

        foreach (string function in foreign)
        {
            StatusResult result = await host.RunAsync(function, Input(host, function));
            Assert.Equal(StatusResult.Types.Status.Failure, result.Status);
            Assert.Contains("infra/functions.json says which app runs what", result.Exception.Message, StringComparison.Ordinal);
        }

        await EndsAsync(host);
    }

    [Theory(Skip = "SSL_CERT_FILE is how a process is made to trust a stand-in, and that is OpenSSL's", SkipUnless = nameof(PublishedWorker.CanRun), SkipType = typeof(PublishedWorker))]
    [InlineData("Content-Length: 100000000", 50_000_000)]
    [InlineData("Content-Length: 60000", 30_000)]
    [InlineData("Transfer-Encoding: chunked", 30_000)]
    public async Task It_ends_also_while_a_body_has_come_by_half(string length, int sent)
    {
        await using HostStandIn host = await published.StartAsync("ingest", Cancel);
        using TcpClient client = new();
        await client.ConnectAsync(host.Http.Host, host.Http.Port, Cancel);
        await using NetworkStream stream = client.GetStream();
        string invocation = host.Announce();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"POST /v1/enrollments HTTP/1.1\r\nHost: {host.Http.Authority}\r\nx-ms-invocation-id: {invocation}\r\nContent-Type: application/json\r\n{length}\r\n\r\n"), Cancel);
        try
        {
            byte[] part = [.. length.StartsWith("Transfer", StringComparison.Ordinal) ? "2710\r\n"u8 : [], .. Blank(10_000), .. length.StartsWith("Transfer", StringComparison.Ordinal) ? "\r\n"u8 : []];
            for (int written = 0; written < sent; written += 10_000)
            {
                await stream.WriteAsync(part, Cancel);
            }
        }
        catch (IOException)
        {
            // Answered with a 413 before it was through.
        }

        await EndsAsync(host);
    }

    private static async Task EndsAsync(HostStandIn host)
    {
        int? code = await host.TerminateAsync(s_grace);
        Assert.True(code == 0, $"{code?.ToString(CultureInfo.InvariantCulture) ?? "It lives on"}\n{host.Said}");
    }

    // Neither the end of a JSON text nor a fault in it.
    private static byte[] Blank(int length)
    {
        byte[] blank = new byte[length];
        blank.AsSpan().Fill((byte)' ');
        return blank;
    }

    private static string[] FunctionsOf(string role)
    {
        using JsonDocument listed = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "infra", "functions.json")));
        return [.. listed.RootElement.GetProperty(role).EnumerateArray().Select(f => f.GetString()!)];
    }

    private static IEnumerable<string> Scopes(Job job) =>
        [.. job.Scopes.HasFlag(JobScopes.Archive) ? [AuditEntry.SystemLog] : Array.Empty<string>(), .. job.Scopes.HasFlag(JobScopes.Clinics) ? ["smith-dental"] : Array.Empty<string>()];

    private static async Task SucceedsAsync(HostStandIn host, string function, string input)
    {
        StatusResult result = await host.RunAsync(function, input);
        Assert.True(result.Status == StatusResult.Types.Status.Success, $"{function} of {input}: {result.Exception?.Message}\n{host.Said}");
    }

    private static string Input(HostStandIn host, string function) => host.TriggerOf(function) switch
    {
        "timerTrigger" => TimerInput,
        "queueTrigger" => new WorkMessage("retention", "smith-dental", TimeProvider.System.GetUtcNow(), 0).ToString(),
        var kind => throw new InvalidOperationException($"{function} has a {kind}, and this test knows nothing to hand it."),
    };

    private async Task AnswersAsync(HostStandIn host, string role)
    {
        using HttpResponseMessage health = await host.SendAsync(new HttpRequestMessage(HttpMethod.Get, new Uri("/v1/health", UriKind.Relative)), Cancel);
        Assert.True((int)health.StatusCode == 200, host.Said);
        Assert.Equal((401, "token-invalid"), await AskAsync(host, new HttpRequestMessage(HttpMethod.Post, new Uri(role == "ingest" ? "/v1/clinics/smith-dental/packs" : "/v1/clinics", UriKind.Relative))));
        Assert.Equal((404, "not-found"), await AskAsync(host, new HttpRequestMessage(HttpMethod.Get, new Uri("/v1/nothing", UriKind.Relative))));

        // Beyond the server's own bound, and in chunks beyond ours.
        foreach ((int length, bool chunked) in new[] { (40_000_000, false), (1_000_000, true) })
        {
            HttpRequestMessage large = new(HttpMethod.Post, new Uri(role == "ingest" ? "/v1/enrollments" : "/v1/clinics", UriKind.Relative)) { Content = new ByteArrayContent(Blank(length)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } } };
            large.Headers.Authorization = new AuthenticationHeaderValue("Bearer", published.Azure.StaffToken("admin"));
            large.Headers.TransferEncodingChunked = chunked;
            large.Headers.ExpectContinue = !chunked;
            Assert.Equal((413, "request-too-large"), await AskAsync(host, large));
        }
    }

    private async Task<(int Status, string Problem)> AskAsync(HostStandIn host, HttpRequestMessage request)
    {
        using (request)
        {
            using HttpResponseMessage response = await host.SendAsync(request, Cancel);
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
            JsonNode problem = (await response.Content.ReadFromJsonAsync<JsonNode>(Cancel))!;
            return ((int)response.StatusCode, ((string)problem["type"]!).Split('/')[^1]);
        }
    }

    private async Task CreateClinicAsync(HostStandIn host)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri("/v1/clinics", UriKind.Relative)) { Content = JsonContent.Create(new { clinic = "smith-dental", name = "Smith Dental" }) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", published.Azure.StaffToken("admin"));
        using HttpResponseMessage response = await host.SendAsync(request, Cancel);
        Assert.True((int)response.StatusCode == 201, $"{response.StatusCode}\n{await response.Content.ReadAsStringAsync(Cancel)}\n{host.Said}");
    }
}
