using CloudArchive.LocalHost.Storage;
using CloudArchive.LocalHost.Tests.Storage;
using CloudArchive.Testing;

[assembly: AssemblyFixture(typeof(SharedStorage))]

namespace CloudArchive.LocalHost.Tests.Storage;

/// <summary>One Azurite with its WORM layer for all tests that do not stop it or move its clock.</summary>
public sealed class SharedStorage : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    public LocalStorage Storage { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Storage = await LocalStorage.StartAsync(_folder.Path, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await Storage.DisposeAsync();
        _folder.Dispose();
    }
}
