using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace CloudArchive.Format.Packs;

/// <summary>What a pack's files have in common: the unit of retention, legal hold, restore and destruction.</summary>
public enum SetKind
{
    /// <summary>Instances of one study; its id is the Study Instance UID.</summary>
    Study,

    /// <summary>Plain files of one folder of one root; its id is <see cref="Sets.FolderOf"/>.</summary>
    Folder,

    /// <summary>Snapshots of one computer; its id is <see cref="Sets.SnapshotsOf"/>.</summary>
    Snapshot,
}

/// <summary>
/// The ids of what DICOM gives no id: UIDs below <c>2.25</c>, as PS3.5 annex B.2 makes them of 128 bits. Nothing can be read from one: those of sets are
/// HMACs under the clinic's identifier secret, the same on every computer that has it.
/// </summary>
public static class Sets
{
    /// <summary>What all of them begin with; a study's UID may too.</summary>
    public const string Root = "2.25.";

    /// <summary>The id of the plain files of a folder.</summary>
    /// <param name="secret">The clinic's.</param>
    /// <param name="computer">The computer.</param>
    /// <param name="root">Where the root lies on it; not its label, which may change.</param>
    /// <param name="folder">Below the root, '/' between names; empty for the root itself.</param>
    public static Uid FolderOf(IdentifierSecret secret, string computer, string root, string folder) => Of(secret, "folder", computer, root, folder);

    /// <summary>The id of a computer's snapshots.</summary>
    public static Uid SnapshotsOf(IdentifierSecret secret, string computer) => Of(secret, "snapshots", computer);

    /// <summary>What stands in the place of a plain file's SOP Instance UID: 128 bits of its SHA-256, which stands beside it.</summary>
    public static Uid InstanceOf(Sha256Digest sha256) => FromBits(sha256.ToBytes());

    /// <summary>Whether an id is one of those made here, and so maybe no study's.</summary>
    public static bool IsMadeUp(Uid id) => id.Value.StartsWith(Root, StringComparison.Ordinal);

    /// <summary>A set, for people, where nothing but its id is known: what is made up is a folder's or a computer's, unless a study has such a UID.</summary>
    public static string Describe(Uid set) => IsMadeUp(set) ? $"set {set}" : $"study {set}";

    /// <summary>A set, for people.</summary>
    /// <param name="set">Its id.</param>
    /// <param name="kind">What it is of; null: a study.</param>
    public static string Describe(Uid set, SetKind? kind) => kind switch
    {
        SetKind.Folder => $"folder {set}",
        SetKind.Snapshot => $"snapshots {set}",
        _ => $"study {set}",
    };

    private static Uid Of(IdentifierSecret secret, params ReadOnlySpan<string> parts)
    {
        // Lengths first, so that no two lists of parts are one text; an end that no trimming takes away.
        StringBuilder text = new("cloudarchive/set/1\n");
        foreach (string part in parts)
        {
            text.Append(CultureInfo.InvariantCulture, $"{Encoding.UTF8.GetByteCount(part)}:{part}\n");
        }

        return FromBits(secret.Hmac(Encoding.UTF8.GetBytes(text.ToString()))!.Value.ToBytes());
    }

    private static Uid FromBits(ReadOnlySpan<byte> digest) =>
        Uid.Parse(Root + new BigInteger(digest[..16], isUnsigned: true, isBigEndian: true).ToString(CultureInfo.InvariantCulture));
}
