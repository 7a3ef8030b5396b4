using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HttpOverrides;
using AddressRange = System.Net.IPNetwork;

namespace CloudArchive.Functions.Http;

/// <summary>
/// From where a request came. The platform's front end puts the address that connected to it last into X-Forwarded-For; what stands before that is what this
/// one wrote, and is believed only where it is one of the operator's own proxies. So whoever writes the header itself is still the address that they come from,
/// also where they get round the proxy.
/// </summary>
public static class CallerAddress
{
    /// <summary>First in the pipeline: all that counts or records an address goes by it.</summary>
    public static void Use(IApplicationBuilder app, IReadOnlyList<AddressRange> trusted)
    {
        // Nothing but the host of this very app can reach the worker: its word, and no more than one.
        app.UseForwardedHeaders(Options([], 1));
        if (trusted.Count > 0)
        {
            app.UseForwardedHeaders(Options(trusted, null));
        }
    }

    /// <summary>Reads networks such as <c>203.0.113.0/24 2001:db8::/32</c>; an address alone is a network of one.</summary>
    /// <exception cref="FormatException">One is none, or so wide that it would be everybody.</exception>
    public static AddressRange[] Parse(string text) => [.. text.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries).Select(ParseOne)];

    private static AddressRange ParseOne(string word)
    {
        AddressRange network = AddressRange.TryParse(word, out AddressRange range) ? range
            : IPAddress.TryParse(word, out IPAddress? address) ? new AddressRange(address, address.GetAddressBytes().Length * 8)
            : throw new FormatException($"'{word}' is no network such as 203.0.113.0/24");
        return network.PrefixLength >= 8 ? network : throw new FormatException($"'{word}' is wider than a /8: whoever is in it may say that they are anybody");
    }

    private static ForwardedHeadersOptions Options(IReadOnlyList<AddressRange> trusted, int? most)
    {
        ForwardedHeadersOptions options = new() { ForwardedHeaders = ForwardedHeaders.XForwardedFor, ForwardLimit = most };
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (AddressRange network in trusted)
        {
            options.KnownIPNetworks.Add(network);
        }

        return options;
    }
}
