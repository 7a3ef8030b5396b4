using System.Globalization;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Catalog;

/// <summary>What a snapshot needs, as its sidecar has it.</summary>
/// <param name="Chain">The packs of the snapshots that it goes on from, the whole list first.</param>
/// <param name="Needs">The packs whose files its own lines name.</param>
/// <param name="IsComplete">Whether the list ends in it.</param>
public sealed record SnapshotNeeds(IReadOnlyList<PackId> Chain, IReadOnlyList<PackId> Needs, bool IsComplete);

/// <summary>Snapshots in the catalogue: when each was taken, and what it needs.</summary>
public sealed class SnapshotCatalog(IRowStore rows, CatalogReader catalog)
{
    private const int AtOnce = 8;
    private const int TokenLength = 121; // UID, time, pack

    /// <summary>A page of a clinic's snapshots, or of one computer's: by set, the latest first. It may have fewer than <paramref name="take"/>, even none, and yet a next.</summary>
    public async Task<Page<SnapshotResponse>> ListAsync(ClinicId clinic, Uid? set, string? after, int take, CancellationToken cancellationToken)
    {
        if (after is not null && !CatalogRows.IsToken(after, TokenLength, "0123456789abcdef.:-"))
        {
            throw new RefusedException(Refusal.RequestInvalid, "after: pass the next of the page before, as it came.");
        }

        RowRange range = CatalogRows.Within(CatalogRows.OfStudy(CatalogRows.Snapshot, set), after is null ? null : $"{CatalogRows.Snapshot}{after}!");
        IReadOnlyList<Row> page = string.CompareOrdinal(range.From, range.To) < 0 ? await rows.QueryAsync(RowTable.Catalog, clinic.Value, range, take, cancellationToken) : [];
        IReadOnlyDictionary<PackId, LostPack> lost = page.Count > 0 ? await catalog.LostAsync(clinic, cancellationToken) : new Dictionary<PackId, LostPack>();
        List<SnapshotResponse> found = [];
        foreach (Row[] some in page.Chunk(AtOnce))
        {
            // One that is about to be committed is promised to nobody yet; one whose row says what cannot be, the restore tests find.
            found.AddRange((await Task.WhenAll(some.Select(row => ReadAsync(clinic, row, lost, cancellationToken)))).OfType<SnapshotResponse>());
        }

        return new Page<SnapshotResponse>(found, page.Count == take ? page[^1].Key[CatalogRows.Snapshot.Length..] : null);
    }

    /// <summary>A snapshot by its pack alone; null where the catalogue does not know it, or says of it what cannot be.</summary>
    public async Task<(Uid Set, SnapshotNeeds Needs)?> FindAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken)
    {
        if (await catalog.TryFindPackAsync(clinic, pack, cancellationToken) is not { Set: SetKind.Snapshot } found
            || await FindNeedsAsync(clinic, found.Study, pack, cancellationToken) is not { } needs)
        {
            return null;
        }

        return (found.Study, needs);
    }

    /// <summary>The latest of a computer's snapshots that is committed and complete and of which no pack is lost; null: none, or the set is of another kind.</summary>
    public async Task<PackId?> FindLatestAsync(ClinicId clinic, Uid set, IEnumerable<PackId> lost, CancellationToken cancellationToken)
    {
        HashSet<PackId> gone = [.. lost];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Snapshot}{set}:"), cancellationToken, rowsAtOnce: 100))
        {
            if (CatalogRows.TryRead(row, SnapshotRows.Read) is { Response: { IsComplete: true, Pack: var pack } } snapshot && !snapshot.Chain.Append(pack).Any(gone.Contains)
                && await catalog.TryFindPackAsync(clinic, pack, cancellationToken) is { Receipt: not null })
            {
                return pack;
            }
        }

        return null;
    }

    /// <summary>What a snapshot needs; null where the catalogue does not know it, or says of it what cannot be.</summary>
    public async Task<SnapshotNeeds?> FindNeedsAsync(ClinicId clinic, Uid set, PackId pack, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Catalog, clinic.Value, $"{CatalogRows.Needs}{set}:{pack}", cancellationToken) is { } row ? CatalogRows.TryRead(row, SnapshotRows.ReadNeeds) : null;

    /// <summary>Whether anything that a computer's snapshots need is still in the catalogue: then what they say is of use, whenever their own time was over.</summary>
    public async Task<bool> NeedsAnyAsync(ClinicId clinic, Uid set, CancellationToken cancellationToken)
    {
        HashSet<PackId> looked = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Catalog, clinic.Value, RowRange.Prefix($"{CatalogRows.Needs}{set}:"), cancellationToken, rowsAtOnce: 20))
        {
            if (CatalogRows.TryRead(row, SnapshotRows.ReadNeeds) is not { } needs)
            {
                return true; // What cannot be read may.
            }

            foreach (PackId[] some in needs.Needs.Where(looked.Add).Chunk(AtOnce))
            {
                if ((await Task.WhenAll(some.Select(pack => rows.FindAsync(RowTable.Catalog, clinic.Value, CatalogRows.Pack + pack, cancellationToken)))).Any(there => there is not null))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private async Task<SnapshotResponse?> ReadAsync(ClinicId clinic, Row row, IReadOnlyDictionary<PackId, LostPack> lost, CancellationToken cancellationToken) =>
        CatalogRows.TryRead(row, SnapshotRows.Read) is { } snapshot && await catalog.TryFindPackAsync(clinic, snapshot.Response.Pack, cancellationToken) is { Receipt: not null }
            ? snapshot.Response with { IsLost = snapshot.Chain.Append(snapshot.Response.Pack).Any(lost.ContainsKey) }
            : null;
}

/// <summary>A snapshot's two rows: the one that is listed, and the one that names what it needs, which may be 160 KiB.</summary>
internal static class SnapshotRows
{
    private const int IdBytes = 16;
    private const int IdsPerPiece = 3840; // 60 KiB; a property holds 64
    private const int MostPieces = 16;
    private const string Complete = "complete";

    /// <summary>The later it was taken, the earlier its key.</summary>
    public static string Key(Uid set, DateTimeOffset takenAt, PackId pack) =>
        string.Create(CultureInfo.InvariantCulture, $"{CatalogRows.Snapshot}{set}:{DateTimeOffset.MaxValue.UtcTicks - takenAt.UtcTicks:d19}:{pack}");

    public static Dictionary<string, object> Values(SidecarSnapshot snapshot)
    {
        Dictionary<string, object> values = new()
        {
            ["takenAt"] = snapshot.TakenAt,
            ["roots"] = (long)snapshot.Roots,
            ["files"] = snapshot.Files,
            ["bytes"] = snapshot.Bytes,
            [Complete] = snapshot.IsComplete,
        };
        Write(values, "c", snapshot.Chain);
        return values;
    }

    public static Dictionary<string, object> NeedsValues(SidecarSnapshot snapshot)
    {
        Dictionary<string, object> values = new() { [Complete] = snapshot.IsComplete };
        Write(values, "c", snapshot.Chain);
        Write(values, "n", snapshot.Needs);
        return values;
    }

    public static TakenSnapshot Read(Row row)
    {
        string[] key = row.Key.Split(':');
        List<PackId> chain = Read(row, "c");
        return new TakenSnapshot(
            new SnapshotResponse(
                PackId.Parse(key[3]),
                Uid.Parse(key[1]),
                row.Time("takenAt")!.Value,
                (int)row.Number("roots")!.Value,
                row.Number("files")!.Value,
                row.Number("bytes")!.Value,
                row.Flag(Complete),
                chain.Count),
            chain);
    }

    public static SnapshotNeeds ReadNeeds(Row row) => new(Read(row, "c"), Read(row, "n"), row.Flag(Complete));

    private static void Write(Dictionary<string, object> values, string name, IReadOnlyList<PackId> packs)
    {
        int piece = 0;
        foreach (PackId[] some in packs.Chunk(IdsPerPiece))
        {
            values[Name(name, piece++)] = some.SelectMany(pack => Guid.Parse(pack.ToString()).ToByteArray(bigEndian: true)).ToArray();
        }
    }

    private static List<PackId> Read(Row row, string name)
    {
        List<PackId> packs = [];
        for (int piece = 0; piece < MostPieces && row.Bytes(Name(name, piece)) is { } bytes; piece++)
        {
            packs.AddRange(bytes.Chunk(IdBytes).Select(id => id.Length == IdBytes ? PackId.Parse(new Guid(id, bigEndian: true).ToString("D")) : throw new FormatException("A pack's id has 16 bytes.")));
        }

        return packs;
    }

    private static string Name(string name, int piece) => string.Create(CultureInfo.InvariantCulture, $"{name}{piece:d2}");
}

/// <summary>A snapshot as it is listed, and its chain.</summary>
internal sealed record TakenSnapshot(SnapshotResponse Response, IReadOnlyList<PackId> Chain);
