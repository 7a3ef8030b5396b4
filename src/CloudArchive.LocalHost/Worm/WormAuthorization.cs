using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.LocalHost.Storage;
using Microsoft.Extensions.Primitives;

namespace CloudArchive.LocalHost.Worm;

/// <summary>
/// Who may do what: the account's key may ask for everything that the layer offers, a service SAS for what it states. The emulator
/// behind has a key that nobody else knows, so this is the only way in.
/// </summary>
/// <remarks>https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key, .../create-service-sas.</remarks>
internal sealed class WormAuthorization(StorageAccount account, TimeProvider clock)
{
    // The string to sign has had its present form since this service version.
    private const string OldestSas = "2020-12-06";

    private readonly byte[] _key = Convert.FromBase64String(account.Key);

    /// <summary>Returns, or throws <see cref="WormException"/>.</summary>
    public void Check(WormRequest request, IHeaderDictionary headers)
    {
        string authorization = headers.Authorization.ToString();
        if (request.HasSas)
        {
            if (authorization.Length > 0)
            {
                throw WormException.NotAuthenticated("it has a signature in the URL and one in its headers.");
            }

            CheckSas(request);
        }
        else if (authorization.Length > 0)
        {
            CheckSharedKey(request, headers, authorization);
        }
        else
        {
            throw new WormException(401, "NoAuthenticationInformation", "The request is not signed.");
        }
    }

    private static string? Permission(WormRequest request) => request.Operation switch
    {
        WormOperation.GetBlob or WormOperation.GetBlobProperties or WormOperation.GetBlockList => "r",
        WormOperation.PutBlob or WormOperation.PutBlock or WormOperation.PutBlockList => "w",
        WormOperation.SetMetadata or WormOperation.SetProperties or WormOperation.SetTier or WormOperation.Lease or WormOperation.TakeSnapshot => "w",
        WormOperation.GetTags or WormOperation.SetTags => "t",
        WormOperation.SetPolicy or WormOperation.DeletePolicy or WormOperation.SetLegalHold => "i",
        WormOperation.DeleteSnapshot => "d",
        WormOperation.DeleteBlob => request.VersionId is null ? "d" : "x",

        // A SAS for a blob does nothing to containers.
        _ => null,
    };

    private static string? ContainerPermission(WormRequest request) => request.Operation switch
    {
        WormOperation.GetBlob or WormOperation.GetBlobProperties => "r",
        WormOperation.ListBlobs => "l",
        _ => null,
    };

    private static DateTimeOffset? Time(string? value) => value is null
        ? null
        : DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) ? time : throw WormException.NotAuthenticated("a time in the SAS cannot be read.");

    private void CheckSas(WormRequest request)
    {
        string? Get(string name) => request.Query.GetValueOrDefault(name);
        string version = Get("sv") ?? "";
        string resource = Get("sr") ?? "";
        if (string.CompareOrdinal(version, OldestSas) < 0 || resource is not ("b" or "bv" or "c"))
        {
            throw WormException.NotAuthenticated($"a SAS is for a blob, a version of one or a container (sr=b, sr=bv, sr=c) and of version {OldestSas} or newer.");
        }

        // Permissions, start, expiry, resource, policy, address, protocol, version, resource type, snapshot or version, encryption
        // scope, and five response headers. What is always empty here is a parameter that WormRequest does not know.
        string toSign = string.Join(
            '\n',
            Get("sp"),
            Get("st"),
            Get("se"),
            resource == "c" ? $"/blob/{account.Name}/{request.Container}" : $"/blob/{account.Name}/{request.Container}/{request.Blob}",
            "",
            "",
            Get("spr"),
            version,
            resource,
            resource == "bv" ? request.VersionId : "",
            "\n\n\n\n\n");
        CheckSignature(toSign, Get("sig")!);

        DateTimeOffset now = clock.GetUtcNow();
        if (Time(Get("se")) is not { } expires || expires <= now || Time(Get("st")) > now)
        {
            throw WormException.Expired();
        }

        // A SAS for the blob is none for its versions, and the other way round. One for a container reads and lists, whatever else it states:
        // that is what recovery without the service needs, and nothing of the archive's writes with one.
        string? needed = resource == "c" ? ContainerPermission(request) : Permission(request);
        bool named = resource == "c" || (resource == "bv") == (request.VersionId is not null);
        if (Get("spr") == "https" || !named || needed is null || !(Get("sp") ?? "").Contains(needed, StringComparison.Ordinal))
        {
            throw WormException.NotPermitted();
        }
    }

    private void CheckSharedKey(WormRequest request, IHeaderDictionary headers, string authorization)
    {
        string prefix = $"SharedKey {account.Name}:";
        if (!authorization.StartsWith(prefix, StringComparison.Ordinal))
        {
            throw WormException.NotAuthenticated("it is not signed with this account's shared key.");
        }

        string length = headers.ContentLength is null or 0 ? "" : headers.ContentLength.Value.ToString(CultureInfo.InvariantCulture);
        string date = headers.ContainsKey("x-ms-date") ? "" : headers.Date.ToString();
        StringBuilder toSign = new StringBuilder().AppendJoin(
            '\n',
            request.Method,
            headers.ContentEncoding,
            headers.ContentLanguage,
            length,
            headers.ContentMD5,
            headers.ContentType,
            date,
            headers.IfModifiedSince,
            headers.IfMatch,
            headers.IfNoneMatch,
            headers.IfUnmodifiedSince,
            headers.Range).Append('\n');

        // The service sorts as a dictionary does: '_' comes before digits, which it does not in ASCII.
        foreach ((string name, StringValues value) in headers
            .Where(header => header.Key.StartsWith("x-ms-", StringComparison.OrdinalIgnoreCase))
            .Select(header => (Name: header.Key.ToLowerInvariant(), header.Value))
            .OrderBy(header => header.Name.Replace('_', '!'), StringComparer.Ordinal))
        {
            toSign.Append(name).Append(':').Append(value.ToString().Trim()).Append('\n');
        }

        toSign.Append('/').Append(account.Name).Append(request.RawPath);
        foreach ((string name, string value) in request.Query.OrderBy(p => p.Key, StringComparer.Ordinal))
        {
            toSign.Append('\n').Append(name).Append(':').Append(value);
        }

        CheckSignature(toSign.ToString(), authorization[prefix.Length..]);
    }

    private void CheckSignature(string toSign, string signature)
    {
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_key, Encoding.UTF8.GetBytes(toSign), expected);
        Span<byte> actual = stackalloc byte[HMACSHA256.HashSizeInBytes];
        if (!Convert.TryFromBase64String(signature, actual, out int written) || !CryptographicOperations.FixedTimeEquals(expected, actual[..written]))
        {
            throw WormException.NotAuthenticated("the signature is not right.");
        }
    }
}
