namespace CloudArchive.Azure.Keys;

/// <summary>Where keys are. The clinics' are apart from the one that signs: whoever may make the former must not make the latter.</summary>
/// <param name="Signing">The archive's vault: its signing key.</param>
/// <param name="Clinics">The vaults that clinics' keys are spread over. One may be added, none taken away.</param>
/// <param name="Hsm">Whether keys are made in an HSM.</param>
public sealed record VaultPlaces(Uri Signing, IReadOnlyList<Uri> Clinics, bool Hsm = false);
