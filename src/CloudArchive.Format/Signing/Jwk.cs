namespace CloudArchive.Format.Signing;

/// <summary>A public key as a JSON Web Key (RFC 7517): P-256 for signatures, RSA for wrapping. Members that a key type does not use are null.</summary>
/// <param name="Kty"><c>EC</c> or <c>RSA</c>.</param>
/// <param name="Kid">The key's id: for a key in Key Vault its versioned id, else the RFC 7638 thumbprint.</param>
/// <param name="Crv"><c>P-256</c> for EC.</param>
/// <param name="X">EC: base64url x.</param>
/// <param name="Y">EC: base64url y.</param>
/// <param name="N">RSA: base64url modulus.</param>
/// <param name="E">RSA: base64url exponent.</param>
/// <param name="Alg"><c>ES256</c> or <c>RSA-OAEP-256</c>.</param>
/// <param name="Use"><c>sig</c> or <c>enc</c>.</param>
public sealed record Jwk(string Kty, string? Kid = null, string? Crv = null, string? X = null, string? Y = null, string? N = null, string? E = null, string? Alg = null, string? Use = null);

/// <summary>A JSON Web Key Set (RFC 7517 §5): public keys only.</summary>
public sealed record JwkSet(IReadOnlyList<Jwk> Keys);
