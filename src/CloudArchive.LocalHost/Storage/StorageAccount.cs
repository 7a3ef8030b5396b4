using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Format;

namespace CloudArchive.LocalHost.Storage;

/// <summary>A storage account's name and its key in base64.</summary>
public sealed record StorageAccount(string Name, string Key)
{
    /// <summary>The account of every LocalHost; Azurite's own.</summary>
    public const string LocalName = "devstoreaccount1";

    /// <summary>A new key for it.</summary>
    public static StorageAccount Create() => new(LocalName, Convert.ToBase64String(RandomNumberGenerator.GetBytes(64)));

    /// <summary>The account whose key is kept in a file; made where it is missing.</summary>
    public static StorageAccount Keep(string file)
    {
        if (File.Exists(file))
        {
            return JsonSerializer.Deserialize<StorageAccount>(File.ReadAllBytes(file), FormatJson.Options)!;
        }

        StorageAccount created = Create();
        PrivateFile.Write(file, JsonSerializer.SerializeToUtf8Bytes(created, FormatJson.Options));
        return created;
    }

    /// <summary>Without the key.</summary>
    public override string ToString() => $"{Name} **redacted**";
}
