using System.Xml.Linq;

namespace CloudArchive.LocalHost.Worm;

/// <summary>A page of List Blobs, with the versions that the emulator does not know.</summary>
internal static class BlobListing
{
    /// <summary>What a client may ask to be included.</summary>
    public static bool IsKnown(string include) => include is "metadata" or "tags" or "versions" or "snapshots";

    /// <summary>Adds what <paramref name="include"/> asks for and takes out what is ours.</summary>
    /// <param name="page">The emulator's answer; it was asked for metadata.</param>
    /// <param name="include">What the client asked for.</param>
    public static void Rewrite(XDocument page, IReadOnlyCollection<string> include)
    {
        foreach (XElement blob in page.Descendants("Blob"))
        {
            XElement? metadata = blob.Element("Metadata");
            XElement? version = metadata?.Elements().FirstOrDefault(item => string.Equals(item.Name.LocalName, WormHeaders.VersionMetadata, StringComparison.OrdinalIgnoreCase));
            if (include.Contains("versions") && version is not null && blob.Element("Snapshot") is null)
            {
                blob.Element("Name")!.AddAfterSelf(new XElement("VersionId", version.Value), new XElement("IsCurrentVersion", "true"));
            }

            version?.Remove();
            if (!include.Contains("metadata"))
            {
                metadata?.Remove();
            }
        }
    }
}
