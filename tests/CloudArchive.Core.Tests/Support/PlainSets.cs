using System.Text;
using System.Text.Json;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.Tests.Support;

/// <summary>Folder sets and snapshots, as an agent makes them.</summary>
internal static class PlainSets
{
    /// <summary>What must not be found anywhere outside a seal.</summary>
    public const string Name = "Lindqvist";

    public static TestFile Plain(string path, byte[] content) => new(path, content, SidecarInstance.Plain(FileKinds.Of(path), content.Length, Sha256Digest.Of(content)));

    public static TestFile Plain(string path, string content) => Plain(path, Encoding.UTF8.GetBytes(content));

    public static Uid FolderOf(this TestClinic clinic, string folder, string computer = "reception") => Sets.FolderOf(clinic.Secret, computer, @"C:\Imaging", folder);

    public static Uid SnapshotsOf(this TestClinic clinic, string computer = "reception") => Sets.SnapshotsOf(clinic.Secret, computer);

    public static async Task<SealedPack> SealSetAsync(this TestClinic clinic, Uid set, SetFacts facts, params IReadOnlyList<TestFile> files)
    {
        clinic.Archive.Clock.Advance(TimeSpan.FromMilliseconds(1));
        OpenedPack opened = await clinic.Archive.Intake.OpenAsync(clinic.Agent, set, files.Sum(file => (long)file.Content.Length), clinic.AsAgent, TestClinic.Cancel);
        return await clinic.SealAsync(opened, set, files, set: facts);
    }

    public static async Task<SealedPack> BackUpFolderAsync(this MemoryArchive archive, string folder, params IReadOnlyList<TestFile> files)
    {
        return await archive.BackUpAsync(await archive.Clinic.SealSetAsync(archive.Clinic.FolderOf(folder), new SetFacts(SetKind.Folder), files));
    }

    /// <summary>A snapshot of files that lie in packs.</summary>
    /// <param name="clinic">Whose.</param>
    /// <param name="files">Where each lies.</param>
    /// <param name="chain">The snapshots that it goes on from.</param>
    /// <param name="until">Until when the agent says that it is kept.</param>
    /// <param name="isComplete">Whether the list ends in it.</param>
    /// <param name="needs">What the sidecar names, where that is not what the list names.</param>
    public static async Task<SealedPack> SealSnapshotAsync(
        this TestClinic clinic, IReadOnlyList<(TestFile File, PackId Pack)> files, IReadOnlyList<PackId>? chain = null, DateTimeOffset? until = null, bool isComplete = true, IReadOnlyList<PackId>? needs = null)
    {
        PackId[] packs = [.. files.Select(file => file.Pack).Distinct()];
        DateTimeOffset now = clinic.Archive.Clock.GetUtcNow();
        long bytes = files.Sum(file => (long)file.File.Content.Length);
        Snapshot snapshot = new(Snapshot.CurrentFormat, clinic.Id, "reception", now, [new SnapshotRoot(1, "Imaging", @"C:\Imaging")], packs, files.Count, bytes, isComplete);
        StringBuilder lines = new();
        foreach ((TestFile file, PackId pack) in files)
        {
            lines.Append(JsonSerializer.Serialize(new SnapshotLine(1, file.Path, file.Content.Length, now, Sha256Digest.Of(file.Content), Array.IndexOf(packs, pack)), FormatJson.Options)).Append('\n');
        }

        TestFile[] parts = [Part(Snapshot.DocumentName, JsonSerializer.SerializeToUtf8Bytes(snapshot, FormatJson.Options)), Part(Snapshot.PartName(1), Encoding.UTF8.GetBytes(lines.ToString()))];
        SidecarSnapshot facts = new(now, chain ?? [], needs ?? packs, 1, files.Count, bytes, isComplete);
        return await clinic.SealSetAsync(clinic.SnapshotsOf(), new SetFacts(SetKind.Snapshot, facts, until is { } day ? new SidecarRetention(1, day) : null), parts);
    }

    public static async Task<SealedPack> BackUpSnapshotAsync(
        this MemoryArchive archive, IReadOnlyList<(TestFile File, PackId Pack)> files, IReadOnlyList<PackId>? chain = null, DateTimeOffset? until = null, bool isComplete = true, IReadOnlyList<PackId>? needs = null)
    {
        return await archive.BackUpAsync(await archive.Clinic.SealSnapshotAsync(files, chain, until, isComplete, needs));
    }

    /// <summary>Uploads and commits.</summary>
    public static async Task<SealedPack> BackUpAsync(this MemoryArchive archive, SealedPack pack)
    {
        await archive.Vault.WriteNewAsync(BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack), pack.Ciphertext, "application/octet-stream", MemoryArchive.Metadata(pack.Sidecar), TestClinic.Cancel);
        await archive.Clinic.CommitAsync(pack);
        return pack;
    }

    public static TestFile Part(string name, byte[] content) => new(name, content, SidecarInstance.Plain(FileKind.Snapshot, content.Length, Sha256Digest.Of(content)));
}
