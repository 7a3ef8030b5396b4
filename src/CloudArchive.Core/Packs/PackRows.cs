using System.Globalization;
using System.IO.Compression;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.Packs;

/// <summary>
/// Packs in flight, in <see cref="RowTable.Work"/>: <c>pack:{pack}</c>, and from the commit on the sidecar, deflated, in
/// <c>sidecar:{pack}:{nn}</c>, so that the archive alone can finish what a crash left. Both go with the receipt.
/// </summary>
public sealed class PackRows(IRowStore rows, DailyQuotas quotas, TimeProvider clock)
{
    private const string PackPrefix = "pack:";
    private const string SidecarPrefix = "sidecar:";
    private const int ChunkBytes = 60 * 1024; // a property holds 64 KiB
    private const int MostChunks = 40; // 2.4 MiB, 3.2 as base64: within a transaction's 4 MiB

    /// <summary>The writes that open a pack, for the transaction that also holds its audit entry.</summary>
    public static RowWrite Open(InFlightPack pack) => new RowWrite.Insert(PackPrefix + pack.Pack, Values(pack));

    /// <summary>The write that notes that an open pack is still being uploaded. <see cref="RowConflictException"/> where it has changed.</summary>
    public static RowWrite Renew(InFlightPack pack, DateTimeOffset now) => new RowWrite.Replace(PackPrefix + pack.Pack, Values(pack with { ChangedAt = now }), pack.ETag);

    /// <summary>The pack, or null: never opened, or committed, or cleared.</summary>
    public async Task<InFlightPack?> FindAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Work, clinic.Value, PackPrefix + pack, cancellationToken) is { } row ? Read(row) : null;

    /// <summary>A clinic's packs in flight, oldest first; <paramref name="damaged"/> takes the rows that cannot be read, which do not keep the others from it.</summary>
    public Task<IReadOnlyList<InFlightPack>> ListAsync(ClinicId clinic, PackId? after, int take, CancellationToken cancellationToken, Action<Row>? damaged = null) =>
        rows.ReadPageAsync(RowTable.Work, clinic.Value, RowRange.After(PackPrefix, after?.ToString()), take, Read, cancellationToken, damaged);

    /// <summary>Records what the agent says it uploaded, and counts it. Null where the pack or the count has changed since it was read: then it must be looked at anew.</summary>
    /// <exception cref="RefusedException"><see cref="Refusal.QuotaUsedUp"/>: the pack stays open.</exception>
    public async Task<InFlightPack?> RecordIntentAsync(InFlightPack pack, byte[] sidecar, Clinic clinic, long length, Requester by, CancellationToken cancellationToken)
    {
        byte[] deflated = Deflate(sidecar);
        byte[][] chunks = [.. deflated.Chunk(ChunkBytes)];
        if (chunks.Length > MostChunks)
        {
            throw new RefusedException(Refusal.SidecarInvalid, "The sidecar is too large. Put fewer instances into a pack.");
        }

        InFlightPack next = pack with { State = PackState.Committing, SidecarSha256 = Sha256Digest.Of(sidecar) };
        IEnumerable<RowWrite> writes = chunks.Select((chunk, i) => new RowWrite.Upsert(ChunkKey(pack.Pack, i), new Dictionary<string, object> { ["bytes"] = chunk }));
        return await ReplaceAsync(next, writes.Append(await quotas.CountAsync(clinic, length, by, cancellationToken)), cancellationToken);
    }

    /// <summary>The sidecar of <see cref="RecordIntentAsync"/>.</summary>
    public async Task<Sidecar> ReadSidecarAsync(InFlightPack pack, CancellationToken cancellationToken)
    {
        IReadOnlyList<Row> chunks = await ChunksAsync(pack, cancellationToken);
        byte[] sidecar = Inflate([.. chunks.SelectMany(row => row.Bytes("bytes")!)]);
        return Sha256Digest.Of(sidecar) == pack.SidecarSha256 ? Sidecars.Parse(sidecar) : throw new IntegrityException($"The sidecar kept for pack {pack.Pack} is not the one that was recorded.");
    }

    /// <summary>Changes the state. Null where the pack has changed since it was read: then it must be looked at anew.</summary>
    public Task<InFlightPack?> AdvanceAsync(InFlightPack next, CancellationToken cancellationToken) => ReplaceAsync(next, [], cancellationToken);

    /// <summary>The writes that remove a pack's rows, for the transaction that also holds the audit entry of that.</summary>
    public async Task<IReadOnlyList<RowWrite>> RemovalAsync(InFlightPack pack, CancellationToken cancellationToken) =>
    [
        new RowWrite.Delete(PackPrefix + pack.Pack, pack.ETag),
        .. (await ChunksAsync(pack, cancellationToken)).Select(row => new RowWrite.Delete(row.Key, row.ETag!)),
    ];

    /// <summary>Removes a pack's rows; no error where another did.</summary>
    public async Task RemoveAsync(InFlightPack pack, CancellationToken cancellationToken)
    {
        try
        {
            await rows.SubmitAsync(RowTable.Work, pack.Clinic.Value, await RemovalAsync(pack, cancellationToken), cancellationToken);
        }
        catch (RowConflictException)
        {
            // Somebody else finished the same pack.
        }
    }

    private async Task<InFlightPack?> ReplaceAsync(InFlightPack next, IEnumerable<RowWrite> others, CancellationToken cancellationToken)
    {
        next = next with { ChangedAt = clock.GetUtcNow() };
        try
        {
            IReadOnlyList<string> etags = await rows.SubmitAsync(
                RowTable.Work, next.Clinic.Value, [new RowWrite.Replace(PackPrefix + next.Pack, Values(next), next.ETag), .. others], cancellationToken);
            return next with { ETag = etags[0] };
        }
        catch (RowConflictException)
        {
            return null;
        }
    }

    private Task<IReadOnlyList<Row>> ChunksAsync(InFlightPack pack, CancellationToken cancellationToken) =>
        rows.QueryAsync(RowTable.Work, pack.Clinic.Value, RowRange.Prefix($"{SidecarPrefix}{pack.Pack}:"), MostChunks, cancellationToken);

    private static string ChunkKey(PackId pack, int chunk) => $"{SidecarPrefix}{pack}:{chunk.ToString("d2", CultureInfo.InvariantCulture)}";

    private static Dictionary<string, object> Values(InFlightPack pack)
    {
        Dictionary<string, object> values = new()
        {
            ["state"] = pack.State.ToString(),
            ["agent"] = pack.Agent.ToString(),
            ["study"] = pack.Study.Value,
            ["plannedBytes"] = pack.PlannedBytes,
            ["openedAt"] = pack.OpenedAt,
            ["keyId"] = pack.KeyId,
            ["changedAt"] = pack.ChangedAt,
        };
        if (pack.SidecarSha256 is { } sha256)
        {
            values["sidecarSha256"] = sha256.Hex;
        }

        if (pack.VersionId is not null)
        {
            values["versionId"] = pack.VersionId;
        }

        if (pack.LockUntil is { } until)
        {
            values["lockUntil"] = until;
        }

        if (pack.Fault is not null)
        {
            values["fault"] = pack.Fault;
        }

        return values;
    }

    private static InFlightPack Read(Row row) => new(
        ClinicId.Parse(row.Partition),
        PackId.Parse(row.Key[PackPrefix.Length..]),
        Enum.Parse<PackState>(row.Text("state")!),
        AgentId.Parse(row.Text("agent")!),
        Uid.Parse(row.Text("study")!),
        row.Number("plannedBytes")!.Value,
        row.Time("openedAt")!.Value,
        row.Text("keyId")!,
        row.Time("changedAt")!.Value,
        row.Text("sidecarSha256") is { } sha256 ? Sha256Digest.Parse(sha256) : null,
        row.Text("versionId"),
        row.Time("lockUntil"),
        row.Text("fault"),
        row.ETag!);

    private static byte[] Deflate(byte[] bytes)
    {
        using MemoryStream output = new();
        using (DeflateStream deflate = new(output, CompressionLevel.Fastest))
        {
            deflate.Write(bytes);
        }

        return output.ToArray();
    }

    private static byte[] Inflate(byte[] bytes)
    {
        using MemoryStream output = new();
        using DeflateStream inflate = new(new MemoryStream(bytes), CompressionMode.Decompress);
        inflate.CopyTo(output);
        return output.ToArray();
    }
}
