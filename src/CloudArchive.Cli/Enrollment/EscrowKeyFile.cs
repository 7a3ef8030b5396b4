using System.Security.Cryptography;
using System.Text;
using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Enrollment;

/// <summary>
/// The clinic's escrow key: an RSA-3072 pair, made on the clinic's machine. The private half exists in this one file, under a passphrase,
/// and nowhere else; with it and a copy of the storage everything can be opened without the service.
/// </summary>
public static class EscrowKeyFile
{
    /// <summary>Characters that a passphrase has at least.</summary>
    public const int LeastPassphrase = 12;

    private const int KeyBits = 3072;

    // PBES2 (RFC 8018): a second or so on an ordinary computer, for each passphrase that someone who found the file tries.
    private static readonly PbeParameters Protection = new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1_000_000);

    /// <summary>
    /// The public half of the key in the file: of a new key where there is no file, of the key that is there where one is and the passphrase
    /// opens it, so that an enrollment which was cut off can be repeated.
    /// </summary>
    /// <returns>The key, and whether it was made now.</returns>
    public static (Jwk PublicKey, bool Made) CreateOrOpen(string path, string passphrase, DateTimeOffset now)
    {
        if (File.Exists(path))
        {
            using RSA existing = Open(path, passphrase);
            return (JwkKeys.FromRsa(existing), false);
        }

        if (passphrase.Length < LeastPassphrase) throw new UsageException($"The escrow key's passphrase needs {LeastPassphrase} characters at least; several words are good.");
        using RSA key = RSA.Create(KeyBits);
        Jwk publicKey = JwkKeys.FromRsa(key);
        string text =
            $"""
            CloudArchive escrow key {publicKey.Kid}, made {now:yyyy-MM-dd}.
            With this file, its passphrase and a copy of the clinic's packs, every image can be brought back without the service:
            cloudarchive recover. Without it, only the service can open them. Keep it, and the passphrase apart from it, in a safe
            place that is not this computer.

            {key.ExportEncryptedPkcs8PrivateKeyPem(passphrase, Protection)}

            """;
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using FileStream file = new(path, options);
        file.Write(Encoding.UTF8.GetBytes(text));
        file.Flush(flushToDisk: true);
        return (publicKey, true);
    }

    /// <summary>The private key; the caller disposes it. <see cref="UsageException"/> for a wrong passphrase, or a file that holds no such key.</summary>
    public static RSA Open(string path, string passphrase)
    {
        RSA key = RSA.Create();
        try
        {
            string text = File.ReadAllText(path);
            if (text.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal)) key.ImportFromEncryptedPem(text, passphrase);
            else throw new UsageException($"{path} holds no escrow key: there is no ENCRYPTED PRIVATE KEY in it.");
            return key;
        }
        catch (Exception error)
        {
            key.Dispose();
            if (error is CryptographicException or ArgumentException) throw new UsageException($"The passphrase does not open {path}, or the file is damaged.");
            throw;
        }
    }
}
