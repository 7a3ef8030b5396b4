using System.Text.Json;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
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

    [Fact]
    public void What_is_written_without_its_nulls_is_read_again()
    {
        SidecarInstance instance = new(Uid.Parse("1.2"), Uid.Parse("1.3"), null, null, Uid.Parse("1.4"), 5, Sha256Digest.Of([]));
        AuditOrigin origin = new(null, "c-1");
        Assert.Equal(instance, RoundTrip(instance));
        Assert.Equal(origin, RoundTrip(origin));
        Assert.Equal("""{"correlationId":"c-1"}""", JsonSerializer.Serialize(origin, FormatJson.Options));
    }

    private static T RoundTrip<T>(T value) => JsonSerializer.Deserialize<T>(JsonSerializer.Serialize(value, FormatJson.Options), FormatJson.Options)!;
}
