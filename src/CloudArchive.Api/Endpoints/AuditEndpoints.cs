using System.Globalization;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Api.Endpoints;

/// <summary>The audit logs: entries for staff; checkpoints and consistency for agents too, who are witnesses. Each read of entries is an entry.</summary>
internal static partial class AuditEndpoints
{
    private const int LongestFilter = 200;
    private const int MostLeaves = 10_000;
    private const int MostCommits = 100;
    private static readonly EndpointPolicy _entries = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.AuditRead);
    private static readonly EndpointPolicy _witness = new(Roles.Agent | Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Both, AuditActions.RequestRefused);

    public static void Map(EndpointTable table)
    {
        // The same twice: a clinic's log, and the system's. A checkpoint says no more than a number and a hash, so every agent may watch the system's too.
        Map(table, "/v1/clinics/{clinic}/audit", _entries, _witness);
        Map(table, "/v1/system/audit", _entries with { Reach = Reach.AllClinics }, _witness with { Reach = Reach.Own });
        table.Get("/v1/clinics/{clinic}/audit/commits", CommitsAsync, _witness with { Roles = Roles.Agent })?.WithSummary("Entries of commits with their proofs: what an agent compares its receipts with.");
    }

    private static void Map(EndpointTable table, string path, EndpointPolicy entries, EndpointPolicy witness)
    {
        table.Get(path + "/entries", EntriesAsync, entries)?.WithSummary("Entries as they lie in storage, by time or action.");
        table.Post(path + "/entries/search", SearchAsync, entries)?.WithSummary("Entries, also by an actor, who must not stand in a URL.");
        table.Get(path + "/leaves", LeavesAsync, entries)?.WithSummary("The entries' hashes as the log's tiles have them.");
        table.Get(path + "/head", HeadAsync, entries)?.WithSummary("How far the log goes. Not signed: the checkpoints are.");
        table.Get(path + "/proof", ProofAsync, entries)?.WithSummary("That the entry index is among the first size (RFC 6962 2.1.1).");
        table.Get(path + "/checkpoints", CheckpointsAsync, witness)?.WithSummary("Signed checkpoints, the oldest first.");
        table.Get(path + "/checkpoints/latest", LatestAsync, witness)?.WithSummary("The last signed checkpoint.");
        table.Get(path + "/consistency", ConsistencyAsync, witness)?.WithSummary("That the first from entries are the beginning of the first to (RFC 6962 2.1.2).");
    }

    private static async Task<Ok<Page<AuditEntryResponse>>> EntriesAsync(
        [AsParameters] EntriesQuery query, HttpContext context, AuditSearch search, IAuditLog audit, CancellationToken cancellationToken)
    {
        RefuseActorInUrl(context);
        return await FindAsync(new AuditSearchRequest(query.From, query.To, query.Action, null, query.After, query.Take), context, search, audit, cancellationToken);
    }

    private static Task<Ok<Page<AuditEntryResponse>>> SearchAsync(AuditSearchRequest body, HttpContext context, AuditSearch search, IAuditLog audit, CancellationToken cancellationToken) =>
        FindAsync(body, context, search, audit, cancellationToken);

    /// <summary>URLs end up in the logs of proxies and browsers, and entries name people.</summary>
    internal static void RefuseActorInUrl(HttpContext context)
    {
        if (context.Request.Query.ContainsKey("actor"))
        {
            throw new RefusedException(Refusal.RequestInvalid, "Who acted must not stand in a URL: send it in the body of POST .../audit/entries/search.");
        }
    }

    private static async Task<Ok<Page<AuditEntryResponse>>> FindAsync(AuditSearchRequest asked, HttpContext context, AuditSearch search, IAuditLog audit, CancellationToken cancellationToken)
    {
        string log = await LogAsync(context, cancellationToken);
        AuditFilter filter = new(Time(asked.From, "from"), Time(asked.To, "to"), Short(asked.Action, "action"), Short(asked.Actor, "actor"));
        (IReadOnlyList<StoredEntry> entries, long? next) = await search.FindAsync(log, filter, Paging.After<long>(asked.After), Paging.Take(asked.Take), cancellationToken);

        await RecordAsync(log, filter, entries.Count, context, audit, cancellationToken);
        return TypedResults.Ok(new Page<AuditEntryResponse>([.. entries.Select(entry => new AuditEntryResponse(entry.Index, entry.Json))], next?.ToString(CultureInfo.InvariantCulture)));
    }

    /// <summary>Who looked and how much they saw; what they typed to find it is theirs. A damaged log can be read all the same, or nobody could say how it is damaged.</summary>
    internal static async Task RecordAsync(string log, AuditFilter filter, int seen, HttpContext context, IAuditLog audit, CancellationToken cancellationToken)
    {
        Requester by = context.Requester();
        Dictionary<string, string> details = new() { ["by"] = Kind(filter), ["entries"] = seen.ToString(CultureInfo.InvariantCulture) };
        AuditSubject subject = log == AuditEntry.SystemLog ? new() : new(log);
        AuditEvent entry = new(log, AuditActions.AuditRead, AuditOutcome.Success, by.Actor, subject, by.Origin, Details: details);
        try
        {
            await audit.AppendAsync(entry, cancellationToken);
        }
        catch (AuditLogDamagedException) when (log != AuditEntry.SystemLog)
        {
            await audit.AppendAsync(entry with { Log = AuditEntry.SystemLog }, cancellationToken);
        }
        catch (AuditLogDamagedException e)
        {
            context.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("CloudArchive.Audit").SystemLogDamaged(e, by.Actor.Id);
        }
    }

    private static async Task<Ok<Page<Sha256Digest>>> LeavesAsync(string? after, int? take, HttpContext context, AuditReader reader, CancellationToken cancellationToken)
    {
        int most = take is null ? MostLeaves : take is >= 1 and <= MostLeaves ? take.Value : throw new RefusedException(Refusal.RequestInvalid, $"take: 1 to {MostLeaves}.");
        long from = (Paging.After<long>(after) ?? -1) + 1;
        IReadOnlyList<Sha256Digest> leaves = await reader.ReadLeavesAsync(await LogAsync(context, cancellationToken), NotNegative(from, "after"), most, cancellationToken);
        return TypedResults.Ok(new Page<Sha256Digest>(leaves, leaves.Count == most ? (from + most - 1).ToString(CultureInfo.InvariantCulture) : null));
    }

    private static async Task<Ok<TreeHead>> HeadAsync(HttpContext context, AuditReader reader, CancellationToken cancellationToken) =>
        TypedResults.Ok(await reader.GetHeadAsync(await LogAsync(context, cancellationToken), cancellationToken));

    private static async Task<Ok<InclusionProof>> ProofAsync(long index, long? size, HttpContext context, AuditReader reader, CancellationToken cancellationToken)
    {
        string log = await LogAsync(context, cancellationToken);
        long of = await SizeAsync(size, "size", log, reader, cancellationToken);
        return NotNegative(index, "index") < of
            ? TypedResults.Ok(await reader.ProveInclusionAsync(log, index, of, cancellationToken))
            : throw new RefusedException(Refusal.RequestInvalid, "index: less than size.");
    }

    private static async Task<Ok<ConsistencyProof>> ConsistencyAsync(long from, long? to, HttpContext context, AuditReader reader, CancellationToken cancellationToken)
    {
        string log = await LogAsync(context, cancellationToken);
        long newer = await SizeAsync(to, "to", log, reader, cancellationToken);
        return NotNegative(from, "from") <= newer
            ? TypedResults.Ok(await reader.ProveConsistencyAsync(log, from, newer, cancellationToken))
            : throw new RefusedException(Refusal.RequestInvalid, "from: not more than to.");
    }

    /// <summary>Of entries that are about something else an agent gets the proof alone: that they are others is all that is its business.</summary>
    private static async Task<Ok<IReadOnlyList<CommitEntryResponse>>> CommitsAsync(ClinicId clinic, long size, long[] index, AuditReader reader, CancellationToken cancellationToken)
    {
        if (index.Length is 0 or > MostCommits || index.Any(i => i < 0 || i >= size))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"index: 1 to {MostCommits} of them, each less than size.");
        }

        await SizeAsync(size, "size", clinic.Value, reader, cancellationToken);
        return TypedResults.Ok(await reader.ReadCommitsAsync(clinic.Value, index, size, cancellationToken));
    }

    private static async Task<Ok<Page<CheckpointResponse>>> CheckpointsAsync(string? after, int? take, HttpContext context, Checkpoints checkpoints, CancellationToken cancellationToken)
    {
        int most = Math.Min(Paging.Take(take), Checkpoints.LargestList);
        if (after is not null && !Checkpoints.IsName(after))
        {
            throw new RefusedException(Refusal.RequestInvalid, "after: pass the next of the page before, as it came.");
        }

        (IReadOnlyList<string> page, string? next) = await checkpoints.ListAsync(await LogAsync(context, cancellationToken), after, most, cancellationToken);
        return TypedResults.Ok(new Page<CheckpointResponse>([.. page.Select(jws => new CheckpointResponse(jws))], next));
    }

    private static async Task<Ok<CheckpointResponse>> LatestAsync(HttpContext context, Checkpoints checkpoints, CancellationToken cancellationToken) =>
        await checkpoints.FindLastAsync(await LogAsync(context, cancellationToken), cancellationToken) is { } last
            ? TypedResults.Ok(new CheckpointResponse(last.Jws))
            : throw new RefusedException(Refusal.CheckpointUnknown, "The log has no checkpoint yet. One is made every hour.");

    /// <summary>The log of the route: of a clinic that there is, or the system's.</summary>
    private static async Task<string> LogAsync(HttpContext context, CancellationToken cancellationToken) =>
        context.Request.RouteValues["clinic"] is string clinic
            ? (await context.RequestServices.GetRequiredService<ClinicDirectory>().GetAsync(ClinicId.Parse(clinic), cancellationToken)).Id.Value
            : AuditEntry.SystemLog;

    private static DateTimeOffset? Time(string? text, string name) =>
        text is null ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTimeOffset time) ? time
        : throw new RefusedException(Refusal.RequestInvalid, $"{name}: a time such as 2026-07-01T08:00:00Z.");

    private static string Kind(AuditFilter filter) =>
        string.Join(',', new[] { filter.From is null && filter.To is null ? null : "time", filter.Action is null ? null : "action", filter.Actor is null ? null : "actor" }.OfType<string>().DefaultIfEmpty("all"));

    private static string? Short(string? value, string name) =>
        value is null or { Length: <= LongestFilter } ? value : throw new RefusedException(Refusal.RequestInvalid, $"{name}: at most {LongestFilter} characters.");

    private static long NotNegative(long value, string name) => value >= 0 ? value : throw new RefusedException(Refusal.RequestInvalid, $"{name}: not negative.");

    private static async Task<long> SizeAsync(long? asked, string name, string log, AuditReader reader, CancellationToken cancellationToken)
    {
        long size = (await reader.GetHeadAsync(log, cancellationToken)).Size;
        return asked is null ? size : asked >= 0 && asked <= size ? asked.Value : throw new RefusedException(Refusal.RequestInvalid, $"{name}: the log has {size} entries.");
    }

    /// <summary>What <c>entries</c> can be asked by.</summary>
    internal sealed record EntriesQuery(string? From, string? To, string? Action, string? After, int? Take);

    [LoggerMessage(301, LogLevel.Critical, "The system's audit log is damaged; that {Actor} read it could not be recorded.")]
    private static partial void SystemLogDamaged(this ILogger logger, Exception exception, string actor);
}
