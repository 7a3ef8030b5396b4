using CloudArchive.Format;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Keys;

/// <summary>The public halves of the clinics' key-encryption keys (RSA, for RSA-OAEP-256). All that the ingest role has.</summary>
public interface IWrappingKeys
{
    /// <summary>Makes the clinic's key where it has none. Safe to repeat. The private half never leaves the key store.</summary>
    Task<Jwk> EnsureAsync(ClinicId clinic, CancellationToken cancellationToken);

    /// <summary>Makes the next version of the clinic's key where the current one has become old, and returns the one that wraps now. A key store whose keys are rotated by hand only
    /// returns it. <see cref="KeyUnavailableException"/> where there is none: it makes no first one.</summary>
    Task<Jwk> RenewAsync(ClinicId clinic, CancellationToken cancellationToken) => GetCurrentAsync(clinic, cancellationToken);

    /// <summary>The current version's public half; <c>kid</c> is its versioned id. <see cref="KeyUnavailableException"/> where there is none.</summary>
    Task<Jwk> GetCurrentAsync(ClinicId clinic, CancellationToken cancellationToken);
}

/// <summary>Unwraps content keys. Only the recovery role has it.</summary>
public interface IKeyUnwrapper
{
    /// <summary>Unwraps with the very version that <paramref name="keyId"/> names. <see cref="KeyUnavailableException"/> where that version is gone, disabled or forbidden;
    /// a <see cref="CloudArchive.Format.Packs.PackException"/> where the key is there and what was wrapped is not for it, or altered.</summary>
    Task<byte[]> UnwrapAsync(string keyId, string algorithm, ReadOnlyMemory<byte> wrapped, CancellationToken cancellationToken);
}

/// <summary>Signs what is to verify for ever, with ES256: receipts, checkpoints, evidence, certificates, key statements. Nothing that opens a door.</summary>
public interface ISigner
{
    /// <summary>The versioned id of the key that signs now: a JWS's header states it before there is a signature.</summary>
    Task<string> GetCurrentKeyIdAsync(CancellationToken cancellationToken);

    /// <summary>
    /// ECDSA P-256 over SHA-256 of <paramref name="data"/>, IEEE P1363 (r || s), made by the very version that <paramref name="keyId"/> names.
    /// <see cref="KeyUnavailableException"/> where that version is gone, disabled or forbidden.
    /// </summary>
    Task<byte[]> SignAsync(string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>Every key version that ever signed, the current one first, disabled ones too: what they signed was true when they signed it.</summary>
    Task<JwkSet> GetPublicKeysAsync(CancellationToken cancellationToken);

    /// <summary>The ids of the versions that are disabled. They sign nothing more; somebody had a reason.</summary>
    Task<IReadOnlyList<string>> GetDisabledAsync(CancellationToken cancellationToken);
}

/// <summary>Signs what opens doors, with ES256 and a key of its own: agents' tokens and portal sessions. A version that is taken out of use opens none any more.</summary>
public interface ITokenSigner
{
    /// <inheritdoc cref="ISigner.GetCurrentKeyIdAsync"/>
    Task<string> GetCurrentKeyIdAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="ISigner.SignAsync"/>
    Task<byte[]> SignAsync(string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>The versions whose tokens are believed: the latest and the one before it, each only while it is enabled. Asked of the key store each time.</summary>
    Task<JwkSet> GetAcceptedKeysAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="ISigner.GetDisabledAsync"/>
    Task<IReadOnlyList<string>> GetDisabledAsync(CancellationToken cancellationToken);
}

/// <summary>A key or key version cannot be used.</summary>
public sealed class KeyUnavailableException(string keyId, string why, Exception? inner = null)
    : Exception($"Key {keyId} cannot be used: {why}.", inner)
{
    /// <summary>The key's id.</summary>
    public string KeyId { get; } = keyId;
}
