namespace CloudArchive.Format.Packs;

/// <summary>What is wrong with a pack or what belongs to it. docs/formats.md tells them apart.</summary>
public enum PackFault
{
    /// <summary>Longer or shorter than was committed, for no cause that the bytes themselves show.</summary>
    LengthMismatch,

    /// <summary>SHA-256 differs from what was committed, for no cause that the bytes themselves show.</summary>
    HashMismatch,

    /// <summary>The end is missing.</summary>
    Truncated,

    /// <summary>Authentic regions in another order, repeated or left out.</summary>
    RegionsReordered,

    /// <summary>Authentic regions without the first.</summary>
    FirstRegionMissing,

    /// <summary>Bytes of a region were changed.</summary>
    Altered,

    /// <summary>The content key does not unwrap with this key, or is not this pack's.</summary>
    WrongKey,

    /// <summary>An intact pack that is another one than its name says.</summary>
    WrongBlob,

    /// <summary>Inside an authentic seal: no ZIP.</summary>
    ZipInvalid,

    /// <summary>Inside an authentic seal: a manifest that is malformed or does not fit the ZIP.</summary>
    ManifestInvalid,

    /// <summary>Inside an authentic seal: a file that differs from what the manifest says of it.</summary>
    InstanceMismatch,

    /// <summary><c>encryptiondata</c> of another format or version.</summary>
    EncryptionDataInvalid,

    /// <summary>A sidecar that is malformed or contradicts itself.</summary>
    SidecarInvalid,

    /// <summary>A receipt, authentic as it may be, that is malformed or of another version.</summary>
    ReceiptInvalid,
}

/// <summary>A pack that must not be trusted. The message names regions, entries by number and ids, never a path.</summary>
public sealed class PackException(PackFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What is wrong.</summary>
    public PackFault Fault { get; } = fault;
}

/// <summary>A file's bytes are not those that were hashed before: it changed in between. Hash it again and put it into a new pack.</summary>
public sealed class SourceChangedException(SidecarInstance expected)
    : Exception($"The file of instance {expected.SopInstance} changed while it was archived.")
{
    /// <summary>What the file was.</summary>
    public SidecarInstance Expected { get; } = expected;
}
