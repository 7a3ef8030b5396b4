using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.LocalHost.Storage;

namespace CloudArchive.LocalHost.Tests.Worm;

/// <summary>An answer to a raw request.</summary>
public sealed record RawAnswer(int Status, IReadOnlyDictionary<string, string> Headers, string Body)
{
    public string? Code => Headers.GetValueOrDefault("x-ms-error-code");
}

/// <summary>
/// Speaks to storage over a bare socket, with the account's key and without the manners of an SDK: what stands in a request is what
/// is sent. Signs as the documentation says, independently of the code under test.
/// </summary>
public sealed class RawStorage(Uri url, StorageAccount account)
{
    /// <summary>Sends a signed request.</summary>
    /// <param name="method">As sent.</param>
    /// <param name="target">As sent: path and query.</param>
    /// <param name="headers">Beside those that a request needs.</param>
    public Task<RawAnswer> SendAsync(string method, string target, IReadOnlyDictionary<string, string>? headers = null, string body = "")
    {
        Dictionary<string, string> all = new(StringComparer.OrdinalIgnoreCase)
        {
            ["x-ms-date"] = TimeProvider.System.GetUtcNow().ToString("R", CultureInfo.InvariantCulture),
            ["x-ms-version"] = "2024-11-04",
        };
        foreach ((string name, string value) in headers ?? new Dictionary<string, string>())
        {
            all[name] = value;
        }

        all["Authorization"] = $"SharedKey {account.Name}:{Sign(method, target, all, body.Length)}";
        return SendUnsignedAsync(method, target, all, body);
    }

    /// <summary>Sends a request as it is.</summary>
    public async Task<RawAnswer> SendUnsignedAsync(string method, string target, IReadOnlyDictionary<string, string> headers, string body = "")
    {
        StringBuilder request = new($"{method} {target} HTTP/1.1\r\n");
        foreach ((string name, string value) in headers)
        {
            request.Append(name).Append(": ").Append(value).Append("\r\n");
        }

        if (!headers.ContainsKey("Host"))
        {
            request.Append("Host: ").Append(url.Authority).Append("\r\n");
        }

        if (!headers.ContainsKey("Transfer-Encoding") && !headers.ContainsKey("Content-Length"))
        {
            request.Append("Content-Length: ").Append(body.Length).Append("\r\n");
        }

        return await ExchangeAsync(request.Append("Connection: close\r\n\r\n").Append(body).ToString());
    }

    /// <summary>Sends bytes, and reads what comes until the other end closes.</summary>
    public async Task<RawAnswer> ExchangeAsync(string request)
    {
        using TcpClient client = new();
        await client.ConnectAsync(url.Host, url.Port, TestContext.Current.CancellationToken);
        await using NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), TestContext.Current.CancellationToken);
        using MemoryStream received = new();
        try
        {
            await stream.CopyToAsync(received, TestContext.Current.CancellationToken);
        }
        catch (IOException)
        {
            // Reset after the answer: the server did not want the rest of the body.
        }

        string answer = Encoding.Latin1.GetString(received.ToArray());
        int end = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (end < 0)
        {
            return new RawAnswer(0, new Dictionary<string, string>(), answer);
        }

        string[] lines = answer[..end].Split("\r\n");
        Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
        foreach (string line in lines.Skip(1))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            headers[line[..colon]] = line[(colon + 1)..].Trim();
        }

        return new RawAnswer(int.Parse(lines[0].Split(' ')[1], CultureInfo.InvariantCulture), headers, answer[(end + 4)..]);
    }

    private string Sign(string method, string target, Dictionary<string, string> headers, int length)
    {
        string Get(string name) => headers.GetValueOrDefault(name, "");
        string[] parts = target.Split('?', 2);
        IEnumerable<string> query = parts.Length < 2
            ? []
            : parts[1].Split('&').Select(p => p.Split('=', 2)).GroupBy(p => Uri.UnescapeDataString(p[0]).ToLowerInvariant())
                .OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => $"\n{g.Key}:{string.Join(',', g.Select(p => Uri.UnescapeDataString(p.ElementAtOrDefault(1) ?? "")))}");
        string toSign = $"{method}\n{Get("Content-Encoding")}\n{Get("Content-Language")}\n{(length == 0 ? "" : length)}\n{Get("Content-MD5")}\n{Get("Content-Type")}\n\n"
            + $"{Get("If-Modified-Since")}\n{Get("If-Match")}\n{Get("If-None-Match")}\n{Get("If-Unmodified-Since")}\n{Get("Range")}\n"
            + string.Concat(headers.Where(h => h.Key.StartsWith("x-ms-", StringComparison.OrdinalIgnoreCase)).OrderBy(h => h.Key.ToLowerInvariant(), StringComparer.Ordinal).Select(h => $"{h.Key.ToLowerInvariant()}:{h.Value}\n"))
            + $"/{account.Name}{parts[0]}" + string.Concat(query);
        return Convert.ToBase64String(HMACSHA256.HashData(Convert.FromBase64String(account.Key), Encoding.UTF8.GetBytes(toSign)));
    }
}
