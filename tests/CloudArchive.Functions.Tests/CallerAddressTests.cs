using System.Net;
using CloudArchive.Functions.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Functions.Tests;

/// <summary>From where a request came: what counts attempts and what the audit log has goes by it.</summary>
public sealed class CallerAddressTests
{
    [Theory]
    [InlineData("", null, "127.0.0.1")] // no front end, as on one machine
    [InlineData("", "203.0.113.9", "203.0.113.9")]
    [InlineData("", "203.0.113.9:50123", "203.0.113.9")]
    [InlineData("", "[2001:db8::9]:50123", "2001:db8::9")]

    // What the caller wrote itself stands before what the front end saw.
    [InlineData("", "10.0.0.1, 203.0.113.9", "203.0.113.9")]
    [InlineData("", "1.1.1.1, 2.2.2.2, 3.3.3.3, 203.0.113.9", "203.0.113.9")]
    [InlineData("198.51.100.0/24", "1.1.1.1, 203.0.113.9", "203.0.113.9")]
    [InlineData("198.51.100.0/24", "198.51.100.7, 203.0.113.9", "203.0.113.9")]

    // The operator's own proxy connected: then its word counts, and no word before it.
    [InlineData("198.51.100.0/24", "203.0.113.9, 198.51.100.7", "203.0.113.9")]
    [InlineData("198.51.100.0/24", "1.1.1.1, 203.0.113.9, 198.51.100.7", "203.0.113.9")]
    [InlineData("198.51.100.0/24", "1.1.1.1, 203.0.113.9, 198.51.100.8, 198.51.100.7", "203.0.113.9")]
    [InlineData("198.51.100.0/24", "198.51.100.7", "198.51.100.7")]
    [InlineData("198.51.100.7 2001:db8::/32", "203.0.113.9, 2001:db8::1, 198.51.100.7", "203.0.113.9")]
    [InlineData("198.51.100.0/24", "nobody, 198.51.100.7", "198.51.100.7")]
    public async Task The_address_is_what_the_front_end_saw_or_a_trusted_proxy_said(string trusted, string? header, string expected)
    {
        ApplicationBuilder app = new(new ServiceCollection().AddLogging().BuildServiceProvider());
        CallerAddress.Use(app, CallerAddress.Parse(trusted));
        string? seen = null;
        app.Run(context =>
        {
            seen = context.Connection.RemoteIpAddress?.ToString();
            return Task.CompletedTask;
        });
        DefaultHttpContext request = new();
        request.Connection.RemoteIpAddress = IPAddress.Loopback;
        if (header is not null)
        {
            request.Request.Headers["X-Forwarded-For"] = header;
        }

        await app.Build()(request);
        Assert.Equal(expected, seen);
    }
}
