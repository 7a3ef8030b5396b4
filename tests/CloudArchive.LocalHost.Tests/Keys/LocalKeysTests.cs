using CloudArchive.Contracts;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.LocalHost.Keys;
using CloudArchive.Testing;

namespace CloudArchive.LocalHost.Tests.Keys;

public sealed class LocalKeysTests : KeysContract, IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private LocalKeys _keys = null!;

    protected override IWrappingKeys Wrapping => _keys;

    protected override IKeyUnwrapper Unwrapper => _keys;

    protected override ISigner Signer => _keys;

    public async ValueTask InitializeAsync() => _keys = await LocalKeys.OpenAsync(_folder["keys"], Cancel);

    public ValueTask DisposeAsync()
    {
        _keys.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    protected override Task RotateAsync(ClinicId clinic) => _keys.RotateAsync(clinic, Cancel);

    protected override Task RotateSigningKeyAsync() => _keys.RotateSigningKeyAsync(Cancel);

    protected override Task DisableAsync(string keyId)
    {
        File.Delete(FileOf(keyId));
        return Task.CompletedTask;
    }

    private string FileOf(string keyId) => _folder["keys" + keyId[(LocalKeys.IdPrefix.Length - 1)..] + ".pem"];

    [Fact]
    public async Task Keys_outlive_the_process()
    {
        Jwk key = await _keys.EnsureAsync(Clinic, Cancel);
        string signing = await _keys.GetCurrentKeyIdAsync(Cancel);
        using LocalKeys again = await LocalKeys.OpenAsync(_folder["keys"], Cancel);
        Assert.Equal(key, await again.GetCurrentAsync(Clinic, Cancel));
        Assert.Equal(signing, await again.GetCurrentKeyIdAsync(Cancel));
    }

    [Fact]
    public async Task Of_callers_that_race_to_make_a_key_all_get_the_same()
    {
        Jwk[] keys = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => _keys.EnsureAsync(Clinic, Cancel))));
        Assert.Single(keys.Distinct());
    }

    [Fact]
    public async Task Only_this_user_can_read_a_private_key()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Unix permissions.");
            return;
        }

        Jwk key = await _keys.EnsureAsync(Clinic, Cancel);
        const UnixFileMode others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(FileOf(key.Kid!)) & others);
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(_folder["keys"]) & (others | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute));
    }
}
