using CloudArchive.Format.Audit;

namespace CloudArchive.Format.Packs;

/// <summary>One hash for the list of a pack's instances: RFC 6962 §2.1's tree head over the canonical JSON of each, in order.</summary>
public static class InstancesRoot
{
    /// <summary>The root of a list.</summary>
    public static Sha256Digest Of(IEnumerable<SidecarInstance> instances) =>
        Merkle.RootOf(instances.Select(instance => (ReadOnlyMemory<byte>)CanonicalJson.Serialize(instance)));
}
