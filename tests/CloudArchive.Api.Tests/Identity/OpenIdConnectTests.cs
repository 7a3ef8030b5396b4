using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using CloudArchive.Api.Identity;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Format.Wire;
using CloudArchive.LocalHost.Identity;
using CloudArchive.Testing;

namespace CloudArchive.Api.Tests.Identity;

/// <summary>Staff tokens by OIDC discovery, against an issuer that answers on the loopback.</summary>
public sealed class OpenIdConnectTests(SharedStorage shared)
{
    private const string Path = "/v1/clinics";

    [Fact]
    public async Task Keys_are_found_by_discovery_and_follow_a_roll_over()
    {
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        using RSA first = issuer.AddKey("one");
        await using ApiHost host = await StartAsync(issuer);
        string old = issuer.Token(first, "one", host.Clock.GetUtcNow());
        Assert.Equal(200, (await host.GetAsync(Path, old)).Status);
        int asked = issuer.Asked;
        Assert.Equal(200, (await host.GetAsync(Path, old)).Status);
        Assert.Equal(asked, issuer.Asked);

        using RSA second = issuer.AddKey("two");
        string renewed = issuer.Token(second, "two", host.Clock.GetUtcNow());
        host.Clock.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(200, (await host.GetAsync(Path, renewed)).Status);
        Assert.Equal(200, (await host.GetAsync(Path, old)).Status);

        issuer.Keys.RemoveAt(0);
        host.Clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal((401, "token-invalid"), Of(await host.GetAsync(Path, old)));
        Assert.Equal(200, (await host.GetAsync(Path, renewed)).Status);
    }

    [Fact]
    public async Task A_flood_of_unknown_keys_does_not_reach_the_issuer()
    {
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        using RSA key = issuer.AddKey("one");
        await using ApiHost host = await StartAsync(issuer);
        Assert.Equal(200, (await host.GetAsync(Path, issuer.Token(key, "one", host.Clock.GetUtcNow()))).Status);
        int asked = issuer.Asked;
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(401, (await host.GetAsync(Path, issuer.Token(key, $"unknown-{i}", host.Clock.GetUtcNow()))).Status);
        }

        Assert.Equal(asked, issuer.Asked);
    }

    [Fact]
    public async Task A_document_that_speaks_for_another_issuer_is_not_believed()
    {
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        using RSA key = issuer.AddKey("one");
        issuer.Claims = "https://login.example/tenant/v2.0";
        await using ApiHost host = await StartAsync(issuer);
        Answer answer = await host.GetAsync(Path, issuer.Token(key, "one", host.Clock.GetUtcNow()));
        Assert.Equal((503, "issuer-unavailable"), Of(answer));
        Assert.DoesNotContain(issuer.Url, answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task While_the_issuer_is_down_its_last_keys_go_on_for_half_a_day_and_no_longer()
    {
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        using RSA key = issuer.AddKey("one");
        await using ApiHost host = await StartAsync(issuer);
        string token = issuer.Token(key, "one", host.Clock.GetUtcNow());
        Assert.Equal(200, (await host.GetAsync(Path, token)).Status);
        issuer.Down = true;
        host.Clock.Advance(TimeSpan.FromHours(11));
        Assert.Equal(200, (await host.GetAsync(Path, token)).Status);
        int asked = issuer.Asked;
        Assert.Equal(200, (await host.GetAsync(Path, token)).Status);
        Assert.Equal(asked, issuer.Asked);
        host.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal((503, "issuer-unavailable"), Of(await host.GetAsync(Path, token)));
        issuer.Down = false;
        Assert.Equal(200, (await host.GetAsync(Path, token)).Status);
    }

    [Fact]
    public async Task No_trick_with_algorithm_or_key_id_makes_a_token()
    {
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        using RSA key = issuer.AddKey("one");
        using RSA encryption = issuer.AddKey("enc", use: "enc");
        using RSA stranger = RSA.Create(2048);
        byte[] secret = Encoding.ASCII.GetBytes("a shared secret that somebody published by mistake");
        issuer.Keys.Add(new JsonObject { ["kty"] = "oct", ["kid"] = "oct", ["k"] = Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Encode(secret) });
        await using ApiHost host = await StartAsync(issuer);
        DateTimeOffset now = host.Clock.GetUtcNow();
        JsonObject jwk = issuer.Keys[0].DeepClone().AsObject();
        jwk["n"] = Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Encode(stranger.ExportParameters(false).Modulus);
        string pem = key.ExportSubjectPublicKeyInfoPem();
        (string What, string Token)[] bad =
        [
            ("alg none", issuer.Token(new JsonObject { ["alg"] = "none", ["kid"] = "one" }, now, _ => [])),
            ("alg NONE with a signature", issuer.Token(new JsonObject { ["alg"] = "NONE", ["kid"] = "one" }, now, input => key.SignData(input, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))),
            ("HS256 with the public key's PEM", issuer.Token(new JsonObject { ["alg"] = "HS256", ["kid"] = "one" }, now, input => HMACSHA256.HashData(Encoding.ASCII.GetBytes(pem), input))),
            ("HS256 with the public key's bytes", issuer.Token(new JsonObject { ["alg"] = "HS256", ["kid"] = "one" }, now, input => HMACSHA256.HashData(key.ExportSubjectPublicKeyInfo(), input))),
            ("HS256 with a published secret", issuer.Token(new JsonObject { ["alg"] = "HS256", ["kid"] = "oct" }, now, input => HMACSHA256.HashData(secret, input))),
            ("a key for encryption", issuer.Token(encryption, "enc", now)),
            ("RS1", issuer.Token(new JsonObject { ["alg"] = "RS1", ["kid"] = "one" }, now, input => key.SignData(input, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1))),
            ("no key id", issuer.Token(key, null, now)),
            ("an empty key id", issuer.Token(key, "", now)),
            ("a key id in another case", issuer.Token(key, "ONE", now)),
            ("a key id that is a path", issuer.Token(key, "../../keys/one", now)),
            ("another's signature", issuer.Token(stranger, "one", now)),
            ("a key of its own in the header", issuer.Token(stranger, "one", now, header: head => head["jwk"] = jwk.DeepClone())),
            ("keys of its own by address", issuer.Token(stranger, "one", now, header: head => head["jku"] = issuer.Url + "/keys")),
            ("a certificate of its own by address", issuer.Token(stranger, "one", now, header: head => head["x5u"] = issuer.Url + "/keys")),
            ("another issuer", issuer.Token(key, "one", now, claims => claims["iss"] = issuer.Url + "/")),
            ("another audience", issuer.Token(key, "one", now, claims => claims["aud"] = "api://other")),
            ("no audience", issuer.Token(key, "one", now, claims => claims.Remove("aud"))),
            ("no end", issuer.Token(key, "one", now, claims => claims.Remove("exp"))),
            ("not yet", issuer.Token(key, "one", now, claims => claims["nbf"] = now.AddMinutes(5).ToUnixTimeSeconds())),
            ("over", issuer.Token(key, "one", now, claims => claims["exp"] = now.AddMinutes(-2).ToUnixTimeSeconds())),
        ];
        List<string> believed = [];
        foreach ((string what, string token) in bad)
        {
            if (await host.GetAsync(Path, token) is not { Status: 401, Problem: "token-invalid" })
            {
                believed.Add(what);
            }
        }

        Assert.Empty(believed);
        Assert.Equal(200, (await host.GetAsync(Path, issuer.Token(key, "one", now))).Status);
    }

    [Fact]
    public async Task Clinics_can_be_app_roles_where_a_claim_cannot_be_had()
    {
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        using RSA key = issuer.AddKey("one");
        await using ApiHost host = await StartAsync(issuer);
        ApiAgent agent = await ApiAgent.CreateAsync(host, token: issuer.Token(key, "one", host.Clock.GetUtcNow(), claims => claims["acrs"] = new JsonArray("c1")));
        string clinic = agent.Enrolled.Clinic.Value;
        Assert.Equal(200, (await host.GetAsync($"{Path}/{clinic}", Token($"clinic:{clinic}"))).Status);
        Assert.Equal(200, (await host.GetAsync($"{Path}/{clinic}", Token("clinic:*"))).Status);
        Assert.Equal((403, "forbidden"), Of(await host.GetAsync($"{Path}/{clinic}", Token("clinic:other-clinic"))));
        Assert.Equal((403, "forbidden"), Of(await host.GetAsync($"{Path}/{clinic}", Token("clinic:"))));
        Assert.Equal((403, "forbidden"), Of(await host.GetAsync($"{Path}/{clinic}", Token(clinic))));

        string Token(string role) => issuer.Token(key, "one", host.Clock.GetUtcNow(), claims =>
        {
            claims.Remove("clinics");
            claims["roles"] = new JsonArray("compliance", role);
        });
    }

    [Fact]
    public async Task Clinics_are_read_from_a_directory_extension_as_entra_sends_it()
    {
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        using RSA key = issuer.AddKey("one");
        await using ApiHost host = await StartAsync(issuer);
        ApiAgent agent = await ApiAgent.CreateAsync(host, token: issuer.Token(key, "one", host.Clock.GetUtcNow(), claims => claims["acrs"] = new JsonArray("c1")));
        string clinic = agent.Enrolled.Clinic.Value;
        Assert.Equal(200, (await host.GetAsync($"{Path}/{clinic}", Token($"other-clinic {clinic}"))).Status);
        Assert.Equal(200, (await host.GetAsync($"{Path}/{clinic}", Token(new JsonArray("other-clinic", clinic)))).Status);
        Assert.Equal((403, "forbidden"), Of(await host.GetAsync($"{Path}/{clinic}", Token("other-clinic"))));

        string Token(JsonNode clinics) => issuer.Token(key, "one", host.Clock.GetUtcNow(), claims =>
        {
            claims.Remove("clinics");
            claims["extn.clinics"] = clinics;
        });
    }

    [Fact]
    public async Task A_second_factor_is_stated_by_amr_or_by_an_authentication_context_that_was_named()
    {
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        using RSA key = issuer.AddKey("one");
        await using ApiHost host = await StartAsync(issuer);
        const string Restores = "/v1/clinics/some-clinic/restores";
        foreach ((string claim, string value, bool enough) in new[] { ("amr", "mfa", true), ("acrs", "c1", true), ("amr", "pwd", false), ("acrs", "c2", false), ("acr", "1", false), ("acr", "c1", false), ("scp", "mfa", false) })
        {
            Answer answer = await host.SendAsync("POST", Restores, issuer.Token(key, "one", host.Clock.GetUtcNow(), claims => claims[claim] = claim is "amr" or "acrs" ? new JsonArray(value) : value), raw: "{}");
            Assert.Equal((claim, value, !enough), (claim, value, answer.Problem == "mfa-needed"));
        }
    }

    [Fact]
    public async Task A_service_that_trusts_another_issuer_believes_no_token_of_LocalHosts()
    {
        using TemporaryFolder folder = new();
        await using OidcIssuer issuer = await OidcIssuer.StartAsync();
        using RSA key = issuer.AddKey("one");
        await using ApiHost host = await StartAsync(issuer);
        using LocalIssuer local = LocalIssuer.Open(new Uri("http://127.0.0.1/issuer"), folder["issuer.pem"], host.Clock);
        Assert.Equal((401, "token-invalid"), Of(await host.GetAsync(Path, local.Issue("local-admin", "admin", TimeSpan.FromHours(1)))));
    }

    [Theory]
    [InlineData("login.example")]
    [InlineData("http://login.example/tenant")]
    [InlineData("urn:cloudarchive:localhost")]
    public void An_issuer_that_is_no_https_url_is_refused_at_the_start(string issuer) => Assert.Throws<ArgumentException>(() => new OpenIdConnectKeys(issuer));

    private static (int, string?) Of(Answer answer) => (answer.Status, answer.Problem);

    private Task<ApiHost> StartAsync(OidcIssuer issuer) =>
        ApiHost.StartAsync(shared, new ApiHostOptions { Staff = new OpenIdConnectKeys(issuer.Url).ForAudience(OidcIssuer.Audience, OidcIssuer.Tenant, "c1") });
}
