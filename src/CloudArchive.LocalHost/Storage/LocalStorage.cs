using System.Globalization;
using System.Text;
using CloudArchive.Azure.Blobs;
using CloudArchive.Azure.Queues;
using CloudArchive.Azure.Tables;
using CloudArchive.LocalHost.Hosting;
using CloudArchive.LocalHost.Worm;

namespace CloudArchive.LocalHost.Storage;

/// <summary>How to run storage on this machine.</summary>
/// <param name="Folder">Where everything is kept; made where missing.</param>
/// <param name="BlobPort">The WORM layer's port; 0 for any; null for the one that this folder had before, so that an upload that is under way goes on after a restart.</param>
/// <param name="AzuritePackage">The folder of the npm package; null: the nearest <c>node_modules/azurite</c> above the program or the working folder.</param>
/// <param name="Portal">Where the portal is, whose pages may read blobs (CORS); null: no page may.</param>
public sealed record LocalStorageOptions(string Folder, int? BlobPort = null, string? AzuritePackage = null, Uri? Portal = null);

/// <summary>Blobs, tables and a queue on this machine: Azurite, and the WORM layer before its blobs. The tests and LocalHost run the same.</summary>
public sealed class LocalStorage : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _parts;

    private LocalStorage(Stack<IAsyncDisposable> parts, StorageAccount account, Uri blobs, Uri tables, IReadOnlyList<AzuriteProcess> processes, TimeProvider clock)
    {
        _parts = parts;
        Account = account;
        BlobUrl = blobs;
        TableUrl = tables;
        ProcessIds = [.. processes.Select(process => process.Id)];
        Failed = Task.WhenAny(processes.Select(process => process.Ended)).Unwrap();
        Vault = BlobVault.Connect(blobs, account.Name, account.Key, clock);
        Rows = RowStore.Connect(tables, account.Name, account.Key);
    }

    /// <summary>Ready: the containers are there.</summary>
    public BlobVault Vault { get; }

    /// <summary>Ready: the tables are there.</summary>
    public RowStore Rows { get; }

    /// <summary>Ready: the queue is there.</summary>
    public WorkQueue Queue { get; private init; } = null!;

    /// <summary>The account's blobs, behind the WORM layer.</summary>
    public Uri BlobUrl { get; }

    /// <summary>The account's tables.</summary>
    public Uri TableUrl { get; }

    /// <summary>The account and its key.</summary>
    public StorageAccount Account { get; }

    /// <summary>The account's queues.</summary>
    internal Uri QueueUrl { get; private init; } = null!;

    /// <summary>The account of the queues: its key lives as long as this process, and nobody else can send a message.</summary>
    internal StorageAccount QueueAccount { get; private init; } = null!;

    /// <summary>The emulator behind the WORM layer: for the tests that try to get past it.</summary>
    internal Uri EmulatorUrl { get; private init; } = null!;

    /// <summary>The child processes.</summary>
    public IReadOnlyList<int> ProcessIds { get; }

    /// <summary>Completes when a child process has ended, with what there is to tell of it. Where storage was not disposed of, it ended by itself.</summary>
    public Task<string> Failed { get; }

    /// <summary>Another queue, by its name: for the tests that have one each.</summary>
    internal WorkQueue OpenQueue(string name) => WorkQueue.Connect(QueueUrl, QueueAccount.Name, QueueAccount.Key, name);

    /// <summary>Starts storage in a folder.</summary>
    public static Task<LocalStorage> StartAsync(string folder, CancellationToken cancellationToken) => StartAsync(new LocalStorageOptions(folder), TimeProvider.System, cancellationToken);

    /// <summary>Starts storage; <see cref="LocalHostException"/> says what is missing.</summary>
    public static async Task<LocalStorage> StartAsync(LocalStorageOptions options, TimeProvider clock, CancellationToken cancellationToken)
    {
        string folder = Path.GetFullPath(options.Folder);
        string package = AzuritePackage.Find(options.AzuritePackage);
        PrivateFile.CreateFolder(folder);
        Stack<IAsyncDisposable> parts = new();
        try
        {
            parts.Push(FolderLock.Take(folder));
            StorageAccount account = StorageAccount.Emulator;

            // The emulator's own key lives as long as this process: nobody else can speak to its blob port.
            StorageAccount hidden = StorageAccount.Create();
            string blobFolder = Path.Combine(folder, "azurite", "blob");
            PolicyStore policies = PolicyStore.Open(Path.Combine(folder, "policies.db"), mustExist: Directory.Exists(blobFolder));
            parts.Push(new Owned(policies));

            Task<AzuriteProcess> startBlobs = AzuriteProcess.StartAsync(AzuriteService.Blob, package, blobFolder, hidden, cancellationToken);
            Task<AzuriteProcess> startTables = AzuriteProcess.StartAsync(AzuriteService.Table, package, Path.Combine(folder, "azurite", "table"), account, cancellationToken);
            Task<AzuriteProcess> startQueues = AzuriteProcess.StartAsync(AzuriteService.Queue, package, Path.Combine(folder, "azurite", "queue"), hidden, cancellationToken);
            await Task.WhenAll(startBlobs, startTables, startQueues).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            foreach (Task<AzuriteProcess> started in (Task<AzuriteProcess>[])[startBlobs, startTables, startQueues])
            {
                if (started.IsCompletedSuccessfully)
                {
                    parts.Push(await started);
                }
            }

            AzuriteProcess blobs = await startBlobs;
            AzuriteProcess tables = await startTables;
            AzuriteProcess queues = await startQueues;
            Upstream upstream = new(blobs.Port, hidden);
            parts.Push(new Owned(upstream));
            string portFile = Path.Combine(folder, "blob-port");
            WormServer worm = await WormServer.StartAsync(account, LoopbackPort.TakeAsBefore(options.BlobPort, portFile), policies, upstream, options.Portal, clock, cancellationToken);
            parts.Push(worm);
            PrivateFile.Write(portFile, Encoding.ASCII.GetBytes(worm.Url.Port.ToString(CultureInfo.InvariantCulture)));

            LocalStorage storage = new(parts, account, worm.Url, new Uri($"http://127.0.0.1:{tables.Port}/{account.Name}"), [blobs, tables, queues], clock)
            {
                Queue = WorkQueue.Connect(new Uri($"http://127.0.0.1:{queues.Port}/{hidden.Name}"), hidden.Name, hidden.Key),
                QueueUrl = new Uri($"http://127.0.0.1:{queues.Port}/{hidden.Name}"),
                QueueAccount = hidden,
                EmulatorUrl = new Uri($"http://127.0.0.1:{blobs.Port}/{account.Name}"),
            };
            await storage.Vault.EnsureReadyAsync(cancellationToken);
            await storage.Rows.EnsureReadyAsync(cancellationToken);
            await storage.Queue.EnsureReadyAsync(cancellationToken);
            return storage;
        }
        catch
        {
            await DisposeAsync(parts);
            throw;
        }
    }

    /// <summary>Stops serving, then lets the emulator write what it has in memory.</summary>
    public ValueTask DisposeAsync() => DisposeAsync(_parts);

    private static async ValueTask DisposeAsync(Stack<IAsyncDisposable> parts)
    {
        while (parts.TryPop(out IAsyncDisposable? part))
        {
            await part.DisposeAsync();
        }
    }

    private sealed class Owned(IDisposable part) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            part.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
