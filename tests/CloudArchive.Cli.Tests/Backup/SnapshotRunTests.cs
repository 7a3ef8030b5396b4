using System.Globalization;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.Restores;
using CloudArchive.Cli.State;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Backup;

/// <summary>What a computer says of itself after each complete run: real state, real packs, an archive that takes them.</summary>
public sealed class SnapshotRunTests : IDisposable
{
    private readonly Computers _computer = new();

    public void Dispose() => _computer.Dispose();

    [Fact]
    public async Task A_chain_of_snapshots_says_what_stood_where_after_each_run()
    {
        Dictionary<string, string>[] stood = new Dictionary<string, string>[4];
        Write("a.txt", "one");
        Write("sub/b.txt", "two");
        Write("sub/copy of b.txt", "two");
        Write("empty.bin", "");
        stood[0] = await BackUpAsync();
        Write("a.txt", "one changed");
        File.Move(_computer.Path("sub/b.txt"), _computer.Path("sub/c.txt"));
        stood[1] = await BackUpAsync();
        Directory.Delete(_computer.Path("sub"), recursive: true);
        stood[2] = await BackUpAsync();
        Write("sub/b.txt", "two");
        stood[3] = await BackUpAsync();

        Assert.Equal(4, _computer.Snapshots.Count);
        List<SnapshotReader> all = [];
        for (int i = 0; i < 4; i++)
        {
            SnapshotReader read = await ReadAsync(_computer.Snapshots[i].Sidecar);
            all.Add(read);
            Assert.Equal(stood[i], read.Files.ToDictionary(f => f.Key.Path, f => $"{f.Value.Sha256} {f.Value.Length} {f.Value.ModifiedAt.UtcTicks}"));
            Assert.Equal((_computer.Session.Identity.Computer, "images"), (read.Document!.Computer, read.Document.Roots.Single().Label));
            Assert.All(read.Files.Values, file => Assert.Contains(file.Pack, (IEnumerable<PackId>)[.. _computer.State.Receipts().Select(r => r.Pack)]));
        }

        // What happened between two of them.
        SnapshotDifference difference = SnapshotDifference.Between(all[0], all[1]);
        Assert.Equal("images/a.txt", Assert.Single(difference.Changed));
        Assert.Equal(new MovedFile("images/sub/b.txt", "images/sub/c.txt"), Assert.Single(difference.Moved));
        Assert.Equal((0, 0, 2L), (difference.Appeared.Count, difference.Vanished.Count, difference.Same));
        Assert.Equal(["images/sub/c.txt", "images/sub/copy of b.txt"], SnapshotDifference.Between(all[1], all[2]).Vanished);
        Assert.Equal(4, SnapshotDifference.Between(null, all[0]).Appeared.Count);

        // Outside the seal: packs and counts. No path, no name.
        foreach ((Sidecar sidecar, _) in _computer.Snapshots)
        {
            string text = System.Text.Encoding.UTF8.GetString(Sidecars.Serialize(sidecar));
            Assert.All((string[])["a.txt", "sub", "images", _computer.Images, _computer.Session.Identity.Computer], secret => Assert.DoesNotContain($"\"{secret}", text, StringComparison.Ordinal));
        }

        Assert.Equal([0, 1, 2, 3], _computer.Snapshots.Select(s => s.Sidecar.Snapshot!.Chain.Count));
        Assert.Equal([4, 4, 2, 3], _computer.Snapshots.Select(s => s.Sidecar.Snapshot!.Files));
    }

    [Fact]
    public async Task Without_a_change_there_is_none_and_a_touched_file_is_a_change()
    {
        Write("a.txt", "one");
        await BackUpAsync();
        Assert.Null((await _computer.RunAsync())!.Snapshot);
        Assert.Single(_computer.Snapshots);
        File.SetLastWriteTimeUtc(_computer.Path("a.txt"), new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Assert.Equal(1, (await _computer.RunAsync())!.Snapshot!.Changes);
        _computer.State.Relabel(_computer.Images, "X-rays");
        Assert.Equal("X-rays", (await ReadAsync(await NextAsync())).Document!.Roots.Single().Label);
    }

    [Fact]
    public async Task One_that_the_archive_refuses_is_told_and_taken_by_the_next_run()
    {
        Write("a.txt", "one");
        _computer.RefusesSnapshots = true;
        BackupOutcome outcome = await _computer.BackUpAsync();
        Assert.Equal(ExitCode.Incomplete, outcome.Code(false));
        Assert.NotNull(outcome.SnapshotFailed);
        Assert.Equal(1, outcome.Counts.Archived.Files);
        _computer.RefusesSnapshots = false;
        outcome = (await _computer.RunAsync())!;
        Assert.Equal((ExitCode.Ok, 1), (outcome.Code(false), outcome.Snapshot!.Files));
    }

    [Fact]
    public async Task After_ransomware_there_is_none_until_a_person_has_looked()
    {
        _computer.Write([.. Enumerable.Range(0, 40).Select(i => $"study/{i:D3}")]);
        await _computer.BackUpAsync();
        Assert.Single(_computer.Snapshots);
        for (int i = 0; i < 40; i++)
        {
            _computer.Rewrite($"study/{i:D3}");
        }

        await _computer.RunAsync();
        await _computer.RunAsync();
        Assert.Single(_computer.Snapshots);
        await _computer.RunAsync(new BackupOptions(AcceptChanges: true));
        await BackUpAsync();
        Assert.Equal(2, _computer.Snapshots.Count);
    }

    [Fact]
    public async Task A_chain_that_lost_a_part_or_is_long_begins_anew_with_the_whole_list()
    {
        Write("a.txt", "one");
        await BackUpAsync();
        Write("b.txt", "two");
        await BackUpAsync();
        _computer.State.DropReceipt(_computer.Snapshots[0].Sidecar.Pack, Format.Wire.PackLossCause.Missing);
        SnapshotReader read = await ReadAsync(await NextAsync());
        Assert.Empty(_computer.Snapshots[^1].Sidecar.Snapshot!.Chain);
        Assert.Equal(2, read.Files.Count);

        Write("b.txt", "two and more");
        await _computer.RunAsync();
        _computer.Archive();
        AgentState state = _computer.State;
        Assert.Equal((false, 1, 1L), state.LineUpSnapshot(longestChain: 2) is var goesOn ? (goesOn.IsWhole, goesOn.Chain.Count, goesOn.Lines) : default);
        Assert.Equal((true, 0, 2L), state.LineUpSnapshot(longestChain: 1) is var anew ? (anew.IsWhole, anew.Chain.Count, anew.Lines) : default);
    }

    [Fact]
    public void A_list_that_is_too_long_for_one_pack_goes_on_in_others()
    {
        AgentState state = _computer.State;
        long folder = state.Folder(_computer.Images);
        DateTimeOffset now = _computer.Clock.GetUtcNow();
        FoundFile[] found = [.. Enumerable.Range(0, 500).Select(i => new FoundFile(_computer.Path($"f{i:D4}"), i, now.UtcTicks))];
        state.NoteFound(folder, "", [.. found.Select(f => new FileNote(f, null, FileChange.New))], now);
        FolderRecord record = state.FindFolder(_computer.Images)!;
        foreach ((int i, FoundFile file) in found.Index())
        {
            SidecarInstance plain = SidecarInstance.Plain(FileKind.Other, i, Sha256Digest.Of(System.Text.Encoding.UTF8.GetBytes(i.ToString(CultureInfo.InvariantCulture))));
            state.NoteContent(state.FindFile(record, file.Path)!.Value.Id, i, file.ModifiedTicks, new FileContent(plain, new StudyKey(Uid.Parse("2.25.7"), null, null, null, Set: SetKind.Folder)), now);
        }

        _computer.Archive(); // each in a pack of its own
        SnapshotPlan plan = state.LineUpSnapshot(Snapshots.LongestChain);
        Assert.Equal((true, 500, 500, 500L * 499 / 2), (plan.IsWhole, plan.Lines, plan.Files, plan.Bytes));
        List<string> paths = [];
        long after = 0;
        int parts = 0;
        while (after < plan.Lines)
        {
            long last = state.LastLineOfPack(after, mostLines: 200, mostPacks: 150);
            Assert.Equal(Math.Min(150, 500 - after), last - after);
            Assert.Equal(last - after, state.PacksOfLines(after, last).Count);
            paths.AddRange(state.Lines(after, last).Select(line => line.Path));
            after = last;
            parts++;
        }

        Assert.Equal(4, parts);
        Assert.Equal([.. found.Select(f => Path.GetFileName(f.Path))], paths.Order(StringComparer.Ordinal));
        Assert.Equal(200, state.LastLineOfPack(0, mostLines: 200, mostPacks: 1000));
    }

    private void Write(string name, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_computer.Path(name))!);
        File.WriteAllText(_computer.Path(name), content);
        File.SetLastWriteTimeUtc(_computer.Path(name), _computer.Clock.GetUtcNow().UtcDateTime.AddMinutes(-7).AddTicks(content.Length));
    }

    /// <summary>A backup; what stands there after it.</summary>
    private async Task<Dictionary<string, string>> BackUpAsync()
    {
        _computer.Clock.Advance(TimeSpan.FromMinutes(10));
        BackupOutcome outcome = await _computer.BackUpAsync();
        Assert.Equal((ExitCode.Ok, null), (outcome.Code(false), outcome.SnapshotFailed));
        return new DirectoryInfo(_computer.Images).EnumerateFiles("*", SearchOption.AllDirectories).ToDictionary(
            file => Path.GetRelativePath(_computer.Images, file.FullName).Replace(Path.DirectorySeparatorChar, '/'),
            file => $"{Sha256Digest.Of(File.ReadAllBytes(file.FullName))} {file.Length} {file.LastWriteTimeUtc.Ticks}");
    }

    private async Task<Sidecar> NextAsync()
    {
        int before = _computer.Snapshots.Count;
        await _computer.RunAsync();
        Assert.Equal(before + 1, _computer.Snapshots.Count);
        return _computer.Snapshots[^1].Sidecar;
    }

    private async Task<SnapshotReader> ReadAsync(Sidecar snapshot)
    {
        SnapshotReader read = new();
        foreach (PackId id in (IEnumerable<PackId>)[.. snapshot.Snapshot!.Chain, snapshot.Pack])
        {
            (Sidecar sidecar, byte[] blob) = _computer.Snapshots.Single(s => s.Sidecar.Pack == id);
            using ContentKey key = KeyWrapping.Unwrap(sidecar.Escrow, _computer.Sealed.Escrow);
            await using PackReader pack = await PackReader.OpenAsync(new MemoryStream(blob), key, PackIdentity.Of(sidecar), TestContext.Current.CancellationToken);
            await read.AddAsync(pack, TestContext.Current.CancellationToken);
        }

        Assert.True(read.IsWhole);
        return read;
    }
}
