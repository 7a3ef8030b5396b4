using CloudArchive.Core.Storage;

namespace CloudArchive.Core.Doctor;

/// <summary>What storage lets this host's identity do. Each member asks for something that would change nothing where it is allowed, and tells only whether it is.</summary>
public interface IStorageRights
{
    /// <summary>Whether it may delete: asks for a blob, and a version, that are not there.</summary>
    Task<bool> MayDeleteAsync(VaultArea area, CancellationToken cancellationToken);

    /// <summary>Whether it may write: asks to overwrite a blob that is not there, on a condition that nothing meets.</summary>
    Task<bool> MayOverwriteAsync(VaultArea area, CancellationToken cancellationToken);

    /// <summary>Storage's own clock.</summary>
    Task<DateTimeOffset> GetTimeAsync(CancellationToken cancellationToken);
}

/// <summary>What the key store lets this host's identity do.</summary>
public interface IKeyRights
{
    /// <summary>Whether it may unwrap with a key version: asks it to unwrap what no key wrapped.</summary>
    Task<bool> MayUnwrapAsync(string keyId, CancellationToken cancellationToken);
}
