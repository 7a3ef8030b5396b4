using System.Text;
using CloudArchive.Core.Storage;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.LocalHost.Tests.Worm;

/// <summary>What protects a blob outlives the process and ends with its date, and not before.</summary>
public sealed class WormRestartTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Policies => _folder["policies.db"];

    public void Dispose() => _folder.Dispose();

    private Task<LocalStorage> StartAsync() => LocalStorage.StartAsync(new LocalStorageOptions(_folder.Path), _clock, Cancel);

    private static BlobName Name(string name) => new(VaultArea.Records, name);

    private static Task<string> WriteAsync(LocalStorage storage, string name) => storage.Vault.WriteNewAsync(Name(name), Encoding.UTF8.GetBytes(name), "text/plain", Cancel);

    [Fact]
    public async Task A_restart_keeps_blobs_versions_locks_and_holds_and_time_alone_frees_them()
    {
        string locked, held, free;
        DateTimeOffset until = _clock.GetUtcNow().AddDays(30);
        await using (LocalStorage storage = await StartAsync())
        {
            locked = await WriteAsync(storage, "locked");
            held = await WriteAsync(storage, "held");
            free = await WriteAsync(storage, "free");
            await storage.Vault.LockAsync(Name("locked"), locked, until, Cancel);
            await storage.Vault.SetLegalHoldAsync(Name("held"), held, true, Cancel);
        }

        await using (LocalStorage storage = await StartAsync())
        {
            AssertState(locked, true, false, await storage.Vault.FindAsync(Name("locked"), Cancel));
            AssertState(held, false, true, await storage.Vault.FindAsync(Name("held"), Cancel));
            AssertState(free, false, false, await storage.Vault.FindAsync(Name("free"), Cancel));
            await Assert.ThrowsAsync<BlobProtectedException>(() => storage.Vault.DeleteAsync(Name("locked"), locked, Cancel));
            await Assert.ThrowsAsync<BlobProtectedException>(() => storage.Vault.DeleteAsync(Name("held"), held, Cancel));
            Assert.NotEqual(free, await WriteAsync(storage, "new"));

            // To the last second.
            _clock.SetUtcNow(until.AddSeconds(-1));
            await Assert.ThrowsAsync<BlobProtectedException>(() => storage.Vault.DeleteAsync(Name("locked"), locked, Cancel));
            _clock.SetUtcNow(until.AddSeconds(2));
            await Assert.ThrowsAsync<BlobExistsException>(() => WriteAsync(storage, "locked"));
            await storage.Vault.DeleteAsync(Name("locked"), locked, Cancel);
            Assert.Null(await storage.Vault.FindAsync(Name("locked"), Cancel));
            await WriteAsync(storage, "locked");

            // No time frees a hold.
            _clock.Advance(TimeSpan.FromDays(10_000));
            await Assert.ThrowsAsync<BlobProtectedException>(() => storage.Vault.DeleteAsync(Name("held"), held, Cancel));
        }

        await using (LocalStorage storage = await StartAsync())
        {
            BlobState again = (await storage.Vault.FindAsync(Name("locked"), Cancel))!;
            Assert.Equal((null, false), (again.ImmutableUntil, again.Locked));
        }
    }

    [Fact]
    public async Task Blobs_without_their_policies_are_not_served()
    {
        await using (LocalStorage storage = await StartAsync())
        {
            await storage.Vault.LockAsync(Name("x"), await WriteAsync(storage, "x"), _clock.GetUtcNow().AddDays(1), Cancel);
        }

        byte[] good = await File.ReadAllBytesAsync(Policies, Cancel);
        File.Delete(Policies);
        LocalHostException e = await Assert.ThrowsAsync<LocalHostException>(StartAsync);
        Assert.Contains("policies are missing", e.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Policies));

        byte[] damaged = [.. good];
        Array.Fill(damaged, (byte)0x5A, 0, Math.Min(damaged.Length, 4096));
        await File.WriteAllBytesAsync(Policies, damaged, Cancel);
        e = await Assert.ThrowsAsync<LocalHostException>(StartAsync);
        Assert.Contains("cannot be read", e.Message, StringComparison.Ordinal);

        await File.WriteAllBytesAsync(Policies, good, Cancel);
        await using LocalStorage back = await StartAsync();
        Assert.True((await back.Vault.FindAsync(Name("x"), Cancel))!.Locked);
    }

    private static void AssertState(string version, bool locked, bool held, BlobState? state)
    {
        Assert.NotNull(state);
        Assert.Equal((version, locked, held), (state.VersionId, state.Locked, state.LegalHold));
    }
}
