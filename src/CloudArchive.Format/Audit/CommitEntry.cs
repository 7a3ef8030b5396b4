using System.Text.Json;
using CloudArchive.Format.Packs;

namespace CloudArchive.Format.Audit;

/// <summary>The entry of a pack's commit, as whoever holds its receipt recognises it.</summary>
public static class CommitEntry
{
    /// <summary>The action of a commit.</summary>
    public const string Action = "data-import/pack-committed";

    /// <summary>The action of a commit that was entered again, because the log lost the entry that the receipt names: its detail <c>index</c> is that entry's.</summary>
    public const string ReenteredAction = "data-import/pack-reentered";

    /// <summary>Whether an entry is the commit that a receipt is of; or, at another index, says that it is entered again.</summary>
    /// <param name="receipt">The receipt.</param>
    /// <param name="index">Where the entry stands.</param>
    /// <param name="json">The entry, as it was hashed.</param>
    public static bool IsOf(Receipt receipt, long index, string json)
    {
        AuditEntry entry;
        try
        {
            entry = JsonSerializer.Deserialize<AuditEntry>(json, FormatJson.Options)!;
        }
        catch (JsonException)
        {
            return false;
        }

        bool isCommit = entry.Action == Action ? index == receipt.AuditIndex : entry.Action == ReenteredAction && Detail("index") == receipt.AuditIndex.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return isCommit
            && entry.Index == index
            && entry.Log == receipt.AuditLog
            && entry.Outcome == AuditOutcome.Success
            && entry.Subject.Pack == receipt.Pack.ToString()
            && Detail("sha256") == receipt.Sha256.Hex
            && Detail("versionId") == receipt.VersionId;

        string? Detail(string name) => entry.Details?.GetValueOrDefault(name);
    }
}
