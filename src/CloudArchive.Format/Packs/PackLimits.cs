namespace CloudArchive.Format.Packs;

/// <summary>What a reader must be ready for, and a writer must keep to. A pack beyond them is refused before it costs memory.</summary>
public static class PackLimits
{
    /// <summary>Instances in a pack.</summary>
    public const int Instances = 10_000;

    /// <summary>Bytes of a sealed pack.</summary>
    public const long Bytes = 16L << 30;

    /// <summary>Bytes of an instance: sealing, ZIP and manifest need a little of a pack.</summary>
    public const long InstanceBytes = Bytes - (16L << 20);

    /// <summary>Bytes of a manifest.</summary>
    public const int ManifestLength = 64 * 1024 * 1024;

    /// <summary>Bytes of an entry's name in UTF-8.</summary>
    public const int EntryNameLength = 1024;

    /// <summary>Bytes of a ZIP's central directory: a record of 46 bytes, a name, and room for extra fields an entry.</summary>
    internal const long ZipDirectoryLength = (Instances + 1) * (46L + EntryNameLength + 64);
}
