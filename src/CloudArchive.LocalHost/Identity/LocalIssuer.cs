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
    private const string Audience = "urn:cloudarchive";

    /// <summary>The public client of <c>cloudarchive login</c>, and the scope that it asks for.</summary>
    internal static readonly StaffClient Client = new("cloudarchive-cli", "api://cloudarchive/access");

    /// <summary>The authentication context that stands for a second factor.</summary>
    internal const string SecondFactor = "c1";

    /// <summary>The staff's directory: this machine.</summary>
    private const string Tenant = "localhost";

    // The cache goes by the key's name: it would hand a closed issuer's key to the one that is opened on the same file after it.
    private static readonly CryptoProviderFactory s_uncached = new() { CacheSignatureProviders = false };

    private readonly ECDsa _key;
    private readonly Jwk _public;
    private readonly TimeProvider _clock;

    private LocalIssuer(Uri url, ECDsa key, TimeProvider clock)
    {
        Url = url;
        _key = key;
        _public = JwkKeys.FromEcdsa(key);
        _clock = clock;
    }

    /// <summary>The <c>iss</c> of its tokens, below which its endpoints are.</summary>
    public Uri Url { get; }

    /// <summary>The issuer whose key is in a file; made where missing.</summary>
    public static LocalIssuer Open(Uri url, string file, TimeProvider clock)
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

        return new LocalIssuer(url, key, clock);
    }

    /// <summary>What its tokens verify against.</summary>
    internal JwkSet Keys => new([_public]);

    /// <summary>What the service has to know to believe the tokens.</summary>
    public StaffIssuer Trust => new(Url.AbsoluteUri, Audience, Tenant, _ => Task.FromResult(Keys)) { MfaContexts = [SecondFactor], Client = Client };

    /// <summary>An access token for somebody who signed in with more than one factor.</summary>
    /// <param name="subject">Who.</param>
    /// <param name="role"><c>admin</c> or <c>compliance</c>.</param>
    /// <param name="lifetime">For how long.</param>
    /// <param name="clinics">The clinics in reach; none for all.</param>
    public string Issue(string subject, string role, TimeSpan lifetime, params string[] clinics) => Issue(subject, role, secondFactor: true, lifetime, clinics);

    /// <summary>An access token.</summary>
    /// <param name="subject">Who.</param>
    /// <param name="role"><c>admin</c> or <c>compliance</c>.</param>
    /// <param name="secondFactor">Whether they signed in with more than one factor.</param>
    /// <param name="lifetime">For how long.</param>
    /// <param name="clinics">The clinics in reach; none for all.</param>
    public string Issue(string subject, string role, bool secondFactor, TimeSpan lifetime, params string[] clinics) => Sign(Audience, subject, lifetime, new Dictionary<string, object>
    {
        ["scp"] = "access",
        ["role"] = role,
        ["clinics"] = clinics is [] ? "*" : string.Join(' ', clinics),
        ["amr"] = secondFactor ? (string[])["pwd", "mfa"] : ["pwd"],
        ["acrs"] = secondFactor ? (string[])[SecondFactor] : [],
    });

    /// <summary>An ID token: who signed in to a client. It opens nothing.</summary>
    internal string IssueIdentity(string subject, TimeSpan lifetime) => Sign(Client.Id, subject, lifetime, []);

    private string Sign(string audience, string subject, TimeSpan lifetime, Dictionary<string, object> claims)
    {
        DateTimeOffset now = _clock.GetUtcNow();
        SecurityTokenDescriptor token = new()
        {
            Issuer = Url.AbsoluteUri,
            Audience = audience,
            IssuedAt = now.UtcDateTime,
            NotBefore = now.UtcDateTime,
            Expires = (now + lifetime).UtcDateTime,
            SigningCredentials = new SigningCredentials(new ECDsaSecurityKey(_key) { KeyId = _public.Kid, CryptoProviderFactory = s_uncached }, SecurityAlgorithms.EcdsaSha256),
            Claims = new Dictionary<string, object>(claims) { ["tid"] = Tenant, ["oid"] = subject, ["sub"] = subject, ["preferred_username"] = subject },
        };
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(token);
    }

    /// <inheritdoc/>
    public void Dispose() => _key.Dispose();
}
