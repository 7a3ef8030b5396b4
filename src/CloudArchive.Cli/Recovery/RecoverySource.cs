using CloudArchive.Cli.Restores;
using CloudArchive.Format;

namespace CloudArchive.Cli.Recovery;

/// <summary>A pack that was found without the service.</summary>
/// <param name="Pack">Its id: the blob's name.</param>
/// <param name="HasBlob">Whether the sealed bytes are there, or the sidecar alone.</param>
/// <param name="SidecarName">Where its sidecar is; null where it has none.</param>
/// <param name="BlobName">Where its bytes are.</param>
/// <param name="Length">Bytes of the blob.</param>
public sealed record FoundPack(PackId Pack, bool HasBlob, string? SidecarName, string? BlobName, long Length);

/// <summary>Where packs lie when there is no service: a folder with a copy of the container, or the container itself.</summary>
public interface IRecoverySource
{
    /// <summary>Every pack, newest first.</summary>
    Task<IReadOnlyList<FoundPack>> ListAsync(CancellationToken cancellationToken);

    /// <summary>A sidecar's bytes.</summary>
    Task<byte[]> ReadSidecarAsync(FoundPack pack, CancellationToken cancellationToken);

    /// <summary>The value of a blob's metadata <c>cloudarchive_escrow</c>; null where the source has no metadata.</summary>
    Task<string?> ReadEscrowMetadataAsync(FoundPack pack, CancellationToken cancellationToken);

    /// <summary>The sealed bytes, as a stream that seeks. <paramref name="target"/> has room for a temporary file.</summary>
    Task<Stream> OpenAsync(FoundPack pack, TargetFolder target, CancellationToken cancellationToken);
}

/// <summary>Blob names as the archive gives them.</summary>
public static class RecoveryNames
{
    private const string SidecarSuffix = ".sidecar.json";

    /// <summary>Groups names into packs, newest first.</summary>
    public static IReadOnlyList<FoundPack> Group(IEnumerable<(string Name, string Location, long Length)> files)
    {
        SortedDictionary<string, FoundPack> packs = new(Comparer<string>.Create((a, b) => string.CompareOrdinal(b, a)));
        foreach ((string name, string location, long length) in files)
        {
            bool isSidecar = name.EndsWith(SidecarSuffix, StringComparison.Ordinal);
            if (!PackId.TryParse(isSidecar ? name[..^SidecarSuffix.Length] : name, null, out PackId id)) continue;
            FoundPack pack = packs.GetValueOrDefault(id.ToString()) ?? new FoundPack(id, false, null, null, 0);
            packs[id.ToString()] = isSidecar ? pack with { SidecarName = location } : pack with { HasBlob = true, BlobName = location, Length = length };
        }

        return [.. packs.Values];
    }
}
