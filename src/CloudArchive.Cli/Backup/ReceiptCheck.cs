using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Backup;

/// <summary>Whether a receipt is signed by a pinned key and says exactly what was sent. Only then are the pack's files backed up.</summary>
public static class ReceiptCheck
{
    /// <summary>The receipt of a pack that this agent made; <see cref="IntegrityException"/> where it is anything else.</summary>
    public static Receipt Verify(string jws, JwkSet pinned, Sidecar sent, DateTimeOffset now)
    {
        Receipt receipt = Verify(jws, pinned);
        string? differs =
            receipt.Clinic != sent.Clinic ? "clinic"
            : receipt.Pack != sent.Pack ? "pack"
            : receipt.Study != sent.Study ? "study"
            : receipt.Length != sent.Length ? "length"
            : receipt.Sha256 != sent.Sha256 ? "SHA-256"
            : receipt.InstancesRoot != sent.InstancesRoot || receipt.InstanceCount != sent.Instances.Count ? "list of instances"
            : receipt.ImmutableUntil <= now || receipt.ImmutableUntil < sent.Retention?.Until ? "(earlier) date until which it is immutable"
            : string.IsNullOrEmpty(receipt.VersionId) ? "version"
            : receipt.AuditLog != sent.Clinic.Value ? "audit log"
            : null;
        return differs is null ? receipt
            : receipt.ImmutableUntil < sent.Retention?.Until ? throw new LockTooShortException(sent, receipt.ImmutableUntil)
            : throw new IntegrityException($"The receipt for pack {sent.Pack} has another {differs} than what was sent. Its files are not backed up.");
    }

    /// <summary>A receipt that a pinned key signed, whatever it says.</summary>
    public static Receipt Verify(string jws, JwkSet pinned)
    {
        try
        {
            return Format.Packs.Receipts.Verify(jws, pinned);
        }
        catch (JwsException error) when (error.Fault == JwsFault.UnknownKey)
        {
            throw new IntegrityException("A receipt is signed with a key that this computer did not pin when it enrolled. If your archive's operator announced new keys, enroll again with a new code; else tell them.", error);
        }
        catch (Exception error) when (error is JwsException or PackException)
        {
            throw new IntegrityException($"A receipt does not verify: {error.Message}", error);
        }
    }
}

/// <summary>A pack is stored, and locked for less long than its images are to be kept. It counts for nothing: they are sealed into a new one.</summary>
public sealed class LockTooShortException(Sidecar sent, DateTimeOffset until) : CliException(
    ExitCode.Integrity,
    $"The archive locked pack {sent.Pack} until {until.UtcDateTime:yyyy-MM-dd}, and its study is to be kept until {sent.Retention!.Until.UtcDateTime:yyyy-MM-dd}. Its files are not backed up; the next run sends them again. If it happens again, tell your archive's operator.");
