using System.Security.Cryptography;

namespace CloudArchive.LocalHost.Storage;

/// <summary>A storage account's name and its key in base64.</summary>
public sealed record StorageAccount(string Name, string Key)
{
    /// <summary>
    /// The account and key that Azurite documents for everyone (https://learn.microsoft.com/azure/storage/common/storage-use-azurite), so that any
    /// Azure tool can look at a LocalHost. It is no secret: packs are sealed, and what is locked stays locked to whoever holds it.
    /// </summary>
    public static StorageAccount Emulator { get; } = new("devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==");

    /// <summary>An account of that name with a key that nobody knows.</summary>
    public static StorageAccount Create() => new(Emulator.Name, Convert.ToBase64String(RandomNumberGenerator.GetBytes(64)));

    /// <summary>Without the key.</summary>
    public override string ToString() => $"{Name} **redacted**";
}
