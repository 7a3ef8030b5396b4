using System.Net;
using System.Text;
using CloudArchive.Api.Tests.Support;

namespace CloudArchive.Api.Tests;

/// <summary>A body that is too large ends in a 413, however it comes.</summary>
public sealed class BodyBoundTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/v1/enrollments", "application/json", 66_000, false)]
    [InlineData("/v1/enrollments", "application/json", 66_000, true)]
    [InlineData("/v1/token", "application/x-www-form-urlencoded", 66_000, false)]
    [InlineData("/v1/token", "application/x-www-form-urlencoded", 66_000, true)]
    public async Task A_body_over_the_endpoints_bound_is_413_with_and_without_a_length(string path, string mediaType, int bytes, bool chunked)
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        string body = mediaType == "application/json" ? $$"""{"code":"{{new string('x', bytes)}}"}""" : "grant_type=" + new string('x', bytes);
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, mediaType) };
        request.Headers.TransferEncodingChunked = chunked;
        using HttpResponseMessage answer = await host.Http.SendAsync(request, Cancel);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        Assert.Contains("/problems/request-too-large", await answer.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_bound_holds_where_the_server_has_none()
    {
        await using BoundedBody exact = new(new MemoryStream(new byte[100]), 100);
        Assert.Equal(100, await CountAsync(exact));
        await using BoundedBody over = new(new MemoryStream(new byte[101]), 100);
        DeniedException e = await Assert.ThrowsAsync<DeniedException>(() => CountAsync(over));
        Assert.Equal(413, Problems.For(e).Status);
    }

    private static async Task<int> CountAsync(Stream stream)
    {
        byte[] buffer = new byte[7];
        int total = 0;
        while (await stream.ReadAsync(buffer, Cancel) is > 0 and int read)
        {
            total += read;
        }

        return total;
    }
}
