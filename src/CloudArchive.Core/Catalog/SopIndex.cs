using System.Buffers.Binary;
using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.Catalog;

/// <summary>
/// Where a SOP instance is, in few rows a pack: a row for a beginning that many UIDs of the pack share, with four bytes of each UID's hash. UIDs of one
/// series differ in their last component as a rule, so such a row is found by asking for each beginning of a UID, a dozen small queries. Where UIDs are
/// random below a root (<c>2.25</c>, toolkits' own), the beginning is that root: then a look-up reads one small row for each pack that has such UIDs.
/// </summary>
internal static class SopIndex
{
    private const int MostRows = 4;
    private const int FingerprintBytes = 4;
    private const int PieceBytes = 60 * 1024;
    private const int MostPieces = 16;

    /// <summary>The rows of a pack, by the beginning that they are for.</summary>
    public static IReadOnlyList<(string Beginning, Dictionary<string, object> Values)> Rows(IEnumerable<Uid> sopInstances)
    {
        string[] uids = [.. sopInstances.Select(uid => uid.Value).Distinct(StringComparer.Ordinal)];
        for (int dropped = 0; ; dropped++)
        {
            IGrouping<string, string>[] groups = [.. uids.GroupBy(uid => Beginning(uid, dropped), StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal)];
            if (groups.Length <= MostRows) // at last: a UID begins with 0, 1 or 2
            {
                return [.. groups.Select(group => (group.Key, Values(group)))];
            }
        }
    }

    /// <summary>Every beginning that a UID may stand under.</summary>
    public static IEnumerable<string> Beginnings(Uid sopInstance)
    {
        string uid = sopInstance.Value;
        for (int end = uid.Length; end > 0; end = uid.LastIndexOf('.', end - 1))
        {
            yield return uid[..end];
        }
    }

    /// <summary>Whether the pack of this row may have the instance; one of four thousand million others is mistaken for it.</summary>
    public static bool MayHave(Row row, Uid sopInstance)
    {
        uint wanted = Fingerprint(sopInstance.Value);
        for (int piece = 0; piece < MostPieces && row.Bytes(Name(piece)) is { } bytes; piece++)
        {
            for (int at = 0; at + FingerprintBytes <= bytes.Length; at += FingerprintBytes)
            {
                if (BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at)) == wanted)
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static Dictionary<string, object> Values(IEnumerable<string> uids)
    {
        uint[] fingerprints = [.. uids.Select(Fingerprint).Order()];
        byte[] bytes = new byte[fingerprints.Length * FingerprintBytes];
        for (int i = 0; i < fingerprints.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(i * FingerprintBytes), fingerprints[i]);
        }

        return bytes.Chunk(PieceBytes).Select((piece, index) => (Name(index), (object)piece)).ToDictionary();
    }

    private static uint Fingerprint(string uid) => BinaryPrimitives.ReadUInt32BigEndian(Sha256Digest.Of(System.Text.Encoding.ASCII.GetBytes(uid)).ToBytes());

    private static string Beginning(string uid, int dropped)
    {
        int end = uid.Length;
        for (; dropped > 0 && uid.LastIndexOf('.', end - 1) is > 0 and var dot; dropped--)
        {
            end = dot;
        }

        return uid[..end];
    }

    private static string Name(int piece) => $"f{piece:d2}";
}
