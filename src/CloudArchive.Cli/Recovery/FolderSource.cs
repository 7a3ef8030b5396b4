using CloudArchive.Cli.Backup;
using CloudArchive.Cli.Restores;

namespace CloudArchive.Cli.Recovery;

/// <summary>A copy of the container on a disk, however its folders are arranged.</summary>
public sealed class FolderSource(string folder, Action<string> problem) : IRecoverySource
{
    /// <inheritdoc/>
    public Task<IReadOnlyList<FoundPack>> ListAsync(CancellationToken cancellationToken) =>
        Task.FromResult(RecoveryNames.Group(FolderScan.Files(folder, unreadable => problem($"Folder cannot be listed: {unreadable.Path} ({unreadable.Why})"), cancellationToken)
            .Where(file => file.Skip is null)
            .Select(file => (Path.GetFileName(file.Path), file.Path, file.Length))));

    /// <inheritdoc/>
    public Task<byte[]> ReadSidecarAsync(FoundPack pack, CancellationToken cancellationToken) => File.ReadAllBytesAsync(pack.SidecarName!, cancellationToken);

    /// <inheritdoc/>
    public Task<string?> ReadEscrowMetadataAsync(FoundPack pack, CancellationToken cancellationToken) => Task.FromResult<string?>(null);

    /// <inheritdoc/>
    public Task<Stream> OpenAsync(FoundPack pack, TargetFolder target, CancellationToken cancellationToken) =>
        Task.FromResult<Stream>(new FileStream(pack.BlobName!, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.Read, Options = FileOptions.Asynchronous, BufferSize = 0 }));
}
