using System.Buffers;
using System.Text;
using Microsoft.AspNetCore.Http.Features;

namespace CloudArchive.LocalHost.Worm;

/// <summary>What the WORM layer lets through. Anything else is refused.</summary>
internal enum WormOperation
{
    CreateContainer,
    GetContainerProperties,
    ListBlobs,
    DeleteContainer,
    GetBlob,
    GetBlobProperties,
    PutBlob,
    PutBlock,
    PutBlockList,
    GetBlockList,
    SetMetadata,
    SetProperties,
    SetTier,
    GetTags,
    SetTags,
    SetPolicy,
    DeletePolicy,
    SetLegalHold,
    DeleteBlob,
    DeleteSnapshot,
    Lease,
    TakeSnapshot,
}

/// <summary>
/// A request, read strictly: one meaning or none. Nothing of it is passed on as it came; what is passed on is written anew from what
/// was understood here, so that the emulator cannot read a request differently.
/// </summary>
/// <param name="Method">The HTTP method.</param>
/// <param name="Operation">What it asks for.</param>
/// <param name="Container">The container's name.</param>
/// <param name="Blob">The blob's name, decoded; empty where it is about the container.</param>
/// <param name="RawPath">The path as sent, for the signature.</param>
/// <param name="Query">Names as sent (all of them known, each once), values decoded.</param>
internal sealed record WormRequest(string Method, WormOperation Operation, string Container, string Blob, string RawPath, IReadOnlyDictionary<string, string> Query)
{
    private static readonly HashSet<string> KnownParameters = new(StringComparer.Ordinal)
    {
        "restype", "comp", "timeout", "versionid", "blockid", "blocklisttype", "prefix", "delimiter", "marker", "maxresults", "include", "snapshot",
        "sv", "sp", "st", "se", "spr", "sr", "sig",
    };

    private static readonly SearchValues<char> ContainerCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    /// <summary>The version that it names, or null for the current one.</summary>
    public string? VersionId => Query.GetValueOrDefault("versionid");

    /// <summary>Whether it carries a shared access signature.</summary>
    public bool HasSas => Query.ContainsKey("sig");

    /// <summary>Whether it writes to the blob or its policy: these go one at a time for each blob.</summary>
    public bool Changes => Operation is not (WormOperation.GetBlob or WormOperation.GetBlobProperties or WormOperation.GetBlockList or WormOperation.GetTags or WormOperation.ListBlobs or WormOperation.GetContainerProperties);

    /// <summary>Reads a request's line; refuses what has no one meaning.</summary>
    public static WormRequest Parse(HttpContext context, string account)
    {
        string target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        int mark = target.IndexOf('?', StringComparison.Ordinal);
        string path = mark < 0 ? target : target[..mark];
        Dictionary<string, string> query = ParseQuery(mark < 0 ? "" : target[(mark + 1)..]);

        foreach (string name in (string[])["X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"])
        {
            if (context.Request.Headers.ContainsKey(name))
            {
                throw WormException.UnknownHeader(name);
            }
        }

        string root = $"/{account}/";
        if (!path.StartsWith(root, StringComparison.Ordinal))
        {
            throw WormException.BadUri($"paths begin with {root}.");
        }

        string decoded = Decode(path[root.Length..]);
        int slash = decoded.IndexOf('/', StringComparison.Ordinal);
        string container = slash < 0 ? decoded : decoded[..slash];
        string blob = slash < 0 ? "" : decoded[(slash + 1)..];
        if (container.Length is < 3 or > 63 || container.AsSpan().ContainsAnyExcept(ContainerCharacters))
        {
            throw WormException.BadUri("a container's name has 3 to 63 of a-z, 0-9 and '-'.");
        }

        // "a//b", "a/./b" and "a/../b" name one blob to one reader and another to the next.
        if (slash >= 0 && (blob.Length > 1024 || blob.Split('/').Any(segment => segment is "" or "." or "..")))
        {
            throw WormException.BadUri("a blob's name has no empty segment, '.' or '..'.");
        }

        WormOperation operation = Classify(context.Request.Method, blob.Length > 0, query.GetValueOrDefault("restype"), query.GetValueOrDefault("comp"));
        if (query.TryGetValue("snapshot", out string? snapshot))
        {
            // The archive deletes snapshots and does nothing else with them.
            operation = operation == WormOperation.DeleteBlob && snapshot.Length > 0 && !query.ContainsKey("versionid") ? WormOperation.DeleteSnapshot : throw WormException.BadQuery("snapshot");
        }

        return new WormRequest(context.Request.Method, operation, container, blob, path, query);
    }

    private static WormOperation Classify(string method, bool blob, string? type, string? comp) => (method, blob, type, comp) switch
    {
        ("PUT", false, "container", null) => WormOperation.CreateContainer,
        ("GET" or "HEAD", false, "container", null) => WormOperation.GetContainerProperties,
        ("GET", false, "container", "list") => WormOperation.ListBlobs,
        ("DELETE", false, "container", null) => WormOperation.DeleteContainer,
        ("GET", true, null, null) => WormOperation.GetBlob,
        ("HEAD", true, null, null) => WormOperation.GetBlobProperties,
        ("PUT", true, null, null) => WormOperation.PutBlob,
        ("PUT", true, null, "block") => WormOperation.PutBlock,
        ("PUT", true, null, "blocklist") => WormOperation.PutBlockList,
        ("GET", true, null, "blocklist") => WormOperation.GetBlockList,
        ("PUT", true, null, "metadata") => WormOperation.SetMetadata,
        ("PUT", true, null, "properties") => WormOperation.SetProperties,
        ("PUT", true, null, "tier") => WormOperation.SetTier,
        ("GET", true, null, "tags") => WormOperation.GetTags,
        ("PUT", true, null, "tags") => WormOperation.SetTags,
        ("PUT", true, null, "immutabilityPolicies") => WormOperation.SetPolicy,
        ("DELETE", true, null, "immutabilityPolicies") => WormOperation.DeletePolicy,
        ("PUT", true, null, "legalhold") => WormOperation.SetLegalHold,
        ("DELETE", true, null, null) => WormOperation.DeleteBlob,
        ("PUT", true, null, "lease") => WormOperation.Lease,
        ("PUT", true, null, "snapshot") => WormOperation.TakeSnapshot,
        _ => throw WormException.NotOffered(),
    };

    private static Dictionary<string, string> ParseQuery(string query)
    {
        Dictionary<string, string> values = new(StringComparer.Ordinal);
        foreach (string part in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? part : part[..equals];

            // Exact names only: no other case, no escapes, no brackets, nothing twice.
            if (equals < 0 || !KnownParameters.Contains(name) || !values.TryAdd(name, Decode(part[(equals + 1)..])))
            {
                throw WormException.BadQuery(name);
            }
        }

        return values;
    }

    /// <summary>Percent-decodes once, to printable ASCII without the characters that others decode or split again.</summary>
    private static string Decode(string raw)
    {
        StringBuilder decoded = new(raw.Length);
        for (int at = 0; at < raw.Length; at++)
        {
            int c = raw[at];
            if (c == '%')
            {
                c = at + 2 < raw.Length && char.IsAsciiHexDigit(raw[at + 1]) && char.IsAsciiHexDigit(raw[at + 2])
                    ? (Convert.ToInt32(raw.Substring(at + 1, 2), 16))
                    : throw WormException.BadUri("a '%' is not followed by two hexadecimal digits.");
                at += 2;
            }

            if (c is < ' ' or > '~' or '\\' or '%' or '?' or '#')
            {
                throw WormException.BadUri("names and values are printable ASCII without \\ % ? #.");
            }

            decoded.Append((char)c);
        }

        return decoded.ToString();
    }
}
