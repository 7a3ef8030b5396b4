using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using CloudArchive.Cli;
using CloudArchive.Cli.Agent;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.EndToEnd.Audit;

public sealed class AuditApiTests(AuditedArchive fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Entries_come_in_pages_in_order_and_as_they_lie_in_storage()
    {
        AuditedClinic clinic = await fixture.SharedAsync();
        List<AuditEntryResponse> entries = [];
        string? after = null;
        do
        {
            Page<AuditEntryResponse> page = await clinic.GetAsync<Page<AuditEntryResponse>>("compliance", "entries?take=7" + (after is null ? "" : $"&after={after}"));
            entries.AddRange(page.Items);
            after = page.Next;
        }
        while (after is not null && entries.Count < 500);

        Assert.Equal(Enumerable.Range(0, entries.Count).Select(i => (long)i), entries.Select(entry => entry.Index));
        Assert.InRange(entries.Count, 31, 400);
        Row row = (await clinic.Rows.FindAsync(RowTable.Audit, clinic.Name, "e_0000000000000010", Cancel))!;
        Assert.Equal(row.Text("json"), entries[10].Entry);
    }

    [Fact]
    public async Task Entries_are_found_by_time_action_and_actor()
    {
        using AuditedClinic clinic = await AuditedClinic.CreateAsync(fixture);
        await clinic.AppendAsync(30);
        DateTimeOffset between = TimeProvider.System.GetUtcNow();
        await Task.Delay(20, Cancel);
        await clinic.AppendAsync(6);

        Assert.Equal(36, (await FindAsync(clinic, $"action={AuditActions.PackCommitted}")).Count);
        Assert.Equal(36, (await FindAsync(clinic, "action=data-import/")).Count);
        Assert.Empty(await FindAsync(clinic, "action=data-import"));
        Assert.Equal(12, (await SearchAsync(clinic, new AuditSearchRequest(Actor: "agent-1"))).Count);
        Assert.Equal(2, (await SearchAsync(clinic, new AuditSearchRequest($"{between:yyyy-MM-ddTHH:mm:ss.fffZ}", Actor: "agent-1"))).Count);
        Assert.Equal(10, (await SearchAsync(clinic, new AuditSearchRequest(To: $"{between:yyyy-MM-ddTHH:mm:ss.fffZ}", Actor: "agent-1"))).Count);
        Assert.Empty(await SearchAsync(clinic, new AuditSearchRequest(To: "2020-01-01", Actor: "agent-1")));
        Assert.Empty(await FindAsync(clinic, "from=2120-01-01"));
    }

    [Fact]
    public async Task Each_read_of_entries_is_an_entry_that_says_who_and_not_what_they_typed()
    {
        AuditedClinic clinic = await fixture.SharedAsync();
        await SearchAsync(clinic, new AuditSearchRequest(Actor: "Doe^Jane"));
        Assert.Equal((HttpStatusCode.BadRequest, "request-invalid"), await AskAsync(clinic, "compliance", $"v1/clinics/{clinic.Name}/audit/entries?actor=agent-1"));
        AuditEntry read = (await FindAsync(clinic, $"action={AuditActions.AuditRead}")).Last(entry => entry.Details!["by"] == "actor");
        Assert.Equal(("compliance-1@localhost", "compliance"), (read.Actor.Id, read.Actor.Role));
        Assert.Equal("0", read.Details!["entries"]);
        Assert.DoesNotContain("Doe", JsonSerializer.Serialize(read, FormatJson.Options), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_proof_verifies_against_the_signed_checkpoint()
    {
        using AuditedClinic clinic = await AuditedClinic.CreateAsync(fixture);
        await clinic.AppendAsync(300);
        Checkpoint older = (await clinic.CheckpointAsync()).Statement;
        await clinic.AppendAsync(40);
        await clinic.CheckpointAsync();
        JwkSet keys = await clinic.Archive.Keys.GetPublicKeysAsync(Cancel);
        Checkpoint latest = SignedCheckpoint.Verify((await clinic.GetAsync<CheckpointResponse>("compliance", "checkpoints/latest")).Checkpoint, keys).Statement;
        Assert.Equal(latest.Size, older.Size + 40);

        string entry = (await clinic.GetAsync<Page<AuditEntryResponse>>("compliance", "entries?after=255&take=1")).Items[0].Entry;
        InclusionProof proof = await clinic.GetAsync<InclusionProof>("compliance", $"proof?index=256&size={latest.Size}");
        Assert.True(proof.Proves(Merkle.LeafHash(Encoding.UTF8.GetBytes(entry)), latest.Root));
        Assert.Null(LogContinuity.FindBreak(older, latest, await clinic.GetAsync<ConsistencyProof>("compliance", $"consistency?from={older.Size}&to={latest.Size}")));
        Assert.Equal(2, (await clinic.GetAsync<Page<CheckpointResponse>>("compliance", "checkpoints")).Items.Count);
        Assert.Equal((await clinic.GetAsync<Page<Sha256Digest>>("compliance", "leaves?after=255&take=1")).Items[0], Merkle.LeafHash(Encoding.UTF8.GetBytes(entry)));
    }

    [Theory]
    [InlineData("proof?index=0&size=100000")]
    [InlineData("proof?index=-1")]
    [InlineData("proof?index=100000")]
    [InlineData("proof")]
    [InlineData("consistency?from=5&to=2")]
    [InlineData("consistency?from=-1")]
    [InlineData("checkpoints?after=../../packs")]
    [InlineData("entries?from=yesterday")]
    [InlineData("entries?take=0")]
    [InlineData("leaves?after=-9")]
    public async Task What_cannot_be_answered_is_refused_with_400(string query)
    {
        AuditedClinic clinic = await fixture.SharedAsync();
        Assert.Equal((HttpStatusCode.BadRequest, "request-invalid"), await AskAsync(clinic, "compliance", $"v1/clinics/{clinic.Name}/audit/{query}"));
    }

    [Fact]
    public async Task What_is_not_there_is_404()
    {
        using AuditedClinic clinic = await AuditedClinic.CreateAsync(fixture);
        Assert.Equal((HttpStatusCode.NotFound, "checkpoint-unknown"), await AskAsync(clinic, "compliance", $"v1/clinics/{clinic.Name}/audit/checkpoints/latest"));
        Assert.Equal((HttpStatusCode.NotFound, "clinic-unknown"), await AskAsync(clinic, "compliance", "v1/clinics/no-such-clinic/audit/entries"));
    }

    [Fact]
    public async Task The_systems_log_is_read_by_who_reaches_all_clinics_only()
    {
        AuditedClinic clinic = await fixture.SharedAsync();
        Assert.Equal((HttpStatusCode.OK, ""), await AskAsync(clinic, "compliance", "v1/system/audit/entries"));
        Assert.Equal((HttpStatusCode.OK, ""), await AskAsync(clinic, "compliance", "v1/system/audit/checkpoints/latest"));
        using HttpClient narrow = new() { BaseAddress = clinic.Archive.Url };
        narrow.DefaultRequestHeaders.Authorization = new("Bearer", clinic.Archive.Issuer.Issue("compliance-2", "compliance", TimeSpan.FromHours(1), clinic.Name));
        Assert.Equal(HttpStatusCode.Forbidden, (await narrow.GetAsync(new Uri("v1/system/audit/entries", UriKind.Relative), Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await narrow.GetAsync(new Uri($"v1/clinics/{clinic.Name}/audit/entries", UriKind.Relative), Cancel)).StatusCode);
    }

    [Fact]
    public async Task An_agent_may_watch_checkpoints_and_read_nothing()
    {
        AuditedClinic clinic = await fixture.SharedAsync();
        using AgentSession agent = clinic.OpenAgent();
        foreach (string path in new[] { $"v1/clinics/{clinic.Name}/audit", "v1/system/audit" })
        {
            Assert.NotEmpty((await agent.Client.GetAsync<CheckpointResponse>(path + "/checkpoints/latest", Cancel)).Checkpoint);
            Assert.Equal(0, (await agent.Client.GetAsync<ConsistencyProof>(path + "/consistency?from=0", Cancel)).From);
            foreach (string forbidden in new[] { "entries", "leaves", "head", "proof?index=0" })
            {
                Assert.Equal("forbidden", (await Assert.ThrowsAsync<ServiceRefusedException>(() => agent.Client.GetAsync<JsonElement>($"{path}/{forbidden}", Cancel))).Problem);
            }
        }

        Assert.Equal("forbidden", (await Assert.ThrowsAsync<ServiceRefusedException>(() => agent.Client.GetAsync<JsonElement>("v1/clinics/another-clinic/audit/checkpoints", Cancel))).Problem);
    }

    private static async Task<List<AuditEntry>> FindAsync(AuditedClinic clinic, string query) =>
        [.. (await clinic.GetAsync<Page<AuditEntryResponse>>("compliance", "entries?take=1000&" + query.Replace("^", "%5E"))).Items.Select(entry => JsonSerializer.Deserialize<AuditEntry>(entry.Entry, FormatJson.Options)!)];

    private static async Task<List<AuditEntry>> SearchAsync(AuditedClinic clinic, AuditSearchRequest asked)
    {
        using HttpClient client = clinic.Client("compliance");
        using HttpResponseMessage answer = await client.PostAsync(
            new Uri($"v1/clinics/{clinic.Name}/audit/entries/search", UriKind.Relative), JsonContent.Create(asked with { Take = 1000 }, options: FormatJson.Options), Cancel);
        Page<AuditEntryResponse> page = (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<Page<AuditEntryResponse>>(FormatJson.Options, Cancel))!;
        return [.. page.Items.Select(entry => JsonSerializer.Deserialize<AuditEntry>(entry.Entry, FormatJson.Options)!)];
    }

    private static async Task<(HttpStatusCode Status, string Problem)> AskAsync(AuditedClinic clinic, string who, string path)
    {
        using HttpClient client = clinic.Client(who);
        using HttpResponseMessage answer = await client.GetAsync(new Uri(path, UriKind.Relative), Cancel);
        using JsonDocument body = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel));
        return (answer.StatusCode, body.RootElement.TryGetProperty("type", out JsonElement type) ? type.GetString()!.Split('/')[^1] : "");
    }
}
