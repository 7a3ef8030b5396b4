using System.Security.Cryptography;
using System.Text;
using CloudArchive.Api;
using CloudArchive.Format.Signing;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CloudArchive.LocalHost.Identity;

/// <summary>
/// Issues the staff's tokens, as Entra ID does on Azure. It asks nobody for a password: whoever can read the data folder is the staff.
/// That is why LocalHost listens on loopback only.
/// </summary>
public sealed class LocalIssuer : IDisposable
{
    private const string Issuer = "urn:cloudarchive:localhost";
    private const string Audience = "urn:cloudarchive";

    /// <summary>The staff's directory: this machine.</summary>
    private const string Tenant = "localhost";

    // The cache goes by the key's name: it would hand a closed issuer's key to the one that is opened on the same file after it.
    private static readonly CryptoProviderFactory s_uncached = new() { CacheSignatureProviders = false };

    private readonly ECDsa _key;
    private readonly Jwk _public;
    private readonly TimeProvider _clock;

    private LocalIssuer(ECDsa key, TimeProvider clock)
    {
        _key = key;
        _public = JwkKeys.FromEcdsa(key);
        _clock = clock;
    }

    /// <summary>The issuer whose key is in a file; made where missing.</summary>
    public static LocalIssuer Open(string file, TimeProvider clock)
    {
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (File.Exists(file))
        {
            key.ImportFromPem(File.ReadAllText(file));
        }
        else
        {
            PrivateFile.Write(file, Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem()));
        }

        return new LocalIssuer(key, clock);
    }

    /// <summary>What the service has to know to believe the tokens.</summary>
    public StaffIssuer Trust => new(Issuer, Audience, Tenant, _ => Task.FromResult(new JwkSet([_public])));

    /// <summary>An access token for somebody who signed in with more than one factor.</summary>
    /// <param name="subject">Who.</param>
    /// <param name="role"><c>admin</c> or <c>compliance</c>.</param>
    /// <param name="lifetime">For how long.</param>
    /// <param name="clinics">The clinics in reach; none for all.</param>
    public string Issue(string subject, string role, TimeSpan lifetime, params string[] clinics)
    {
        DateTimeOffset now = _clock.GetUtcNow();
        SecurityTokenDescriptor token = new()
        {
            Issuer = Issuer,
            Audience = Audience,
            IssuedAt = now.UtcDateTime,
            NotBefore = now.UtcDateTime,
            Expires = (now + lifetime).UtcDateTime,
            SigningCredentials = new SigningCredentials(new ECDsaSecurityKey(_key) { KeyId = _public.Kid, CryptoProviderFactory = s_uncached }, SecurityAlgorithms.EcdsaSha256),
            Claims = new Dictionary<string, object>
            {
                ["tid"] = Tenant,
                ["oid"] = subject,
                ["sub"] = subject,
                ["scp"] = "user_impersonation",
                ["role"] = role,
                ["clinics"] = clinics is [] ? "*" : string.Join(' ', clinics),
                ["amr"] = new[] { "pwd", "mfa" },
            },
        };
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(token);
    }

    /// <inheritdoc/>
    public void Dispose() => _key.Dispose();
}
