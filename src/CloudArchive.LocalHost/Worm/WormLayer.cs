using System.Globalization;
using System.IO.Pipelines;
using System.Xml.Linq;

namespace CloudArchive.LocalHost.Worm;

/// <summary>
/// Version-level immutability in front of an emulator that has none. Every request is authorised here, understood here, and written
/// anew for the emulator; a write to a blob and a change of its policy never overlap.
/// </summary>
/// <remarks>docs/localhost.md says what is the same as on Azure, what is not, and what this protects from.</remarks>
internal sealed class WormLayer(WormAuthorization authorization, PolicyStore policies, Upstream upstream, Uri? portal, TimeProvider clock, string account)
{
    private readonly string? _portal = portal?.GetLeftPart(UriPartial.Authority);
    private readonly KeyedGate _gate = new();
    private long _lastVersion;

    /// <summary>Answers one request.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        try
        {
            WormRequest request = WormRequest.Parse(context, account);
            AllowPortal(context, request);
            authorization.Check(request, context.Request.Headers);
            if (request.Changes)
            {
                using IDisposable turn = await _gate.EnterAsync(Key(request), context.RequestAborted);
                await ChangeAsync(context, request);
            }
            else
            {
                await ReadAsync(context, request);
            }
        }
        catch (WormException e)
        {
            await e.WriteAsync(context);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client is gone.
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            // The emulator's answer broke off: so does ours, and the client sees that it is not whole.
            context.Abort();
        }
    }

    /// <summary>CORS, as the rule in infra/modules/archive.bicep has it: pages of the portal may read a blob that they have a signature for, and nothing else.</summary>
    private void AllowPortal(HttpContext context, WormRequest request)
    {
        if (_portal is not null && request.Operation == WormOperation.GetBlob && context.Request.Headers.Origin == _portal)
        {
            // At the last moment, so that refusals have it too: else a page could not tell one from a cable that is out.
            context.Response.OnStarting(() =>
            {
                context.Response.Headers.AccessControlAllowOrigin = _portal;
                context.Response.Headers.Vary = "Origin";
                return Task.CompletedTask;
            });
        }
    }

    private static string Key(WormRequest request) => $"{request.Container}/{request.Blob}";

    private static async Task RelayAsync(HttpContext context, HttpResponseMessage answer)
    {
        WormHeaders.CopyTo(context.Response, answer);

        // From the emulator's socket into the block that goes to the client's: no buffer in between.
        PipeWriter to = context.Response.BodyWriter;
        await using Stream from = await answer.Content.ReadAsStreamAsync(context.RequestAborted);
        while (await from.ReadAsync(to.GetMemory(LargeBlocks.BlockLength), context.RequestAborted) is > 0 and int read)
        {
            to.Advance(read);
            if ((await to.FlushAsync(context.RequestAborted)).IsCompleted)
            {
                return; // the client is gone
            }
        }
    }

    private async Task ReadAsync(HttpContext context, WormRequest request)
    {
        if (request.Operation == WormOperation.ListBlobs)
        {
            await ListAsync(context, request);
            return;
        }

        using HttpRequestMessage message = upstream.Request(request);
        WormHeaders.CopyTo(message, context.Request.Headers);
        using HttpResponseMessage answer = await upstream.SendAsync(message, context.RequestAborted);
        if (answer.IsSuccessStatusCode)
        {
            if (request.Operation == WormOperation.GetContainerProperties)
            {
                context.Response.Headers["x-ms-immutable-storage-with-versioning-enabled"] = "true";
            }
            else if (request.Operation is WormOperation.GetBlob or WormOperation.GetBlobProperties)
            {
                // The version is read from the very answer whose bytes follow: a write in between cannot slip in other content.
                string version = WormHeaders.VersionOf(answer) ?? throw WormException.NotFound();
                if (request.VersionId is { } wanted && wanted != version)
                {
                    throw WormException.NotFound();
                }

                WormHeaders.Describe(context.Response, version, policies.Find(Key(request)));
            }
            else if (request.VersionId is not null)
            {
                throw WormException.BadQuery("versionid");
            }
        }

        await RelayAsync(context, answer);
    }

    private async Task ListAsync(HttpContext context, WormRequest request)
    {
        // .NET's SDK writes "Versions", others "versions".
        string[] include = request.Query.GetValueOrDefault("include", "").ToLowerInvariant().Split(',', StringSplitOptions.RemoveEmptyEntries);
        if (!include.All(BlobListing.IsKnown))
        {
            throw WormException.BadQuery("include");
        }

        using HttpRequestMessage message = upstream.Request(request, string.Join(',', include.Where(what => what is "tags" or "snapshots").Append("metadata")));
        WormHeaders.CopyTo(message, context.Request.Headers);
        using HttpResponseMessage answer = await upstream.SendAsync(message, context.RequestAborted);
        if (!answer.IsSuccessStatusCode)
        {
            await RelayAsync(context, answer);
            return;
        }

        // A page has 5,000 blobs at most: some megabytes.
        await using Stream content = await answer.Content.ReadAsStreamAsync(context.RequestAborted);
        XDocument page = await XDocument.LoadAsync(content, LoadOptions.None, context.RequestAborted);
        BlobListing.Rewrite(page, include);
        WormHeaders.CopyTo(context.Response, answer);
        context.Response.ContentLength = null;
        await page.SaveAsync(context.Response.Body, SaveOptions.DisableFormatting, context.RequestAborted);
    }

    private Task ChangeAsync(HttpContext context, WormRequest request) => request.Operation switch
    {
        WormOperation.CreateContainer => ForwardAsync(context, request, newVersion: null),

        // Azure deletes no container that has blobs under version-level immutability. The archive deletes none at all.
        WormOperation.DeleteContainer => throw new WormException(409, "ContainerImmutabilityPolicyLocked", "The local WORM layer deletes no containers."),
        WormOperation.PutBlob or WormOperation.PutBlock or WormOperation.PutBlockList or WormOperation.SetMetadata or WormOperation.SetProperties => WriteAsync(context, request),
        WormOperation.SetTier or WormOperation.SetTags => MarkAsync(context, request),
        WormOperation.SetPolicy => SetPolicyAsync(context, request),
        WormOperation.DeletePolicy => DeletePolicyAsync(context, request),
        WormOperation.SetLegalHold => SetLegalHoldAsync(context, request),
        WormOperation.DeleteBlob => DeleteAsync(context, request),

        // As on Azure, neither keeps a policy or hold from being set, and neither is kept from by one.
        WormOperation.Lease or WormOperation.DeleteSnapshot => ForwardAsync(context, request, newVersion: null),
        WormOperation.TakeSnapshot => TakeSnapshotAsync(context, request),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    /// <summary>Content, metadata, properties: refused where anything protects the blob.</summary>
    private async Task WriteAsync(HttpContext context, WormRequest request)
    {
        if (request.VersionId is not null)
        {
            throw WormException.BadQuery("versionid");
        }

        IHeaderDictionary headers = context.Request.Headers;
        if (request.Operation == WormOperation.PutBlob && headers["x-ms-blob-type"] != "BlockBlob")
        {
            throw WormException.NotOffered();
        }

        if (await FindProtectionAsync(request, context.RequestAborted) is { ForbidsChange: true } protection)
        {
            bool onlyNew = headers.IfNoneMatch == "*" && request.Operation is WormOperation.PutBlob or WormOperation.PutBlockList;
            throw onlyNew ? WormException.Exists() : protection.LegalHold ? WormException.ImmutableByHold() : WormException.ImmutableByPolicy();
        }

        bool versioned = request.Operation is WormOperation.PutBlob or WormOperation.PutBlockList or WormOperation.SetMetadata;
        await ForwardAsync(context, request, versioned ? NewVersion() : null);
    }

    /// <summary>Tier and tags: Azure lets them change on what is protected.</summary>
    private async Task MarkAsync(HttpContext context, WormRequest request)
    {
        if (request.VersionId is not null)
        {
            await FindVersionAsync(request, context.RequestAborted);
        }

        await ForwardAsync(context, request, newVersion: null);
    }

    /// <summary>With the blob's own metadata, which has its version's id; on Azure the caller may give others.</summary>
    private async Task TakeSnapshotAsync(HttpContext context, WormRequest request)
    {
        if (request.VersionId is not null)
        {
            throw WormException.BadQuery("versionid");
        }

        if (context.Request.Headers.Keys.FirstOrDefault(name => name.StartsWith("x-ms-meta-", StringComparison.OrdinalIgnoreCase)) is { } metadata)
        {
            throw WormException.UnknownHeader(metadata);
        }

        await ForwardAsync(context, request, newVersion: null);
    }

    private async Task SetPolicyAsync(HttpContext context, WormRequest request)
    {
        string? mode = context.Request.Headers[WormHeaders.PolicyMode];
        bool locks = string.Equals(mode, "Locked", StringComparison.OrdinalIgnoreCase);
        if (mode is not null && !locks && !string.Equals(mode, "Unlocked", StringComparison.OrdinalIgnoreCase))
        {
            throw WormException.BadHeader(WormHeaders.PolicyMode);
        }

        if (!DateTimeOffset.TryParseExact(context.Request.Headers[WormHeaders.PolicyUntil], "R", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset until) || until <= clock.GetUtcNow())
        {
            throw WormException.BadHeader(WormHeaders.PolicyUntil);
        }

        RefuseConditions(context);
        string version = await FindVersionAsync(request, context.RequestAborted);
        Protection current = policies.Find(Key(request)) ?? new Protection(version, null, false, false);
        if (current.Locked && (!locks || until < current.Until))
        {
            throw WormException.PolicyLocked();
        }

        policies.Put(Key(request), current with { Until = until, Locked = locks });
        context.Response.Headers[WormHeaders.PolicyUntil] = until.ToString("R", CultureInfo.InvariantCulture);
        context.Response.Headers[WormHeaders.PolicyMode] = locks ? "locked" : "unlocked";
    }

    private async Task DeletePolicyAsync(HttpContext context, WormRequest request)
    {
        RefuseConditions(context);
        string version = await FindVersionAsync(request, context.RequestAborted);
        if (policies.Find(Key(request)) is { } current)
        {
            // Also when it has run out: what was locked once is only ever deleted whole.
            if (current.Locked)
            {
                throw WormException.PolicyNotDeletable();
            }

            policies.Put(Key(request), new Protection(version, null, false, current.LegalHold));
        }
    }

    private async Task SetLegalHoldAsync(HttpContext context, WormRequest request)
    {
        if (!bool.TryParse(context.Request.Headers[WormHeaders.LegalHold], out bool hold))
        {
            throw WormException.BadHeader(WormHeaders.LegalHold);
        }

        RefuseConditions(context);
        string version = await FindVersionAsync(request, context.RequestAborted);
        policies.Put(Key(request), (policies.Find(Key(request)) ?? new Protection(version, null, false, false)) with { LegalHold = hold });
        context.Response.Headers[WormHeaders.LegalHold] = hold ? "true" : "false";
    }

    private async Task DeleteAsync(HttpContext context, WormRequest request)
    {
        await FindVersionAsync(request, context.RequestAborted);
        if (policies.Find(Key(request)) is { } protection && protection.ForbidsDelete(clock.GetUtcNow()))
        {
            throw protection.LegalHold ? WormException.ImmutableByHold() : WormException.ImmutableByPolicy();
        }

        // As on Azure, where deleting the blob would leave the version behind. Here they go together.
        if (request.VersionId is not null)
        {
            throw WormException.CurrentVersion();
        }

        if (await ForwardAsync(context, request, newVersion: null))
        {
            policies.Remove(Key(request));
        }
    }

    /// <summary>What protects the blob; forgotten where the blob is not there, which takes a data folder that lost it.</summary>
    private async Task<Protection?> FindProtectionAsync(WormRequest request, CancellationToken cancellationToken)
    {
        if (policies.Find(Key(request)) is not { } protection)
        {
            return null;
        }

        return await CurrentVersionAsync(request, cancellationToken) == protection.VersionId ? protection : null;
    }

    /// <summary>The current version's id, which must be the one that the request names, if it names one.</summary>
    private async Task<string> FindVersionAsync(WormRequest request, CancellationToken cancellationToken)
    {
        string? current = await CurrentVersionAsync(request, cancellationToken);
        return current is not null && (request.VersionId ?? current) == current ? current : throw WormException.NotFound();
    }

    private async Task<string?> CurrentVersionAsync(WormRequest request, CancellationToken cancellationToken)
    {
        using HttpRequestMessage message = upstream.Head(request);
        using HttpResponseMessage answer = await upstream.SendAsync(message, cancellationToken);
        return answer.StatusCode switch
        {
            System.Net.HttpStatusCode.OK => WormHeaders.VersionOf(answer),
            System.Net.HttpStatusCode.NotFound => null,
            _ => throw WormException.Unavailable(),
        };
    }

    /// <summary>Passes a write on, body and all, and relays the answer. True where it succeeded.</summary>
    private async Task<bool> ForwardAsync(HttpContext context, WormRequest request, string? newVersion)
    {
        using HttpRequestMessage message = upstream.Request(request);
        if (HttpMethods.IsPut(request.Method))
        {
            message.Content = new StreamContent(context.Request.Body);
            message.Content.Headers.ContentLength = context.Request.ContentLength ?? throw WormException.NoLength();
        }

        WormHeaders.CopyTo(message, context.Request.Headers);
        if (newVersion is not null)
        {
            WormHeaders.SetVersion(message, newVersion);
        }

        using HttpResponseMessage answer = await upstream.SendAsync(message, context.RequestAborted);
        if (answer.IsSuccessStatusCode && newVersion is not null)
        {
            context.Response.Headers[WormHeaders.VersionId] = newVersion;
        }

        await RelayAsync(context, answer);
        return answer.IsSuccessStatusCode;
    }

    private static void RefuseConditions(HttpContext context)
    {
        IHeaderDictionary headers = context.Request.Headers;
        foreach (string name in (string[])["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"])
        {
            if (headers.ContainsKey(name))
            {
                throw WormException.UnknownHeader(name);
            }
        }
    }

    /// <summary>A time, as on Azure; each later than the one before, whatever the clock does.</summary>
    private string NewVersion()
    {
        long last, next;
        do
        {
            last = Interlocked.Read(ref _lastVersion);
            next = Math.Max(clock.GetUtcNow().UtcTicks, last + 1);
        }
        while (Interlocked.CompareExchange(ref _lastVersion, next, last) != last);
        return new DateTimeOffset(next, TimeSpan.Zero).ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);
    }
}
