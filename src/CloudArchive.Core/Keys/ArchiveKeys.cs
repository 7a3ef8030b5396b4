namespace CloudArchive.Core.Keys;

/// <summary>All that a host can do with keys.</summary>
/// <param name="Wrapping">The clinics' public halves.</param>
/// <param name="Content">Opens content keys, where the host may.</param>
/// <param name="Signer">Signs what the archive states.</param>
public sealed record ArchiveKeys(IWrappingKeys Wrapping, ContentKeys Content, ISigner Signer);
