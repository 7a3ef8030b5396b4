using System.Net;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>Sessions, forms and headers: what keeps others out.</summary>
public sealed class PortalSessionTests(SharedStorage shared)
{
    private static readonly PortalOptions _withDoor = new() { Secure = false, Door = new TestDoor(_ => "") };

    [Fact]
    public async Task Without_a_session_a_page_leads_to_where_one_signs_in_and_back()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        using PortalBrowser browser = new(host);
        PortalAnswer answer = await browser.GetAsync("/portal/clinics/some-clinic/audit?action=clinic/");
        Assert.Equal(HttpStatusCode.SeeOther, answer.Status);
        Assert.Equal("/portal/sign-in?next=%2Fportal%2Fclinics%2Fsome-clinic%2Faudit%3Faction%3Dclinic%2F", answer.Location);
        Assert.Equal("/portal/sign-in", (await browser.GetAsync("/portal")).Location);
    }

    [Fact]
    public async Task Every_page_and_form_of_the_portal_asks_for_a_session_and_takes_no_bearer_token()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        using PortalBrowser browser = new(host);
        RouteEndpoint[] guarded = [.. host.Endpoints.Where(endpoint => endpoint.Metadata.GetMetadata<PortalSurface>() is not null && endpoint.Metadata.GetMetadata<EndpointPolicy>()!.Reach != Reach.Anonymous)];
        Assert.True(guarded.Length >= 18, $"{guarded.Length} endpoints");
        foreach (RouteEndpoint endpoint in guarded)
        {
            string path = "/" + string.Join('/', endpoint.RoutePattern.PathSegments.Select(segment => string.Concat(segment.Parts.Select(part => part switch
            {
                RoutePatternLiteralPart literal => literal.Content,
                RoutePatternSeparatorPart separator => separator.Content,
                _ => "x",
            }))));
            bool form = endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods.Contains("POST");
            PortalAnswer answer = await browser.SendAsync(form ? HttpMethod.Post : HttpMethod.Get, path, form ? [("x", "y")] : null, [("Authorization", "Bearer " + host.Staff("admin"))]);
            Assert.True(answer.Status == (form ? HttpStatusCode.Unauthorized : HttpStatusCode.SeeOther), $"{answer.Status} for {path}");
        }
    }

    [Fact]
    public async Task A_session_opens_no_endpoint_of_the_api()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/portal")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.GetAsync("/v1/clinics")).Status);
    }

    [Fact]
    public async Task Idle_for_too_long_is_signed_out_by_the_server_and_a_click_in_time_goes_on()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin", lifetime: TimeSpan.FromHours(9)));
        for (int i = 0; i < 3; i++)
        {
            host.Clock.Advance(TimeSpan.FromMinutes(14));
            Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/portal")).Status);
        }

        host.Clock.Advance(TimeSpan.FromMinutes(15));
        Assert.Equal("/portal/sign-in?reason=idle", (await browser.GetAsync("/portal")).Location);
        Assert.Equal("/portal/sign-in?reason=idle", (await browser.PostAsync("/portal/sign-out")).Location);
    }

    [Fact]
    public async Task A_busy_session_ends_after_its_longest_time_and_with_its_token()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin", lifetime: TimeSpan.FromHours(20)));
        using PortalBrowser shorter = await PortalBrowser.SignInAsync(host, host.Staff("admin", lifetime: TimeSpan.FromMinutes(30)));
        for (int i = 0; i < 47; i++)
        {
            host.Clock.Advance(TimeSpan.FromMinutes(10));
            Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/portal")).Status);
            if (i <= 2)
            {
                Assert.Equal(i < 2 ? null : "/portal/sign-in?reason=expired", (await shorter.GetAsync("/portal")).Location);
            }
        }

        host.Clock.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal("/portal/sign-in?reason=expired", (await browser.GetAsync("/portal")).Location);
    }

    [Fact]
    public async Task What_a_page_asks_by_itself_keeps_no_session()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        for (int minutes = 5; minutes < 15; minutes += 5)
        {
            host.Clock.Advance(TimeSpan.FromMinutes(5));
            Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/portal", ("X-Portal-Refresh", "1"))).Status);
        }

        host.Clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal("/portal/sign-in?reason=idle", (await browser.GetAsync("/portal", ("X-Portal-Refresh", "1"))).Location);
    }

    [Fact]
    public async Task Signing_in_and_out_is_audited_and_the_cookie_is_gone()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        string who = "ada-" + Guid.NewGuid();
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("compliance", subject: who));
        await browser.GetAsync("/portal");
        Assert.Equal("/portal/sign-in?reason=signed-out", (await browser.PostAsync("/portal/sign-out")).Location);
        Assert.Empty(browser.Cookies.GetAllCookies());
        Assert.Equal("/portal/sign-in", (await browser.GetAsync("/portal")).Location);
        Assert.Equal(
            [AuditActions.PortalSignedIn, AuditActions.PortalSignedOut],
            (await host.LogAsync(AuditEntry.SystemLog)).Where(entry => entry.Actor.Id == ApiHost.Id(who) && entry.Outcome == AuditOutcome.Success).Select(entry => entry.Action));
    }

    [Fact]
    public async Task A_wrong_code_is_a_page_a_401_and_an_audit_entry()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        using PortalBrowser browser = new(host);
        PortalAnswer answer = await browser.PostAsync("/portal/sign-in", ("code", "wrong"), ("identity", "ada"));
        Assert.Equal(HttpStatusCode.Unauthorized, answer.Status);
        Assert.StartsWith("text/html", answer.Headers["Content-Type"], StringComparison.Ordinal);
        Assert.DoesNotContain("wrong", answer.Html, StringComparison.Ordinal);
        AuditEntry entry = Assert.Single((await host.LogAsync(AuditEntry.SystemLog)), e => e.Origin.CorrelationId == answer.CorrelationId);
        Assert.Equal((AuditActions.PortalSignedIn, AuditOutcome.Refused), (entry.Action, entry.Outcome));
    }

    [Fact]
    public async Task An_agents_token_opens_no_session()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        using PortalBrowser browser = new(host);
        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.PostAsync("/portal/sign-in", ("code", await agent.TokenAsync()))).Status);
    }

    [Fact]
    public async Task A_session_that_the_archive_did_not_sign_is_refused_and_audited()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        Cookie cookie = browser.Cookies.GetAllCookies().Single();
        string good = cookie.Value;

        // Any other JWS by the very same key, the same by the key of receipts, a changed claim, a cut signature.
        ITokenSigner signer = host.Services.GetRequiredService<ITokenSigner>();
        string keyId = await signer.GetCurrentKeyIdAsync(TestContext.Current.CancellationToken);
        byte[] payload = System.Buffers.Text.Base64Url.DecodeFromChars(good.Split('.')[1]);
        string otherType = await Jws.SignAsync("cloudarchive-receipt+jws", payload, keyId, (data, ct) => signer.SignAsync(keyId, data, ct), TestContext.Current.CancellationToken);
        ISigner statements = host.Services.GetRequiredService<ISigner>();
        string statementKey = await statements.GetCurrentKeyIdAsync(TestContext.Current.CancellationToken);
        string byStatements = await Jws.SignAsync("cloudarchive-session+jws", payload, statementKey, (data, ct) => statements.SignAsync(statementKey, data, ct), TestContext.Current.CancellationToken);
        string later = System.Text.Encoding.UTF8.GetString(payload).Replace("\"seenAt\":1", "\"seenAt\":2", StringComparison.Ordinal);
        string altered = $"{good.Split('.')[0]}.{System.Buffers.Text.Base64Url.EncodeToString(System.Text.Encoding.UTF8.GetBytes(later))}.{good.Split('.')[2]}";
        foreach (string forged in new[] { otherType, byStatements, altered, good[..^4], "x" })
        {
            cookie.Value = forged;
            PortalAnswer answer = await browser.GetAsync("/portal");
            Assert.Equal(HttpStatusCode.Unauthorized, answer.Status);
            Assert.Single((await host.LogAsync(AuditEntry.SystemLog)), entry => entry.Origin.CorrelationId == answer.CorrelationId && entry.Outcome == AuditOutcome.Refused);
            browser.Cookies.Add(host.Http.BaseAddress!, new Cookie(cookie.Name, good));
            cookie = browser.Cookies.GetAllCookies().Single();
        }

        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/portal")).Status);
    }

    [Fact]
    public async Task Another_instance_reads_the_session()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        await using ApiHost other = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        using PortalBrowser elsewhere = new(other);
        Cookie cookie = browser.Cookies.GetAllCookies().Single();
        elsewhere.Cookies.Add(other.Http.BaseAddress!, new Cookie(cookie.Name, cookie.Value));
        Assert.Equal(HttpStatusCode.OK, (await elsewhere.GetAsync("/portal")).Status);
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("0123456789abcdef0123456789abcdef", null)]
    [InlineData(null, "cross-site")]
    [InlineData(null, "same-site")]
    public async Task A_form_without_the_sessions_token_or_from_another_site_does_nothing(string? formToken, string? site)
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        string agents = $"/portal/clinics/{agent.Enrolled.Clinic}/agents";
        await browser.GetAsync(agents);
        (string, string)[] fields = [("formToken", formToken ?? browser.FormToken!)];
        PortalAnswer answer = await browser.SendAsync(HttpMethod.Post, $"{agents}/{agent.Enrolled.AgentId}/revoke", fields, site is null ? [] : [("Sec-Fetch-Site", site)]);
        Assert.Equal(HttpStatusCode.Forbidden, answer.Status);
        Assert.Contains("form-foreign", answer.Html, StringComparison.Ordinal);
        AuditEntry entry = Assert.Single((await host.LogAsync(agent.Enrolled.Clinic.Value)), e => e.Origin.CorrelationId == answer.CorrelationId);
        Assert.Equal((AuditActions.AgentRevoked, AuditOutcome.Refused, "form-foreign"), (entry.Action, entry.Outcome, entry.Reason));
        await agent.TokenAsync();
    }

    [Fact]
    public async Task Another_sessions_form_token_does_not_fit()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        using PortalBrowser ada = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        using PortalBrowser eve = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        await ada.GetAsync("/portal");
        await eve.GetAsync("/portal");
        Assert.NotEqual(ada.FormToken, eve.FormToken);
        Assert.Equal(HttpStatusCode.Forbidden, (await ada.PostAsync("/portal/stay", ("formToken", eve.FormToken!))).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await ada.PostAsync("/portal/stay")).Status);
    }

    [Theory]
    [InlineData("https://evil.example/")]
    [InlineData("//evil.example/")]
    [InlineData("/portal\\..\\evil")]
    [InlineData("/portalevil")]
    [InlineData("/v1/clinics")]
    public async Task Signing_in_leads_nowhere_but_into_the_portal(string next)
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        using PortalBrowser browser = new(host);
        Assert.Equal("/portal", (await browser.PostAsync("/portal/sign-in", ("code", host.Staff("admin")), ("next", next))).Location);
        Assert.Equal("/portal/clinics/abc/audit", (await browser.PostAsync("/portal/sign-in", ("code", host.Staff("admin")), ("next", "/portal/clinics/abc/audit"))).Location);
    }

    [Fact]
    public async Task The_platforms_token_counts_only_where_the_platform_signs_in_and_only_if_it_is_valid()
    {
        string platform = "X-MS-TOKEN-AAD-ID-TOKEN";
        await using ApiHost off = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor });
        await using ApiHost on = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = new PortalOptions { Secure = false, PlatformSignIn = true } });
        using PortalBrowser nobody = new(off);
        Assert.Equal(HttpStatusCode.Unauthorized, (await nobody.GetAsync("/portal/sign-in/platform", (platform, off.SignIn("admin")))).Status);

        using PortalBrowser browser = new(on);
        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.GetAsync("/portal/sign-in/platform", (platform, on.Staff("admin", audience: "another")))).Status);

        // Nor one to call the API with, nor one that names no person.
        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.GetAsync("/portal/sign-in/platform", (platform, on.Staff("admin")))).Status);
        string nameless = on.Staff("admin", claims: claims =>
        {
            claims.Remove("scp");
            claims.Remove("oid");
        });
        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.GetAsync("/portal/sign-in/platform", (platform, nameless))).Status);
        Assert.Equal("/portal", (await browser.GetAsync("/portal/sign-in/platform", (platform, on.SignIn("admin")))).Location);

        // The session alone is nobody: the platform says each time who it is, and it must be the same person.
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/portal", (platform, on.SignIn("admin")))).Status);
        Assert.Equal("/portal/sign-in?reason=expired", (await browser.GetAsync("/portal")).Location);
        Assert.Equal("/portal/sign-in?reason=expired", (await browser.GetAsync("/portal", (platform, on.SignIn("admin", subject: "eve")))).Location);
        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.GetAsync("/portal", (platform, on.Staff("admin", audience: "another")))).Status);
    }

    [Fact]
    public async Task The_cookie_is_for_this_host_alone_and_no_script_sees_it()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = _withDoor with { Secure = true } });
        using PortalBrowser browser = new(host);
        PortalAnswer answer = await browser.PostAsync("/portal/sign-in", ("code", host.Staff("admin")));
        string cookie = answer.Headers["Set-Cookie"];
        Assert.StartsWith("__Host-cloudarchive=", cookie, StringComparison.Ordinal);
        foreach (string attribute in new[] { "; path=/", "; secure", "; samesite=lax", "; httponly" })
        {
            Assert.Contains(attribute, cookie, StringComparison.OrdinalIgnoreCase);
        }

        Assert.DoesNotContain("domain=", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("max-age", answer.Headers["Strict-Transport-Security"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ArchiveRole.Both)]
    [InlineData(ArchiveRole.Recovery)]
    public async Task The_bare_address_leads_to_the_portal(ArchiveRole role)
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Role = role });
        using PortalBrowser browser = new(host);
        PortalAnswer answer = await browser.GetAsync("/");
        Assert.Equal((HttpStatusCode.SeeOther, "/portal"), (answer.Status, answer.Headers["Location"]));
    }

    [Fact]
    public async Task An_ingest_host_has_no_portal_and_sends_people_to_where_it_is()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Role = ArchiveRole.Ingest, WithUnwrapper = false });
        using PortalBrowser browser = new(host);
        foreach ((string path, string there) in new[] { ("/", "/portal"), ("/portal", "/portal"), ("/portal/clinics/smith-dental/alerts?after=all", "/portal/clinics/smith-dental/alerts?after=all"), ("/portal//evil.test/x", "/portal//evil.test/x") })
        {
            PortalAnswer answer = await browser.GetAsync(path);
            Assert.Equal((HttpStatusCode.SeeOther, "https://recovery.test" + there), (answer.Status, answer.Headers["Location"]));
        }

        PortalAnswer form = await browser.PostAsync("/portal/access/block", ("subject", "ada"));
        Assert.Equal((HttpStatusCode.SeeOther, "https://recovery.test/portal"), (form.Status, form.Headers["Location"]));
    }
}
