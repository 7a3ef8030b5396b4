using System.Globalization;
using System.Net.Http.Headers;
using Microsoft.Extensions.Primitives;

namespace CloudArchive.LocalHost.Worm;

/// <summary>Which headers pass, and the ones that the layer adds.</summary>
internal static class WormHeaders
{
    public const string VersionId = "x-ms-version-id";
    public const string PolicyUntil = "x-ms-immutability-policy-until-date";
    public const string PolicyMode = "x-ms-immutability-policy-mode";
    public const string LegalHold = "x-ms-legal-hold";

    /// <summary>Where a version's id is kept: in the blob's own metadata, so that content and id are written in one step. Clients never see it.</summary>
    public const string VersionMetadata = "cloudarchive_worm_version";

    private const string Metadata = "x-ms-meta-";

    private static readonly HashSet<string> ToEmulator = new(StringComparer.OrdinalIgnoreCase)
    {
        "Content-Type", "Content-Encoding", "Content-Language", "Content-MD5", "Cache-Control", "Content-Disposition",
        "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Range",
        "x-ms-range", "x-ms-range-get-content-md5", "x-ms-version", "x-ms-date", "x-ms-client-request-id", "x-ms-blob-type",
        "x-ms-blob-cache-control", "x-ms-blob-content-disposition", "x-ms-blob-content-encoding", "x-ms-blob-content-language",
        "x-ms-blob-content-md5", "x-ms-blob-content-type", "x-ms-access-tier", "x-ms-rehydrate-priority", "x-ms-tags",
        "x-ms-lease-action", "x-ms-lease-id", "x-ms-lease-duration", "x-ms-lease-break-period", "x-ms-proposed-lease-id",
    };

    // Read here, or without meaning here.
    private static readonly HashSet<string> ToUs = new(StringComparer.OrdinalIgnoreCase)
    {
        PolicyUntil, PolicyMode, LegalHold, "x-ms-return-client-request-id",
    };

    private static readonly HashSet<string> NotFromEmulator = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Keep-Alive", "Transfer-Encoding", "Server", "Date", Metadata + VersionMetadata,
    };

    /// <summary>Copies what passes. A storage header that does not is refused, not dropped: its sender means something by it.</summary>
    public static void CopyTo(HttpRequestMessage request, IHeaderDictionary headers)
    {
        foreach ((string name, StringValues value) in headers)
        {
            bool metadata = name.StartsWith(Metadata, StringComparison.OrdinalIgnoreCase);
            if (metadata ? !IsUsableMetadata(name) : name.StartsWith("x-ms-", StringComparison.OrdinalIgnoreCase) && !ToEmulator.Contains(name) && !ToUs.Contains(name))
            {
                throw WormException.UnknownHeader(name);
            }

            if (metadata || ToEmulator.Contains(name))
            {
                if (value.Count != 1)
                {
                    throw WormException.BadHeader(name);
                }

                if (!request.Headers.TryAddWithoutValidation(name, value[0]))
                {
                    request.Content?.Headers.TryAddWithoutValidation(name, value[0]);
                }
            }
        }
    }

    /// <summary>Copies an answer's headers to the client, all but ours and those of the connection.</summary>
    public static void CopyTo(HttpResponse response, HttpResponseMessage answer)
    {
        response.StatusCode = (int)answer.StatusCode;
        foreach ((string name, HeaderStringValues value) in answer.Headers.NonValidated.Concat(answer.Content.Headers.NonValidated))
        {
            if (!NotFromEmulator.Contains(name))
            {
                response.Headers[name] = value.Count == 1 ? value.ToString() : new StringValues([.. value]);
            }
        }
    }

    /// <summary>The version that an answer about a blob is about, or null.</summary>
    public static string? VersionOf(HttpResponseMessage answer) =>
        answer.Headers.TryGetValues(Metadata + VersionMetadata, out IEnumerable<string>? values) ? values.Single() : null;

    /// <summary>Makes a write carry its version.</summary>
    public static void SetVersion(HttpRequestMessage request, string version) => request.Headers.Add(Metadata + VersionMetadata, version);

    /// <summary>Tells a reader of a version's protection.</summary>
    public static void Describe(HttpResponse response, string version, Protection? protection)
    {
        response.Headers[VersionId] = version;
        response.Headers["x-ms-is-current-version"] = "true";
        if (protection?.VersionId != version)
        {
            return;
        }

        if (protection.Until is { } until)
        {
            response.Headers[PolicyUntil] = until.ToString("R", CultureInfo.InvariantCulture);
            response.Headers[PolicyMode] = protection.Locked ? "locked" : "unlocked";
        }

        if (protection.LegalHold)
        {
            response.Headers[LegalHold] = "true";
        }
    }

    private static bool IsUsableMetadata(string name)
    {
        // A C# identifier, as the service asks for; anything else is a way to write our own name in another spelling.
        ReadOnlySpan<char> key = name.AsSpan(Metadata.Length);
        return key.Length > 0
            && (char.IsAsciiLetter(key[0]) || key[0] == '_')
            && !key.ContainsAnyExcept(System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"))
            && !key.Equals(VersionMetadata, StringComparison.OrdinalIgnoreCase);
    }
}
