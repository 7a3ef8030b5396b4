using CloudArchive.Core.Storage;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Core.Packs;

/// <summary>What the archive itself writes and checks in blob storage, each with its read-back.</summary>
public sealed class StoredPacks(IBlobVault vault)
{
    /// <summary>Reads a version to its end and compares it, and its metadata, with the sidecar.</summary>
    /// <exception cref="PackException">It is something else.</exception>
    /// <exception cref="BlobMissingException">It is not there any more.</exception>
    public async Task VerifyAsync(Sidecar sidecar, BlobState state, CancellationToken cancellationToken)
    {
        if (state.Length != sidecar.Length)
        {
            throw new PackException(PackFault.LengthMismatch, $"Storage has {state.Length} bytes; {sidecar.Length} were committed.");
        }

        CheckMetadata(state, sidecar);
        await using Stream ciphertext = await vault.OpenReadAsync(BlobName.Pack(sidecar.Clinic, sidecar.Pack), state.VersionId, cancellationToken);
        await PackVerifier.CheckCiphertextAsync(ciphertext, sidecar.Length, sidecar.Sha256, cancellationToken);
    }

    /// <summary>Compares what a blob says of its keys with the sidecar: what a reader of the blob alone would go by.</summary>
    /// <exception cref="PackException"><see cref="PackFault.EncryptionDataInvalid"/>.</exception>
    public static void CheckMetadata(BlobState state, Sidecar sidecar)
    {
        CheckMetadata(state, BlobEncryption.MetadataName, sidecar.Encryption);
        CheckMetadata(state, BlobEncryption.EscrowMetadataName, BlobEncryption.For(sidecar.Escrow));
    }

    /// <summary>Locks a version and reads the lock back. Returns the date that storage states.</summary>
    /// <exception cref="IntegrityException">Storage said yes, and the version is not locked that long.</exception>
    public async Task<DateTimeOffset> LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken)
    {
        await vault.LockAsync(name, versionId, until, cancellationToken);
        BlobState state = await vault.FindAsync(name, versionId, cancellationToken) ?? throw new BlobMissingException(name);
        return state.Locked && state.ImmutableUntil >= until
            ? state.ImmutableUntil.Value
            : throw new IntegrityException($"Storage accepted the lock on {name} and does not state it: no receipt for it. See docs/operations.md.");
    }

    /// <summary>Writes a blob that any writer would write the same, where it is not there yet. Returns its version.</summary>
    /// <exception cref="IntegrityException">It is there with other bytes.</exception>
    public async Task<string> WriteSameAsync(BlobName name, byte[] content, string contentType, CancellationToken cancellationToken)
    {
        try
        {
            return await vault.WriteNewAsync(name, content, contentType, cancellationToken);
        }
        catch (BlobExistsException)
        {
            (string versionId, byte[] there) = await ReadAsync(name, content.Length, cancellationToken) ?? throw new BlobMissingException(name);
            return there.AsSpan().SequenceEqual(content) ? versionId : throw new IntegrityException($"{name} is there already, with other bytes.");
        }
    }

    /// <summary>Writes a blob of which only the first may stand. Returns the version and bytes of that first one.</summary>
    public async Task<(string VersionId, byte[] Content)> WriteFirstAsync(BlobName name, byte[] content, string contentType, int mostBytes, CancellationToken cancellationToken)
    {
        try
        {
            return (await vault.WriteNewAsync(name, content, contentType, cancellationToken), content);
        }
        catch (BlobExistsException)
        {
            return await ReadAsync(name, mostBytes, cancellationToken) ?? throw new BlobMissingException(name);
        }
    }

    /// <summary>The current version of a small blob and its bytes, or null. <see cref="IntegrityException"/> where it is larger than it can be.</summary>
    public async Task<(string VersionId, byte[] Content)?> ReadAsync(BlobName name, int mostBytes, CancellationToken cancellationToken)
    {
        if (await vault.FindAsync(name, cancellationToken) is not { } state)
        {
            return null;
        }

        if (state.Length > mostBytes)
        {
            throw new IntegrityException($"{name} has {state.Length} bytes, more than can be right.");
        }

        byte[] content = new byte[state.Length];
        await using Stream stream = await vault.OpenReadAsync(name, state.VersionId, cancellationToken);
        await stream.ReadExactlyAsync(content, cancellationToken);
        return (state.VersionId, content);
    }

    private static void CheckMetadata(BlobState state, string name, EncryptionData expected)
    {
        string? there = state.Metadata.FirstOrDefault(pair => string.Equals(pair.Key, name, StringComparison.OrdinalIgnoreCase)).Value;

        // Compared in one spelling: what matters is what a reader of the blob alone would understand.
        if (there is null || BlobEncryption.ToMetadata(BlobEncryption.Parse(there)) != BlobEncryption.ToMetadata(expected))
        {
            throw new PackException(PackFault.EncryptionDataInvalid, $"The blob's metadata {name} is not what the sidecar says.");
        }
    }
}
