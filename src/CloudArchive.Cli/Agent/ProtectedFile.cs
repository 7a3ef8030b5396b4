using System.Security.Cryptography;

namespace CloudArchive.Cli.Agent;

/// <summary>A secret on this computer: a file that only this user can read; on Windows under DPAPI besides, so that a copied disk does not give it away.</summary>
public static class ProtectedFile
{
    private static readonly byte[] Purpose = "cloudarchive agent"u8.ToArray();

    /// <summary>Writes the secret, whole or not at all.</summary>
    public static void Write(string path, ReadOnlySpan<byte> secret)
    {
        byte[] content = Protect(secret, IsOfMachine(path));
        WritePlain(path, content);
        CryptographicOperations.ZeroMemory(content);
    }

    /// <summary>Writes a file that is no secret and that only this user can read, whole or not at all: its bytes are on the disk before they have its name.</summary>
    public static void WritePlain(string path, ReadOnlySpan<byte> content)
    {
        string temporary = path + ".new";
        File.Delete(temporary);
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (FileStream file = new(temporary, options))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Reads the secret; clear it after use. <see cref="LocalFailureException"/> where it is missing, or was protected for another user or computer.</summary>
    public static byte[] Read(string path)
    {
        try
        {
            byte[] content = File.ReadAllBytes(path);
            return Unprotect(content);
        }
        catch (Exception error) when (error is FileNotFoundException or CryptographicException)
        {
            throw new LocalFailureException($"{path} is missing or belongs to another user or computer. Ask your archive's admin for a new code and enroll again; nothing that is archived is lost.", error);
        }
    }

    /// <summary>The secret as it may lie in a file that only this user can read: on Windows under DPAPI, elsewhere as it is.</summary>
    /// <param name="secret">The secret.</param>
    /// <param name="ofMachine">Whether every account of this computer that can read the file is to open it: a service and administrators do, and its rights keep the others out.</param>
    public static byte[] Protect(ReadOnlySpan<byte> secret, bool ofMachine = false) => OperatingSystem.IsWindows()
        ? ProtectedData.Protect(secret.ToArray(), Purpose, ofMachine ? DataProtectionScope.LocalMachine : DataProtectionScope.CurrentUser)
        : secret.ToArray();

    /// <summary>What <see cref="Protect"/> was given; <see cref="CryptographicException"/> where it was for another user or computer.</summary>
    public static byte[] Unprotect(byte[] content) =>
        OperatingSystem.IsWindows() ? ProtectedData.Unprotect(content, Purpose, DataProtectionScope.CurrentUser) : content;

    private static bool IsOfMachine(string path) => OperatingSystem.IsWindows() && path.StartsWith(AgentHome.OfMachine + Path.DirectorySeparatorChar, StringComparison.OrdinalIgnoreCase);
}
