namespace CloudArchive.Core;

/// <summary>Which half of the archive a host runs (docs/design.md, "Least privilege").</summary>
[Flags]
public enum ArchiveRole
{
    /// <summary>Enrollment, tokens, packs: may write and lock blobs, has no right to unwrap a key.</summary>
    Ingest = 1,

    /// <summary>Administration, catalogue, restores, restore tests: may unwrap and read.</summary>
    Recovery = 2,

    /// <summary>Both in one process, as on a single machine.</summary>
    Both = Ingest | Recovery,
}
