using System.Security.Cryptography;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal;

/// <summary>The style sheet, the scripts and the icon, out of the assembly. Their addresses hold their hash, so browsers keep them for good.</summary>
internal sealed class PortalAssets
{
    private static readonly EndpointPolicy _anyone = new(Roles.None, Reach.Anonymous, ArchiveRole.Recovery, AuditActions.RequestRefused);
    private readonly byte[] _content;
    private readonly string _file;
    private readonly string _type;
    private readonly string _hash;

    private PortalAssets(string file, string type)
    {
        using Stream stream = typeof(PortalAssets).Assembly.GetManifestResourceStream("portal/" + file) ?? throw new InvalidOperationException($"The assembly has no {file}.");
        _content = new byte[stream.Length];
        stream.ReadExactly(_content);
        (_file, _type, _hash) = (file, type, Convert.ToHexStringLower(SHA256.HashData(_content))[..16]);
    }

    public static PortalAssets Style { get; } = new("portal.css", "text/css; charset=utf-8");

    public static PortalAssets Script { get; } = new("portal.js", "text/javascript; charset=utf-8");

    /// <summary>A module: keys of restores, and fetching what they bring.</summary>
    public static PortalAssets RestoreScript { get; } = new("restore.js", "text/javascript; charset=utf-8");

    /// <summary>A module and worker: opens packs.</summary>
    public static PortalAssets PackScript { get; } = new("pack.js", "text/javascript; charset=utf-8");

    public static PortalAssets Icon { get; } = new("icon.svg", "image/svg+xml");

    /// <summary>Its address.</summary>
    public string Url => $"{PortalTable.Root}/assets/{_file}?v={_hash}";

    public static void Map(PortalTable table)
    {
        foreach (PortalAssets asset in new[] { Style, Script, RestoreScript, PackScript, Icon })
        {
            table.Page("/assets/" + asset._file, asset.Answer, _anyone);
        }
    }

    private IResult Answer(HttpContext context)
    {
        string tag = $"\"{_hash}\"";
        context.Response.Headers.ETag = tag;
        context.Response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
        context.Response.Headers.ContentSecurityPolicy = "default-src 'none'"; // a worker has its script's: it reaches nothing
        context.Response.Headers.CacheControl = context.Request.Query["v"] == _hash ? "public, max-age=31536000, immutable" : "no-cache";
        return context.Request.Headers.IfNoneMatch == tag ? TypedResults.StatusCode(StatusCodes.Status304NotModified) : TypedResults.Bytes(_content, _type);
    }
}
