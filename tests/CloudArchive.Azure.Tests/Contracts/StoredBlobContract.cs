using System.Globalization;
using System.Text;
using CloudArchive.Core.Storage;

namespace CloudArchive.Contracts;

/// <summary>What every <see cref="IBlobVault"/> guarantees of what lies in it; <c>BlobVaultContract</c> adds what its grants do.</summary>
public abstract class StoredBlobContract
{
    private static int s_folders;

    // The run's own names: a real account keeps what earlier runs locked.
    private static readonly string s_run = System.Security.Cryptography.RandomNumberGenerator.GetHexString(8, lowercase: true);

    private readonly string _folder = string.Create(CultureInfo.InvariantCulture, $"clinic-{s_run}-{Interlocked.Increment(ref s_folders):d6}");

    /// <summary>The vault under test, ready.</summary>
    protected abstract IBlobVault Vault { get; }

    /// <summary>The clock that storage goes by.</summary>
    protected virtual TimeProvider Clock => TimeProvider.System;

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    protected BlobName Name(string name, VaultArea area = VaultArea.Packs) => new(area, $"{_folder}/{name}");

    protected static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    protected Task<string> WriteAsync(BlobName name, string text = "content") => Vault.WriteNewAsync(name, Bytes(text), "text/plain", Cancel);

    protected async Task<string> ReadAsync(BlobName name, string version)
    {
        await using Stream stream = await Vault.OpenReadAsync(name, version, Cancel);
        using StreamReader reader = new(stream);
        return await reader.ReadToEndAsync(Cancel);
    }

    protected DateTimeOffset InDays(double days) => Clock.GetUtcNow().AddDays(days);

    [Fact]
    public async Task A_written_blob_is_found_and_read()
    {
        BlobName name = Name("a");
        string version = await WriteAsync(name, "hello");
        Assert.NotEmpty(version);
        BlobState state = (await Vault.FindAsync(name, Cancel))!;
        Assert.Equal((version, 5L, null, false, false), (state.VersionId, state.Length, state.ImmutableUntil, state.Locked, state.LegalHold));
        Assert.InRange(state.CreatedAt, TimeProvider.System.GetUtcNow().AddMinutes(-5), TimeProvider.System.GetUtcNow().AddMinutes(5));
        Assert.Equal(version, (await Vault.FindAsync(name, version, Cancel))!.VersionId);
        Assert.Equal("hello", await ReadAsync(name, version));
    }

    [Fact]
    public async Task An_empty_blob_is_a_blob()
    {
        BlobName name = Name("empty", VaultArea.Records);
        string version = await WriteAsync(name, "");
        Assert.Equal(0, (await Vault.FindAsync(name, Cancel))!.Length);
        Assert.Equal("", await ReadAsync(name, version));
    }

    [Theory]
    [InlineData("$system/checkpoints/2026-01-01T00.json")]
    [InlineData("with space/and (brackets) & more=1;2,3+4")]
    [InlineData("0198c0de-0000-7000-8000-000000000000.sidecar.json")]
    public async Task A_name_of_the_archive_s_characters_names_one_blob(string path)
    {
        BlobName name = Name(path, VaultArea.Records);
        string version = await WriteAsync(name, path);
        Assert.Equal(path, await ReadAsync(name, version));
        Assert.Equal([name.Path], await Vault.ListAsync(VaultArea.Records, _folder + "/", null, Cancel).Select(b => b.Name.Path).ToListAsync(Cancel));
    }

    [Fact]
    public async Task What_is_not_there_is_null_to_find_and_missing_to_everything_else()
    {
        BlobName name = Name("missing");
        BlobName there = Name("there");
        string version = await WriteAsync(there);
        await Vault.DeleteAsync(there, version, Cancel);
        Assert.Null(await Vault.FindAsync(name, Cancel));
        foreach (BlobName gone in (BlobName[])[name, there])
        {
            Assert.Null(await Vault.FindAsync(gone, version, Cancel));
            await Assert.ThrowsAsync<BlobMissingException>(() => Vault.OpenReadAsync(gone, version, Cancel));
            await Assert.ThrowsAsync<BlobMissingException>(() => Vault.LockAsync(gone, version, InDays(1), Cancel));
            await Assert.ThrowsAsync<BlobMissingException>(() => Vault.SetLegalHoldAsync(gone, version, true, Cancel));
            await Assert.ThrowsAsync<BlobMissingException>(() => Vault.RehydrateAsync(gone, version, Cancel));
            await Assert.ThrowsAsync<BlobMissingException>(() => Vault.SetTagsAsync(gone, version, new Dictionary<string, string> { ["archive_after_years"] = "2" }, Cancel));
            await Vault.DeleteAsync(gone, version, Cancel);
        }
    }

    [Fact]
    public async Task A_new_blob_never_overwrites()
    {
        BlobName name = Name("once");
        string version = await WriteAsync(name, "first");
        await Assert.ThrowsAsync<BlobExistsException>(() => WriteAsync(name, "second"));
        await Vault.LockAsync(name, version, InDays(1), Cancel);
        await Assert.ThrowsAsync<BlobExistsException>(() => WriteAsync(name, "third"));
        Assert.Equal("first", await ReadAsync(name, version));
        Assert.Equal(version, (await Vault.FindAsync(name, Cancel))!.VersionId);
    }

    [Fact]
    public async Task Of_writers_that_race_for_one_name_one_wins()
    {
        BlobName name = Name("race");
        async Task<string?> TryAsync(int writer)
        {
            try
            {
                return await WriteAsync(name, $"{writer}");
            }
            catch (BlobExistsException)
            {
                return null;
            }
        }

        string?[] versions = await Task.WhenAll(Enumerable.Range(0, 8).Select(TryAsync));
        string winner = Assert.Single(versions, v => v is not null)!;
        Assert.Equal($"{Array.IndexOf(versions, winner)}", await ReadAsync(name, winner));
    }

    [Fact]
    public async Task A_lock_has_its_date_and_stays()
    {
        BlobName name = Name("pack");
        string version = await WriteAsync(name);
        DateTimeOffset until = InDays(10).AddTicks(1);
        await Vault.LockAsync(name, version, until, Cancel);
        BlobState state = (await Vault.FindAsync(name, version, Cancel))!;
        Assert.True(state.Locked);
        Assert.InRange(state.ImmutableUntil!.Value, until, until.AddSeconds(1));
    }

    [Fact]
    public async Task A_lock_is_extended_and_never_shortened()
    {
        BlobName name = Name("pack");
        string version = await WriteAsync(name);
        DateTimeOffset later = new(InDays(100).UtcDateTime.Date, TimeSpan.Zero);
        await Vault.LockAsync(name, version, InDays(10), Cancel);
        await Vault.LockAsync(name, version, later, Cancel);
        await Vault.LockAsync(name, version, InDays(1), Cancel);
        await Vault.LockAsync(name, version, later, Cancel);
        BlobState state = (await Vault.FindAsync(name, version, Cancel))!;
        Assert.Equal((true, later), (state.Locked, state.ImmutableUntil!.Value));
    }

    [Fact]
    public async Task Of_locks_that_race_the_latest_date_stays()
    {
        BlobName name = Name("pack");
        string version = await WriteAsync(name);
        DateTimeOffset day = new(InDays(1).UtcDateTime.Date, TimeSpan.Zero);
        await Task.WhenAll(Enumerable.Range(1, 8).Select(i => Vault.LockAsync(name, version, day.AddDays(i * 7 % 9), Cancel)));
        BlobState state = (await Vault.FindAsync(name, version, Cancel))!;
        Assert.Equal((true, day.AddDays(8)), (state.Locked, state.ImmutableUntil!.Value));
    }

    [Fact]
    public async Task A_locked_version_is_not_deleted_and_stays_as_it_is()
    {
        BlobName name = Name("pack");
        string version = await WriteAsync(name, "precious");
        await Vault.LockAsync(name, version, InDays(1), Cancel);
        await Assert.ThrowsAsync<BlobProtectedException>(() => Vault.DeleteAsync(name, version, Cancel));
        Assert.Equal(version, (await Vault.FindAsync(name, Cancel))!.VersionId);
        Assert.Equal("precious", await ReadAsync(name, version));
    }

    [Fact]
    public async Task Tags_are_set_and_taken_off_on_what_is_locked_and_change_nothing_else()
    {
        BlobName name = Name("pack");
        string version = await WriteAsync(name);
        await Vault.LockAsync(name, version, InDays(10), Cancel);
        BlobState before = (await Vault.FindAsync(name, version, Cancel))!;
        await Vault.SetTagsAsync(name, version, new Dictionary<string, string> { ["archive_after_years"] = "2" }, Cancel);
        await Vault.SetTagsAsync(name, version, new Dictionary<string, string>(), Cancel);
        BlobState after = (await Vault.FindAsync(name, version, Cancel))!;
        Assert.Equal((before.ImmutableUntil, before.Locked, before.Length, before.VersionId), (after.ImmutableUntil, after.Locked, after.Length, after.VersionId));
    }

    [Fact]
    public async Task A_legal_hold_protects_until_it_is_cleared()
    {
        BlobName name = Name("pack");
        string version = await WriteAsync(name);
        await Vault.SetLegalHoldAsync(name, version, true, Cancel);
        await Vault.SetLegalHoldAsync(name, version, true, Cancel);
        Assert.True((await Vault.FindAsync(name, version, Cancel))!.LegalHold);
        await Assert.ThrowsAsync<BlobProtectedException>(() => Vault.DeleteAsync(name, version, Cancel));
        await Vault.SetLegalHoldAsync(name, version, false, Cancel);
        Assert.False((await Vault.FindAsync(name, version, Cancel))!.LegalHold);
        await Vault.DeleteAsync(name, version, Cancel);
        Assert.Null(await Vault.FindAsync(name, Cancel));
    }

    [Fact]
    public async Task A_hold_and_a_lock_do_not_touch_each_other()
    {
        BlobName name = Name("pack");
        string version = await WriteAsync(name);
        await Vault.SetLegalHoldAsync(name, version, true, Cancel);
        await Vault.LockAsync(name, version, InDays(1), Cancel);
        await Vault.SetLegalHoldAsync(name, version, false, Cancel);
        BlobState state = (await Vault.FindAsync(name, version, Cancel))!;
        Assert.Equal((true, false), (state.Locked, state.LegalHold));
        await Assert.ThrowsAsync<BlobProtectedException>(() => Vault.DeleteAsync(name, version, Cancel));
    }

    [Fact]
    public async Task A_deleted_version_is_gone_and_the_name_is_free_again()
    {
        BlobName name = Name("pack");
        string first = await WriteAsync(name, "first");
        await Vault.DeleteAsync(name, first, Cancel);
        await Vault.DeleteAsync(name, first, Cancel);
        Assert.Null(await Vault.FindAsync(name, Cancel));
        string second = await WriteAsync(name, "second");
        Assert.NotEqual(first, second);
        await Vault.DeleteAsync(name, first, Cancel);
        Assert.Equal("second", await ReadAsync(name, second));
        Assert.Null(await Vault.FindAsync(name, first, Cancel));
    }

    [Fact]
    public async Task A_list_has_the_names_after_one_in_ordinal_order()
    {
        string[] names = ["b", "a", "a.sidecar.json", "B", "c/d", "c-d", "a0"];
        Dictionary<string, string> versions = [];
        foreach (string name in names)
        {
            versions[$"{_folder}/{name}"] = await WriteAsync(Name(name, VaultArea.Records), name);
        }

        await WriteAsync(Name("x", VaultArea.Packs));
        BlobName deleted = Name("deleted", VaultArea.Records);
        await Vault.DeleteAsync(deleted, await WriteAsync(deleted), Cancel);

        List<ListedBlob> all = await Vault.ListAsync(VaultArea.Records, _folder + "/", null, Cancel).ToListAsync(Cancel);
        Assert.Equal(versions.Keys.Order(StringComparer.Ordinal), all.Select(b => b.Name.Path));
        Assert.All(all, b => Assert.Equal((versions[b.Name.Path], VaultArea.Records, b.Name.Path.Length - _folder.Length - 1L), (b.VersionId, b.Name.Area, b.Length)));
        List<ListedBlob> some = await Vault.ListAsync(VaultArea.Records, _folder + "/", _folder + "/a", Cancel).ToListAsync(Cancel);
        Assert.Equal(all.Select(b => b.Name.Path).Where(p => string.CompareOrdinal(p, _folder + "/a") > 0), some.Select(b => b.Name.Path));
        Assert.Equal(["c-d", "c/d"], await Vault.ListAsync(VaultArea.Records, _folder + "/c", null, Cancel).Select(b => b.Name.Path[(_folder.Length + 1)..]).ToListAsync(Cancel));
        Assert.Empty(await Vault.ListAsync(VaultArea.Records, _folder + "/nothing", null, Cancel).ToListAsync(Cancel));
    }

    /// <summary>Takes a lease for ever, as whoever may write the blob.</summary>
    protected abstract Task LeaseAsync(BlobName name);

    /// <summary>Takes a snapshot, as whoever may write the blob.</summary>
    protected abstract Task SnapshotAsync(BlobName name);

    [Fact]
    public async Task Somebodys_lease_keeps_nothing_from_being_tagged_locked_held_or_deleted()
    {
        BlobName name = Name("pack");
        string version = await WriteAsync(name);
        await LeaseAsync(name);
        await Vault.LockAsync(name, version, InDays(1), Cancel);
        await Vault.SetTagsAsync(name, version, new Dictionary<string, string> { ["archive_after_years"] = "2" }, Cancel);
        BlobName other = Name("other");
        string second = await WriteAsync(other);
        await LeaseAsync(other);
        await Vault.SetLegalHoldAsync(other, second, true, Cancel);
        await Assert.ThrowsAsync<BlobProtectedException>(() => Vault.DeleteAsync(other, second, Cancel));
        await Vault.SetLegalHoldAsync(other, second, false, Cancel);
        await Vault.DeleteAsync(other, second, Cancel);
        Assert.Empty(await Vault.ListVersionsAsync(VaultArea.Packs, other.Path, Cancel).ToListAsync(Cancel));
        await Assert.ThrowsAsync<BlobProtectedException>(() => Vault.DeleteAsync(name, version, Cancel));
    }

    [Fact]
    public async Task Snapshots_are_listed_and_deleted_and_go_before_their_blob()
    {
        BlobName name = Name("p"), sidecar = Name("p.sidecar.json");
        string version = await WriteAsync(name);
        await WriteAsync(sidecar);
        await SnapshotAsync(name);
        await Task.Delay(5, Cancel); // storage tells snapshots apart by their times
        await SnapshotAsync(name);
        await SnapshotAsync(sidecar);
        await WriteAsync(Name("q"));
        await SnapshotAsync(Name("q"));
        List<ListedSnapshot> all = await Vault.ListSnapshotsAsync(VaultArea.Packs, name.Path, Cancel).ToListAsync(Cancel);
        Assert.Equal([name, name, sidecar], all.Select(snapshot => snapshot.Name).OrderBy(of => of.Path, StringComparer.Ordinal));
        Assert.Equal(version, (await Vault.FindAsync(name, version, Cancel))!.VersionId);
        Assert.NotNull(await Record.ExceptionAsync(async () => await Vault.DeleteAsync(name, (await Vault.FindAsync(name, Cancel))!.VersionId, Cancel)));
        foreach (ListedSnapshot snapshot in all)
        {
            await Vault.DeleteSnapshotAsync(snapshot.Name, snapshot.Snapshot, Cancel);
            await Vault.DeleteSnapshotAsync(snapshot.Name, snapshot.Snapshot, Cancel);
        }

        Assert.Empty(await Vault.ListSnapshotsAsync(VaultArea.Packs, name.Path, Cancel).ToListAsync(Cancel));
        foreach (ListedBlob blob in await Vault.ListVersionsAsync(VaultArea.Packs, name.Path, Cancel).ToListAsync(Cancel))
        {
            await Vault.DeleteAsync(blob.Name, blob.VersionId, Cancel);
        }

        Assert.Empty(await Vault.ListVersionsAsync(VaultArea.Packs, name.Path, Cancel).ToListAsync(Cancel));
        Assert.Single(await Vault.ListSnapshotsAsync(VaultArea.Packs, Name("q").Path, Cancel).ToListAsync(Cancel));
    }

    [Fact]
    public async Task A_list_of_versions_has_each_and_none_that_was_deleted()
    {
        string pack = await WriteAsync(Name("p"));
        string sidecar = await WriteAsync(Name("p.sidecar.json"));
        await WriteAsync(Name("q"));
        await Vault.LockAsync(Name("p"), pack, InDays(1), Cancel);
        Assert.Equal(
            [(Name("p"), pack), (Name("p.sidecar.json"), sidecar)],
            (await Vault.ListVersionsAsync(VaultArea.Packs, Name("p").Path, Cancel).ToListAsync(Cancel)).Select(version => (version.Name, version.VersionId)).OrderBy(version => version.Name.Path, StringComparer.Ordinal));
        await Vault.DeleteAsync(Name("p.sidecar.json"), sidecar, Cancel);
        Assert.Equal([pack], await Vault.ListVersionsAsync(VaultArea.Packs, Name("p").Path, Cancel).Select(version => version.VersionId).ToListAsync(Cancel));
    }
}
