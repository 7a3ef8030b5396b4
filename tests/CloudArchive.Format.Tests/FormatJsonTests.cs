using System.Text.Json;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Tests;

public sealed class FormatJsonTests
{
    [Theory]
    [InlineData("""{"kty":"EC","kty":"RSA"}""")] // which one counts?
    [InlineData("""{"kty":null}""")]
    [InlineData("""{}""")]
    [InlineData("""{"Kty":"EC"}""")] // names match exactly
    [InlineData("""{"kty":1}""")]
    public void Two_readers_never_read_two_things(string json) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<Jwk>(json, FormatJson.Options));

    [Fact]
    public void A_newer_writers_members_are_ignored() =>
        Assert.Equal("EC", JsonSerializer.Deserialize<Jwk>("""{"kty":"EC","new":{"a":[1]}}""", FormatJson.Options)!.Kty);
}
