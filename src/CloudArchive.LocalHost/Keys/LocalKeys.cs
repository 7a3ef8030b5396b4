using System.Security.Cryptography;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.LocalHost.Keys;

/// <summary>
/// Keys in files, where Azure has Key Vault: <c>{folder}/{name}/{version}.pem</c>, private halves included, readable by this user alone.
/// Whoever has the folder has the keys; docs/localhost.md says so.
/// </summary>
public sealed class LocalKeys : IWrappingKeys, IKeyUnwrapper, ISigner, IKeyRights, IDisposable
{
    /// <summary>What every key's id begins with.</summary>
    public const string IdPrefix = "https://localhost/keys/";

    private const string SigningKey = "signing";
    private const string TokenKey = "tokens";
    private const string Disabled = ".disabled";
    private const int RsaBits = 3072;
    private const int VersionLength = 32;

    private readonly string _folder;
    private readonly SemaphoreSlim _creating = new(1);

    private LocalKeys(string folder)
    {
        _folder = folder;
        Tokens = new TokenKeys(this);
    }

    /// <summary>Signs tokens and sessions, with a key of its own.</summary>
    public ITokenSigner Tokens { get; }

    /// <summary>Opens the keys in a folder; makes it, and the first keys that sign, where missing. A folder of an archive that signed tokens with the key for statements gets the other.</summary>
    public static async Task<LocalKeys> OpenAsync(string folder, CancellationToken cancellationToken)
    {
        PrivateFile.CreateFolder(folder);
        LocalKeys keys = new(folder);
        await keys.EnsureAsync(SigningKey, CreateSigningKey, cancellationToken);
        await keys.EnsureAsync(TokenKey, CreateSigningKey, cancellationToken);
        return keys;
    }

    /// <inheritdoc/>
    public async Task<Jwk> EnsureAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        await EnsureAsync(WrappingKey(clinic), CreateWrappingKey, cancellationToken);
        return await GetCurrentAsync(clinic, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<Jwk> GetCurrentAsync(ClinicId clinic, CancellationToken cancellationToken) => ReadRsaAsync(CurrentId(WrappingKey(clinic)), (id, rsa) => JwkKeys.FromRsa(rsa, id), cancellationToken);

    /// <summary>Makes a new version of the clinic's key, which wraps from now on. Earlier versions still unwrap.</summary>
    public async Task<Jwk> RotateAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        await CreateAsync(WrappingKey(clinic), CreateWrappingKey, cancellationToken);
        return await GetCurrentAsync(clinic, cancellationToken);
    }

    /// <summary>Makes a new version of the signing key, which signs from now on. Earlier versions stay among the public keys.</summary>
    public Task RotateSigningKeyAsync(CancellationToken cancellationToken) => CreateAsync(SigningKey, CreateSigningKey, cancellationToken);

    /// <summary>Makes a new version of the key of tokens and sessions. Those by the version before are good until they end; those by any earlier one are not.</summary>
    public Task RotateTokenKeyAsync(CancellationToken cancellationToken) => CreateAsync(TokenKey, CreateSigningKey, cancellationToken);

    /// <summary>Takes a version out of use: it neither signs nor unwraps, until its <c>.disabled</c> is removed. Its public half stays.</summary>
    public Task DisableAsync(string keyId, CancellationToken cancellationToken)
    {
        (string name, string version) = Parse(keyId, _ => true);
        if (!Versions(name).Contains(version))
        {
            throw new KeyUnavailableException(keyId, "there is no such version");
        }

        cancellationToken.ThrowIfCancellationRequested();
        PrivateFile.Write(Path.Combine(_folder, name, version + Disabled), []);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<byte[]> UnwrapAsync(string keyId, string algorithm, ReadOnlyMemory<byte> wrapped, CancellationToken cancellationToken)
    {
        if (algorithm != KeyWrapping.Algorithm)
        {
            throw new PackException(PackFault.EncryptionDataInvalid, $"The content key is wrapped with an algorithm other than {KeyWrapping.Algorithm}.");
        }

        return ReadRsaAsync(
            keyId,
            (id, rsa) =>
            {
                try
                {
                    return rsa.Decrypt(wrapped.Span, RSAEncryptionPadding.OaepSHA256);
                }
                catch (CryptographicException e)
                {
                    // Nothing is wrong with the key: it was asked to unwrap what is not wrapped for it.
                    throw new PackException(PackFault.WrongKey, $"The content key does not unwrap with key {id}.", e);
                }
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<bool> MayUnwrapAsync(string keyId, CancellationToken cancellationToken)
    {
        try
        {
            await UnwrapAsync(keyId, KeyWrapping.Algorithm, new byte[RsaBits / 8], cancellationToken);
        }
        catch (PackException)
        {
            // It tried: who has the folder has the keys.
        }

        return true;
    }

    /// <inheritdoc/>
    public Task<string> GetCurrentKeyIdAsync(CancellationToken cancellationToken) => Task.FromResult(CurrentId(SigningKey));

    /// <inheritdoc/>
    public Task<byte[]> SignAsync(string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => SignAsync(SigningKey, keyId, data, cancellationToken);

    /// <inheritdoc/>
    public Task<JwkSet> GetPublicKeysAsync(CancellationToken cancellationToken) => ReadPublicAsync(SigningKey, Versions(SigningKey).Reverse(), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> GetDisabledAsync(CancellationToken cancellationToken) => Task.FromResult(DisabledOf(SigningKey));

    /// <inheritdoc/>
    public void Dispose() => _creating.Dispose();

    private static string WrappingKey(ClinicId clinic) => $"kek-{clinic.Value}";

    private static string Id(string name, string version) => $"{IdPrefix}{name}/{version}";

    private static string CreateWrappingKey()
    {
        using RSA key = RSA.Create(RsaBits);
        return key.ExportPkcs8PrivateKeyPem();
    }

    private static string CreateSigningKey()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return key.ExportPkcs8PrivateKeyPem();
    }

    private async Task<byte[]> SignAsync(string name, string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        using ECDsa key = ECDsa.Create();
        key.ImportFromPem(await ReadAsync(keyId, asked => asked == name, cancellationToken));
        return key.SignData(data.Span, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    private async Task<JwkSet> ReadPublicAsync(string name, IEnumerable<string> versions, CancellationToken cancellationToken)
    {
        List<Jwk> keys = [];
        foreach (string version in versions)
        {
            using ECDsa key = ECDsa.Create();
            key.ImportFromPem(await File.ReadAllTextAsync(FileOf(name, version), cancellationToken));
            keys.Add(JwkKeys.FromEcdsa(key, Id(name, version)));
        }

        return new JwkSet(keys);
    }

    private string FileOf(string name, string version) => Path.Combine(_folder, name, version + ".pem");

    private bool IsDisabled(string name, string version) => File.Exists(Path.Combine(_folder, name, version + Disabled));

    private IReadOnlyList<string> DisabledOf(string name) => [.. Versions(name).Where(version => IsDisabled(name, version)).Select(version => Id(name, version))];

    private string[] Versions(string name)
    {
        string folder = Path.Combine(_folder, name);
        return Directory.Exists(folder) ? [.. Directory.EnumerateFiles(folder, "*.pem").Select(file => Path.GetFileNameWithoutExtension(file)).Order(StringComparer.Ordinal)] : [];
    }

    private string CurrentId(string name) =>
        Versions(name) is not [.., var latest] ? throw new KeyUnavailableException(IdPrefix + name, "there is no such key")
        : IsDisabled(name, latest) ? throw new KeyUnavailableException(Id(name, latest), "its current version is disabled")
        : Id(name, latest);

    private async Task EnsureAsync(string name, Func<string> create, CancellationToken cancellationToken)
    {
        await _creating.WaitAsync(cancellationToken);
        try
        {
            if (Versions(name).Length == 0)
            {
                Write(name, create());
            }
        }
        finally
        {
            _creating.Release();
        }
    }

    private async Task CreateAsync(string name, Func<string> create, CancellationToken cancellationToken)
    {
        await _creating.WaitAsync(cancellationToken);
        try
        {
            Write(name, create());
        }
        finally
        {
            _creating.Release();
        }
    }

    // A version begins with its number, so that versions sort; the rest keeps a key that was deleted and made again from passing for the first.
    private void Write(string name, string pem)
    {
        int number = Versions(name) is [.., var latest] ? Convert.ToInt32(latest[..8], 16) + 1 : 1;
        string version = $"{number:x8}{RandomNumberGenerator.GetHexString(VersionLength - 8, lowercase: true)}";
        PrivateFile.Write(Path.Combine(_folder, name, version + ".pem"), System.Text.Encoding.ASCII.GetBytes(pem));
    }

    private async Task<T> ReadRsaAsync<T>(string keyId, Func<string, RSA, T> use, CancellationToken cancellationToken)
    {
        using RSA key = RSA.Create();
        key.ImportFromPem(await ReadAsync(keyId, name => name.StartsWith("kek-", StringComparison.Ordinal), cancellationToken));
        return use(keyId, key);
    }

    // The id comes from a pack's metadata: it is taken apart and checked, never used as a path.
    private static (string Name, string Version) Parse(string keyId, Func<string, bool> isRightKind)
    {
        string[] parts = keyId.StartsWith(IdPrefix, StringComparison.Ordinal) ? keyId[IdPrefix.Length..].Split('/') : [];
        return parts is [var name, { Length: VersionLength } version]
            && isRightKind(name)
            && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
            && version.All(char.IsAsciiHexDigitLower)
            ? (name, version)
            : throw new KeyUnavailableException(keyId, "it is not a key of this store for this purpose");
    }

    private async Task<string> ReadAsync(string keyId, Func<string, bool> isRightKind, CancellationToken cancellationToken)
    {
        (string name, string version) = Parse(keyId, isRightKind);
        if (IsDisabled(name, version))
        {
            throw new KeyUnavailableException(keyId, "it is disabled");
        }

        try
        {
            return await File.ReadAllTextAsync(FileOf(name, version), cancellationToken);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new KeyUnavailableException(keyId, "there is no such version", e);
        }
    }

    private sealed class TokenKeys(LocalKeys keys) : ITokenSigner
    {
        public Task<string> GetCurrentKeyIdAsync(CancellationToken cancellationToken) => Task.FromResult(keys.CurrentId(TokenKey));

        public Task<byte[]> SignAsync(string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => keys.SignAsync(TokenKey, keyId, data, cancellationToken);

        public Task<JwkSet> GetAcceptedKeysAsync(CancellationToken cancellationToken) =>
            keys.ReadPublicAsync(TokenKey, keys.Versions(TokenKey).Reverse().Take(2).Where(version => !keys.IsDisabled(TokenKey, version)), cancellationToken);

        public Task<IReadOnlyList<string>> GetDisabledAsync(CancellationToken cancellationToken) => Task.FromResult(keys.DisabledOf(TokenKey));
    }
}
