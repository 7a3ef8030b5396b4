using System.Security.Cryptography;
using CloudArchive.Cli.Enrollment;
using CloudArchive.Format.Signing;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Enrollment;

public sealed class EscrowKeyFileTests : IDisposable
{
    private const string Passphrase = "correct horse battery staple";
    private readonly TemporaryFolder _folder = new();
    private string File => _folder["escrow.pem"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_file_holds_the_private_half_under_the_passphrase_and_only_there()
    {
        (Jwk key, bool made) = EscrowKeyFile.CreateOrOpen(File, Passphrase, DateTimeOffset.UnixEpoch);
        Assert.True(made);
        using RSA opened = EscrowKeyFile.Open(File, Passphrase);
        Assert.Equal(3072, opened.KeySize);
        Assert.Equal(JwkKeys.Thumbprint(key), JwkKeys.Thumbprint(JwkKeys.FromRsa(opened)));

        string text = System.IO.File.ReadAllText(File);
        Assert.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----", text, StringComparison.Ordinal);
        Assert.DoesNotContain("-----BEGIN PRIVATE KEY-----", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Passphrase, text, StringComparison.Ordinal);
        Assert.Contains(key.Kid!, text, StringComparison.Ordinal);
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void Trying_passphrases_is_slow_by_design()
    {
        EscrowKeyFile.CreateOrOpen(File, Passphrase, DateTimeOffset.UnixEpoch);
        PemFields pem = PemEncoding.Find(System.IO.File.ReadAllText(File));
        byte[] der = Convert.FromBase64String(System.IO.File.ReadAllText(File)[pem.Base64Data]);

        // PBES2 (1.2.840.113549.1.5.13), PBKDF2 with 1,000,000 iterations (INTEGER 0F 42 40) and AES-256-CBC (2.16.840.1.101.3.4.1.42).
        Assert.True(der.AsSpan().IndexOf((byte[])[0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x05, 0x0D]) > 0);
        Assert.True(der.AsSpan().IndexOf((byte[])[0x02, 0x03, 0x0F, 0x42, 0x40]) > 0);
        Assert.True(der.AsSpan().IndexOf((byte[])[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2A]) > 0);
    }

    [Fact]
    public void Only_this_user_can_read_the_file()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has no modes.");
            return; // which the analyzer cannot know
        }

        EscrowKeyFile.CreateOrOpen(File, Passphrase, DateTimeOffset.UnixEpoch);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
    }

    [Fact]
    public void A_file_that_is_there_is_used_and_never_overwritten()
    {
        (Jwk first, _) = EscrowKeyFile.CreateOrOpen(File, Passphrase, DateTimeOffset.UnixEpoch);
        byte[] bytes = System.IO.File.ReadAllBytes(File);
        (Jwk second, bool made) = EscrowKeyFile.CreateOrOpen(File, Passphrase, DateTimeOffset.UnixEpoch);
        Assert.False(made);
        Assert.Equal(first, second);
        Assert.Throws<UsageException>(() => EscrowKeyFile.CreateOrOpen(File, "another passphrase", DateTimeOffset.UnixEpoch));
        Assert.Equal(bytes, System.IO.File.ReadAllBytes(File));
    }

    [Fact]
    public void A_short_passphrase_is_refused_and_no_file_made()
    {
        Assert.Throws<UsageException>(() => EscrowKeyFile.CreateOrOpen(File, "short", DateTimeOffset.UnixEpoch));
        Assert.False(System.IO.File.Exists(File));
    }

    [Fact]
    public void What_is_no_escrow_key_is_told_as_such()
    {
        System.IO.File.WriteAllText(File, "notes");
        Assert.Contains("no escrow key", Assert.Throws<UsageException>(() => EscrowKeyFile.Open(File, Passphrase)).Message, StringComparison.Ordinal);
    }
}
