using CloudArchive.Cli.Recovery;
using CloudArchive.Cli.Restores;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Recovery;

/// <summary>A folder as it stood, from the escrow key and a copy of the container alone.</summary>
public sealed class RecoverAsOfTests : IDisposable
{
    private readonly Computers _computer = new();
    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _told = [];

    public void Dispose()
    {
        _computer.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_a_lost_pack_held_is_found_in_another()
    {
        await SnapshotAsync("a.txt", "the bytes");
        await _computer.Sealed.WriteAsync(_folder["copy"], PackId.New(_computer.Clock), ("other.txt", Packs.Bytes("other bytes")));
        await _computer.Sealed.WriteAsync(_folder["copy"], PackId.New(_computer.Clock), ("elsewhere.txt", Packs.Bytes("the bytes")));
        RestoreTally tally = await RecoverAsync();
        Assert.Equal((1, 0), (tally.Restored, tally.Failed));
        Assert.Equal("the bytes", File.ReadAllText(Assert.Single(Directory.GetFiles(_folder["out"], "*", SearchOption.AllDirectories))));
        Assert.Equal(File.GetLastWriteTimeUtc(_computer.Path("a.txt")), File.GetLastWriteTimeUtc(Path.Combine(_folder["out"], "a.txt")));
    }

    [Fact]
    public async Task What_is_in_no_pack_is_told_by_its_name()
    {
        await SnapshotAsync("a.txt", "the bytes");
        RestoreTally tally = await RecoverAsync();
        Assert.Equal((0, 1, ExitCode.Integrity), (tally.Restored, tally.Failed, tally.Code));
        Assert.Contains(_told, line => line.StartsWith("FAILED", StringComparison.Ordinal) && line.Contains("a.txt: no pack that came holds its bytes", StringComparison.Ordinal));
    }

    /// <summary>A computer's snapshot in the copy, and none of the packs that it names.</summary>
    private async Task SnapshotAsync(string name, string content)
    {
        File.WriteAllText(_computer.Path(name), content);
        await _computer.BackUpAsync();
        (Sidecar sidecar, byte[] blob) = Assert.Single(_computer.Snapshots);
        Directory.CreateDirectory(_folder["copy"]);
        File.WriteAllBytes(Path.Combine(_folder["copy"], sidecar.Pack.ToString()), blob);
        File.WriteAllBytes(Path.Combine(_folder["copy"], $"{sidecar.Pack}.sidecar.json"), Sidecars.Serialize(sidecar));
    }

    private async Task<RestoreTally> RecoverAsync()
    {
        using TargetFolder target = new(_folder["out"], overwrite: false);
        target.Lock();
        RecoveryRun run = new(new FolderSource(_folder["copy"], _told.Add), _computer.Sealed.Escrow, new HashSet<Uid>(), target, new QuietView(_told.Add));
        return await run.RunAsync(_computer.Clock.GetUtcNow(), SnapshotFilter.All, TestContext.Current.CancellationToken);
    }
}
