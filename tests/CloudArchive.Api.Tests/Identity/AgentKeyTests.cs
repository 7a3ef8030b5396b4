using System.Security.Cryptography;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using CloudArchive.LocalHost.Keys;
using CloudArchive.Testing;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Api.Tests.Identity;

public sealed class AgentKeyTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_new_key_takes_over_at_once_and_neither_the_old_one_nor_its_token_opens_anything()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        using ECDsa next = NewKey();
        Answer answer = await host.PostAsync(PathOf(agent), token, await RequestAsync(host, agent, agent.Key, next));
        Assert.Equal(host.Clock.GetUtcNow().ToUnixTimeSeconds(), answer.As<AgentResponse>().KeySince!.Value.ToUnixTimeSeconds());
        AuditEntry entry = Assert.Single(await host.EntriesOfAsync(answer, agent.Enrolled.Clinic.Value));
        Assert.Equal((AuditActions.AgentKeyRenewed, JwkKeys.FromEcdsa(next).Kid, JwkKeys.FromEcdsa(agent.Key).Kid), (entry.Action, entry.Details!["agentKey"], entry.Details["before"]));

        Assert.Equal(401, (await host.GetAsync($"/v1/clinics/{agent.Enrolled.Clinic}/receipts", token)).Status);
        Assert.Equal(401, (await agent.AskTokenAsync(agent.Assertion())).Status);
        string renewed = (await agent.AskTokenAsync(agent.Assertion(signedBy: next))).As<TokenResponse>().AccessToken;
        Assert.Equal(200, (await host.GetAsync($"/v1/clinics/{agent.Enrolled.Clinic}/receipts", renewed)).Status);

        // The answer was lost, and the agent asks once more: nothing changes, and nothing is logged twice.
        Answer again = await host.PostAsync(PathOf(agent), renewed, await RequestAsync(host, agent, agent.Key, next));
        Assert.Equal(200, again.Status);
        Assert.Empty(await host.EntriesOfAsync(again, agent.Enrolled.Clinic.Value));
    }

    [Fact]
    public async Task A_change_that_either_key_did_not_sign_for_this_service_and_agent_and_now_is_refused()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Limits = new RequestLimits(KeyRequestsPerAgent: 1000) });
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        ApiAgent other = await ApiAgent.EnrollAsync(host, agent.Enrolled.Clinic);
        string token = await agent.TokenAsync();
        using ECDsa next = NewKey();
        using ECDsa stranger = NewKey();
        RenewAgentKeyRequest good = await RequestAsync(host, agent, agent.Key, next);
        (string What, RenewAgentKeyRequest Request)[] bad =
        [
            ("the old key's proof by another", good with { ProofByOld = (await RequestAsync(host, agent, stranger, next)).ProofByOld }),
            ("no proof by the old key", good with { ProofByOld = good.ProofByNew }),
            ("no proof by the new key", good with { ProofByNew = good.ProofByOld }),
            ("another new key than was proven", good with { NewKey = JwkKeys.FromEcdsa(stranger) }),
            ("another agent's change", await RequestAsync(host, other, agent.Key, next)),
            ("another service", await RequestAsync(host, agent, agent.Key, next, audience: "https://elsewhere.test/v1/token")),
            ("too old", await RequestAsync(host, agent, agent.Key, next, age: TimeSpan.FromMinutes(6))),
            ("from the future", await RequestAsync(host, agent, agent.Key, next, age: TimeSpan.FromMinutes(-6))),
            ("an assertion in place of a proof", good with { ProofByOld = agent.Assertion(), ProofByNew = agent.Assertion(signedBy: next) }),
            ("nonsense", good with { ProofByOld = "x", ProofByNew = "x.y.z" }),
        ];
        List<string> accepted = [];
        foreach ((string what, RenewAgentKeyRequest request) in bad)
        {
            Answer answer = await host.PostAsync(PathOf(agent), token, request);
            if (answer is not { Status: 403, Problem: "key-proof-invalid" } || (await host.EntriesOfAsync(answer, agent.Enrolled.Clinic.Value)).Count != 1)
            {
                accepted.Add($"{what}: {answer.Status} {answer.Body}");
            }
        }

        Assert.Empty(accepted);
        Assert.Equal(403, (await host.PostAsync(PathOf(other), token, await RequestAsync(host, other, other.Key, next))).Status);
        Assert.Equal(200, (await host.PostAsync(PathOf(agent), token, good)).Status);

        // Captured on its way and sent again, when the key has changed once more.
        string second = (await agent.AskTokenAsync(agent.Assertion(signedBy: next))).As<TokenResponse>().AccessToken;
        Assert.Equal(200, (await host.PostAsync(PathOf(agent), second, await RequestAsync(host, agent, next, stranger))).Status);
        string third = (await agent.AskTokenAsync(agent.Assertion(signedBy: stranger))).As<TokenResponse>().AccessToken;
        Assert.Equal(403, (await host.PostAsync(PathOf(agent), third, good)).Status);
    }

    [Fact]
    public async Task An_agent_follows_rotated_keys_from_one_that_it_believes_and_from_no_other()
    {
        using TemporaryFolder folder = new();
        ClinicId clinic = ApiAgent.NewClinicId();
        using LocalKeys keys = await LocalKeys.OpenAsync(folder["keys"], Cancel);
        Jwk firstWrapping = await keys.EnsureAsync(clinic, Cancel);
        JwkSet pinned = await keys.GetPublicKeysAsync(Cancel);
        KeyAnnouncement announcement = new(keys, keys, new FakeTimeProvider(DateTimeOffset.UtcNow));
        await keys.RotateSigningKeyAsync(Cancel);
        await keys.RotateSigningKeyAsync(Cancel);
        Jwk wrapping = await keys.RotateAsync(clinic, Cancel);
        IReadOnlyList<string> statements = await announcement.StateAsync(clinic, Cancel);
        Assert.Equal(3, statements.Count);
        KeyStatement statement = KeyStatement.FindVouchedFor(statements, pinned)!;
        Assert.Equal((clinic, wrapping.Kid, 3), (statement.Clinic, statement.WrappingKey.Kid, statement.SigningKeys.Keys.Count));
        Assert.NotEqual(firstWrapping.Kid, wrapping.Kid);

        // Another archive's keys, a signature of another kind, a statement without the pinned key's signature.
        using LocalKeys others = await LocalKeys.OpenAsync(folder["others"], Cancel);
        await others.EnsureAsync(clinic, Cancel);
        Assert.Null(KeyStatement.FindVouchedFor(await new KeyAnnouncement(others, others, TimeProvider.System).StateAsync(clinic, Cancel), pinned));
        Assert.Null(KeyStatement.FindVouchedFor(statements.Take(2), pinned));
        string kid = pinned.Keys[0].Kid!;
        string otherType = await Jws.SignAsync("cloudarchive-receipt+jws", CanonicalJson.Serialize(statement), kid, (data, ct) => keys.SignAsync(kid, data, ct), Cancel);
        Assert.Null(KeyStatement.FindVouchedFor([otherType], pinned));
        string[] parts = statements[2].Split('.');
        Assert.Null(KeyStatement.FindVouchedFor([$"{parts[0]}.{parts[1][..^4]}AAAA.{parts[2]}"], pinned));
    }

    [Fact]
    public async Task The_token_endpoint_does_not_tell_who_is_enrolled()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        ApiAgent revoked = await ApiAgent.EnrollAsync(host, agent.Enrolled.Clinic);
        (await host.PostAsync($"/v1/clinics/{agent.Enrolled.Clinic}/agents/{revoked.Enrolled.AgentId}/revoke", host.Staff("admin"))).As<AgentResponse>();
        using ECDsa stranger = NewKey();
        string unknown = $"{agent.Enrolled.Clinic}.0000000000000000";
        string noClinic = "no-such-clinic.0000000000000000";
        string[] bodies =
        [
            (await agent.AskTokenAsync(agent.Assertion(signedBy: stranger))).Body,
            (await agent.AskTokenAsync(agent.Assertion(signedBy: stranger, issuer: unknown, subject: unknown))).Body,
            (await agent.AskTokenAsync(agent.Assertion(signedBy: stranger, issuer: noClinic, subject: noClinic))).Body,
            (await agent.AskTokenAsync(agent.Assertion(signedBy: stranger, issuer: "nobody", subject: "nobody"))).Body,
            (await agent.AskTokenAsync(agent.Assertion(signedBy: stranger, subject: unknown))).Body,
            (await agent.AskTokenAsync(agent.Assertion(signedBy: stranger, lifetime: TimeSpan.FromMinutes(-5)))).Body,
            (await revoked.AskTokenAsync(revoked.Assertion())).Body,
            (await revoked.AskTokenAsync(revoked.Assertion(signedBy: stranger))).Body,
        ];
        Assert.Single(bodies.Distinct());
    }

    private static string PathOf(ApiAgent agent) => $"/v1/clinics/{agent.Enrolled.Clinic}/agents/{agent.Enrolled.AgentId}/key";

    private static ECDsa NewKey() => ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private static async Task<RenewAgentKeyRequest> RequestAsync(ApiHost host, ApiAgent agent, ECDsa old, ECDsa next, string? audience = null, TimeSpan age = default)
    {
        Jwk newKey = JwkKeys.FromEcdsa(next);
        AgentKeyChange change = new(agent.Enrolled.AgentId, audience ?? agent.Enrolled.Audience, JwkKeys.FromEcdsa(old).Kid!, newKey.Kid!, host.Clock.GetUtcNow() - age);
        return new RenewAgentKeyRequest(newKey, await change.SignAsync(old, Cancel), await change.SignAsync(next, Cancel));
    }
}
