using System.Globalization;
using System.Runtime.CompilerServices;
using CloudArchive.Core.Storage;

namespace CloudArchive.Core.Tests.Support;

/// <summary>A vault in memory that keeps the contract's rules (it passes the contract suite, but for grants, which need a server) and remembers each lock that it ever stated.</summary>
internal sealed class MemoryVault(TimeProvider clock) : IBlobVault
{
    private static readonly Dictionary<string, string> s_none = [];
    private readonly Lock _gate = new();
    private readonly Dictionary<BlobName, SortedList<string, Stored>> _blobs = [];
    private readonly HashSet<BlobName> _leased = [];
    private readonly Dictionary<BlobName, List<string>> _snapshots = [];
    private long _versions;

    public Task EnsureReadyAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Nobody listens there: tests put what an agent would upload with <see cref="WriteNewAsync(BlobName, ReadOnlyMemory{byte}, string, IReadOnlyDictionary{string, string}, CancellationToken)"/>.</summary>
    public Task<BlobGrant> GrantWriteAsync(BlobName name, TimeSpan lifetime, CancellationToken cancellationToken) =>
        Task.FromResult(new BlobGrant(new Uri($"https://memory.invalid/{name.Path}"), clock.GetUtcNow() + lifetime));

    public Task<BlobGrant> GrantReadAsync(BlobName name, string versionId, TimeSpan lifetime, CancellationToken cancellationToken) => GrantWriteAsync(name, lifetime, cancellationToken);

    public Task<BlobState?> FindAsync(BlobName name, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return Task.FromResult(_blobs.TryGetValue(name, out SortedList<string, Stored>? versions) && versions.Count > 0 ? versions.Values[^1].State : null);
        }
    }

    public Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return Task.FromResult(Find(name, versionId)?.State);
        }
    }

    public Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return Task.FromResult<Stream>(new MemoryStream(Get(name, versionId).Content, writable: false));
        }
    }

    public Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, CancellationToken cancellationToken) => WriteNewAsync(name, content, contentType, s_none, cancellationToken);

    public Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!_blobs.TryGetValue(name, out SortedList<string, Stored>? versions))
            {
                _blobs[name] = versions = new SortedList<string, Stored>(StringComparer.Ordinal);
            }

            if (versions.Count > 0)
            {
                throw new BlobExistsException(name);
            }

            string version = (++_versions).ToString("d12", CultureInfo.InvariantCulture);
            versions.Add(version, new Stored(content.ToArray(), new BlobState(version, content.Length, clock.GetUtcNow(), null, false, false, new Dictionary<string, string>(metadata, StringComparer.OrdinalIgnoreCase))));
            return Task.FromResult(version);
        }
    }

    public Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            Stored stored = Get(name, versionId);
            if (!stored.State.Locked || stored.State.ImmutableUntil < until)
            {
                // As storage: a date that has passed is no policy; and whole seconds, never earlier than asked for.
                DateTimeOffset date = until.AddTicks((TimeSpan.TicksPerSecond - (until.UtcTicks % TimeSpan.TicksPerSecond)) % TimeSpan.TicksPerSecond);
                if (date <= clock.GetUtcNow())
                {
                    throw new InvalidOperationException($"{name} was to be locked until {date:O}, which has passed.");
                }

                stored.State = stored.State with { Locked = true, ImmutableUntil = date };
            }

            return Task.CompletedTask;
        }
    }

    public Task SetLegalHoldAsync(BlobName name, string versionId, bool hold, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            Stored stored = Get(name, versionId);
            stored.State = stored.State with { LegalHold = hold };
            return Task.CompletedTask;
        }
    }

    public Task SetTagsAsync(BlobName name, string versionId, IReadOnlyDictionary<string, string> tags, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _leased.Remove(name);
            Get(name, versionId).Tags = new Dictionary<string, string>(tags);
            return Task.CompletedTask;
        }
    }

    /// <summary>A blob's index tags, as lifecycle rules see them.</summary>
    public IReadOnlyDictionary<string, string> TagsOf(BlobName name)
    {
        lock (_gate)
        {
            return _blobs[name].Values[^1].Tags;
        }
    }

    /// <summary>Nothing here is ever in the archive tier.</summary>
    public Task RehydrateAsync(BlobName name, string versionId, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            Get(name, versionId);
            return Task.CompletedTask;
        }
    }

    /// <summary>Takes a blob away with all its versions, as no storage should.</summary>
    public void Lose(BlobName name)
    {
        lock (_gate)
        {
            _blobs.Remove(name);
            _snapshots.Remove(name);
        }
    }

    /// <summary>Changes a bit of a blob, as a rotten disk does.</summary>
    public void Flip(BlobName name)
    {
        lock (_gate)
        {
            byte[] content = _blobs[name].Values[^1].Content;
            content[content.Length / 2] ^= 1;
        }
    }

    /// <summary>Brings back a blob that <see cref="Take"/> took.</summary>
    public void Return(BlobName name, object taken)
    {
        lock (_gate)
        {
            _blobs[name] = (SortedList<string, Stored>)taken;
        }
    }

    /// <summary>Takes a blob away for a while.</summary>
    public object Take(BlobName name)
    {
        lock (_gate)
        {
            _blobs.Remove(name, out SortedList<string, Stored>? taken);
            return taken!;
        }
    }

    public Task DeleteAsync(BlobName name, string versionId, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (Find(name, versionId) is { } stored)
            {
                if (stored.State.LegalHold || stored.State.ImmutableUntil > clock.GetUtcNow())
                {
                    throw new BlobProtectedException(name);
                }

                if (_snapshots.ContainsKey(name) && _blobs[name].Keys[^1] == versionId)
                {
                    throw new InvalidOperationException($"{name} has snapshots."); // 409 SnapshotsPresent
                }

                _leased.Remove(name);
                _blobs[name].Remove(versionId);
            }

            return Task.CompletedTask;
        }
    }

    public async IAsyncEnumerable<ListedBlob> ListAsync(VaultArea area, string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (ListedBlob blob in Copy(area, prefix).GroupBy(blob => blob.Name).Select(versions => versions.Last()).Where(blob => string.CompareOrdinal(blob.Name.Path, after) > 0))
        {
            yield return await Task.FromResult(blob);
        }
    }

    public async IAsyncEnumerable<ListedBlob> ListVersionsAsync(VaultArea area, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (ListedBlob blob in Copy(area, prefix))
        {
            yield return await Task.FromResult(blob);
        }
    }

    public async IAsyncEnumerable<ListedSnapshot> ListSnapshotsAsync(VaultArea area, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (ListedSnapshot snapshot in AllSnapshots(area).Where(snapshot => snapshot.Name.Path.StartsWith(prefix, StringComparison.Ordinal)))
        {
            yield return await Task.FromResult(snapshot);
        }
    }

    public Task DeleteSnapshotAsync(BlobName name, string snapshot, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_snapshots.TryGetValue(name, out List<string>? of) && of.Remove(snapshot) && of.Count == 0)
            {
                _snapshots.Remove(name);
            }

            return Task.CompletedTask;
        }
    }

    /// <summary>Takes a lease for ever, as whoever holds a write grant may.</summary>
    public void Lease(BlobName name)
    {
        lock (_gate)
        {
            _leased.Add(name);
        }
    }

    /// <summary>Takes a snapshot, as whoever holds a write grant may.</summary>
    public string Snapshot(BlobName name)
    {
        lock (_gate)
        {
            string snapshot = (++_versions).ToString("d12", CultureInfo.InvariantCulture);
            (_snapshots.TryGetValue(name, out List<string>? of) ? of : _snapshots[name] = []).Add(snapshot);
            return snapshot;
        }
    }

    /// <summary>Writes another version beside those that there are, as whoever holds a write grant may.</summary>
    public string Overwrite(BlobName name, ReadOnlyMemory<byte> content)
    {
        lock (_gate)
        {
            string version = (++_versions).ToString("d12", CultureInfo.InvariantCulture);
            _blobs[name].Add(version, new Stored(content.ToArray(), new BlobState(version, content.Length, clock.GetUtcNow(), null, false, false, new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase))));
            return version;
        }
    }

    /// <summary>Every snapshot in an area.</summary>
    public IReadOnlyList<ListedSnapshot> AllSnapshots(VaultArea area)
    {
        lock (_gate)
        {
            return
            [
                .. _snapshots.Where(of => of.Key.Area == area).OrderBy(of => of.Key.Path, StringComparer.Ordinal)
                    .SelectMany(of => of.Value.Select(snapshot => new ListedSnapshot(of.Key, snapshot))),
            ];
        }
    }

    /// <summary>Everything that lies in an area, as it is now.</summary>
    public IReadOnlyList<(BlobName Name, BlobState State)> All(VaultArea area)
    {
        lock (_gate)
        {
            return [.. _blobs.Where(blob => blob.Key.Area == area).SelectMany(blob => blob.Value.Values.Select(stored => (blob.Key, stored.State)))];
        }
    }

    private List<ListedBlob> Copy(VaultArea area, string prefix)
    {
        lock (_gate)
        {
            return
            [
                .. _blobs.Where(blob => blob.Key.Area == area && blob.Key.Path.StartsWith(prefix, StringComparison.Ordinal))
                    .OrderBy(blob => blob.Key.Path, StringComparer.Ordinal)
                    .SelectMany(blob => blob.Value.Values.Select(stored => new ListedBlob(blob.Key, stored.State.VersionId, stored.State.Length))),
            ];
        }
    }

    private Stored? Find(BlobName name, string versionId) => _blobs.TryGetValue(name, out SortedList<string, Stored>? versions) && versions.TryGetValue(versionId, out Stored? stored) ? stored : null;

    private Stored Get(BlobName name, string versionId) => Find(name, versionId) ?? throw new BlobMissingException(name);

    private sealed class Stored(byte[] content, BlobState state)
    {
        public byte[] Content => content;

        public BlobState State { get; set; } = state;

        public IReadOnlyDictionary<string, string> Tags { get; set; } = s_none;
    }
}
