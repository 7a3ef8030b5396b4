using System.Net;
using CloudArchive.Api;
using CloudArchive.Functions.Http;

namespace CloudArchive.Functions.Tests;

public sealed class OpenIdConnectKeysTests
{
    private static readonly Uri Authority = new("https://login.example/tenant/v2.0");

    [Fact]
    public async Task The_issuers_keys_are_found_by_discovery()
    {
        StaffIssuer staff = Issuer("https://login.example/tenant/v2.0");
        Assert.Equal("https://login.example/tenant/v2.0", staff.Issuer);
        Assert.Equal("staff", staff.Audience);
        Assert.Equal("k1", Assert.Single((await staff.GetKeysAsync(TestContext.Current.CancellationToken)).Keys).Kid);
    }

    [Fact]
    public async Task A_document_that_speaks_for_another_issuer_is_not_believed()
    {
        StaffIssuer staff = Issuer("https://login.example/other/v2.0");
        InvalidOperationException e = await Assert.ThrowsAsync<InvalidOperationException>(() => staff.GetKeysAsync(TestContext.Current.CancellationToken));
        Assert.Contains("another issuer", e.Message);
    }

    private static StaffIssuer Issuer(string claims) => new OpenIdConnectKeys(Authority, new Answers(new()
    {
        ["https://login.example/tenant/v2.0/.well-known/openid-configuration"] = $$"""{"issuer":"{{claims}}","jwks_uri":"https://login.example/keys","token_endpoint":"https://login.example/token"}""",
        ["https://login.example/keys"] = """{"keys":[{"kty":"RSA","use":"sig","kid":"k1","x5t":"k1","n":"AQAB","e":"AQAB","x5c":["MII"],"issuer":"x"}]}""",
    })).ForAudience("staff");

    private sealed class Answers(Dictionary<string, string> bodies) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => Task.FromResult(
            bodies.TryGetValue(request.RequestUri!.AbsoluteUri, out string? body)
                ? new HttpResponseMessage { Content = new StringContent(body, null, "application/json") }
                : new HttpResponseMessage(HttpStatusCode.NotFound));
    }
}
