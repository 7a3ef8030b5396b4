using CloudArchive.Core.Keys;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.LocalHost.Keys;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;

[assembly: AssemblyFixture(typeof(SharedStorage))]

namespace CloudArchive.Core.Tests.Support;

/// <summary>One Azurite with its WORM layer, and one key folder, for all tests: each test has a clinic of its own.</summary>
public sealed class SharedStorage : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    public LocalStorage Storage { get; private set; } = null!;

    public OneKey Keys { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Storage = await LocalStorage.StartAsync(_folder["storage"], TestContext.Current.CancellationToken);
        Keys = new OneKey(await LocalKeys.OpenAsync(_folder["keys"], TestContext.Current.CancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        Keys.Dispose();
        await Storage.DisposeAsync();
        _folder.Dispose();
    }
}

/// <summary>The local keys, with one wrapping key for all clinics: making an RSA key for each test would be most of the tests' time.</summary>
public sealed class OneKey(LocalKeys keys) : IWrappingKeys, IKeyUnwrapper, ISigner, IDisposable
{
    private static readonly ClinicId _one = ClinicId.Parse("all-clinics");

    public LocalKeys Inner => keys;

    public Task<Jwk> EnsureAsync(ClinicId clinic, CancellationToken cancellationToken) => keys.EnsureAsync(_one, cancellationToken);

    public Task<Jwk> GetCurrentAsync(ClinicId clinic, CancellationToken cancellationToken) => keys.GetCurrentAsync(_one, cancellationToken);

    public Task<byte[]> UnwrapAsync(string keyId, string algorithm, ReadOnlyMemory<byte> wrapped, CancellationToken cancellationToken) => keys.UnwrapAsync(keyId, algorithm, wrapped, cancellationToken);

    public Task<string> GetCurrentKeyIdAsync(CancellationToken cancellationToken) => keys.GetCurrentKeyIdAsync(cancellationToken);

    public Task<byte[]> SignAsync(string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => keys.SignAsync(keyId, data, cancellationToken);

    public Task<JwkSet> GetPublicKeysAsync(CancellationToken cancellationToken) => keys.GetPublicKeysAsync(cancellationToken);

    public Task<IReadOnlyList<string>> GetDisabledAsync(CancellationToken cancellationToken) => keys.GetDisabledAsync(cancellationToken);

    public void Dispose() => keys.Dispose();
}
