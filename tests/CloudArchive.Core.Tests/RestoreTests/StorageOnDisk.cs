using System.Text.Json.Nodes;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Core.Tests.RestoreTests;

/// <summary>
/// What LocalHost's storage keeps on the disk, while nothing runs: Azurite's extents and its index of blobs, the WORM layer's policies.
/// Whoever changes these goes past every protection, as a rotten disk or a rogue operator would.
/// </summary>
internal sealed class StorageOnDisk
{
    private readonly string _folder;
    private readonly JsonNode _index;
    private readonly JsonArray _blobs;
    private readonly Dictionary<string, string> _extents;

    private StorageOnDisk(string folder)
    {
        _folder = folder;
        _index = JsonNode.Parse(File.ReadAllText(Index))!;
        JsonObject blobs = _index["collections"]!.AsArray().Select(c => c!.AsObject()).Single(c => (string)c["name"]! == "$BLOBS_COLLECTION$");
        _blobs = blobs["data"]!.AsArray();
        blobs["binaryIndices"] = new JsonObject(); // What is removed below would still be in them, and 3.37 believes them. Azurite does without.

        JsonNode extents = JsonNode.Parse(File.ReadAllText(Path.Combine(Azurite, "__azurite_db_blob_extent__.json")))!;
        _extents = extents["collections"]!.AsArray().SelectMany(c => c!["data"]!.AsArray()).Where(e => e!["path"] is not null).ToDictionary(e => (string)e!["id"]!, e => (string)e!["path"]!);
    }

    private string Azurite => Path.Combine(_folder, "azurite", "blob");

    private string Index => Path.Combine(Azurite, "__azurite_db_blob__.json");

    public static StorageOnDisk Open(string folder) => new(folder);

    /// <summary>Writes the index back.</summary>
    public void Save() => File.WriteAllText(Index, _index.ToJsonString());

    public long Length(string container, string name) => (long)Persistency(container, name)["count"]!;

    public void Flip(string container, string name, long offset, int bit)
    {
        JsonObject at = Persistency(container, name);
        using FileStream extent = File.Open(Path.Combine(Azurite, "__blobstorage__", _extents[(string)at["id"]!]), FileMode.Open, FileAccess.ReadWrite);
        extent.Position = (long)at["offset"]! + offset;
        int value = extent.ReadByte();
        extent.Position--;
        extent.WriteByte((byte)(value ^ (1 << bit)));
    }

    public void Truncate(string container, string name, long bytes)
    {
        JsonObject blob = Blob(container, name);
        long left = (long)blob["persistency"]!["count"]! - bytes;
        blob["persistency"]!["count"] = left;
        blob["properties"]!["contentLength"] = left;
    }

    public void Delete(string container, string name) => _blobs.Remove(Blob(container, name));

    public void Swap(string container, string one, string two)
    {
        JsonObject first = Blob(container, one), second = Blob(container, two);
        JsonNode persistency = first["persistency"]!.DeepClone(), length = first["properties"]!["contentLength"]!.DeepClone();
        first["persistency"] = second["persistency"]!.DeepClone();
        first["properties"]!["contentLength"] = second["properties"]!["contentLength"]!.DeepClone();
        second["persistency"] = persistency;
        second["properties"]!["contentLength"] = length;
    }

    public void DropPolicy(string container, string name)
    {
        using SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = Path.Combine(_folder, "policies.db"), Pooling = false }.ToString());
        connection.Open();
        using SqliteCommand delete = connection.CreateCommand();
        delete.CommandText = "DELETE FROM protection WHERE blob = $blob";
        delete.Parameters.AddWithValue("$blob", $"{container}/{name}");
        Assert.Equal(1, delete.ExecuteNonQuery());
    }

    private JsonObject Blob(string container, string name) =>
        _blobs.Select(b => b!.AsObject()).Single(b => (string)b["containerName"]! == container && (string)b["name"]! == name);

    private JsonObject Persistency(string container, string name) => Blob(container, name)["persistency"]!.AsObject();
}
