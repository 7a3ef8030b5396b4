using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using CloudArchive.LocalHost.Keys;
using CloudArchive.Testing;
using Microsoft.IdentityModel.Tokens;

namespace CloudArchive.Api.Tests;

public sealed class TokenTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_agent_that_proves_its_key_gets_a_token_for_ten_minutes()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        Answer answer = await agent.AskTokenAsync(agent.Assertion());
        TokenResponse token = answer.As<TokenResponse>();
        Assert.Equal(("Bearer", 600), (token.TokenType, token.ExpiresIn));
        Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
        string receipts = $"/v1/clinics/{agent.Enrolled.Clinic}/receipts";
        Assert.Equal(200, (await host.GetAsync(receipts, token.AccessToken)).Status);
        host.Clock.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal((401, "token-invalid"), Of(await host.GetAsync(receipts, token.AccessToken)));
        AuditEntry entry = Assert.Single(await host.EntriesOfAsync(answer, agent.Enrolled.Clinic.Value));
        Assert.Equal((AuditActions.TokenIssued, agent.Enrolled.AgentId), (entry.Action, entry.Actor.Id));
    }

    [Fact]
    public async Task An_assertion_works_once()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string assertion = agent.Assertion();
        Answer[] answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => agent.AskTokenAsync(assertion)));
        Assert.Equal([200, 401, 401, 401, 401], answers.Select(answer => answer.Status).Order());
        Assert.All(answers.Where(answer => answer.Status == 401), answer => Assert.Equal("invalid_client", Error(answer)));
    }

    [Fact]
    public async Task An_assertion_with_anything_wrong_gets_no_token_and_an_entry_in_the_systems_log()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        ApiAgent other = await ApiAgent.CreateAsync(host);
        using ECDsa stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string good = agent.Assertion();
        string[] parts = good.Split('.');
        string none = Base64UrlEncoder.Encode("""{"alg":"none"}""") + "." + parts[1] + ".";
        string[] bad =
        [
            agent.Assertion(signedBy: stranger),
            agent.Assertion(signedBy: other.Key),
            agent.Assertion(issuer: other.Enrolled.AgentId, subject: other.Enrolled.AgentId),
            agent.Assertion(subject: other.Enrolled.AgentId),
            agent.Assertion(audience: "https://elsewhere.test/v1/token"),
            agent.Assertion(audience: "https://archive.test/"),
            agent.Assertion(lifetime: TimeSpan.FromMinutes(-2)),
            agent.Assertion(lifetime: TimeSpan.FromHours(1)),
            agent.Assertion(withJti: false),
            agent.Assertion(jti: "short"),
            agent.Assertion(jti: new string('x', 300)),
            agent.Assertion(issuer: "nobody", subject: "nobody"),
            agent.Assertion(issuer: $"{agent.Enrolled.Clinic}.0000000000000000", subject: $"{agent.Enrolled.Clinic}.0000000000000000"),
            agent.Assertion(algorithm: SecurityAlgorithms.HmacSha256),
            none,
            parts[0] + "." + parts[1] + ".",
            parts[0] + "." + parts[1] + "." + parts[2][..^4],
            "not.a.jwt",
            "x",
            new string('a', 5000),
        ];
        foreach (string assertion in bad)
        {
            Answer answer = await agent.AskTokenAsync(assertion);
            Assert.Equal((401, "invalid_client"), (answer.Status, Error(answer)));
            AuditEntry entry = Assert.Single(await host.EntriesOfAsync(answer, agent.Enrolled.Clinic.Value));
            Assert.Equal((AuditEntry.SystemLog, AuditActions.TokenIssued, AuditOutcome.Refused, "anonymous"), (entry.Log, entry.Action, entry.Outcome, entry.Actor.Role));
        }

        Assert.Equal(200, (await agent.AskTokenAsync(good)).Status);
    }

    [Fact]
    public async Task A_form_that_is_none_or_asks_for_something_else_is_an_oauth_error()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string form = ApiAgent.Form(agent.Assertion());
        (string Raw, string Type, string Error)[] cases =
        [
            ("", "application/x-www-form-urlencoded", "unsupported_grant_type"),
            (form.Replace("client_credentials", "password", StringComparison.Ordinal), "application/x-www-form-urlencoded", "unsupported_grant_type"),
            (form + "&grant_type=client_credentials", "application/x-www-form-urlencoded", "unsupported_grant_type"),
            (form.Replace("jwt-bearer", "saml2-bearer", StringComparison.Ordinal), "application/x-www-form-urlencoded", "invalid_request"),
            (form + "&client_assertion=x", "application/x-www-form-urlencoded", "invalid_request"),
        ];
        foreach ((string raw, string type, string error) in cases)
        {
            Answer answer = await host.SendAsync("POST", "/v1/token", null, raw: raw, contentType: type);
            Assert.Equal((400, error, "application/json"), (answer.Status, Error(answer), answer.MediaType));
        }

        Assert.Equal((415, "media-type-unsupported"), Of(await host.SendAsync("POST", "/v1/token", null, raw: "{}")));
    }

    [Fact]
    public async Task A_revoked_agent_is_out_at_once()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        string agents = $"/v1/clinics/{agent.Enrolled.Clinic}/agents";
        Assert.Equal(agent.Enrolled.AgentId, Assert.Single((await host.GetAsync(agents, host.Staff("admin"))).As<Page<AgentResponse>>().Items).AgentId);
        Assert.True((await host.PostAsync($"{agents}/{agent.Enrolled.AgentId}/revoke", host.Staff("admin"))).As<AgentResponse>().Revoked);
        Assert.Equal((401, "token-invalid"), Of(await host.PostAsync(agent.Packs, token, new OpenPackRequest(ApiAgent.NewStudy(), 1))));
        Assert.Equal(401, (await agent.AskTokenAsync(agent.Assertion())).Status);

        // Not through another clinic either.
        ApiAgent other = await ApiAgent.CreateAsync(host);
        Assert.Equal((404, "agent-unknown"), Of(await host.PostAsync($"{agents}/{other.Enrolled.AgentId}/revoke", host.Staff("admin"))));
        Assert.NotEmpty(await other.TokenAsync());
    }

    [Fact]
    public async Task Nothing_else_that_the_service_signed_passes_for_a_token()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        (_, string receipt) = await agent.BackUpAsync(token);
        string receipts = $"/v1/clinics/{agent.Enrolled.Clinic}/receipts";
        Assert.Equal(401, (await host.GetAsync(receipts, receipt)).Status);
        Assert.Equal(401, (await host.GetAsync(receipts, agent.Assertion())).Status);

        // The very claims of a token, signed with the very key, as something else.
        byte[] claims = Base64UrlEncoder.DecodeBytes(token.Split('.')[1]);
        string kid = await shared.Keys.Tokens.GetCurrentKeyIdAsync(Cancel);
        string otherType = await Jws.SignAsync("JWT", claims, kid, (data, ct) => shared.Keys.Tokens.SignAsync(kid, data, ct), Cancel);
        Assert.Equal(401, (await host.GetAsync(receipts, otherType)).Status);
    }

    [Fact]
    public async Task The_key_that_signs_receipts_opens_no_door_and_its_receipts_verify_whatever_becomes_of_a_version()
    {
        using TemporaryFolder folder = new();
        using LocalKeys keys = await LocalKeys.OpenAsync(folder["keys"], Cancel);
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Keys = keys });
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync(), receipts = $"/v1/clinics/{agent.Enrolled.Clinic}/receipts";

        // What an archive of before signed its tokens with: the key of receipts. Whoever has it has no token.
        string statements = await keys.GetCurrentKeyIdAsync(Cancel);
        string bySigning = await Jws.SignAsync("at+jwt", Base64UrlEncoder.DecodeBytes(token.Split('.')[1]), statements, (data, ct) => keys.SignAsync(statements, data, ct), Cancel);
        Assert.Equal(401, (await host.GetAsync(receipts, bySigning)).Status);
        string receipt = await Jws.SignAsync("cloudarchive-receipt+jws", "{}"u8.ToArray(), statements, (data, ct) => keys.SignAsync(statements, data, ct), Cancel);
        await keys.RotateSigningKeyAsync(Cancel);
        await keys.DisableAsync(statements, Cancel);
        await Assert.ThrowsAsync<KeyUnavailableException>(() => keys.SignAsync(statements, "x"u8.ToArray(), Cancel));
        Assert.Equal("{}"u8.ToArray(), Jws.Verify(receipt, "cloudarchive-receipt+jws", await keys.GetPublicKeysAsync(Cancel)).Payload);
    }

    [Fact]
    public async Task A_token_by_a_version_that_was_disabled_opens_nothing_five_minutes_later_and_one_by_the_version_before_does()
    {
        using TemporaryFolder folder = new();
        using LocalKeys keys = await LocalKeys.OpenAsync(folder["keys"], Cancel);
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Keys = keys });
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string receipts = $"/v1/clinics/{agent.Enrolled.Clinic}/receipts";
        string first = await agent.TokenAsync(), leaked = await keys.Tokens.GetCurrentKeyIdAsync(Cancel);
        Assert.Equal(200, (await host.GetAsync(receipts, first)).Status);
        await keys.RotateTokenKeyAsync(Cancel);
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        string second = await agent.TokenAsync();
        Assert.Equal((200, 200), ((await host.GetAsync(receipts, first)).Status, (await host.GetAsync(receipts, second)).Status));

        await keys.DisableAsync(leaked, Cancel);
        host.Clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal((401, 200), ((await host.GetAsync(receipts, first)).Status, (await host.GetAsync(receipts, second)).Status));

        // The version before the previous one, disabled or not.
        await keys.RotateTokenKeyAsync(Cancel);
        await keys.RotateTokenKeyAsync(Cancel);
        string third = await agent.TokenAsync();
        host.Clock.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromSeconds(1));
        Assert.Equal(200, (await host.GetAsync(receipts, third)).Status);
        Assert.Equal(401, (await host.GetAsync(receipts, second)).Status);
    }

    [Fact]
    public async Task A_token_that_was_touched_is_not_believed()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        ApiAgent other = await ApiAgent.CreateAsync(host);
        string[] parts = (await agent.TokenAsync()).Split('.');
        string claims = Base64UrlEncoder.Decode(parts[1]);
        string foreign = Base64UrlEncoder.Encode(claims.Replace(agent.Enrolled.Clinic.Value, other.Enrolled.Clinic.Value, StringComparison.Ordinal));
        string admin = Base64UrlEncoder.Encode(claims.Replace("\"agent\"", "\"admin\"", StringComparison.Ordinal));
        string[] bad = [$"{parts[0]}.{foreign}.{parts[2]}", $"{parts[0]}.{admin}.{parts[2]}", $"{parts[0]}.{parts[1]}.", $"{parts[0]}.{parts[1]}.{parts[2]}A", $"{parts[0]}.{parts[1]}", "", "a b", new string('x', 20_000)];
        foreach (string token in bad)
        {
            Assert.Equal(401, (await host.GetAsync($"/v1/clinics/{other.Enrolled.Clinic}/receipts", token)).Status);
            Assert.Equal(401, (await host.GetAsync($"/v1/clinics/{agent.Enrolled.Clinic}/receipts", token)).Status);
        }
    }

    [Fact]
    public async Task A_staff_token_with_anything_wrong_is_not_believed()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        using ECDsa stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string good = host.Staff("admin");
        string[] parts = good.Split('.');
        string[] bad =
        [
            host.Staff("admin", issuer: "https://evil.test/"),
            host.Staff("admin", audience: "api://other"),
            host.Staff("admin", lifetime: TimeSpan.FromMinutes(-2), notBefore: TimeSpan.FromMinutes(-10)),
            host.Staff("admin", notBefore: TimeSpan.FromMinutes(10)),
            host.Staff("admin", key: stranger),
            host.Staff("admin", kid: "unknown"),
            Base64UrlEncoder.Encode("""{"alg":"none","kid":"staff-1"}""") + "." + parts[1] + ".",
            Base64UrlEncoder.Encode("""{"alg":"HS256","kid":"staff-1"}""") + "." + parts[1] + "." + Base64UrlEncoder.Encode(HMACSHA256.HashData(Encoding.UTF8.GetBytes(ApiHost.StaffKey.X!), Encoding.ASCII.GetBytes(parts[0] + "." + parts[1]))),
        ];
        foreach (string token in bad)
        {
            Assert.Equal((401, "token-invalid"), Of(await host.GetAsync("/v1/clinics", token)));
        }

        Assert.Equal(200, (await host.GetAsync("/v1/clinics", good)).Status);
        Assert.Equal(401, (await host.SendAsync("GET", "/v1/clinics", null)).Status);
    }

    [Fact]
    public async Task A_staff_token_without_a_role_or_a_clinic_opens_nothing()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = $"/v1/clinics/{agent.Enrolled.Clinic}";
        foreach (string token in (string[])[host.Staff("agent"), host.Staff("owner"), host.Staff(""), host.Staff("admin", clinics: ""), host.Staff("admin", clinics: "other-clinic"), host.Staff("admin", clinics: "**")])
        {
            Assert.Equal((403, "forbidden"), Of(await host.GetAsync(clinic, token)));
        }

        Assert.Equal(200, (await host.GetAsync(clinic, host.Staff("compliance", clinics: $"other-clinic {agent.Enrolled.Clinic}"))).Status);
    }

    private static (int, string?) Of(Answer answer) => (answer.Status, answer.Problem);

    private static string? Error(Answer answer) => JsonDocument.Parse(answer.Body).RootElement.GetProperty("error").GetString();
}
