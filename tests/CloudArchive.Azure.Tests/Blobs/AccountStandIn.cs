using System.Globalization;
using Azure.Storage.Blobs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Azure.Tests.Blobs;

/// <summary>
/// What of an Azure account with versioning and version-level immutability the emulator and the WORM layer do not have: blobs that are
/// deleted into previous versions, a current version that is not deleted by its id, user delegation keys. Keeps no bytes.
/// </summary>
internal sealed class AccountStandIn : IAsyncDisposable
{
    private readonly Dictionary<string, Version> _versions = new(StringComparer.Ordinal);
    private readonly List<string> _requests = [];
    private HttpsStandIn _host = null!;

    /// <summary>The one blob's current version, or null where it was deleted.</summary>
    public string? Current { get; private set; }

    /// <summary>Whether the containers have version-level immutability.</summary>
    public bool Immutability { get; set; } = true;

    /// <summary>Whether somebody has a lease on the blob.</summary>
    public bool Leased { get; set; }

    /// <summary>Which requests the identity has no right to: decided before anything is looked for, as on Azure.</summary>
    public Func<HttpRequest, bool> Forbids { get; set; } = _ => false;

    /// <summary>The code of what is forbidden.</summary>
    public string ForbiddenCode { get; set; } = "AuthorizationPermissionMismatch";

    /// <summary>Runs before a request whose method and query begin like this, once.</summary>
    public (string Request, Action Act)? Before { get; set; }

    /// <summary>Method and query of each request, with the policy's mode where there is one.</summary>
    public IReadOnlyList<string> Requests => _requests;

    /// <summary>What requests were marked with.</summary>
    public List<string> ClientRequestIds { get; } = [];

    public IEnumerable<string> Versions => _versions.Keys;

    // An address has no account's name in it, so the path has: as with the emulator.
    public Uri Url => new(_host.Url, "account");

    public static async Task<AccountStandIn> StartAsync()
    {
        AccountStandIn account = new();
        account._host = await HttpsStandIn.StartAsync(app => app.Run(account.AnswerAsync));
        return account;
    }

    public BlobClientOptions Options() => new() { Transport = HttpsStandIn.Transport(), Retry = { MaxRetries = 0 } };

    /// <summary>Makes a version the current one.</summary>
    public void Write(string version)
    {
        _versions.Add(version, new Version());
        Current = version;
    }

    public Version this[string version] => _versions[version];

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    private static void Error(HttpContext context, int status, string code)
    {
        context.Response.StatusCode = status;
        context.Response.Headers["x-ms-error-code"] = code;
    }

    private async Task AnswerAsync(HttpContext context)
    {
        string mode = context.Request.Headers["x-ms-immutability-policy-mode"].ToString();
        string request = $"{context.Request.Method} {Uri.UnescapeDataString(context.Request.QueryString.Value!)} {mode}".TrimEnd();
        _requests.Add(request);
        ClientRequestIds.Add(context.Request.Headers["x-ms-client-request-id"].ToString());
        if (Before is { } before && request.StartsWith(before.Request, StringComparison.Ordinal))
        {
            Before = null;
            before.Act();
        }

        if (context.Request.Headers.Authorization != HttpsStandIn.Bearer)
        {
            Error(context, 401, "NoAuthenticationInformation");
        }
        else if (Forbids(context.Request))
        {
            Error(context, 403, ForbiddenCode);
        }
        else if (context.Request.Query["comp"] == "userdelegationkey")
        {
            await GiveKeyAsync(context);
        }
        else if (context.Request.Query["restype"] == "container")
        {
            context.Response.Headers["x-ms-immutable-storage-with-versioning-enabled"] = Immutability ? "true" : "false";
            context.Response.Headers.LastModified = "Thu, 01 Jan 2026 00:00:00 GMT";
            context.Response.Headers.ETag = "\"1\"";
        }
        else
        {
            AnswerBlob(context, mode);
        }
    }

    private void AnswerBlob(HttpContext context, string mode)
    {
        string? id = context.Request.Query["versionid"].FirstOrDefault();
        if ((id ?? Current) is not { } name || !_versions.TryGetValue(name, out Version? version))
        {
            Error(context, 404, "BlobNotFound");
        }
        else if (context.Request.Query["comp"] == "lease")
        {
            // The archive takes none, and breaks others' at once.
            bool broken = Leased && context.Request.Headers["x-ms-lease-action"] == "break" && context.Request.Headers["x-ms-lease-break-period"] == "0";
            Leased &= !broken;
            context.Response.StatusCode = 202;
            context.Response.Headers["x-ms-lease-time"] = "0";
            context.Response.Headers.ETag = $"\"{name}\"";
            context.Response.Headers.LastModified = "Thu, 01 Jan 2026 00:00:00 GMT";
            if (!broken)
            {
                Error(context, 409, "LeaseNotPresentWithLeaseOperation");
            }
        }
        else if (context.Request.Method == "DELETE" && Leased)
        {
            Error(context, 412, "LeaseIdMissing");
        }
        else if (context.Request.Method == "DELETE" && id is null)
        {
            if (context.Request.Headers.IfMatch.FirstOrDefault() is { } etag && etag != $"\"{name}\"")
            {
                Error(context, 412, "ConditionNotMet");
                return;
            }

            // The version stays, protected or not.
            Current = null;
            context.Response.StatusCode = 202;
        }
        else if (context.Request.Method == "DELETE" && version.Protected)
        {
            Error(context, 409, version.LegalHold ? "BlobImmutableDueToLegalHold" : "BlobImmutableDueToPolicy");
        }
        else if (context.Request.Method == "DELETE" && id == Current)
        {
            Error(context, 403, "OperationNotAllowedOnRootBlob");
        }
        else if (context.Request.Method == "DELETE")
        {
            _versions.Remove(name);
            context.Response.StatusCode = 202;
        }
        else if (context.Request.Method == "PUT" && !context.Request.Query.ContainsKey("comp"))
        {
            // Nobody here overwrites: what asks to, asks on a condition that is not met.
            Error(context, 412, "ConditionNotMet");
        }
        else if (context.Request.Method == "PUT")
        {
            SetPolicy(context, version, mode);
        }
        else
        {
            Describe(context, name, version);
        }
    }

    private static void SetPolicy(HttpContext context, Version version, string mode)
    {
        DateTimeOffset until = DateTimeOffset.ParseExact(context.Request.Headers["x-ms-immutability-policy-until-date"].ToString(), "R", CultureInfo.InvariantCulture);
        bool locks = mode.Equals("locked", StringComparison.OrdinalIgnoreCase);
        if (version.Locked && (!locks || until < version.Until))
        {
            Error(context, 409, "BlobImmutableDueToPolicy");
            return;
        }

        (version.Until, version.Locked) = (until, locks);
    }

    private void Describe(HttpContext context, string name, Version version)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.ETag = $"\"{name}\"";
        headers.LastModified = "Thu, 01 Jan 2026 00:00:00 GMT";
        headers["x-ms-creation-time"] = "Thu, 01 Jan 2026 00:00:00 GMT";
        headers["x-ms-version-id"] = name;
        headers["x-ms-is-current-version"] = name == Current ? "true" : "false";
        if (version.Until is { } until)
        {
            headers["x-ms-immutability-policy-until-date"] = until.ToString("R", CultureInfo.InvariantCulture);
            headers["x-ms-immutability-policy-mode"] = version.Locked ? "Locked" : "Unlocked";
        }

        if (version.LegalHold)
        {
            headers["x-ms-legal-hold"] = "true";
        }
    }

    private static async Task GiveKeyAsync(HttpContext context)
    {
        System.Xml.Linq.XDocument asked = await System.Xml.Linq.XDocument.LoadAsync(context.Request.Body, System.Xml.Linq.LoadOptions.None, context.RequestAborted);
        string start = asked.Root!.Element("Start")!.Value, expiry = asked.Root.Element("Expiry")!.Value;
        TimeSpan life = DateTimeOffset.Parse(expiry, CultureInfo.InvariantCulture) - DateTimeOffset.Parse(start, CultureInfo.InvariantCulture);
        if (life > TimeSpan.FromDays(7))
        {
            Error(context, 400, "InvalidXmlNodeValue");
            return;
        }

        context.Response.ContentType = "application/xml";
        await context.Response.WriteAsync(
            $"<UserDelegationKey><SignedOid>oid</SignedOid><SignedTid>tid</SignedTid><SignedStart>{start}</SignedStart><SignedExpiry>{expiry}</SignedExpiry>"
            + "<SignedService>b</SignedService><SignedVersion>2024-11-04</SignedVersion><Value>AAAA</Value></UserDelegationKey>");
    }

    /// <summary>A version's protection.</summary>
    public sealed class Version
    {
        public DateTimeOffset? Until { get; set; }

        public bool Locked { get; set; }

        public bool LegalHold { get; set; }

        public bool Protected => LegalHold || Until > TimeProvider.System.GetUtcNow();
    }
}
