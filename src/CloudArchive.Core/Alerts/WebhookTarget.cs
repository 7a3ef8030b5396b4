using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace CloudArchive.Core.Alerts;

/// <summary>
/// Where alerts are sent and the secret that they are signed with, by the Standard Webhooks scheme (standardwebhooks.com): HMAC-SHA256
/// over <c>{id}.{timestamp}.{body}</c>. The address is the operator's configuration and comes from no request, so that nobody can have the
/// archive call another; it is https, or this very machine.
/// </summary>
public sealed class WebhookTarget
{
    /// <summary>The scheme's own bounds of a secret.</summary>
    public const int LeastSecretBytes = 24;

    /// <summary>The scheme's own bounds of a secret.</summary>
    public const int MostSecretBytes = 64;

    private const string Prefix = "whsec_";
    private readonly byte[] _secret;

    private WebhookTarget(Uri address, byte[] secret)
    {
        Address = address;
        _secret = secret;
    }

    /// <summary>Where to.</summary>
    public Uri Address { get; }

    /// <summary>From what an operator configures.</summary>
    /// <param name="address">An https URL without a user or fragment; http only to this machine.</param>
    /// <param name="secret"><c>whsec_</c> and 24 to 64 bytes in base64.</param>
    /// <exception cref="FormatException">Says which of the two breaks its rule; never what the secret is.</exception>
    public static WebhookTarget Parse(string address, string secret)
    {
        if (!Uri.TryCreate(address, UriKind.Absolute, out Uri? url)
            || !(url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback))
            || url.UserInfo.Length > 0
            || url.Fragment.Length > 0)
        {
            throw new FormatException("The webhook's address is an https URL without a user name or fragment; http is for this machine alone.");
        }

        byte[] key = new byte[MostSecretBytes + 3];
        return secret.StartsWith(Prefix, StringComparison.Ordinal)
            && Convert.TryFromBase64String(secret[Prefix.Length..], key, out int length)
            && length is >= LeastSecretBytes and <= MostSecretBytes
                ? new WebhookTarget(url, key[..length])
                : throw new FormatException($"The webhook's secret is {Prefix} and {LeastSecretBytes} to {MostSecretBytes} random bytes in base64.");
    }

    /// <summary>The value of <c>webhook-signature</c>.</summary>
    public string Sign(string id, DateTimeOffset at, ReadOnlySpan<byte> body) => "v1," + Convert.ToBase64String(HMACSHA256.HashData(_secret, Signed(id, at, body)));

    /// <summary>The value of <c>webhook-timestamp</c>.</summary>
    public static string Timestamp(DateTimeOffset at) => at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);

    /// <summary>The address's host alone: paths of webhooks are secrets as a rule.</summary>
    public override string ToString() => Address.Host;

    private static byte[] Signed(string id, DateTimeOffset at, ReadOnlySpan<byte> body) => [.. Encoding.UTF8.GetBytes($"{id}.{Timestamp(at)}."), .. body];
}
