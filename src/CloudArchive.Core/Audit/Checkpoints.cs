using System.Text;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Audit;

/// <summary>
/// Makes checkpoints and finds them again. One lies in immutable storage as <c>{log}/checkpoints/{size}-{time}.jws</c>. It must only be
/// signed for a log that continues the checkpoint before it: the service is its logs' first witness.
/// </summary>
public sealed class Checkpoints(AuditReader reader, IBlobVault vault, ISigner signer, TimeProvider clock)
{
    /// <summary>How long a checkpoint is locked: 45 CFR 164.316(b)(2) asks for six years, and each later one vouches for the same entries again.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(7 * 366);

    /// <summary>The most that <see cref="ListAsync"/> gives at once: each is a blob to read.</summary>
    public const int LargestList = 100;

    private const string Extension = ".jws";
    private const int MostBytes = 16 * 1024;

    /// <summary>The checkpoint of the log as it is now; where nothing was appended since the last one, that one. Locked on return.</summary>
    /// <exception cref="AuditLogDamagedException">The log does not continue its last checkpoint: it was rewritten or rolled back. Nothing was signed.</exception>
    public async Task<SignedCheckpoint> MakeAsync(string log, CancellationToken cancellationToken)
    {
        BlobName? lastName = await FindLastNameAsync(log, cancellationToken);
        TreeHead head = await reader.GetHeadAsync(log, cancellationToken);
        Checkpoint now = new(Checkpoint.CurrentFormat, log, head.Size, head.Root, AuditLog.ToMilliseconds(clock.GetUtcNow()));
        if (lastName is { } before)
        {
            SignedCheckpoint last = await ReadAsync(log, before, await signer.GetPublicKeysAsync(cancellationToken), cancellationToken);
            await CheckContinuityAsync(last.Statement, now, cancellationToken);

            // A crash may have come between writing and locking it.
            await LockAsync(before, cancellationToken);
            if (last.Statement.Size == now.Size)
            {
                return last;
            }
        }

        string keyId = await signer.GetCurrentKeyIdAsync(cancellationToken);
        SignedCheckpoint made = await SignedCheckpoint.SignAsync(now, keyId, (data, cancellation) => signer.SignAsync(keyId, data, cancellation), cancellationToken);
        BlobName name = new(VaultArea.Records, $"{Folder(log)}{now.Size:D16}-{now.Time:yyyyMMdd'T'HHmmssfff'Z'}{Extension}");
        try
        {
            await vault.WriteNewAsync(name, Encoding.ASCII.GetBytes(made.Jws), "application/jose", cancellationToken);
        }
        catch (BlobExistsException)
        {
            // Another process made one of the same entries in the same millisecond.
            made = await ReadAsync(log, name, await signer.GetPublicKeysAsync(cancellationToken), cancellationToken);
        }

        await LockAsync(name, cancellationToken);
        return made;
    }

    /// <summary>The last checkpoint that was made, or null.</summary>
    /// <exception cref="AuditLogDamagedException">What lies in its place is none that this service signed.</exception>
    public async Task<SignedCheckpoint?> FindLastAsync(string log, CancellationToken cancellationToken) =>
        await FindLastNameAsync(log, cancellationToken) is { } name ? await ReadAsync(log, name, await signer.GetPublicKeysAsync(cancellationToken), cancellationToken) : null;

    /// <summary>Checkpoints as they lie in storage, the oldest first, from the first after <paramref name="after"/>; and where the next page begins, or null.</summary>
    public async Task<(IReadOnlyList<string> Jws, string? Next)> ListAsync(string log, string? after, int take, CancellationToken cancellationToken)
    {
        take = Math.Clamp(take, 1, LargestList);
        List<string> page = [];
        string? last = null;
        await foreach (ListedBlob blob in vault.ListAsync(VaultArea.Records, Folder(log), after is null ? null : Folder(log) + after + Extension, cancellationToken))
        {
            if (page.Count == take)
            {
                return (page, last);
            }

            page.Add(await ReadTextAsync(log, blob.Name, cancellationToken));
            last = blob.Name.Path[Folder(log).Length..^Extension.Length];
        }

        return (page, null);
    }

    /// <summary>Whether it is a cursor of <see cref="ListAsync"/>.</summary>
    public static bool IsName(string cursor) => cursor.Length == 36 && cursor[16] == '-' && cursor.All(c => char.IsAsciiLetterOrDigit(c) || c == '-');

    /// <summary>A log's folder among the records.</summary>
    private static string Folder(string log) => $"{AuditRows.Partition(log)}/checkpoints/";

    private async Task CheckContinuityAsync(Checkpoint last, Checkpoint now, CancellationToken cancellationToken)
    {
        ConsistencyProof? proof = last.Size < now.Size ? await reader.ProveConsistencyAsync(now.Log, last.Size, now.Size, cancellationToken) : null;
        if (LogContinuity.FindBreak(last, now, proof) is { } broken)
        {
            throw new AuditLogDamagedException(now.Log, broken);
        }
    }

    private async Task<BlobName?> FindLastNameAsync(string log, CancellationToken cancellationToken)
    {
        // An hourly log fills a page of a listing (5,000) in half a year. No row may say which is the last: tables that were put back from a copy would say an
        // older one, and a log that goes on from there would be signed beside the one that was.
        BlobName? last = null;
        await foreach (ListedBlob blob in vault.ListAsync(VaultArea.Records, Folder(log), null, cancellationToken))
        {
            last = blob.Name;
        }

        return last;
    }

    private async Task<SignedCheckpoint> ReadAsync(string log, BlobName name, JwkSet keys, CancellationToken cancellationToken)
    {
        try
        {
            SignedCheckpoint checkpoint = SignedCheckpoint.Verify(await ReadTextAsync(log, name, cancellationToken), keys);
            return checkpoint.Statement.Log == log ? checkpoint : throw new AuditLogDamagedException(log, $"{name} is a checkpoint of {checkpoint.Statement.Log}");
        }
        catch (JwsException e)
        {
            throw new AuditLogDamagedException(log, $"{name} is no checkpoint that this service signed ({e.Message})", e);
        }
    }

    private async Task<string> ReadTextAsync(string log, BlobName name, CancellationToken cancellationToken)
    {
        BlobState state = await vault.FindAsync(name, cancellationToken) ?? throw new BlobMissingException(name);
        if (state.Length > MostBytes)
        {
            throw new AuditLogDamagedException(log, $"{name} is too large for a checkpoint");
        }

        using StreamReader text = new(await vault.OpenReadAsync(name, state.VersionId, cancellationToken), Encoding.ASCII);
        return await text.ReadToEndAsync(cancellationToken);
    }

    /// <summary>Locks, and reads the lock back. Costs one read where it is locked already.</summary>
    private async Task LockAsync(BlobName name, CancellationToken cancellationToken)
    {
        BlobState state = await vault.FindAsync(name, cancellationToken) ?? throw new BlobMissingException(name);
        if (state.Locked)
        {
            return;
        }

        await vault.LockAsync(name, state.VersionId, clock.GetUtcNow() + Kept, cancellationToken);
        if (await vault.FindAsync(name, state.VersionId, cancellationToken) is not { Locked: true })
        {
            throw new CheckpointNotLockedException(name);
        }
    }
}

/// <summary>Storage accepted the lock on a checkpoint and does not state it.</summary>
public sealed class CheckpointNotLockedException(BlobName name)
    : Exception($"Storage accepted the lock on {name} and does not state it. Check that the account still has version-level immutability; the checkpoint is locked with the next one.");
