using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Wire;

/// <summary><c>POST /v1/clinics/{clinic}/agents/{agent}/key</c>, by the agent itself: another key from now on.</summary>
/// <param name="NewKey">P-256 public key, made on the clinic's machine.</param>
/// <param name="ProofByOld">The <see cref="AgentKeyChange"/>, a compact JWS by the key that it has.</param>
/// <param name="ProofByNew">The same by the new key.</param>
public sealed record RenewAgentKeyRequest(Jwk NewKey, string ProofByOld, string ProofByNew);

/// <summary><c>GET /v1/clinics/{clinic}/keys</c>, by an agent.</summary>
/// <param name="Statements">The same <see cref="KeyStatement"/>, a compact JWS by each of the archive's signing keys.</param>
public sealed record KeyStatementsResponse(IReadOnlyList<string> Statements);
