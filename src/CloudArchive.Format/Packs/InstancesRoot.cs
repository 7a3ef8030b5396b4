using System.Numerics;
using System.Security.Cryptography;

namespace CloudArchive.Format.Packs;

/// <summary>One hash for the list of a pack's instances: RFC 6962 §2.1's tree head over the canonical JSON of each, in order.</summary>
public static class InstancesRoot
{
    /// <summary>The root of a list.</summary>
    public static Sha256Digest Of(IReadOnlyList<SidecarInstance> instances) => Sha256Digest.FromBytes(Root([.. instances.Select(Leaf)]));

    private static byte[] Leaf(SidecarInstance instance) => SHA256.HashData([0, .. CanonicalJson.Serialize(instance)]);

    private static byte[] Root(ReadOnlySpan<byte[]> leaves)
    {
        if (leaves.Length <= 1)
        {
            return leaves.IsEmpty ? SHA256.HashData([]) : leaves[0];
        }

        int left = 1 << BitOperations.Log2((uint)leaves.Length - 1);
        return SHA256.HashData([1, .. Root(leaves[..left]), .. Root(leaves[left..])]);
    }
}
