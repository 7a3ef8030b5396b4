using CloudArchive.Format;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Keys;

/// <summary>Tells agents of rotated keys, in a chain that begins with the keys that they pinned when they enrolled (docs/decisions/0036).</summary>
public sealed class KeyAnnouncement(ISigner signer, IWrappingKeys keys, TimeProvider clock)
{
    /// <summary>The clinic's keys now, stated by every signing key that can still sign. One that was disabled, as after it leaked, vouches for nothing.</summary>
    public async Task<IReadOnlyList<string>> StateAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        JwkSet signing = await signer.GetPublicKeysAsync(cancellationToken);
        KeyStatement statement = new(KeyStatement.CurrentFormat, clinic, signing, await keys.GetCurrentAsync(clinic, cancellationToken), clock.GetUtcNow());
        byte[] payload = CanonicalJson.Serialize(statement);
        List<string> statements = [];
        foreach (Jwk key in signing.Keys)
        {
            try
            {
                statements.Add(await Jws.SignAsync(KeyStatement.JwsType, payload, key.Kid!, (data, ct) => signer.SignAsync(key.Kid!, data, ct), cancellationToken));
            }
            catch (KeyUnavailableException) when (statements.Count > 0)
            {
                // Only the current key, which is the first, has to be there.
            }
        }

        return statements;
    }
}
