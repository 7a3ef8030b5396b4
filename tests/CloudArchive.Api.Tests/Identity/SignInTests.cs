using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using CloudArchive.Api.Identity;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Tests.Identity;

/// <summary>What <c>cloudarchive login</c> is told, and the challenge that has it sign in for a second factor.</summary>
public sealed class SignInTests(SharedStorage shared)
{
    private const string Claims = """{"access_token":{"acrs":{"essential":true,"value":"c1"}}}""";

    [Fact]
    public async Task Anyone_is_told_where_and_as_which_application_to_sign_in()
    {
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        await using ApiHost host = await StartAsync(issuer, "c1", "c2");
        Assert.Equal(new SignInResponse(issuer.Url, "cli", "api://archive/access", Claims), (await host.GetAsync("/v1/sign-in", null)).As<SignInResponse>());

        await using ApiHost without = await StartAsync(issuer);
        Assert.Null((await without.GetAsync("/v1/sign-in", null)).As<SignInResponse>().SecondFactorClaims);
    }

    [Fact]
    public async Task An_archive_without_an_application_for_commands_says_what_its_operator_has_to_do()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        Answer answer = await host.GetAsync("/v1/sign-in", null);
        Assert.Equal((404, "sign-in-not-set-up"), (answer.Status, answer.Problem));
        Assert.Contains("docs/operations.md", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_ingest_host_sends_staff_to_their_own_address()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Role = ArchiveRole.Ingest, WithUnwrapper = false });
        Answer answer = await host.GetAsync("/v1/sign-in", null);
        Assert.Equal((421, "other-host"), (answer.Status, answer.Problem));
    }

    [Fact]
    public async Task A_token_of_one_factor_is_challenged_for_the_context_and_refused_in_the_log()
    {
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        using RSA key = issuer.AddKey("one");
        await using ApiHost host = await StartAsync(issuer, "c1");
        string plain = issuer.Token(key, "one", host.Clock.GetUtcNow());
        Answer answer = await host.SendAsync("POST", "/v1/clinics/some-clinic/restores", plain, raw: "{}");
        Assert.Equal((401, "mfa-needed"), (answer.Status, answer.Problem));
        string challenge = answer.Headers.WwwAuthenticate.Single().ToString();
        Assert.Equal($"Bearer error=\"insufficient_claims\", claims=\"{Convert.ToBase64String(Encoding.UTF8.GetBytes(Claims))}\"", challenge);
        AuditEntry entry = (await host.LogAsync("some-clinic")).Concat(await host.LogAsync(AuditEntry.SystemLog)).Single(entry => entry.Origin.CorrelationId == answer.CorrelationId);
        Assert.Equal(AuditOutcome.Refused, entry.Outcome);

        // What the challenge asks for is what is taken.
        string context = (string)JsonNode.Parse(Claims)!["access_token"]!["acrs"]!["value"]!;
        string stepped = issuer.Token(key, "one", host.Clock.GetUtcNow(), claims => claims["acrs"] = new JsonArray(context));
        Assert.NotEqual("mfa-needed", (await host.SendAsync("POST", "/v1/clinics/some-clinic/restores", stepped, raw: "{}")).Problem);

        // Another 401 is not one that a login mends.
        Assert.Equal("Bearer", (await host.GetAsync("/v1/clinics", "nonsense")).Headers.WwwAuthenticate.Single().ToString());
    }

    [Fact]
    public async Task Where_no_context_stands_for_a_second_factor_nobody_is_sent_for_one()
    {
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        using RSA key = issuer.AddKey("one");
        await using ApiHost host = await StartAsync(issuer);
        Answer answer = await host.SendAsync("POST", "/v1/clinics/some-clinic/restores", issuer.Token(key, "one", host.Clock.GetUtcNow()), raw: "{}");
        Assert.Equal((403, "mfa-needed", 0), (answer.Status, answer.Problem, answer.Headers.WwwAuthenticate.Count));
    }

    private Task<ApiHost> StartAsync(OidcIssuer issuer, params string[] contexts) => ApiHost.StartAsync(shared, new ApiHostOptions
    {
        Staff = new OpenIdConnectKeys(issuer.Url).ForAudience(OidcIssuer.Audience, OidcIssuer.Tenant, contexts) with { Client = new StaffClient("cli", "api://archive/access") },
    });
}
