using System.Text;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Access;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Access;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Tests.Access;

public sealed class AccessReviewTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_blocked_person_is_out_at_once_on_every_instance_and_the_list_says_since_when()
    {
        await using ApiHost one = await ApiHost.StartAsync(shared);
        await using ApiHost two = await ApiHost.StartAsync(shared);
        string leaver = NewSubject();
        string token = one.Staff("compliance", subject: leaver);
        Assert.Equal(200, (await one.GetAsync("/v1/clinics", token)).Status);
        Assert.Equal(200, (await two.GetAsync("/v1/clinics", token)).Status);

        Answer block = await one.PostAsync("/v1/access/block", one.Staff("admin"), new StaffSubjectRequest(leaver));
        AccessPrincipal ended = block.As<StaffAccessResponse>().Principal;
        Assert.Equal((ApiHost.Id(leaver), ApiHost.Id("ada")), (ended.Id, ended.EndedBy));
        Assert.InRange(ended.EndedAt!.Value - ended.LastAcceptedAt!.Value, TimeSpan.Zero, StaffRegister.Resolution);
        Assert.Equal(AuditActions.SubjectBlocked, Assert.Single(await one.EntriesOfAsync(block)).Action);
        foreach (ApiHost host in new[] { one, two })
        {
            Answer refused = await host.GetAsync("/v1/clinics", token);
            Assert.Equal((401, "token-invalid"), (refused.Status, refused.Problem));
            AuditEntry entry = Assert.Single(await host.EntriesOfAsync(refused));
            Assert.Equal((AuditOutcome.Refused, ApiHost.Id(leaver)), (entry.Outcome, entry.Actor.Id));
        }

        AccessListResponse list = (await one.GetAsync("/v1/access", one.Staff("admin"))).As<AccessListResponse>();
        AccessPrincipal listed = Assert.Single(list.Principals, principal => principal.Id == ApiHost.Id(leaver));
        Assert.Equal((ended.EndedAt, ended.LastAcceptedAt), (listed.EndedAt, listed.LastAcceptedAt));

        Answer again = await one.PostAsync("/v1/access/block", one.Staff("admin", subject: "other"), new StaffSubjectRequest(leaver));
        Assert.Equal(ApiHost.Id("ada"), again.As<StaffAccessResponse>().Principal.EndedBy);
        Assert.Empty(await one.EntriesOfAsync(again));
        Assert.Null((await one.PostAsync("/v1/access/unblock", one.Staff("admin"), new StaffSubjectRequest(leaver))).As<StaffAccessResponse>().Principal.EndedAt);
        Assert.Equal(200, (await two.GetAsync("/v1/clinics", token)).Status);
    }

    [Fact]
    public async Task Someone_can_be_blocked_before_they_are_seen_and_nobody_blocks_themselves()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        string leaver = NewSubject();
        Assert.Null((await host.PostAsync("/v1/access/block", host.Staff("admin"), new StaffSubjectRequest(leaver))).As<StaffAccessResponse>().Principal.LastAcceptedAt);
        Assert.Equal(401, (await host.GetAsync("/v1/clinics", host.Staff("admin", subject: leaver))).Status);
        Answer self = await host.PostAsync("/v1/access/block", host.Staff("admin"), new StaffSubjectRequest("ada"));
        Assert.Equal((403, "access-of-self"), (self.Status, self.Problem));
        Assert.Equal(200, (await host.GetAsync("/v1/clinics", host.Staff("admin"))).Status);
    }

    [Fact]
    public async Task A_person_at_work_costs_one_write_in_five_minutes()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        string subject = NewSubject();
        StaffMember first = await SeenAsync();
        host.Clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(first.ETag, (await SeenAsync()).ETag);
        host.Clock.Advance(TimeSpan.FromMinutes(2));
        StaffMember later = await SeenAsync();
        Assert.Equal((first.FirstAcceptedAt, TimeSpan.FromMinutes(6)), (later.FirstAcceptedAt, later.LastAcceptedAt - first.LastAcceptedAt));

        // Another role is noted at once.
        Assert.Equal(200, (await host.GetAsync("/v1/clinics", host.Staff("admin", subject: subject))).Status);
        Assert.Equal(["admin"], (await FindAsync()).Roles);

        async Task<StaffMember> SeenAsync()
        {
            Assert.Equal(200, (await host.GetAsync("/v1/clinics", host.Staff("compliance", subject: subject))).Status);
            return await FindAsync();
        }

        async Task<StaffMember> FindAsync() =>
            (await ((StaffRegister)host.Services.GetService(typeof(StaffRegister))!).FindAsync(ApiHost.Id(subject), Cancel))!;
    }

    [Fact]
    public async Task An_attested_list_is_signed_evidence_that_verifies_offline()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, path = $"/v1/clinics/{clinic}/access", reader = NewSubject();
        Assert.Equal(200, (await host.GetAsync(path, host.Staff("compliance", clinic, reader))).Status);
        AccessListResponse list;
        Answer attested;
        do
        {
            // Staff of all clinics are in every list, and other tests bring some in meanwhile.
            list = (await host.GetAsync(path, host.Staff("admin", clinic, "mine"))).As<AccessListResponse>();
            attested = await host.PostAsync(path + "/reviews", host.Staff("admin", clinic, "mine"), new AttestAccessRequest(list.Fingerprint));
        }
        while (attested.Problem == "access-list-changed");
        Assert.Contains(list.Principals, p => p is { Kind: PrincipalKind.Agent } && p.Id == agent.Enrolled.AgentId && p.Clinics!.Single().Value == clinic);
        Assert.Contains(list.Principals, p => p is { Kind: PrincipalKind.Staff } && p.Id == ApiHost.Id(reader) && p.Roles.Single() == "compliance");
        Assert.All(list.Principals, p => Assert.True(p.Clinics is null || p.Clinics.Any(c => c.Value == clinic)));

        AccessReviewResponse review = attested.As<AccessReviewResponse>();
        AuditEntry entry = Assert.Single(await host.EntriesOfAsync(attested, clinic));
        Assert.Equal((AuditActions.AccessReviewed, review.Review, Sha256Digest.Of(review.Document).Hex), (entry.Action, entry.Subject.Other, entry.Details!["document"]));

        (AccessReviewDocument? document, IReadOnlyList<string> findings) = AccessReviewDocument.Verify(review.Document, review.Signature, agent.Enrolled.SigningKeys);
        Assert.Empty(findings);
        Assert.Equal((clinic, ApiHost.Id("mine"), list.Fingerprint), (document!.Scope, document.ReviewedBy, document.Fingerprint));
        byte[] touched = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(review.Document).Replace("\"compliance\"", "\"admin\"", StringComparison.Ordinal));
        Assert.NotEqual(review.Document, touched);
        Assert.Equal(2, AccessReviewDocument.Verify(touched, review.Signature, agent.Enrolled.SigningKeys).Findings.Count);

        // Kept, listed, the same.
        Assert.Equal([review.Review], (await host.GetAsync(path + "/reviews", host.Staff("compliance", clinic, reader))).As<Page<string>>().Items);
        Assert.Equal(review.Document, (await host.GetAsync($"{path}/reviews/{review.Review}", host.Staff("compliance", clinic, reader))).As<AccessReviewResponse>().Document);
        Assert.Equal(404, (await host.GetAsync($"/v1/access/reviews/{review.Review}", host.Staff("admin"))).Status);
    }

    [Fact]
    public async Task A_list_that_changed_since_it_was_read_cannot_be_attested()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, path = $"/v1/clinics/{clinic}/access", admin = host.Staff("admin", clinic, "mine");
        AccessListResponse list = (await host.GetAsync(path, admin)).As<AccessListResponse>();
        (await host.PostAsync($"/v1/clinics/{clinic}/agents/{agent.Enrolled.AgentId}/revoke", admin)).As<AgentResponse>();
        Answer answer = await host.PostAsync(path + "/reviews", admin, new AttestAccessRequest(list.Fingerprint));
        Assert.Equal((409, "access-list-changed"), (answer.Status, answer.Problem));
        AccessPrincipal revoked = Assert.Single((await host.GetAsync(path, admin)).As<AccessListResponse>().Principals, p => p.Kind == PrincipalKind.Agent);
        Assert.Equal((ApiHost.Id("mine"), true), (revoked.EndedBy, revoked.EndedAt is not null));
    }

    private static string NewSubject() => "s-" + Guid.NewGuid().ToString("N");
}
