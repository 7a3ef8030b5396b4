using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Format.Access;
using CloudArchive.Format.Audit;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>The pages of who can act: the list, its attestation, and the end of access.</summary>
public sealed partial class PortalAccessTests(SharedStorage shared)
{
    private static readonly ApiHostOptions _options = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") } };

    [Fact]
    public async Task An_admin_attests_the_list_that_they_saw_and_takes_the_signed_review_away()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, page = $"/portal/clinics/{clinic}/access", reader = NewSubject();
        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin", clinic, "mine"));
        using PortalBrowser compliance = await PortalBrowser.SignInAsync(host, host.Staff("compliance", clinic, reader));
        Assert.Contains("Not attested in two years", (await compliance.GetAsync(page)).Text, StringComparison.Ordinal);

        PortalAnswer seen, attested;
        do
        {
            // Staff of all clinics are in every list, and other tests bring some in meanwhile.
            seen = await admin.GetAsync(page);
            attested = await admin.PostAsync(page + "/reviews", ("fingerprint", Fingerprint().Match(seen.Html).Groups["hex"].Value));
        }
        while (attested.Status == HttpStatusCode.Conflict);

        Assert.Equal((HttpStatusCode.SeeOther, page + "#reviews"), (attested.Status, attested.Location));
        foreach (string what in new[] { agent.Enrolled.AgentId, reader, "person: you", "compliance" })
        {
            Assert.Contains(what, seen.Text, StringComparison.Ordinal);
        }

        Assert.Equal(AuditActions.AccessReviewed, Assert.Single(await host.LogAsync(clinic), entry => entry.Origin.CorrelationId == attested.CorrelationId).Action);

        // Compliance takes it away, and anyone can check it.
        string list = ReviewFile().Match((await compliance.GetAsync(page)).Html).Value;
        PortalAnswer document = await compliance.GetAsync(list), signature = await compliance.GetAsync(list.Replace(".json", ".jws", StringComparison.Ordinal));
        Assert.Equal("no-store", document.Headers["Cache-Control"]);
        Assert.StartsWith("attachment", document.Headers["Content-Disposition"], StringComparison.Ordinal);
        (AccessReviewDocument? review, IReadOnlyList<string> findings) = AccessReviewDocument.Verify(Encoding.UTF8.GetBytes(document.Html), signature.Html, agent.Enrolled.SigningKeys);
        Assert.Empty(findings);
        Assert.Equal((clinic, ApiHost.Id("mine")), (review!.Scope, review.ReviewedBy));
        Assert.Equal(HttpStatusCode.NotFound, (await compliance.GetAsync(list.Replace("review.json", "review.exe", StringComparison.Ordinal))).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.GetAsync(page + "/reviews/01890a5d-ac96-774b-bcce-b302099a8057/review.json")).Status);
    }

    [Fact]
    public async Task A_list_that_was_not_seen_or_is_another_by_now_is_not_attested()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = $"/portal/clinics/{agent.Enrolled.Clinic}", page = clinic + "/access";
        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin", agent.Enrolled.Clinic.Value));
        string seen = Fingerprint().Match((await admin.GetAsync(page)).Html).Groups["hex"].Value;
        Assert.Equal(clinic + "/agents", (await admin.PostAsync($"{clinic}/agents/{agent.Enrolled.AgentId}/revoke")).Location);
        Assert.Equal(HttpStatusCode.Conflict, (await admin.PostAsync(page + "/reviews", ("fingerprint", seen))).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await admin.PostAsync(page + "/reviews")).Status);
        Assert.Contains("Not attested in two years", (await admin.GetAsync(page)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_person_who_is_blocked_is_out_of_the_portal_with_the_next_click_and_the_page_says_how_soon_that_was()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, page = $"/portal/clinics/{clinic}/access", leaver = NewSubject();
        using PortalBrowser leaving = await PortalBrowser.SignInAsync(host, host.Staff("admin", clinic, leaver));
        Assert.Equal(HttpStatusCode.OK, (await leaving.GetAsync(page)).Status);
        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        host.Clock.Advance(TimeSpan.FromMinutes(3));
        Assert.Contains($"Block {leaver}", (await admin.GetAsync(page)).Text, StringComparison.Ordinal);
        PortalAnswer blocked = await admin.PostAsync("/portal/access/block", ("subject", leaver), ("from", clinic));
        Assert.Equal((HttpStatusCode.SeeOther, page + "#ended"), (blocked.Status, blocked.Location));
        AuditEntry entry = Assert.Single(await host.LogAsync(AuditEntry.SystemLog), e => e.Origin.CorrelationId == blocked.CorrelationId);
        Assert.Equal((AuditActions.SubjectBlocked, ApiHost.Id(leaver)), (entry.Action, entry.Subject.Other));

        Assert.Equal(HttpStatusCode.Unauthorized, (await leaving.GetAsync(page)).Status);
        Assert.Contains("at once; the last request was let in 3 minutes before", Row((await admin.GetAsync(page)).Html, leaver), StringComparison.Ordinal);
        Assert.DoesNotContain($"Block {leaver}", (await admin.GetAsync(page)).Text, StringComparison.Ordinal);

        Assert.Equal("/portal/access#ended", (await admin.PostAsync("/portal/access/unblock", ("subject", leaver))).Location);
        using PortalBrowser back = await PortalBrowser.SignInAsync(host, host.Staff("admin", clinic, leaver));
        Assert.Equal(HttpStatusCode.OK, (await back.GetAsync(page)).Status);
    }

    [Fact]
    public async Task Nobody_blocks_themselves_and_an_admin_of_one_clinic_blocks_nobody()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value, me = NewSubject();
        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin", subject: me)), local = await PortalBrowser.SignInAsync(host, host.Staff("admin", clinic, NewSubject()));
        PortalAnswer all = await admin.GetAsync("/portal/access");
        Assert.Contains(me, all.Text, StringComparison.Ordinal);
        Assert.Contains(agent.Enrolled.AgentId, all.Text, StringComparison.Ordinal);
        Assert.DoesNotContain($"Block {me}", all.Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await admin.PostAsync("/portal/access/block", ("subject", me))).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await admin.PostAsync("/portal/access/block", ("subject", " "))).Status);

        PortalAnswer mine = await local.GetAsync($"/portal/clinics/{clinic}/access");
        Assert.DoesNotContain("/portal/access", mine.Html, StringComparison.Ordinal);
        Assert.Contains($"Revoke {agent.Enrolled.AgentId}", mine.Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await local.PostAsync("/portal/access/block", ("subject", "ada"))).Status);
    }

    [Fact]
    public async Task A_revoked_computer_is_listed_with_when_it_was_last_let_in()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        await agent.TokenAsync();
        string clinic = $"/portal/clinics/{agent.Enrolled.Clinic}";
        host.Clock.Advance(TimeSpan.FromMinutes(20));
        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        await admin.GetAsync(clinic + "/access");
        await admin.PostAsync($"{clinic}/agents/{agent.Enrolled.AgentId}/revoke");
        foreach (string page in new[] { "/access", "/agents" })
        {
            string row = Row((await admin.GetAsync(clinic + page)).Html, agent.Enrolled.AgentId);
            Assert.Contains("at once; the last request was let in 20 minutes before", row, StringComparison.Ordinal);
            Assert.Contains("ada", row, StringComparison.Ordinal);
            Assert.DoesNotContain("/revoke", row, StringComparison.Ordinal);
        }
    }

    /// <summary>The last table row that names it.</summary>
    private static string Row(string html, string what) => html.Split("<tr>").Last(row => row.Contains(what, StringComparison.Ordinal));

    private static string NewSubject() => "s-" + Guid.NewGuid().ToString("N");

    [GeneratedRegex("name=\"fingerprint\" value=\"(?<hex>[0-9a-f]{64})\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Fingerprint();

    [GeneratedRegex("/portal/clinics/[^\"]+/access/reviews/[^\"]+/review\\.json", RegexOptions.None, matchTimeoutMilliseconds: 5000)]
    private static partial Regex ReviewFile();
}
