using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Tests;

/// <summary>Policies, holds and destructions over HTTP, by two admins, up to the point where the ingest host's timer takes over.</summary>
public sealed class RetentionApiTests(SharedStorage shared)
{
    private static readonly TimeSpan _elevenYears = TimeSpan.FromDays(4020);

    [Fact]
    public async Task A_policy_is_a_new_version_and_a_term_that_breaks_a_rule_is_refused()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        (string clinic, _) = await BackUpAsync(host);
        RetentionPolicyRequest wanted = new(12, 11, RetentionBasis.LastTreatment, 18, 7, 2);
        RetentionPolicy set = (await host.SendAsync("PUT", $"/v1/clinics/{clinic}/retention", host.Staff("admin"), wanted)).As<RetentionPolicy>();
        Assert.Equal(new RetentionPolicy(2, 12, 11, RetentionBasis.LastTreatment, 18, 7, 2), set);
        RetentionResponse stands = (await host.GetAsync($"/v1/clinics/{clinic}/retention", host.Staff("compliance"))).As<RetentionResponse>();
        Assert.Equal((set, 2, ApiHost.Id("ada")), (stands.Policy, stands.Versions.Count, stands.Versions[1].ChangedBy));
        AuditEntry entry = Assert.Single(await host.LogAsync(clinic), e => e.Action == AuditActions.RetentionPolicyChanged);
        Assert.Equal(("2", "12"), (entry.Details!["archiveAfterYears"], entry.Details["years"]));

        Answer refused = await host.SendAsync("PUT", $"/v1/clinics/{clinic}/retention", host.Staff("admin"), wanted with { ArchiveAfterYears = 4 });
        Assert.Equal((400, "request-invalid"), (refused.Status, refused.Problem));
        Assert.Contains("archiveAfterYears: one of 1, 2, 3, 5.", refused.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hold_keeps_a_study_until_another_admin_lets_it_go()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        (string clinic, Uid study) = await BackUpAsync(host);
        HoldResponse hold = (await host.PostAsync($"/v1/clinics/{clinic}/holds", host.Staff("admin"), new HoldRequest("Case 12", study))).As<HoldResponse>();
        Assert.Equal((HoldStatus.Active, study, ApiHost.Id("ada")), (hold.Status, hold.Study, hold.SetBy));
        host.Clock.Advance(_elevenYears);
        RetentionLineResponse line = await LineAsync(host, clinic);
        Assert.Equal(("keep", "held", hold.Hold), (line.Action, line.Reason, line.Hold));
        Answer due = await host.PostAsync($"/v1/clinics/{clinic}/destructions", host.Staff("admin"), new DestructionRequest(study));
        Assert.Equal((409, "not-due"), (due.Status, due.Problem));

        string path = $"/v1/clinics/{clinic}/holds/{hold.Hold}";
        Assert.Equal(HoldStatus.ClearRequested, (await host.PostAsync(path + "/clear", host.Staff("admin"))).As<HoldResponse>().Status);
        Assert.Equal("approval-by-requester", (await host.PostAsync(path + "/approve", host.Staff("admin"))).Problem);
        Assert.Equal("keep", (await LineAsync(host, clinic)).Action);
        Assert.Equal((HoldStatus.Cleared, ApiHost.Id("bert")), (await host.PostAsync(path + "/approve", host.Staff("admin", subject: "bert"))).As<HoldResponse>() is var cleared ? (cleared.Status, cleared.ClearedBy) : default);
        Assert.Equal(HoldStatus.Cleared, (await host.GetAsync(path, host.Staff("compliance"))).As<HoldResponse>().Status);
        Assert.Equal("destroy", (await LineAsync(host, clinic)).Action);
    }

    [Fact]
    public async Task A_destruction_waits_for_its_time_and_for_another_admin_and_a_rejected_one_is_over()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        (string clinic, Uid study) = await BackUpAsync(host);
        string path = $"/v1/clinics/{clinic}/destructions";
        Assert.Equal("not-due", (await host.PostAsync(path, host.Staff("admin"), new DestructionRequest(study))).Problem);
        host.Clock.Advance(_elevenYears);
        DestructionResponse asked = (await host.PostAsync(path, host.Staff("admin"), new DestructionRequest(study))).As<DestructionResponse>();
        Assert.Equal((DestructionStatus.PendingApproval, study, 1, ApiHost.Id("ada")), (asked.Status, asked.Study, asked.Packs, asked.RequestedBy));
        string one = $"{path}/{asked.Destruction}";
        Assert.Equal("approval-by-requester", (await host.PostAsync(one + "/approve", host.Staff("admin"))).Problem);
        Assert.Equal("destruction-unknown", (await host.GetAsync(one + "/certificate", host.Staff("compliance"))).Problem);

        DestructionResponse approved = (await host.PostAsync(one + "/approve", host.Staff("admin", subject: "bert"))).As<DestructionResponse>();
        Assert.Equal((DestructionStatus.Approved, ApiHost.Id("bert")), (approved.Status, approved.DecidedBy));
        DestructionResponse rejected = (await host.PostAsync(one + "/reject", host.Staff("admin", subject: "bert"))).As<DestructionResponse>();
        Assert.Equal((DestructionStatus.Rejected, "by-admin"), (rejected.Status, rejected.Why));
        Assert.Equal((409, "destruction-over"), (await host.PostAsync(one + "/approve", host.Staff("admin", subject: "carl"))) is var over ? (over.Status, over.Problem) : default);
        Assert.Equal(rejected, Assert.Single((await host.GetAsync(path, host.Staff("compliance"))).As<Page<DestructionResponse>>().Items));
        Assert.Equal(
            [AuditActions.DestructionRequested, AuditActions.DestructionApproved, AuditActions.DestructionRejected],
            (await host.LogAsync(clinic)).Where(e => e.Outcome == AuditOutcome.Success && e.Subject.Other == asked.Destruction).Select(e => e.Action));
    }

    private static async Task<(string Clinic, Uid Study)> BackUpAsync(ApiHost host)
    {
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        return (agent.Enrolled.Clinic.Value, (await agent.BackUpAsync(await agent.TokenAsync())).Sidecar.Study);
    }

    private static async Task<RetentionLineResponse> LineAsync(ApiHost host, string clinic) =>
        Assert.Single((await host.GetAsync($"/v1/clinics/{clinic}/retention/plan", host.Staff("compliance"))).As<Page<RetentionLineResponse>>().Items);
}
