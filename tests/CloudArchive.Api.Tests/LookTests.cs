using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Format.Audit;

namespace CloudArchive.Api.Tests;

/// <summary>Every look leaves an entry (docs/audit.md), and so does a guess.</summary>
public sealed class LookTests(SharedStorage shared)
{
    [Fact]
    public async Task A_persons_look_at_packs_receipts_instances_holds_and_restores_has_an_entry_a_minute_and_an_agents_at_its_own_none()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, token = await agent.TokenAsync(), admin = host.Staff("admin", subject: "nosy");
        string pack = (await agent.BackUpAsync(token)).Sidecar.Pack.ToString();
        string[] routes = ["packs", "packs/{pack}", "receipts", "instances", "holds", "restores", "destructions", "restore-tests", "evidence", "retention"];
        for (int minute = 1; minute <= 2; minute++)
        {
            foreach (string route in routes)
            {
                string path = $"/v1/clinics/{clinic}/{route.Replace("{pack}", pack, StringComparison.Ordinal)}";
                Assert.Equal((200, 200), ((await host.GetAsync(path, admin)).Status, (await host.GetAsync(path, admin)).Status));
            }

            Assert.Equal(
                routes.SelectMany(route => Enumerable.Repeat($"GET /v1/clinics/{{clinic}}/{route}", minute)).Order(StringComparer.Ordinal),
                (await LooksAsync(host, clinic)).Select(entry => $"{entry.Details!["method"]} {entry.Details["route"]}").Order(StringComparer.Ordinal));
            host.Clock.Advance(TimeSpan.FromMinutes(1));
        }

        IReadOnlyList<AuditEntry> looks = await LooksAsync(host, clinic);
        Assert.All(looks, look => Assert.Equal((AuditOutcome.Success, "nosy@" + ApiHost.StaffTenant, clinic), (look.Outcome, look.Actor.Id, look.Subject.Clinic)));
        Assert.Equal(200, (await host.GetAsync($"/v1/clinics/{clinic}/receipts", await agent.TokenAsync())).Status);
        Assert.Equal(looks.Count, (await LooksAsync(host, clinic)).Count);
    }

    [Fact]
    public async Task Ids_of_other_clinics_and_requests_that_make_no_sense_leave_an_entry_and_are_answered_as_ids_of_nobody()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent mine = await ApiAgent.CreateAsync(host), other = await ApiAgent.CreateAsync(host);
        string theirs = (await other.BackUpAsync(await other.TokenAsync())).Sidecar.Pack.ToString();
        string clinic = mine.Enrolled.Clinic.Value, token = await mine.TokenAsync(), admin = host.Staff("admin", clinic, subject: "guesser");
        foreach ((string who, string with) in ((string, string)[])[("guesser@" + ApiHost.StaffTenant, admin), (mine.Enrolled.AgentId, token)])
        {
            Answer[] guesses = [await host.GetAsync($"/v1/clinics/{clinic}/packs/{theirs}", with), await host.GetAsync($"/v1/clinics/{clinic}/packs/{Guid.CreateVersion7()}", with)];
            Assert.All(guesses, guess => Assert.Equal((404, "pack-unknown"), (guess.Status, guess.Problem)));
            Assert.Equal(400, (await host.GetAsync($"/v1/clinics/{clinic}/packs?take=no", with)).Status);
            AuditEntry[] entries = [.. (await LooksAsync(host, clinic)).Where(entry => entry.Actor.Id == who)];
            Assert.Equal(["pack-unknown", "request-invalid"], entries.Select(entry => entry.Reason).Order(StringComparer.Ordinal));
            Assert.All(entries, entry => Assert.Equal(AuditOutcome.Failure, entry.Outcome));
            Assert.All(entries, entry => Assert.DoesNotContain(theirs, entry.ToString(), StringComparison.Ordinal));
        }

        Assert.Empty(await LooksAsync(host, other.Enrolled.Clinic.Value));
    }

    private static async Task<IReadOnlyList<AuditEntry>> LooksAsync(ApiHost host, string log) => [.. (await host.LogAsync(log)).Where(entry => entry.Action == AuditActions.RecordRead)];
}
