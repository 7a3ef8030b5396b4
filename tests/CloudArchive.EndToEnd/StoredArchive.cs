using Azure.Data.Tables;
using Azure.Storage;
using Azure.Storage.Blobs;

namespace CloudArchive.EndToEnd;

/// <summary>The archive's storage as the holder of the account key sees it. The account and key are those that Azurite documents for everyone.</summary>
public static class StoredArchive
{
    private const string Account = "devstoreaccount1";
    private const string Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    public static BlobServiceClient Service(string blobUrl) => new(AccountUrl(blobUrl), new StorageSharedKeyCredential(Account, Key));

    public static TableServiceClient Tables(string tableUrl) => new(AccountUrl(tableUrl), new TableSharedKeyCredential(Account, Key));

    private static Uri AccountUrl(string url) => new(new Uri(url), "/" + Account);
}
