using System.Text.Json;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Tests;

public sealed class ProblemTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void Every_refusal_has_a_status_and_a_type_of_its_own()
    {
        Assert.Equal(Enum.GetValues<Refusal>().Length, Problems.Refusals.Count);
        Assert.Equal(Problems.Refusals.Count, Problems.Refusals.Values.Select(value => value.Slug).Distinct().Count());
        Assert.All(Problems.Refusals.Values, value => Assert.InRange(value.Status, 400, 499));
    }

    [Fact]
    public async Task Malformed_requests_are_400s_with_a_stable_type_and_do_not_repeat_what_was_sent()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        string admin = host.Staff("admin");
        string clinic = $"/v1/clinics/{agent.Enrolled.Clinic}";
        (string Method, string Path, string Token, string? Raw)[] requests =
        [
            ("POST", agent.Packs, token, null),
            ("POST", agent.Packs, token, ""),
            ("POST", agent.Packs, token, "null"),
            ("POST", agent.Packs, token, "{"),
            ("POST", agent.Packs, token, "[]"),
            ("POST", agent.Packs, token, "{}"),
            ("POST", agent.Packs, token, """{"study":"MUSTER^ANNA","plannedBytes":1}"""),
            ("POST", agent.Packs, token, """{"study":"1.2.3","plannedBytes":"MUSTER"}"""),
            ("POST", agent.Packs, token, """{"study":"1.2.3","plannedBytes":-1}"""),
            ("POST", agent.Packs, token, """{"study":null,"plannedBytes":1}"""),
            ("POST", agent.Packs, token, """{"study":"1.2.3","plannedBytes":99999999999999999999}"""),
            ("POST", $"{agent.Packs}/01890a5d-ac96-774b-bcce-b302099a8057/commit", token, """{"sidecar":{"MUSTER":1}}"""),
            ("POST", $"{agent.Packs}/MUSTER/commit", token, "{}"),
            ("GET", $"{clinic}/receipts?take=0", token, null),
            ("GET", $"{clinic}/receipts?take=1001", token, null),
            ("GET", $"{clinic}/receipts?take=MUSTER", token, null),
            ("GET", $"{clinic}/receipts?after=MUSTER", token, null),
            ("GET", $"{clinic}/instances?study=MUSTER", token, null),
            ("GET", $"{clinic}/studies?patientHmac=MUSTER", admin, null),
            ("GET", $"{clinic}/studies/MUSTER", admin, null),
            ("POST", $"{clinic}/restores", admin, """{"publicKey":{"kty":"RSA"},"purpose":"MUSTER","recipient":"","everything":true}"""),
            ("POST", "/v1/clinics", admin, """{"clinic":"MUSTER!","name":"x"}"""),
            ("POST", $"{clinic}/restore-tests", admin, """{"packs":0}"""),
        ];
        foreach ((string method, string path, string bearer, string? raw) in requests)
        {
            Answer answer = await host.SendAsync(method, path, bearer, raw: raw);
            Assert.True(answer is { Status: 400, Problem: "request-invalid", MediaType: "application/problem+json" }, $"{method} {path} {raw}: {answer.Status} {answer.Body}");
            Assert.DoesNotContain("MUSTER", answer.Body, StringComparison.Ordinal);
        }

        // What a caller puts into a path or query is in the framework's own request scope; what it puts into a body is nowhere.
        string[] ours = [.. host.Logged.Lines.Where(line => line.Contains(" CloudArchive.", StringComparison.Ordinal)).Select(line => line.Split(" RequestId:")[0].Split("RequestPath")[0])];
        Assert.NotEmpty(ours);
        Assert.DoesNotContain(ours, line => line.Contains("MUSTER", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_problem_says_what_it_is_what_to_do_and_which_request_it_was()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        Answer answer = await host.SendAsync("GET", "/v1/clinics/no-such-clinic", host.Staff("admin"), correlation: "my-request-1");
        JsonElement problem = JsonDocument.Parse(answer.Body).RootElement;
        Assert.Equal("https://cloudarchive.example/problems/clinic-unknown", problem.GetProperty("type").GetString());
        Assert.Equal((404, "my-request-1", "my-request-1"), (problem.GetProperty("status").GetInt32(), problem.GetProperty("correlationId").GetString(), answer.CorrelationId));
        Assert.False(string.IsNullOrWhiteSpace(problem.GetProperty("title").GetString()));
        Assert.False(string.IsNullOrWhiteSpace(problem.GetProperty("detail").GetString()));

        // One that could do harm in a log is not taken.
        answer = await host.SendAsync("GET", "/v1/health", null, correlation: "a b<script>");
        Assert.Matches("^[0-9A-Za-z-]+$", answer.CorrelationId);
    }

    [Theory]
    [InlineData("GET", "/v2/clinics")]
    [InlineData("POST", "/")]
    [InlineData("DELETE", "/v1/nothing")]
    public async Task An_unknown_route_is_a_404_problem(string method, string path)
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        Answer answer = await host.SendAsync(method, path, host.Staff("admin"));
        Assert.Equal((404, "not-found"), (answer.Status, answer.Problem));
    }

    [Fact]
    public async Task Another_method_another_media_type_and_too_large_a_body_are_problems_too()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        Answer method = await host.SendAsync("DELETE", agent.Packs, token);
        Assert.Equal((405, "method-not-allowed"), (method.Status, method.Problem));
        Answer type = await host.SendAsync("POST", agent.Packs, token, raw: "x", contentType: "text/plain");
        Assert.Equal((415, "media-type-unsupported"), (type.Status, type.Problem));
        Answer large = await host.SendAsync("POST", agent.Packs, token, raw: new string(' ', 70_000));
        Assert.Equal((413, "request-too-large"), (large.Status, large.Problem));

        // Without a length in its head, too.
        using HttpRequestMessage chunked = new(HttpMethod.Post, agent.Packs) { Content = new StreamContent(new Endless(100_000)) };
        chunked.Headers.TransferEncodingChunked = true;
        chunked.Headers.Add("Authorization", "Bearer " + token);
        chunked.Content.Headers.ContentType = new System.Net.Http.Headers.MediaTypeHeaderValue("application/json");
        using HttpResponseMessage response = await host.Http.SendAsync(chunked, Cancel);
        Assert.Equal(413, (int)response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task What_fails_inside_is_a_500_that_tells_nothing_and_is_in_the_log()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Rows = rows => new Failing(rows) });
        Answer answer = await host.GetAsync($"/v1/clinics/{Failing.Clinic}", host.Staff("admin"));
        Assert.Equal((500, "internal"), (answer.Status, answer.Problem));
        Assert.DoesNotContain("secret", answer.Body, StringComparison.Ordinal);
        Assert.Contains(host.Logged.Lines, line => line.StartsWith("Error CloudArchive.Api", StringComparison.Ordinal) && line.Contains(answer.CorrelationId, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_refusal_that_cannot_be_recorded_is_a_500_and_grants_nothing()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Rows = rows => new NoAudit(rows) });
        Answer answer = await host.GetAsync("/v1/clinics", null);
        Assert.Equal((500, "internal"), (answer.Status, answer.Problem));
    }

    [Fact]
    public async Task No_phi_is_logged_whatever_is_asked()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host, requireApproval: false);
        string token = await agent.TokenAsync();
        await agent.BackUpAsync(token, patientId: "PHI-4711");
        string admin = host.Staff("admin");
        string clinic = $"/v1/clinics/{agent.Enrolled.Clinic}";
        using System.Security.Cryptography.RSA mine = System.Security.Cryptography.RSA.Create(2048);
        await host.PostAsync($"{clinic}/studies/search", admin, new StudySearchRequest("PHI-4711", "PHI-ACC"));
        await host.PostAsync($"{clinic}/studies/search", admin, new StudySearchRequest(new string('P', 65) + "PHI-4711"));
        Answer asked = await host.PostAsync($"{clinic}/restores", admin, new RestoreRequest(Format.Signing.JwkKeys.FromRsa(mine), "PHI-purpose", "PHI-recipient", PatientId: "PHI-4711"));
        await host.GetAsync(asked.Headers.GetValues("Operation-Location").Single() + "/result", admin);
        await host.PostAsync($"{clinic}/restores", admin, new RestoreRequest(Format.Signing.JwkKeys.FromRsa(mine), "PHI-purpose", "PHI-recipient", PatientId: "PHI-unknown"));
        await host.SendAsync("POST", $"{clinic}/studies/search", admin, raw: """{"patientId":{"PHI":"PHI"}}""");

        // The whole log: the framework's too, down to Trace. Tokens and upload URLs have no place there either.
        Assert.NotEmpty(host.Logged.Lines);
        foreach (string word in (string[])["PHI-", token, admin, "sig="])
        {
            Assert.DoesNotContain(host.Logged.Lines, line => line.Contains(word, StringComparison.Ordinal));
        }

        IEnumerable<string> log = (await host.LogAsync(agent.Enrolled.Clinic.Value)).Select(entry => JsonSerializer.Serialize(entry, FormatJson.Options));
        Assert.DoesNotContain(log, entry => entry.Contains("PHI", StringComparison.Ordinal));
    }

    private sealed class Failing(IRowStore inner) : RowDecorator(inner)
    {
        public const string Clinic = "failing-clinic";

        public override Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) =>
            partition == Clinic ? throw new InvalidOperationException("secret inside") : base.FindAsync(table, partition, key, cancellationToken);
    }

    private sealed class NoAudit(IRowStore inner) : RowDecorator(inner)
    {
        public override Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
            table == RowTable.Audit ? throw new IOException("The table is gone.") : base.SubmitAsync(table, partition, writes, cancellationToken);
    }

    private abstract class RowDecorator(IRowStore inner) : IRowStore
    {
        public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

        public virtual Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) => inner.FindAsync(table, partition, key, cancellationToken);

        public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
            inner.QueryAsync(table, partition, from, to, take, cancellationToken);

        public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken);

        public virtual Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
            inner.SubmitAsync(table, partition, writes, cancellationToken);
    }

    /// <summary>So many spaces, and no length.</summary>
    private sealed class Endless(int count) : Stream
    {
        private int _left = count;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            int read = Math.Min(count, _left);
            buffer.AsSpan(offset, read).Fill((byte)' ');
            _left -= read;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
